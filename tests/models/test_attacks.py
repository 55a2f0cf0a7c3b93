"""The attack engine against a victim whose every answer can be worked out by hand."""

from __future__ import annotations

import doctest
import math
import random
import subprocess
import sys
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from aat_datasets.errors import DataError, InputError, UnknownNameError, VictimError
from aat_datasets.records import Example
from aat_models.attacks import Recipe, TextVictim, attack, combine, find, tiny
from aat_models.attacks.attempt import Attempt
from aat_models.attacks.constraints import EditDistance, content_words, max_edits
from aat_models.attacks.goals import Untargeted
from aat_models.attacks.requests import Edits
from aat_models.attacks.search import Search, first_best, ranked
from aat_models.attacks.transforms import delete, insert, substitute, swap
from aat_models.attacks.victim import score_texts
from aat_models.events import AttackResult, Edit


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def one(text: str, label: int, recipe: str = "greedy", **options: object) -> AttackResult:
    options.setdefault("surface", tiny.synonyms)
    (result,) = attack(tiny.TinyVictim(), [Example(row=7, text=text, label=label)], find(recipe), **options)
    return result


def signature(results: Sequence[AttackResult]) -> list[tuple[object, ...]]:
    """Everything but the times, by id."""
    return [
        msgspec.structs.astuple(msgspec.structs.replace(result, seconds=0.0))
        for result in sorted(results, key=lambda result: result.id)
    ]


class CountingVictim(tiny.TinyVictim):
    """Remembers the size of every batch it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.widths: list[int] = []

    def score(self, ids, lengths, /):
        self.sizes.append(len(ids))
        self.widths.append(ids.shape[1])
        assert (lengths > 0).all() and (np.diff(lengths) >= 0).all(), "a batch is sorted by length"
        return super().score(ids, lengths)


# --- greedy ---------------------------------------------------------------------------------------------------------


def test_greedy_takes_the_best_swap_each_round_and_stops_at_success():
    # weights: great 2, terrible −3 → s = −1, negative. Substitutes: great → good 1.5, fine .5, grand 0;
    # terrible → bad −1.75, awful −2.5, dreadful 0. The best single swap is dreadful: s = 2, positive at once.
    result = one("great terrible", 0, budget=1.0)
    assert result.status == "success"
    assert result.edits == [Edit(1, "terrible", "dreadful")]
    assert result.adversarial == "great dreadful"
    assert (result.prediction, result.adversarial_prediction) == (0, 1)
    assert result.trajectory == pytest.approx([1 - sigmoid(-1), 1 - sigmoid(2)], abs=1e-6)
    assert result.queries == 1 + 6
    assert result.edited_share == 0.5


def test_greedy_re_evaluates_the_words_left_in_each_round():
    # excellent 3 + wonderful 2.5 − weak 1 = 4.5. Round 1: superb (−3) beats marvellous (−2.5). Round 2: marvellous.
    # s = −1: negative. Queries: 1 + (3 + 3 + 2) + (3 + 2).
    result = one("excellent wonderful weak", 1, budget=1.0)
    assert result.edits == [Edit(0, "excellent", "superb"), Edit(1, "wonderful", "marvellous")]
    assert result.status == "success"
    assert result.queries == 1 + 8 + 5
    assert result.cache_hits == 0


def test_greedy_stops_at_the_cap_and_at_a_local_optimum():
    capped = one("excellent wonderful weak", 1, budget=0.3)
    assert (capped.status, len(capped.edits)) == ("failed", 1)
    # great → grand (0): no further substitute lowers p(positive); p = .5 is still not below.
    stuck = one("plain film was great excellent", 1, budget=1.0)
    assert stuck.status == "success"
    stuck = one("fine great film", 1, budget=1.0)  # .5 + 2 → grand leaves .5, fine has no substitute, films weigh 0
    assert (stuck.status, stuck.edits) == ("failed", [Edit(1, "great", "grand")])


def test_skipped_where_the_model_is_wrong_before_any_edit():
    result = one("great film", 0)
    assert (result.status, result.queries, result.edits) == ("skipped", 1, [])
    assert result.adversarial == result.text == "great film"


@pytest.mark.parametrize(
    ("words", "budget", "expected"),
    [(10, 0.3, 3), (10, 0.31, 4), (30, 0.1, 3), (1, 0.3, 1), (3, 0.1, 1), (7, 1.0, 7), (2, 0.9, 2), (0, 0.3, 0)],
)
def test_the_cap_is_the_budgeted_share_rounded_up(words: int, budget: float, expected: int):
    assert max_edits(words, budget) == expected


# --- deepwordbug ----------------------------------------------------------------------------------------------------


def test_deepwordbug_ranks_by_replace_1_and_edits_the_most_important_word_first():
    # Without "excellent" s = 1.5, without "good" 3: excellent matters most. Any character edit of it makes an unknown
    # word of weight 0; then good; then s = −.25 … negative.
    result = one("the good and excellent film was slow", 1, "deepwordbug")
    assert [edit.position for edit in result.edits] == [3, 1]
    assert [edit.source for edit in result.edits] == ["excellent", "good"]
    assert result.status == "success"
    # 1 for the text, 4 words that are no stop words, then at most 4 candidates at each of two words.
    assert 1 + 4 + 2 <= result.queries <= 1 + 4 + 8


def test_deepwordbug_keeps_an_edit_only_where_it_helps():
    result = one("good film music", 1, "deepwordbug")  # at best p = .5, which is still "negative" by argmax
    assert [edit.source for edit in result.edits] == ["good"]
    result = one("film music excellent watchable fine great", 1, "deepwordbug")
    assert all(edit.source in tiny.WEIGHTS for edit in result.edits)


def test_deepwordbug_stays_within_thirty_character_edits():
    def stubborn(texts: list[str]) -> list[list[float]]:
        # every changed word helps a little, never enough
        return [[0.9 - 0.001 * sum(word not in known for word in text.split()), 0.1] for text in texts]

    words = [f"{chr(97 + i)}{chr(97 + j)}word" for i in range(8) for j in range(8)]
    known = set(words)

    def proper(texts: list[str]) -> list[list[float]]:
        return [[row[0], 1 - row[0]] for row in stubborn(texts)]

    victim = TextVictim(["a", "b"], proper)
    (result,) = attack(victim, [Example(row=0, text=" ".join(words), label=0)], find("deepwordbug"))
    assert result.status == "failed"
    # A swap costs two character edits, the others one.
    assert 15 <= len(result.edits) <= 30
    distance = EditDistance(30)
    assert distance.allows(words, result.adversarial.split(), 0, [result.adversarial.split()[0]]).all()


def test_the_four_transforms_do_what_they_say():
    rng = random.Random(3)
    for word in ("great", "ab", "film"):
        for _ in range(20):
            swapped = swap(word, rng)
            assert swapped is not None and swapped != word and sorted(swapped) == sorted(word)
            changed = substitute(word, rng)
            assert changed is not None and sum(a != b for a, b in zip(changed, word, strict=True)) == 1
            longer, shorter = insert(word, rng), delete(word, rng)
            assert longer is not None and len(longer) == len(word) + 1
            assert shorter is not None and len(shorter) == len(word) - 1
    assert swap("aaa", rng) is None
    assert delete("a", rng) is None


def test_edit_distance_masks_what_leaves_the_limit():
    near = EditDistance(3)
    original = ["abc", "xyz"]
    assert near.allows(original, ["abd", "xyz"], 1, ["xy", "x", "", "XYZ"]).tolist() == [True, True, False, False]
    # Word by word this is 2 edits; as a whole text, moving a letter over the space is what counts: never more.
    assert near.allows(["ab", "c"], ["a", "c"], 1, ["bc"]).tolist() == [True]


def test_stop_words_and_punctuation_are_left_alone():
    assert content_words(["The", "film", "n't", ".", "2", "was"]).tolist() == [False, True, False, False, True, False]


# --- scheduler ------------------------------------------------------------------------------------------------------


def test_the_seed_decides_the_random_choices():
    examples = tiny.examples(limit=60)

    def run(seed: int) -> list[tuple[object, ...]]:
        return signature(list(attack(tiny.TinyVictim(), examples, find("deepwordbug"), seed=seed)))

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_searches_share_large_batches_and_identical_texts_are_asked_once():
    victim = CountingVictim()
    examples = tiny.examples(limit=60)
    run = attack(victim, examples, find("greedy"), surface=tiny.synonyms, batch=64, concurrency=60)
    results = list(run)
    assert max(victim.sizes) == 64
    assert sum(victim.sizes) == run.statistics.rows <= sum(result.queries for result in results)
    assert run.statistics.batches == len(victim.sizes)
    assert 0 < run.statistics.forward_seconds < run.statistics.seconds

    twins = [Example(row=i, text="great terrible", label=0) for i in range(5)]
    victim = CountingVictim()
    results = list(attack(victim, twins, find("greedy"), surface=tiny.synonyms, budget=1.0))
    assert [result.queries for result in results] == [7] * 5
    assert sum(victim.sizes) == 7


def test_long_texts_make_smaller_batches():
    victim = CountingVictim()
    text = " ".join(["great"] * 4096)
    list(
        attack(victim, [Example(row=0, text=text, label=1)], find("greedy"), surface=tiny.synonyms, queries_per_word=1)
    )
    assert max(victim.sizes) == 4


def test_memory_is_bounded_by_the_concurrent_examples():
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield Example(row=taken, text="great film", label=1)

    run = attack(tiny.TinyVictim(), endless(), find("greedy"), surface=tiny.synonyms, concurrency=10)
    for _ in range(25):
        next(run)
    assert taken <= 40


def test_steps_give_control_back_between_victim_batches():
    run = attack(tiny.TinyVictim(), tiny.examples(limit=20), find("greedy"), surface=tiny.synonyms, batch=16)
    steps = list(run.steps())
    assert len(steps) > run.statistics.batches > 5
    assert sum(map(len, steps)) == 20


def test_a_text_without_words_is_answered_and_not_edited():
    found = list(
        attack(
            tiny.TinyVictim(),
            [Example(row=0, text="  ", label=0), Example(row=1, text="", label=1)],
            find("greedy"),
            surface=tiny.synonyms,
        )
    )
    assert sorted((r.id, r.status, r.text, r.edited_share) for r in found) == [
        (0, "failed", "", 0.0),
        (1, "skipped", "", 0.0),
    ]


def recipe_of(search) -> Recipe:
    words = {"transform": "", "constraint": "", "strategy": "", "paper": ""}
    return Recipe(name="test", goal=Untargeted(), search=search, **words)


def test_a_text_asked_twice_is_a_cache_hit_and_no_query():
    def search(attempt: Attempt) -> Search:
        words = ["fine", "grand", "fine"]
        first = yield attempt.at(0, words)
        assert first[0].tolist() == first[2].tolist() != first[1].tolist()
        again = yield attempt.at(0, words)
        assert again.tolist() == first.tolist()
        empty = yield attempt.at(0, [])
        assert empty.shape == (0, 2)

    (result,) = attack(tiny.TinyVictim(), [Example(row=0, text="great film", label=1)], recipe_of(search))
    assert (result.queries, result.cache_hits, result.status) == (3, 4, "failed")


def test_a_batch_over_the_budget_is_answered_for_its_first_rows_only():
    seen: list[int] = []

    def search(attempt: Attempt) -> Search:
        while True:
            probabilities = yield attempt.at(0, ["great", "fine", "good", "decent", f"new{len(seen)}"])
            seen.append(len(probabilities))

    (result,) = attack(
        tiny.TinyVictim(), [Example(row=0, text="great film", label=1)], recipe_of(search), queries_per_word=2
    )
    # 4 queries: the text itself (which "great" asks again: a hit), fine, good, decent; never the new one.
    assert (result.queries, result.cache_hits, result.status) == (4, 1, "budget")
    assert seen == [4]


def test_equal_scores_keep_their_order_despite_rounding():
    assert first_best(np.array([0.1, 0.5, 0.5 + 1e-9, 0.2])) == 1
    assert ranked(np.array([0.1, 0.5, 0.5 + 1e-9, 0.9, 0.1 + 1e-8])) == [3, 1, 2, 0, 4]
    assert ranked(np.zeros(3)) == [0, 1, 2]


def test_hashes_name_texts():
    base = np.array([5, 6, 7], np.int32)
    edits = Edits(base, np.array([0, 1, 2, 0, 1], np.int32), np.array([9, 6, 9, 7, 5], np.int32), list("abcde"))
    keys = edits.keys().tolist()
    assert len(set(keys)) == 5
    same = Edits(np.array([9, 6, 9], np.int32), np.array([2], np.int32), np.array([7], np.int32), ["x"])
    assert same.keys()[0] == keys[0]


def test_wrong_input_is_refused_with_a_reason():
    victim, examples = tiny.TinyVictim(), tiny.examples(limit=3)
    with pytest.raises(InputError, match="budget"):
        attack(victim, examples, find("deepwordbug"), budget=0)
    with pytest.raises(InputError, match="queries per word"):
        attack(victim, examples, find("deepwordbug"), queries_per_word=0)
    with pytest.raises(InputError, match="surface"):
        attack(victim, examples, find("greedy"))
    with pytest.raises(DataError, match="2 classes"):
        list(attack(victim, [Example(row=0, text="x", label=2)], find("deepwordbug")))
    with pytest.raises(DataError, match="two examples"):
        list(attack(victim, [*examples, *examples], find("deepwordbug")))
    with pytest.raises(UnknownNameError, match="greedy"):
        find("gredy")


# --- victims --------------------------------------------------------------------------------------------------------


def test_a_function_of_texts_is_a_victim_with_the_same_results():
    own = tiny.TinyVictim()
    asked: list[str] = []

    def call(texts: list[str]) -> np.ndarray:
        asked.extend(texts)
        return score_texts(own, texts)

    examples = tiny.examples(limit=30)
    by_text = list(attack(TextVictim(own.labels, call), examples, find("deepwordbug")))
    by_id = list(attack(tiny.TinyVictim(), examples, find("deepwordbug")))
    assert signature(by_text) == signature(by_id)
    assert any("[UNK]" in text for text in asked)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([[0.5, 0.5]] * 9, "shape"),
        ([0.5], "shape"),
        ([[1.0, 2.0]], "sum to 1"),
        ([[1.5, -0.5]], "negative"),
        ([[float("nan"), 1.0]], "non-finite"),
        ([["a", "b"]], "not an array of numbers"),
        ([[1.0], [0.5, 0.5]], "not an array"),
        ([[0.2, 0.3, 0.5]], "shape"),
    ],
)
def test_a_function_that_answers_wrongly_is_named(answer: object, message: str):
    victim = TextVictim(["a", "b"], lambda texts: answer)
    with pytest.raises(VictimError, match=message):
        victim.score(victim.intern(["a"])[None], np.array([1]))


def test_tiny_attributions_are_exact():
    victim = tiny.TinyVictim()
    words, scores = victim.attribute("Great but terrible film")
    assert words == ["great", "but", "terrible", "film"]
    assert scores == [-2.0, 0.0, 3.0, 0.0]  # evidence for the predicted class, negative
    assert victim.attribute("great terrible", 1)[1] == [2.0, -3.0]
    p = score_texts(victim, ["great but terrible film"])[0, 1]
    assert p == pytest.approx(sigmoid(-sum(scores)))


def test_surfaces_combine_without_repeats_or_the_word_itself():
    calls: list[str] = []

    def first(word: str) -> list[str]:
        calls.append(word)
        return ["b", "a", word]

    surface = combine(first, lambda word: ["a", "c"])
    assert surface("x") == ("b", "a", "c")
    assert surface("x") == ("b", "a", "c")
    assert calls == ["x"]


def test_the_example_in_the_docstring_holds():
    import aat_models.attacks

    assert doctest.testmod(aat_models.attacks) == (0, 3)


def test_attacks_import_no_torch_and_no_model():
    code = (
        "import sys, aat_models.attacks\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('torch', 'textual', 'typer', 'nltk', 'duckdb')]\n"
        "bad += [m for m in sys.modules if m in ('aat_models.encoders', 'aat_models.training')]\n"
        "print(bad)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert done.stdout.strip() == "[]"


def environment() -> dict[str, str]:
    from aat_workbench.detached import child_environment

    return child_environment()
