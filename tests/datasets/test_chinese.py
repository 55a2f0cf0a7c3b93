"""Chinese: words where no blanks are, running text again, synonyms, and slips a reader still reads through."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aat_datasets import catalog
from aat_datasets.chinese import has_han, is_segmented, join_words, segmentation, spaced
from aat_datasets.chinese.characters import KEPT, homophones, is_word, lookalikes
from aat_datasets.chinese.wordnet import read_synonyms
from aat_datasets.errors import DataError
from aat_datasets.lexicon import Lexicon
from aat_datasets.preprocess import STEPS, Pipeline, normal_steps
from aat_datasets.typos import character_variants

MIRROR = os.environ.get("AAT_MIRROR", "")
needs_mirror = pytest.mark.skipif(not Path(MIRROR or "-").is_dir(), reason="AAT_MIRROR names no folder of raw files")
segment = STEPS["segment"]


# --- words


def test_words_punctuation_latin_and_numbers() -> None:
    words = Pipeline(normal_steps("zh")).words("15.4寸笔记本的键盘确实爽，Windows XP 系统!! 没问题。")
    assert words == [
        "15.4", "寸", "笔记本", "的", "键盘", "确实", "爽", ",", "windows", "xp", "系统", "!", "!", "没", "问题", "。",
    ]  # fmt: skip


def test_a_text_without_chinese_is_tokenised() -> None:
    assert segment("It doesn't work.") == STEPS["tokenise"]("It doesn't work.") == "It does n't work ."
    assert segment("房间 don't") == "房间 do n't"


def test_the_language_says_the_steps() -> None:
    assert normal_steps("zh")[-1] == normal_steps("zh-cn")[-1] == "segment"
    assert normal_steps("en") == normal_steps("de") == ("normalise", "lowercase", "tokenise")


def test_segmented_text_stays_as_it_is() -> None:
    assert segment("我 要 退宽 , 谢谢") == "我 要 退宽 , 谢谢", "退宽, a misspelt 退款, would fall apart"
    assert not is_segmented(["物美价廉", "送货快", "好评"]) and not is_segmented(["很好,不错", "很好"])
    assert not is_segmented(["房间"]) and not is_segmented(["a", "b"])


TEXT = st.text(st.sampled_from("酒店房间服务不错很好退款的了吗囧龘、。！abc19 \n\u3000\U00020000👍"), max_size=40)


@settings(max_examples=200, deadline=None)
@given(TEXT)
def test_no_character_is_lost_or_made(text: str) -> None:
    words = segment(text).split()
    assert "".join(words) == "".join(text.split())


def test_long_texts_without_a_blank_take_seconds_at_most() -> None:
    text = "囧龘靐" * 20_000
    assert "".join(segment(text).split()) == text


def test_segmenting_says_nothing_and_leaves_no_file(tmp_path: Path) -> None:
    code = (
        "import sys; from aat_datasets.preprocess import segment; print(segment(sys.argv[1]), 'jieba' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(catalog.__file__).parents[1]), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-X", "utf8", "-W", "error::UserWarning", "-c", code, "酒店不错"]
    several = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", env=environment
        )
        for _ in range(2)
    ]
    for process in several:
        out, err = process.communicate()
        assert (out, err) == ("酒店 不错 True\n", "")
    assert list(tmp_path.iterdir()) == []


def test_without_jieba_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jieba", None)
    segmentation._tokenizer.cache_clear()
    try:
        assert segment("plain words") == "plain words"
        with pytest.raises(DataError, match=r"aat-workbench\[zh\]"):
            segment("酒店不错")
    finally:
        segmentation._tokenizer.cache_clear()


# --- running text


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["房间", "很", "大", ",", "wifi", "ok", "!", "!"], "房间很大,wifi ok!!"),
        (["windows", "xp", "系统"], "windows xp系统"),
        (["好", "", "吃"], "好吃"),
        (["酒 店", "不错"], "酒 店不错"),
        (["a", "big", "room", "."], "a big room ."),
        (["the", "word", "好", "means", "good", "in", "chinese"], "the word 好 means good in chinese"),
        ([], ""),
        ([""], ""),
    ],
)
def test_words_become_text(words: list[str], text: str) -> None:
    assert join_words(words) == text


@given(st.lists(st.text(st.sampled_from("好房ab1,。 "), min_size=1, max_size=4), max_size=8))
def test_joining_changes_blanks_alone(words: list[str]) -> None:
    assert join_words(words).replace(" ", "") == "".join(words).replace(" ", "")
    assert len(spaced(words)) == len(words) and not any(spaced(words)[:1])


# --- slips


def test_slips_of_a_word_never_change() -> None:
    assert character_variants("退款") == ("推款", "退歉", "款退", "退退款"), "must not change between versions"
    assert character_variants("好")[0] == "郝" and len(character_variants("好")) == 4
    assert [len(character_variants("服务员", limit)) for limit in range(5)] == [0, 1, 2, 3, 4]


def test_one_of_every_kind() -> None:
    homophone, lookalike, swapped, dropped = character_variants("服务员")
    changed = [(a, b) for a, b in zip("服务员", homophone, strict=True) if a != b]
    assert len(changed) == 1 and changed[0][1] in homophones(changed[0][0])
    changed = [(a, b) for a, b in zip("服务员", lookalike, strict=True) if a != b]
    assert len(changed) == 1 and changed[0][1] in lookalikes(changed[0][0])
    assert sorted(swapped) == sorted("服务员") and dropped == "服员"


@pytest.mark.parametrize("word", ["不", "没", "三百", "二", "、", "。", "👍", "かな", "한국어"])
def test_what_a_reader_could_not_put_right_stays(word: str) -> None:
    assert character_variants(word) == ()


HAN_WORD = st.text(st.sampled_from("酒店房间服务不错很好退款没有权利故事一二的t恤龘"), min_size=1, max_size=6).filter(
    has_han
)


@given(HAN_WORD)
def test_slips_are_new_few_and_deny_nothing(word: str) -> None:
    found = character_variants(word)
    assert len(found) <= 4 and len(set(found)) == len(found) and word not in found
    for variant in found:
        assert abs(len(variant) - len(word)) <= 1 and not is_word(variant)
        assert [c for c in variant if c in KEPT] == [c for c in word if c in KEPT]


def test_no_slip_reads_as_another_common_word() -> None:
    assert "权力" not in character_variants("权利", 20), "权力 is power, 权利 a right"
    assert "事故" not in character_variants("故事", 20), "事故 is an accident, 故事 a story"


def test_the_tables_are_what_their_script_makes() -> None:
    pytest.importorskip("pypinyin", reason="pypinyin, which the homophones come from, is not installed")
    from aat_datasets.chinese import make_tables

    counts = segmentation.word_counts()
    folder = Path(make_tables.__file__).parent
    assert make_tables.homophones(counts) == (folder / "homophones.txt").read_text(encoding="utf-8")


def test_lookalikes_are_written_in_groups_of_different_characters() -> None:
    text = (Path(segmentation.__file__).parent / "lookalikes.txt").read_text(encoding="utf-8")
    groups = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(groups) > 300
    for group in groups:
        assert len(group) >= 2 and len(set(group)) == len(group) and all(map(has_han, group)), group


# --- synonyms and datasets


def test_wordnet_lines_become_synonyms(tmp_path: Path) -> None:
    path = tmp_path / "wn.tab.gz"
    lines = [
        "# head\tcmn",
        "1-a\tcmn:lemma\t好+的",
        "1-a\tcmn:lemma\t棒",
        "2-a\tcmn:lemma\t好+的",
        "2-a\tcmn:lemma\t佳",
    ]
    lines += ["1-a\tcmn:lemma\t佳", "3-n\tcmn:lemma\t孤", "broken"]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    assert read_synonyms(path) == {"好": ["佳", "棒"], "棒": ["佳", "好"], "佳": ["好", "棒"]}
    path.write_bytes("\n".join(lines).encode())
    assert read_synonyms(path)["佳"] == ["好", "棒"]
    for broken in (b"not a table", path.read_bytes()[:50] + b"\xff", gzip.compress(path.read_bytes())[:-9]):
        path.write_bytes(broken)
        with pytest.raises(DataError, match="not a readable table of words"):
            read_synonyms(path)


@needs_mirror
def test_the_chinese_wordnet() -> None:
    made = Lexicon.from_chinese_wordnet()
    assert len(made) > 40_000
    assert "宾馆" in made.substitutes("酒店") and "很好" in made.substitutes("好")
    assert not any("+" in s for word in made.words for s in (word, *made.substitutes(word)))


def test_without_the_table_it_says_where_it_looked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    monkeypatch.setenv("AAT_DATA", str(tmp_path))
    with pytest.raises(DataError, match="Chinese WordNet") as caught:
        Lexicon.from_chinese_wordnet()
    assert caught.value.hint and "data get wordnet-cmn" in caught.value.hint and "wn-data-cmn" in caught.value.hint


def test_real_reviews_and_titles(mirror: Path) -> None:
    for name in ("chnsenticorp", "thucnews_titles-subset"):
        dataset, card = catalog.open_dataset(name), catalog.card(name)
        assert dataset.splits == card.splits and dataset.labels == card.labels and dataset.meta.rejected == 0
        assert card.language == "zh"
        assert min(dataset.table("test").label_counts().values()) > 500
