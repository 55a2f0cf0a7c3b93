"""The built-in corpus in Chinese: the same everywhere, no leak between its splits, a table of synonyms that keeps intents."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from aat_datasets import builtin, catalog
from aat_datasets.builtin import support_zh
from aat_datasets.lexicon import Lexicon, choose
from aat_datasets.preprocess import Pipeline, normal_steps

Rows = list[tuple[str, str, str]]
NAME = "support-zh"

# Words that by themselves nearly name an intent; a substitute must not lead from one intent's to another's.
KEYWORDS = {
    "track": {"物流", "跟踪", "单号", "发货", "到哪里"},
    "deliver": {"签收", "快递员", "门口", "压扁"},
    "address": {"地址", "街道", "邮编", "搬家"},
    "cancel": {"取消", "撤销", "作废"},
    "return": {"退货", "寄回", "退回"},
    "exchange": {"换货", "尺码", "换成"},
    "refund": {"退款", "退钱", "到账"},
    "payment": {"付款", "支付", "结账"},
    "charge": {"扣款", "多收", "多扣"},
    "invoice": {"发票", "收据", "税号"},
    "access": {"登录", "密码", "解锁"},
    "delete": {"注销", "删除"},
    "subscription": {"会员", "订阅", "续费", "退订"},
    "faulty": {"坏", "故障", "维修", "保修"},
    "wrong": {"发错", "漏", "少"},
}

OPPOSITES = [
    ("买", "卖"), ("大", "小"), ("新", "旧"), ("贵", "便宜"), ("好", "坏"), ("多", "少"), ("昨天", "明天"), ("早上", "晚上"),
    ("发货", "收货"), ("收到", "寄出"), ("登录", "退出"), ("锁", "解锁"), ("退款", "付款"), ("喜欢", "讨厌"), ("失败", "成功"),
    ("老公", "老婆"), ("妈妈", "爸爸"), ("儿子", "女儿"), ("可以", "不能"), ("大号", "小号"), ("黑色", "白色"), ("到期", "续费"),
]  # fmt: skip


@pytest.fixture(scope="module")
def corpus() -> dict[str, Rows]:
    return builtin.splits(NAME)


@pytest.fixture(scope="module")
def seen(corpus: dict[str, Rows]) -> Counter[str]:
    pipeline = Pipeline(normal_steps("zh"))
    return Counter(word for text, _, _ in corpus["train"] for word in pipeline.words(text))


def test_the_corpus_never_changes_unnoticed() -> None:
    assert builtin.fingerprint(NAME) == "052c88c05b6c686883c5a56319b256a4ae38869756fd86535231885ddcd670f6"


def test_it_says_that_it_is_synthetic(data_home: object) -> None:
    assert "synthetic" in (support_zh.__doc__ or "") and catalog.card(NAME).note.startswith("synthetic")


def test_sizes_labels_and_titles(corpus: dict[str, Rows]) -> None:
    names = builtin.labels(NAME)
    assert names == builtin.labels("support") and list(builtin.titles(NAME)) == names
    for split, rows in corpus.items():
        assert Counter(label for _, label, _ in rows) == dict.fromkeys(names, support_zh.SIZES[split])


def test_every_message_is_there_once(corpus: dict[str, Rows]) -> None:
    texts = ["".join(re.findall(r"\w", text.lower())) for rows in corpus.values() for text, _, _ in rows]
    assert len(set(texts)) == len(texts) == 10_240


def test_messages_and_replies_are_finished_text(corpus: dict[str, Rows]) -> None:
    lengths: list[int] = []
    for text, _, reply in (row for rows in corpus.values() for row in rows):
        assert not re.search(r"[{}()|,]|  |\s$|^\s|，，|。。|。，|，。", text + "\n" + reply), (text, reply)
        assert reply[-1] in "。？?" and 6 <= len(reply) <= 60, reply
        lengths.append(len(text))
    assert 18 <= sorted(lengths)[len(lengths) // 2] <= 45


def test_some_are_careful_some_hurried_some_misspelt(corpus: dict[str, Rows]) -> None:
    texts = [text for text, _, _ in corpus["train"]]
    assert 0.3 < sum("。" in text for text in texts) / len(texts) < 0.7
    assert sum(" " in text for text in texts) > 500
    assert sum(text.count("退款") for text in texts) > 5 * sum(text.count("退宽") for text in texts) > 20
    assert sum("？" in text for text in texts) > 1000


def test_dev_and_test_hold_phrasings_that_train_has_not(corpus: dict[str, Rows]) -> None:
    def count(split: str, phrase: str) -> int:
        return sum(phrase in text for text, _, _ in corpus[split])

    for phrase in ("走到哪一站", "销户", "罢工"):
        assert count("dev", phrase) + count("test", phrase) > 0 and count("train", phrase) == 0, phrase


def test_replies_name_what_the_message_names(corpus: dict[str, Rows]) -> None:
    for text, label, reply in corpus["train"]:
        if label == "cancel_order":
            assert "取消" in reply
        if "{" in reply:
            raise AssertionError((text, reply))
    assert sum("电水壶" in text and "电水壶" in reply for text, _, reply in corpus["train"]) > 20


def test_every_rejected_intent_is_known_and_not_ones_own() -> None:
    phrases, intents = support_zh.CORPUS.grammar
    assert set(phrases.asides) == set(intents)
    for name, intent in intents.items():
        assert name not in intent.rejects and set(intent.rejects) <= set(intents)
        assert len(intent.ask) >= 15 and len(intent.unseen) >= 5 and not set(intent.ask) & set(intent.unseen)
        assert any("{" not in line for line in intent.reply), f"{name} needs a reply without a slot"


def test_source_material_is_small() -> None:
    assert 0 < sum(path.stat().st_size for path in support_zh.FOLDER.iterdir()) < 100_000


def test_questions_get_a_question_mark() -> None:
    for sentence in ("我的包裹在哪里", "能不能换大号", "发出来了没有", "还要多久才能到", "你们还收吗"):
        assert support_zh._asks(sentence), sentence
    for sentence in ("连影子都没有", "重启过好几次", "什么都没到", "怎么输都不对", "我要退款"):
        assert not support_zh._asks(sentence), sentence


# --- synonyms


def test_the_table_is_wide_and_clean(seen: Counter[str]) -> None:
    table = builtin.synonyms(NAME)
    assert sum(word in seen for word in table) >= 300
    for word, found in table.items():
        assert 1 <= len(found) <= 8 and len(set(found)) == len(found) and word not in found, word
        assert all(re.fullmatch(r"[\u4e00-\u9fff]+", token) for token in (word, *found)), word
    substitutes = {s for found in table.values() for s in found}
    assert 0.1 < sum(s in seen for s in substitutes) / len(substitutes) < 0.6, "some known to train, most not"
    assert sum(count for word, count in seen.items() if word in table) > 0.2 * seen.total()


def test_the_intents_own_words_have_substitutes() -> None:
    table = builtin.synonyms(NAME)
    for words in KEYWORDS.values():
        assert any(table.get(word) for word in words), words


def test_no_substitute_is_another_intents_keyword() -> None:
    table = builtin.synonyms(NAME)
    owner = {word: intent for intent, words in KEYWORDS.items() for word in words}
    clashes = [(w, s) for w in owner for s in table.get(w, ()) if s in owner and owner[s] != owner[w]]
    assert clashes == []


def test_no_substitute_is_an_opposite() -> None:
    table = builtin.synonyms(NAME)
    pairs = [(a, b) for pair in OPPOSITES for a, b in (pair, pair[::-1])]
    assert [(a, b) for a, b in pairs if b in table.get(a, ())] == []


def test_as_a_lexicon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    made = Lexicon.from_builtin(NAME)
    assert choose("dataset", NAME) == made == choose("auto", NAME, [["我", "要", "退款"]], [0], language="zh")
    assert "返款" in made.substitutes("退款")
