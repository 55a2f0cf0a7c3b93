"""The built-in corpus: the same everywhere, no leak between its splits, neither trivial nor hopeless."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from aat_datasets import builtin
from aat_datasets.builtin import grammar, support
from aat_datasets.errors import UnknownNameError
from aat_datasets.lexicon import Lexicon, choose
from aat_datasets.preprocess import Pipeline, normal_steps

Rows = list[tuple[str, str, str]]

# Words that by themselves nearly name an intent; a substitute must not lead from one intent's to another's.
KEYWORDS = {
    "track": {"track", "tracking", "trace", "arrival"},
    "deliver": {"stolen", "crushed", "courier", "doorstep"},
    "address": {"address", "postcode", "street", "redirect"},
    "cancel": {"cancel", "cancelled", "withdraw", "annul"},
    "return": {"return", "returning", "label"},
    "exchange": {"exchange", "swap", "size", "replacement"},
    "refund": {"refund", "reimburse", "reimbursement", "repayment", "voucher"},
    "payment": {"declined", "checkout", "payment", "refused"},
    "charge": {"charged", "debited", "billed", "statement", "overcharged"},
    "invoice": {"invoice", "receipt", "vat"},
    "access": {"password", "login", "locked", "unlock"},
    "delete": {"delete", "erase", "account", "profile"},
    "subscription": {"subscription", "membership", "renewal", "plan"},
    "faulty": {"broken", "defective", "faulty", "repair", "warranty"},
    "wrong": {"missing", "incomplete", "wrong"},
}

OPPOSITES = [
    ("open", "close"), ("opened", "closed"), ("early", "late"), ("big", "small"), ("larger", "smaller"),
    ("buy", "sell"), ("bigger", "smaller"), ("start", "stop"), ("lock", "unlock"), ("locked", "unlocked"),
    ("right", "wrong"), ("correct", "incorrect"), ("valid", "invalid"), ("new", "old"), ("full", "empty"),
    ("keep", "return"), ("keep", "cancel"), ("happy", "unhappy"), ("higher", "lower"), ("send", "receive"),
    ("sent", "received"), ("good", "bad"), ("accepted", "rejected"), ("approved", "declined"), ("found", "lost"),
    ("give", "take"), ("first", "last"), ("yes", "no"), ("up", "down"), ("in", "out"), ("more", "less"),
    ("always", "never"), ("charge", "refund"), ("charged", "refunded"), ("cheaper", "dearer"), ("works", "fails"),
    ("subscribe", "unsubscribe"), ("enough", "insufficient"),
]  # fmt: skip


@pytest.fixture(scope="module")
def corpus() -> dict[str, Rows]:
    return builtin.splits("support")


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def test_the_corpus_never_changes_unnoticed(corpus: dict[str, Rows]) -> None:
    assert builtin.fingerprint("support") == "eed56abb8718111a9915da4bf1169277ebf64a89b7d228c59ea291aaedaad5c9"
    assert builtin.splits("support") == corpus


def test_another_seed_is_another_sample(corpus: dict[str, Rows]) -> None:
    other = builtin.splits("support", seed=7)
    assert builtin.fingerprint("support", seed=7) != builtin.fingerprint("support")
    assert {split: len(rows) for split, rows in other.items()} == {split: len(rows) for split, rows in corpus.items()}


def test_the_module_says_that_it_is_synthetic() -> None:
    assert "synthetic" in (support.__doc__ or "") and "synthetic" in (builtin.__doc__ or "")


def test_sizes(corpus: dict[str, Rows]) -> None:
    sizes = {split: len(rows) for split, rows in corpus.items()}
    assert list(sizes) == ["train", "dev", "test"]
    assert sizes == {"train": 8192, "dev": 1024, "test": 1024}


def test_every_message_is_there_once(corpus: dict[str, Rows]) -> None:
    texts = [" ".join(_words(text)) for rows in corpus.values() for text, _, _ in rows]
    assert len(set(texts)) == len(texts) >= 8000


def test_every_intent_in_every_split(corpus: dict[str, Rows]) -> None:
    names = builtin.labels("support")
    assert len(names) == 16 and names == sorted(names) and list(builtin.titles("support")) == names
    for split, rows in corpus.items():
        assert Counter(label for _, label, _ in rows) == dict.fromkeys(names, support.SIZES[split])
        assert [label for _, label, _ in rows[:50]] != sorted(label for _, label, _ in rows[:50]), "not shuffled"


def test_messages_and_replies_are_finished_text(corpus: dict[str, Rows]) -> None:
    lengths: list[int] = []
    for text, _, reply in (row for rows in corpus.values() for row in rows):
        assert not re.search(r"[{}()|\[\]]|  |\s$|^\s", text + reply), (text, reply)
        assert 5 <= len(text.split()) <= 32, text
        assert reply[0].isupper() and reply[-1] in ".?" and 6 <= len(reply.split()) <= 20, reply
        lengths.append(len(text.split()))
    assert 14 <= sorted(lengths)[len(lengths) // 2] <= 22
    assert sum(6 <= n <= 25 for n in lengths) > 0.75 * len(lengths)


def test_dev_and_test_hold_phrasings_that_train_has_not(corpus: dict[str, Rows]) -> None:
    def count(split: str, phrase: str) -> int:
        return sum(phrase in " ".join(_words(text)) for text, _, _ in corpus[split])

    for phrase in ("been handed to the", "one size", "vanish from your"):
        assert count("dev", phrase) + count("test", phrase) > 0, phrase
    assert count("train", "been handed to the") == count("train", "vanish from your") == 0


def test_replies_follow_the_intent_and_name_what_the_message_names(corpus: dict[str, Rows]) -> None:
    named = 0
    for text, label, reply in corpus["train"]:
        things = [p for p in ("kettle", "tablet", "umbrella", "guitar") if p in text.lower() and f" {p}" in reply]
        named += bool(things)
        if label == "cancel_order":
            assert "cancelled" in reply
        if label == "exchange_item":
            assert "cancelled" not in reply and "refund" not in reply
    assert named > 100
    by_intent = {label: {r for _, found, r in corpus["train"] if found == label} for label in builtin.labels("support")}
    assert all(len(replies) >= 10 for replies in by_intent.values())


@pytest.mark.parametrize("name", ["support", pytest.param("support-zh", marks=pytest.mark.slow)])
def test_a_bag_of_words_gets_much_but_not_all(name: str) -> None:
    """Logistic regression on which words occur: between 80 and 97 % of the test messages, as the design asks."""
    import torch

    names, corpus = builtin.labels(name), builtin.splits(name)
    chinese = Pipeline(normal_steps("zh"))
    bag = {
        split: [set(_words(text) if name == "support" else chinese.words(text)) for text, _, _ in corpus[split]]
        for split in ("train", "test")
    }
    vocabulary = {word: i for i, word in enumerate(sorted(set().union(*bag["train"])))}

    def encode(split: str) -> tuple[torch.Tensor, torch.Tensor]:
        bags = torch.zeros(len(bag[split]), len(vocabulary))
        for i, words in enumerate(bag[split]):
            bags[i, [vocabulary[w] for w in words if w in vocabulary]] = 1
        return bags, torch.tensor([names.index(label) for _, label, _ in corpus[split]])

    bags, labels = encode("train")
    torch.manual_seed(0)
    model = torch.nn.Linear(len(vocabulary), len(names))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05, weight_decay=1e-5)
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(bags), labels).backward()
        optimiser.step()
    bags, labels = encode("test")
    accuracy = (model(bags).argmax(1) == labels).float().mean().item()
    assert (0.86 if name == "support" else 0.8) < accuracy < 0.97


def test_source_material_is_small() -> None:
    files = [path for path in support.FOLDER.iterdir() if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in files) < 300_000


def test_every_rejected_intent_is_known_and_not_ones_own() -> None:
    phrases, intents = support.CORPUS.grammar
    assert set(phrases.asides) == set(intents)
    for name, intent in intents.items():
        assert name not in intent.rejects and set(intent.rejects) <= set(intents)
        assert not set(intent.ask) & set(intent.unseen)
        assert any("{" not in line for line in intent.reply), f"{name} needs a reply without a slot"


# --- synonyms


def test_the_table_is_wide_and_clean(corpus: dict[str, Rows]) -> None:
    table = builtin.synonyms("support")
    seen = {w for text, _, _ in corpus["train"] for w in _words(text)}
    assert sum(word in seen for word in table) >= 350
    for word, found in table.items():
        assert 1 <= len(found) <= 8 and len(set(found)) == len(found), word
        assert word not in found
        for token in (word, *found):
            assert re.fullmatch(r"[a-z]+", token), token
    substitutes = {s for found in table.values() for s in found}
    assert 0.1 < sum(s in seen for s in substitutes) / len(substitutes) < 0.6, "some known to train, most not"


def test_the_intents_own_words_have_substitutes() -> None:
    table = builtin.synonyms("support")
    for word in [
        "refund",
        "cancel",
        "order",
        "parcel",
        "return",
        "exchange",
        "account",
        "password",
        "subscription",
        "invoice",
        "broken",
        "missing",
    ]:
        assert table.get(word), word


def test_no_substitute_is_another_intents_keyword() -> None:
    table = builtin.synonyms("support")
    owner = {word: intent for intent, words in KEYWORDS.items() for word in words}
    clashes = [
        (word, s) for word in owner for s in table.get(word, ()) if s in owner and owner[s] != owner[word]
    ]  # fmt: skip
    assert clashes == []


def test_no_substitute_is_an_opposite() -> None:
    table = builtin.synonyms("support")
    pairs = [(a, b) for pair in OPPOSITES for a, b in (pair, pair[::-1])]
    assert [(a, b) for a, b in pairs if b in table.get(a, ())] == []


def test_callers_cannot_change_the_table() -> None:
    builtin.synonyms("support")["refund"].append("nonsense")
    assert "nonsense" not in builtin.synonyms("support")["refund"]


def test_as_a_lexicon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = Lexicon.from_builtin("support")
    assert "reimbursement" in made.substitutes("refund")
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    assert choose("dataset", "support") == made
    assert choose("auto", "support", [["my", "parcel"]], [0]) == made
    assert choose("neighbours", "support", [["my", "parcel"]], [0]).name == "neighbours"


@pytest.mark.parametrize(
    "call", [builtin.splits, builtin.labels, builtin.titles, builtin.synonyms, builtin.fingerprint]
)
def test_an_unknown_corpus(call: object) -> None:
    assert callable(call)
    with pytest.raises(UnknownNameError, match="did you mean support"):
        call("suport")


# --- grammar


def test_a_slot_keeps_its_word_within_a_message() -> None:
    slots = {"product": ["kettle", "oven", "lamp"], "past": ["in (may|june)"]}
    for seed in range(20):
        say = grammar.Expansion(Random(seed), slots)
        first = say("a {product}, not a {product2}, (bought|got|) {past}")
        assert re.fullmatch(r"an? (\w+), not an? (\w+), (bought |got )?in (may|june)", first), first
        assert say.chosen["product"] != say.chosen["product2"]
        assert ("an oven" in first) == ("oven" in first)
        assert say("the {product}") == f"the {say.chosen['product']}"


def test_contractions_need_a_following_word() -> None:
    assert grammar.contract(Random(0), "i do not know where it is", 1.0) == "i don't know where it is"
    assert grammar.contract(Random(0), "it is here", 0.0) == "it is here"


def test_a_slip_stays_inside_the_word() -> None:
    rng = Random(1)
    slips = [grammar.slip(rng, "address") for _ in range(50)]
    assert all(s[0] == "a" and s[-1] == "s" and abs(len(s) - 7) <= 1 for s in slips) and len(set(slips)) > 10
    assert grammar.slip(rng, "the") == "the" and grammar.slip(rng, "can't") == "can't"


def test_questions_get_a_question_mark() -> None:
    for sentence in ("where is it", "hello, can you help", "my parcel is gone, where is it", "do you know"):
        assert support._asks(sentence), sentence
    for sentence in ("what a mess", "do not send it", "don't send it", "when i pay it fails", "any help is welcome"):
        assert not support._asks(sentence), sentence
