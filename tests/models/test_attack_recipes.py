"""What papers say their attacks do, against answers worked out by hand."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aat_datasets.errors import DataError
from aat_datasets.records import Example
from aat_models.attacks import TextVictim, attack, find, tiny
from aat_models.attacks.attempt import Attempt
from aat_models.attacks.constraints import EditDistance, SamePart, WordDistance, where
from aat_models.attacks.goals import Untargeted
from aat_models.attacks.recipes import checklist, sources, textbugger, textfooler
from aat_models.attacks.requests import Slopes
from aat_models.attacks.search import by_weighted_saliency, gradient_norm, left_out, replaced_by_unknown
from aat_models.attacks.tagging import Tagger, coarse, open_tagger
from aat_models.attacks.transforms import LOOKALIKES, delete, lookalike, misspellings, split, surface_words, swap
from aat_models.attacks.wordnet import base_forms, open_wordnet, table_synonyms
from aat_models.events import AttackResult, Edit

Table = dict[str, tuple[str, ...]]

mirror = os.environ.get("AAT_MIRROR", "")
needs_mirror = pytest.mark.skipif(not mirror, reason="AAT_MIRROR, the folder of raw data, is not set")


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def surface(table: Table) -> Callable[[str], tuple[str, ...]]:
    return lambda word: table.get(word, ())


def one(name: str, text: str, label: int, table: Table | None = None, **options: Any) -> AttackResult:
    """The result of a recipe on one text of the tiny victim, with ``table`` for synonyms and no tagger."""
    recipe, words = find(name), surface(tiny.SYNONYMS if table is None else table)
    wants = tuple(want for want in recipe.wants if want != "parts of speech")
    recipe = dataclasses.replace(recipe, words=(lambda: words) if recipe.words else None, wants=wants)
    (result,) = attack(tiny.TinyVictim(), [Example(row=0, text=text, label=label)], recipe, surface=words, **options)
    return result


def attempt_at(text: str, label: int, victim: Any = None, table: Table | None = None) -> Attempt:
    victim = victim or tiny.TinyVictim()
    words = victim.words(text)
    ids = victim.intern(words)
    return Attempt(
        words,
        ids,
        label,
        victim.score(ids[None], np.array([len(ids)]))[0],
        goal=Untargeted(),
        intern=victim.intern,
        read=victim.words,
        max_edits=len(words),
        surface=surface(tiny.SYNONYMS if table is None else table),
    )


def answered(search: Any, victim: Any) -> Any:
    """What a part of a search returns, its requests answered by the victim."""
    answer: Any = None
    while True:
        try:
            request = search.send(answer)
        except StopIteration as stop:
            return stop.value
        out = np.zeros((len(request), int(request.lengths.max())), np.int32)
        request.rows(np.arange(len(request)), out)
        answer = victim.score(out, request.lengths)


# --- what matters: the rankings -----------------------------------------------------------------------------------------


def test_importance_by_unknown_word_and_by_deletion_is_the_score_without_the_word():
    victim = tiny.TinyVictim()
    attempt = attempt_at("great film dull", 1, victim)  # s = 2 + 0 − 2
    positions = np.arange(3, dtype=np.int32)
    expected = [1 - sigmoid(-2), 1 - sigmoid(0), 1 - sigmoid(2)]
    assert answered(replaced_by_unknown(attempt, positions), victim) == pytest.approx(expected)
    assert answered(left_out(attempt, positions), victim) == pytest.approx(expected)
    assert answered(left_out(attempt, positions[2:]), victim) == pytest.approx(expected[2:])


def test_textfooler_counts_the_rise_of_the_class_that_wins():
    # Three classes; p without each word is a row of its own.
    answers = {
        "x y z": [0.5, 0.3, 0.2],
        "y z": [0.4, 0.35, 0.25],  # still class 0: .1
        "x z": [0.3, 0.6, 0.1],  # class 1 wins: .2 + (.6 − .3) = .5
        "x y": [0.2, 0.3, 0.5],  # class 2 wins: .3 + (.5 − .2) = .6
    }
    victim = TextVictim(["a", "b", "c"], lambda texts: [answers[text] for text in texts])
    attempt = attempt_at("x y z", 0, victim)
    found = answered(textfooler.importance(attempt, np.arange(3, dtype=np.int32)), victim)
    assert found == pytest.approx([0.1, 0.5, 0.6])


def test_textfooler_takes_the_nearest_candidate_that_succeeds_else_the_strongest():
    attempt = attempt_at("x y", 0, TextVictim(["a", "b"], lambda texts: [[0.9, 0.1]] * len(texts)))
    assert textfooler.choose(attempt, np.array([[0.6, 0.4], [0.45, 0.55], [0.1, 0.9]])) == 1
    assert textfooler.choose(attempt, np.array([[0.8, 0.2], [0.6, 0.4], [0.7, 0.3]])) == 1


def test_textfooler_edits_in_the_order_of_importance_and_keeps_what_helps():
    # s = 2.5 + 2 − 1; wonderful goes first: no synonym succeeds, marvellous (0) is the strongest. Then great, s = 1: fine
    # succeeds and comes before grand, which is stronger.
    result = one("textfooler-cf", "great film wonderful weak", 1)
    assert result.edits == [Edit(2, "wonderful", "marvellous"), Edit(0, "great", "fine")]
    assert result.status == "success"
    # 1 + 4 deletions + 3 for wonderful + 3 for great
    assert result.queries == 1 + 4 + 3 + 3


def test_a2t_ranks_by_the_gradients_norm_and_may_edit_four_words_of_any_text():
    victim = tiny.TinyVictim()
    attempt = attempt_at("a b c", 0, victim)
    ranking = gradient_norm(attempt, np.array([0, 2], np.int32))
    request = next(ranking)
    assert (request.ids.tolist(), request.candidates.shape, request.label) == (attempt.ids.tolist(), (3, 0), 0)
    with pytest.raises(StopIteration) as stop:
        ranking.send(Slopes(np.array([4.0, 9.0, 2.0]), np.zeros((3, 0))))
    assert stop.value.value.tolist() == [1.0, 0.5]

    text, table = "good good good good good good", {"good": ("fine",)}
    assert len(one("a2t-cf", text, 1, table).edits) == 4
    assert len(one("a2t-cf", text, 1, table, budget=0.1).edits) == 1


# --- pwws -----------------------------------------------------------------------------------------------------------------


def test_pwws_orders_by_softmax_of_saliency_times_the_gain_on_the_original():
    # s = 3 + 1 + .5. Saliency of each word by hand, gain of its best synonym by hand.
    table = {"excellent": ("fine",), "pleasant": ("weak",), "fine": ("terrible",)}
    p = sigmoid(4.5)
    saliency = np.array([p - sigmoid(1.5), p - sigmoid(3.5), p - sigmoid(4.0)])
    gain = np.array([p - sigmoid(2.0), p - sigmoid(2.5), p - sigmoid(1.0)])
    weighted = np.exp(saliency) / np.exp(saliency).sum() * gain
    assert np.argsort(-weighted).tolist() == [2, 0, 1] != np.argsort(-saliency).tolist()
    result = one("pwws", "excellent pleasant fine", 1, table)
    # After "terrible" (s = 1) and "fine" (s = −1.5) the class has changed.
    assert result.edits == [Edit(2, "fine", "terrible"), Edit(0, "excellent", "fine")]
    # 1 + 3 unknown + 3 synonyms + 1 for the second step: the first step was asked already.
    assert (result.status, result.queries, result.cache_hits) == ("success", 8, 1)


def test_pwws_softmax_runs_over_all_words_and_weighs_the_gains():
    # Gains alone say "b" first (.30 over .29); the saliency of "a" turns it: e^.4 · .29 > e^0 · .30.
    answers = {
        "a b": 0.9, "[UNK] b": 0.5, "a [UNK]": 0.9, "A b": 0.61, "a B": 0.60, "A B": 0.4,
    }  # fmt: skip
    victim = TextVictim(["x", "y"], lambda texts: [[answers[t], 1 - answers[t]] for t in texts])
    words = surface({"a": ("A",), "b": ("B",)})
    recipe = dataclasses.replace(find("greedy-weighted"), search=_weighted_on_every_word)
    (result,) = attack(victim, [Example(row=0, text="a b", label=0)], recipe, surface=words, budget=1.0)
    assert [edit.target for edit in result.edits] == ["A", "B"]


def _weighted_on_every_word(attempt: Attempt):
    return by_weighted_saliency(attempt, np.ones(len(attempt.words), np.bool_), surface_words)


def test_pwws_replaces_in_order_without_asking_whether_it_still_helps():
    # Alone "B" gains; after "A" it loses: it is put in all the same, as the paper's algorithm does.
    answers = {"a b": 0.9, "[UNK] b": 0.5, "a [UNK]": 0.9, "A b": 0.55, "a B": 0.8, "A B": 0.7}
    victim = TextVictim(["x", "y"], lambda texts: [[answers[t], 1 - answers[t]] for t in texts])
    recipe = dataclasses.replace(find("pwws"), search=_weighted_on_every_word, words=None, wants=())
    words = surface({"a": ("A",), "b": ("B",)})
    (result,) = attack(victim, [Example(row=0, text="a b", label=0)], recipe, surface=words)
    assert result.trajectory == [0.9, 0.55, 0.7]
    assert result.status == "failed"


def test_pwws_leaves_a_word_whose_best_synonym_does_not_help():
    result = one("pwws", "good film", 1, {"good": ("great",), "film": ("movie",)})
    assert (result.edits, result.status) == ([], "failed")


# --- characters -------------------------------------------------------------------------------------------------------------


def test_pruthi_asks_about_every_misspelling_and_takes_the_worst():
    made = misspellings("film", random.Random(1))
    assert {"flim", "flm", "fim"} <= set(made)
    assert all(word[0] == "f" and word[-1] == "m" and word != "film" for word in made)
    neighbours = {word for word in made if len(word) == 4 and sorted(word) != sorted("film")}
    assert neighbours == {"fulm", "folm", "fjlm", "fklm", "fikm", "fiom", "fipm"}
    assert len([word for word in made if len(word) == 5]) == 3  # one letter at each of the three places inside
    result = one("pruthi", "the good and excellent film was bad", 1)
    (edit,) = result.edits
    assert edit.source == "excellent"  # any misspelling of it weighs nothing: s = 1.5 − 1.75
    assert result.status == "success"


def test_pruthi_leaves_short_words_and_takes_one_word_or_two():
    victim = TextVictim(
        ["a", "b"],
        lambda texts: [
            [0.9 - 0.1 * changed, 0.1 + 0.1 * changed]
            for changed in (
                sum(a != b for a, b in zip(t.split(), ["abc", "film", "the", "dull"], strict=True)) for t in texts
            )
        ],
    )
    examples = [Example(row=0, text="abc film the dull", label=0)]
    (single,) = attack(victim, examples, find("pruthi"))
    (double,) = attack(victim, examples, find("pruthi-2"))
    assert [edit.source for edit in single.edits] == ["film"]
    assert sorted(edit.source for edit in double.edits) == ["dull", "film"]


def test_textbugger_makes_five_kinds_of_bugs():
    attempt = attempt_at("great x", 1, table={"great": ("a1", "a2", "a3", "a4", "a5", "a6")})
    for seed in range(5):
        attempt.rng = lambda key, seed=seed: random.Random(seed)
        spaced, shorter, swapped, alike, *near = textbugger.bugs(attempt, 0)
        assert spaced.replace(" ", "") == "great" and spaced[0] != " " != spaced[-1]
        assert len(shorter) == 4 and shorter[0] == "g" and shorter[-1] == "t"
        assert sorted(swapped) == sorted("great") and (swapped[0], swapped[-1]) == ("g", "t")
        assert [LOOKALIKES[a] == b for a, b in zip("great", alike, strict=True)].count(True) == 1
        assert near == ["a1", "a2", "a3", "a4", "a5"]


def test_a_word_split_in_two_is_two_words_to_the_victim():
    asked: list[str] = []

    def call(texts: list[str]) -> list[list[float]]:
        asked.extend(texts)
        return [[0.4, 0.6] if len(text.split()) == 3 else [0.9, 0.1] for text in texts]

    recipe = dataclasses.replace(find("textbugger-cf"), words=lambda: surface({}))
    (result,) = attack(TextVictim(["a", "b"], call), [Example(row=0, text="good film", label=0)], recipe)
    assert result.status == "success"
    (edit,) = result.edits
    assert edit.target.replace(" ", "") == edit.source
    assert result.adversarial in asked and len(result.adversarial.split()) == 3
    assert result.edited_share == 0.5


def test_transforms_with_a_margin_leave_the_outermost_characters():
    rng = random.Random(2)
    for _ in range(30):
        assert (swap("abcd", rng, 1), delete("abc", rng, 1)) == ("acbd", "ac")
    assert swap("abc", rng, 1) is None and delete("ab", rng, 1) is None
    assert split("a", rng) is None and split("ab", rng) == "a b"
    assert lookalike("4%", rng) is None


def test_lookalikes_survive_lower_casing_and_normalisation():
    for character, alike in LOOKALIKES.items():
        assert alike != character
        assert alike.lower() == alike == unicodedata.normalize("NFKC", alike)


# --- input reduction, checklist ---------------------------------------------------------------------------------------------


def test_input_reduction_leaves_out_the_least_important_word_first():
    # s = 2 − .5 + .25. Without "plain" the class is surest: out it goes; then words of no weight, in their order, then
    # "decent", the least helpful one; "great" stays.
    result = one("input-reduction", "a great plain decent film", 1)
    assert [edit.source for edit in result.edits] == ["plain", "a", "film", "decent"]
    assert (result.adversarial, result.status, result.edited_share) == ("great", "success", 0.8)
    assert result.trajectory == pytest.approx([sigmoid(s) for s in (1.75, 2.25, 2.25, 2.25, 2.0)], abs=1e-6)
    assert result.queries == 1 + 5 + 4 + 3 + 2


def test_input_reduction_stops_where_the_class_would_change():
    victim = TextVictim(
        ["a", "b"], lambda texts: [[0.9, 0.1] if {"x", "y"} <= set(t.split()) else [0.2, 0.8] for t in texts]
    )
    (result,) = attack(victim, [Example(row=0, text="x w y", label=0)], find("input-reduction"))
    assert (result.adversarial, result.status) == ("x y", "failed")


def test_input_reduction_keeps_the_class_even_where_another_text_gives_it_more():
    answers = {"x y z": [0.6, 0.3, 0.1], "y z": [0.45, 0.5, 0.05], "x z": [0.4, 0.3, 0.3], "x y": [0.1, 0.8, 0.1]}
    victim = TextVictim(["a", "b", "c"], lambda texts: [answers.get(text, [0.1, 0.8, 0.1]) for text in texts])
    (result,) = attack(victim, [Example(row=0, text="x y z", label=0)], find("input-reduction"))
    assert (result.adversarial, result.adversarial_prediction) == ("x z", 0)


def changes(text: str, read: Callable[[str], list[str]]) -> set[str]:
    attempt = attempt_at(text, 0, TextVictim(["a", "b"], lambda texts: [[0.9, 0.1]] * len(texts)))
    attempt.read = read
    made = set()
    for change in checklist.contractions(attempt):
        words = [change.get(i, word) for i, word in enumerate(attempt.words)]
        made.add(" ".join(word for word in words if word))
    return made


def treebank(text: str) -> list[str]:
    """Clitics split off as the Penn Treebank does."""
    for clitic in ("n't", "'s", "'re", "'ll", "'m", "'ve", "'d"):
        text = text.replace(clitic, f" {clitic}")
    return text.split()


def test_contractions_are_made_and_undone_as_the_victim_would_read_them():
    assert changes("It is not bad", str.split) == {"It's not bad", "It isn't bad"}
    assert changes("I can't stay", str.split) == {"I can not stay"}
    assert changes("It is not bad", treebank) == {"It 's not bad", "It is n't bad"}
    assert changes("they wo n't go", treebank) == {"they will not go"}
    assert changes("the owner's hat", str.split) == set()


def test_names_numbers_and_places_are_replaced_by_others_of_their_kind():
    rng = random.Random(4)
    names = checklist.replacements("Mary", rng)
    assert len(names) == 5 and all(name.istitle() and name != "Mary" for name in names)
    assert all(checklist.replacements(name, rng) for name in names)
    assert all(word.islower() for word in checklist.replacements("london", rng))
    assert all(word.isupper() for word in checklist.replacements("LONDON", rng))
    numbers = [int(word) for word in checklist.replacements("100", rng)]
    assert numbers and all(79 <= number <= 121 and number != 100 for number in numbers)
    assert checklist.replacements("2", rng) == checklist.replacements("film", rng) == []
    assert checklist.replacements("9" * 40, rng)  # as fast for a number of any size


def test_checklist_finds_a_name_that_matters():
    victim = TextVictim(["a", "b"], lambda texts: [[0.8, 0.2] if "mary" in text else [0.3, 0.7] for text in texts])
    (result,) = attack(victim, [Example(row=0, text="mary does not like it", label=0)], find("checklist"))
    assert result.status == "success"
    assert [edit.source for edit in result.edits] == ["mary"]


# --- constraints ------------------------------------------------------------------------------------------------------------


def test_parts_of_speech_keep_their_kind():
    tagger = Tagger({"film": "NN", "films": "NNS", "shoot": "VB", "good": "JJ", "well": "RB"})
    text = ["good", "film"]
    words = ["films", "shoot", "well"]
    assert SamePart(tagger).allows(text, text, 1, words).tolist() == [True, False, False]
    assert SamePart(tagger, verbs_for_nouns=True).allows(text, text, 1, words).tolist() == [True, True, False]
    assert SamePart(tagger, verbs_for_nouns=True).allows(text, text, 0, words).tolist() == [False, False, False]
    assert [coarse(tag) for tag in ("VBZ", "MD", "PRP$", "WRB", "$", "POS")] == [
        "verb", "verb", "pronoun", "adverb", "other", "particle",
    ]  # fmt: skip


def test_vectors_must_be_near_and_known():
    vectors = {"a": (1.0, 0.0), "b": (0.9, 0.1), "c": (0.0, 1.0)}
    near = WordDistance(lambda words: np.array([vectors.get(word, (0.0, 0.0)) for word in words]), 0.9)
    assert near.allows(["a"], ["a"], 0, ["b", "c", "d"]).tolist() == [True, False, False]
    assert near.allows(["d"], ["d"], 0, ["a", "b"]).tolist() == [False, False]


def test_proposals_meet_all_constraints():
    attempt = attempt_at("great x", 1, table={"great": ("grate", "good", "greats")})
    propose = where(lambda a, i: a.surface(a.words[i]), EditDistance(2), None)
    assert list(propose(attempt, 0)) == ["grate", "greats"]
    assert list(propose(attempt, 1)) == []


# --- where synonyms come from ---------------------------------------------------------------------------------------------


def test_synonyms_of_an_inflected_word_are_those_of_its_base_form():
    assert set(base_forms("movies", "n")) == {"movies", "movie", "movy"}
    assert {"try", "make"} <= {*base_forms("tried", "v"), *base_forms("making", "v")}
    synonyms = table_synonyms({"n": {"film": ("movie", "picture")}, "v": {"film": ("shoot",), "films": ("shows",)}})
    assert synonyms("film") == ("movie", "picture", "shoot")
    assert synonyms("Films") == ("shows", "film", "movie", "picture", "shoot")
    assert synonyms("unheard") == ()


def test_synonyms_that_are_not_there_are_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    import nltk.corpus

    monkeypatch.setenv("AAT_MIRROR", str(tmp_path))
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    fresh = nltk.corpus.LazyCorpusLoader("wordnet", nltk.corpus.WordNetCorpusReader)
    monkeypatch.setattr(nltk.corpus, "wordnet", fresh)  # another test may have loaded it from where it is
    with pytest.raises(DataError, match="counter-fitted"):
        attack(tiny.TinyVictim(), [], find("textfooler-cf"))
    with pytest.raises(DataError, match="WordNet"):
        attack(tiny.TinyVictim(), [], find("pwws"))


def test_without_the_taggers_data_a_recipe_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    import nltk

    monkeypatch.setenv("AAT_MIRROR", str(tmp_path))
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    recipe = dataclasses.replace(find("pwws"), words=lambda: tiny.synonyms)
    assert attack(tiny.TinyVictim(), [], recipe).warnings == [
        "pwws: parts of speech are not checked; NLTK's tagger data is not there"
    ]


@needs_mirror
def test_the_real_sources_open():
    near, wordnet = sources.counterfitted(), open_wordnet()
    assert len(near("terrible")) == len(near("Terrible")) == 8
    assert "movie" in wordnet("film") and "movie" in wordnet("films")
    assert all(" " not in word and "_" not in word for word in wordnet("good"))


@needs_mirror
def test_words_have_the_tags_nltk_gives_them():
    from nltk.tag import PerceptronTagger

    folder = Path(os.environ["AAT_MIRROR"]) / "nltk_data/taggers/averaged_perceptron_tagger_eng"
    theirs = PerceptronTagger(load=False)
    names = [f"{folder.name}.{part}.json" for part in ("weights", "tagdict", "classes")]
    theirs.decode_json_params(json.loads((folder / name).read_text("utf-8")) for name in names)
    ours = open_tagger()
    assert ours is not None
    rng = random.Random(1)
    vocabulary = [
        *sorted(tiny.WEIGHTS),
        "fly",
        "Mary",
        "1999",
        "30s",
        "well-made",
        "-",
        "--",
        ",",
        ".",
        "$",
        "to",
        "'s",
        "That",
    ]
    vocabulary += list(theirs.tagdict)[::100]
    for length in [0, 1, 2, 3] * 20 + [15] * 150:
        words = [rng.choice(vocabulary) for _ in range(length)]
        assert ours.tags(words) == tuple(tag for _, tag in theirs.tag(words))


@needs_mirror
def test_a_word_tagged_in_its_place_has_the_tag_of_the_whole_text_where_the_words_before_keep_theirs():
    tagger = open_tagger()
    assert tagger is not None
    rng = random.Random(0)
    texts = [example.text.split() for example in tiny.examples(limit=20)]
    texts += [
        ["He", "can", "fish", ",", "the", "fishes", "can", "fly"],
        ["fly"],
        ["time", "flies", "like", "an", "arrow"],
    ]
    vocabulary = ["fly", "charming", "Mary", "1999", "well-made", "run", *sorted(tiny.WEIGHTS)]
    same = 0
    for words in texts:
        for _ in range(20):
            position, word = rng.randrange(len(words)), rng.choice(vocabulary)
            whole = tagger.tags([*words[:position], word, *words[position + 1 :]])
            if whole[:position] == tagger.tags(words)[:position]:
                same += 1
                assert tagger.tag_at(words, position, word) == whole[position]
    assert same > 300


@needs_mirror
@pytest.mark.parametrize("name", ["pwws", "textfooler-cf", "a2t-cf", "textbugger-cf"])
def test_published_recipes_run_with_their_real_parts(name: str):
    run = attack(tiny.TinyVictim(), tiny.examples(limit=20), find(name))
    results = list(run)
    assert run.warnings == []
    assert any(result.edits for result in results)
