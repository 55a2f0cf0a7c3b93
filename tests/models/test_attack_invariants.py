"""What holds for every recipe, whatever it searches for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from attack_support import RandomVictim, bag_of_characters
from hypothesis import given, settings
from hypothesis import strategies as st

from aat_datasets.errors import InputError
from aat_datasets.records import Example
from aat_models.attacks import RECIPES, Checks, Recipe, SentenceEncoder, TextVictim, attack, find, tiny
from aat_models.attacks.constraints import content_words, max_edits
from aat_models.attacks.goals import InputReduction, Targeted, Untargeted, find_goal
from aat_models.attacks.victim import score_texts
from aat_models.events import AttackResult

CLASSIFYING = sorted(name for name, recipe in RECIPES.items() if "decoder" not in recipe.needs)
PROTECTS_STOP_WORDS = {name for name, recipe in RECIPES.items() if "no stop words" in recipe.constraint}


def offline(name: str) -> Recipe:
    """The recipe with the tiny victim's synonyms in place of its own and without a tagger: the same on every machine."""
    recipe = find(name)
    wants = tuple(want for want in recipe.wants if want != "parts of speech")
    return dataclasses.replace(recipe, words=(lambda: tiny.synonyms) if recipe.words else None, wants=wants)


def run(recipe: Recipe, examples: Sequence[Example], victim: Any = None, **options: Any) -> list[AttackResult]:
    least = 0.4 if "sentence encoder" in recipe.needs else None
    checks = Checks(SentenceEncoder(bag_of_characters, least))
    found = attack(victim or tiny.TinyVictim(), examples, recipe, surface=tiny.synonyms, checks=checks, **options)
    return sorted(found, key=lambda result: result.id)


def signature(results: Sequence[AttackResult]) -> list[AttackResult]:
    return [msgspec.structs.replace(result, seconds=0.0) for result in results]


def written(result: AttackResult) -> str:
    """The adversarial text made again from the edits."""
    words = result.text.split(" ")
    for edit in result.edits:
        assert words[edit.position] == edit.source, "an edit says what stood there"
        assert edit.source != edit.target
        words[edit.position] = edit.target
    return " ".join(word for word in words if word)


def cap(recipe: Recipe, words: int, budget: float | None = None) -> int:
    if budget is None:
        return max_edits(words, recipe.budget, recipe.least_edits, recipe.most_edits)
    return max_edits(words, budget, 1, recipe.most_edits)


def check(victim: Any, recipe: Recipe, result: AttackResult, budget: float | None, queries: int) -> None:
    n = len(result.text.split(" "))
    assert 1 <= result.queries <= queries * n
    assert result.status != "budget" or result.queries == queries * n
    positions = {edit.position for edit in result.edits}
    assert len(positions) <= cap(recipe, n, budget)
    assert result.edited_share == round(len(positions) / n, 6)
    assert written(result) == result.adversarial
    before, after = score_texts(victim, [result.text, result.adversarial])
    assert result.probabilities == pytest.approx(before.tolist(), abs=2e-6)
    assert result.adversarial_probabilities == pytest.approx(after.tolist(), abs=2e-6)
    assert result.trajectory[0] == pytest.approx(before[result.label], abs=2e-6)
    assert result.trajectory[-1] == pytest.approx(after[result.label], abs=2e-6)
    assert len(result.trajectory) <= 1 + len(result.edits)
    if recipe.name in PROTECTS_STOP_WORDS:
        assert content_words([edit.source for edit in result.edits]).all()
    assert (result.similarity is None) == (result.status == "skipped")
    assert result.similarity != 1 or result.text == result.adversarial
    if result.status == "skipped":
        assert result.prediction != result.label and not result.edits and result.queries == 1
        return
    assert result.prediction == result.label
    if isinstance(recipe.goal, InputReduction):
        assert result.adversarial_prediction == result.label
        assert (result.status == "success") == (len(result.adversarial.split(" ")) == 1)
    else:
        assert (result.status == "success") == (result.adversarial_prediction != result.label)
        assert int(after.argmax()) == result.adversarial_prediction


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_declares_itself_and_names_its_paper(name: str):
    recipe = RECIPES[name]
    assert recipe.name == name
    for text in (recipe.transform, recipe.constraint, recipe.strategy, recipe.paper):
        assert text and "\n" not in text
    assert set(recipe.needs) <= {"surface", "gradients", "sentence encoder", "decoder"}
    assert set(recipe.wants) <= {"parts of speech", "gradients"}
    assert not (recipe.words and "surface" in recipe.needs)
    # A check of meaning that is left out is in the name; see Recipe.
    assert name.endswith("-cf") == ("no sentence encoder" in recipe.differences)


@pytest.mark.parametrize("queries", [1, 2, 3, 7])
@pytest.mark.parametrize("name", CLASSIFYING)
def test_budgets_hold_to_the_last_query_and_success_is_real(name: str, queries: int):
    victim, recipe = tiny.TinyVictim(), offline(name)
    for budget in (None, 0.2, 1.0):
        for result in run(recipe, tiny.examples(limit=30), victim, queries_per_word=queries, budget=budget):
            check(victim, recipe, result, budget, queries)


@pytest.mark.parametrize("name", CLASSIFYING)
def test_with_its_own_budgets_a_recipe_finds_something(name: str):
    victim, recipe = tiny.TinyVictim(), offline(name)
    results = run(recipe, tiny.examples(limit=40), victim)
    for result in results:
        check(victim, recipe, result, None, recipe.queries_per_word)
    if name != "checklist":  # the tiny texts have no names, numbers or contractions
        assert any(result.status == "success" for result in results)
    assert any(result.status == "skipped" for result in results)


@pytest.mark.parametrize("name", CLASSIFYING)
def test_results_do_not_depend_on_batch_size_order_or_concurrency(name: str):
    examples, recipe = tiny.examples(limit=24), offline(name)
    reference = signature(run(recipe, examples, queries_per_word=40))
    assert signature(run(recipe, examples, queries_per_word=40, batch=1, concurrency=1)) == reference
    assert signature(run(recipe, examples, queries_per_word=40, batch=7, concurrency=3)) == reference
    assert signature(run(recipe, examples[::-1], queries_per_word=40, batch=4096, concurrency=1000)) == reference
    # An example's result does not depend on which others run beside it: this is what makes resuming exact.
    rest = [example.row for example in examples[10:]]
    assert signature(run(recipe, examples[10:], queries_per_word=40)) == [r for r in reference if r.id in rest]


@pytest.mark.parametrize("name", CLASSIFYING)
def test_texts_of_one_word_and_of_none_are_answered(name: str):
    examples = [
        Example(row=0, text="", label=0),
        Example(row=1, text="great", label=1),
        Example(row=2, text=".", label=0),
    ]
    victim, recipe = tiny.TinyVictim(), offline(name)
    none, one, full_stop = run(recipe, examples, victim)
    assert (none.status, none.edits, none.adversarial) == ("failed", [], "")
    check(victim, recipe, one, None, recipe.queries_per_word)
    check(victim, recipe, full_stop, None, recipe.queries_per_word)


WORDS = ["the", "not", "n't", "is", "great", "film", "dull", "excellent", "2019", "mary", "london", ",", "it's", "ab"]


@pytest.mark.parametrize("name", CLASSIFYING)
@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    texts=st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9), min_size=1, max_size=4),
    budget=st.sampled_from([None, 0.1, 0.5, 1.0]),
    queries=st.integers(1, 12),
)
def test_random_victims_are_never_asked_too_much_nor_edited_too_much(
    name: str, seed: int, texts: list[list[str]], budget: float | None, queries: int
):
    victim, recipe = RandomVictim(seed), offline(name)
    examples = [Example(row=row, text=" ".join(words), label=seed % 3) for row, words in enumerate(texts)]
    results = run(recipe, examples, victim, budget=budget, queries_per_word=queries, seed=seed)
    assert len(results) == len(texts)
    for result in results:
        check(victim, recipe, result, budget, queries)


# --- goals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in CLASSIFYING if isinstance(RECIPES[name].goal, Untargeted)])
def test_a_targeted_attack_ends_in_the_target(name: str):
    victim = RandomVictim(5)
    examples = [
        Example(row=row, text=text, label=int(score_texts(victim, [text])[0].argmax()))
        for row, text in enumerate(
            ["the film is great , it's excellent", "dull film mary", "great dull london 2019 is"]
        )
    ]
    results = run(offline(name), examples, victim, goal=Targeted(2), budget=1.0)
    for result in results:
        assert (result.status == "skipped") == (result.prediction == 2)
        assert (result.status == "success") == (result.adversarial_prediction == 2 and result.prediction != 2)


def test_goals_score_and_name_themselves():
    rows = np.array([[0.2, 0.5, 0.3], [0.4, 0.3, 0.3]])
    assert Untargeted().score(rows, 0) == pytest.approx([0.8, 0.6])
    assert Untargeted().reached(rows, 0, np.array([3, 3])).tolist() == [True, False]
    assert Targeted(2).score(rows, 0) == pytest.approx([0.3, 0.3])
    assert Targeted(1).reached(rows, 0, np.array([3, 3])).tolist() == [True, False]
    assert (
        Targeted(1).pointless(rows[0], 0)
        and Targeted(0).pointless(rows[0], 0)
        and not Targeted(2).pointless(rows[0], 0)
    )
    assert (Untargeted().loss(1), Targeted(2).loss(0)) == ((1, 1.0), (2, -1.0))
    assert InputReduction().reached(rows, 0, np.array([1, 1])).tolist() == [False, True]
    assert InputReduction().reached(rows, 0, np.array([1, 2])).tolist() == [False, False]
    assert find_goal("targeted:c", ["a", "b", "c"]) == Targeted(2)
    assert find_goal("untargeted", ["a"]).name == "untargeted"
    with pytest.raises(InputError, match="label"):
        find_goal("targeted:z", ["a", "b"])
    with pytest.raises(InputError, match="goal"):
        find_goal("target", ["a", "b"])
    with pytest.raises(InputError, match="no class 2"):
        attack(tiny.TinyVictim(), [], offline("greedy"), surface=tiny.synonyms, goal=Targeted(2))
    with pytest.raises(InputError, match="goal of its own"):
        attack(tiny.TinyVictim(), [], offline("input-reduction"), goal=Targeted(1))


def test_white_box_recipes_refuse_a_model_without_gradients_by_name():
    black_box = TextVictim(["a", "b"], lambda texts: np.full((len(texts), 2), 0.5))
    for name, recipe in RECIPES.items():
        if "gradients" in recipe.needs:
            with pytest.raises(InputError, match=f"{name} needs gradients"):
                attack(black_box, [], offline(name), surface=tiny.synonyms)
    limited = attack(black_box, [], offline("surface"), surface=tiny.synonyms)
    assert limited.warnings == ["surface: the model gives no gradients; its white-box part is left out"]
    assert attack(tiny.TinyVictim(), [], offline("surface"), surface=tiny.synonyms).warnings == []
