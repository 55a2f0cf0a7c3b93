"""Attacks on what a model writes: what counts as reached, what is recorded, and what the searches find."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from toy import BAD, GOOD, config, data, lexicon, trained

from aat_datasets.errors import InputError, UnknownNameError
from aat_datasets.records import Example
from aat_datasets.vocab import BOS, EOS
from aat_models.attacks import Untargeted, attack, find, tiny
from aat_models.events import AttackResult
from aat_models.predictor import Predictor
from aat_models.sampling import Sampling
from aat_models.text_metrics import bleu, bleu_counts, bleu_of, chrf
from aat_models.writing_goals import Keywords, MeaningLoss, NonOverlapping, find_writing_goal, is_writing_goal
from aat_models.writing_victim import ANSWERS, WritingVictim

TEXTS = ["the film was great and good", "a really awful plot", "the story was quite lovely", "nasty actors"]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A model that answers "thank you" or "sorry for that"."""
    torch.set_num_threads(1)
    folder: Path = tmp_path_factory.mktemp("checkpoint")
    settings: dict[str, object] = {
        "model__decoder": "lstm",
        "train__evaluate_every": 500,
        "model__decoder_hidden": 12,
        "model__decoder_embedding": 8,
    }
    return trained(
        folder,
        config(train__epochs=4.0, train__lr=0.03, train__stages="joint", train__ema=0.0, **settings),
        data(replies=True),
    )


@pytest.fixture
def victim(predictor: Predictor) -> WritingVictim:
    return WritingVictim(predictor)


def ask(victim: WritingVictim, texts: list[str]) -> np.ndarray:
    ids = [victim.intern(victim.words(text)) for text in texts]
    block = np.zeros((len(ids), max(map(len, ids))), np.int32)
    for row, own in enumerate(ids):
        block[row, : len(own)] = own
    return victim.score(block, np.array([len(own) for own in ids]))


def test_a_victim_writes_what_the_model_generates_and_counts_equal_outputs_once(
    predictor: Predictor, victim: WritingVictim
) -> None:
    answers = ask(victim, TEXTS)
    for text, (place, output) in zip(TEXTS, answers.astype(int), strict=True):
        alone = "".join(token.text for token in predictor.generate(text, Sampling(greedy=True)))
        assert victim.output(output) == alone and victim.text(place) == text
    assert answers[0, 1] == answers[2, 1] != answers[1, 1] == answers[3, 1]
    assert {victim.output(int(k)) for k in answers[:, 1]} == {"thank you", "sorry for that"}


def test_likelihoods_are_the_decoders_own_word_by_word(predictor: Predictor, victim: WritingVictim) -> None:
    answers = ask(victim, TEXTS).astype(int)
    output = victim.output_words("sorry for that")
    found = victim.loglikelihood(answers[:, 0].tolist(), output)
    assert predictor.model.decoder is not None
    for text, one in zip(TEXTS, found, strict=True):
        vector = predictor.vectors([text])
        logits, _ = predictor.model.decoder(vector, torch.tensor([[BOS, *output]]))
        logs = torch.log_softmax(logits[0], -1).detach()
        wanted = [float(logs[t, word]) for t, word in enumerate([*output, EOS])]
        assert one == pytest.approx(np.mean(wanted), abs=1e-5)
    nats, words = victim.losses(TEXTS[:1], ["sorry for that"])[0]
    assert words == 4 and nats == pytest.approx(-4 * found[0], abs=1e-4)
    assert found[1] > found[0]  # of an awful plot it is the likelier answer


def test_relative_meaning_loss_is_that_of_the_paper(victim: WritingVictim) -> None:
    before, turned, same = ask(victim, [TEXTS[0], "the film was awful and nasty", "the film was great and fine"])
    goal = MeaningLoss(victim, "thank you", before)
    assert goal.near(int(before[1])) == 1.0
    damage = 1 - chrf(["sorry for that"], ["thank you"])
    kept = chrf(["the film was awful and nasty"], ["the film was great and good"])
    told = goal.told(turned)
    assert told.tolist() == pytest.approx([1 - (kept + damage) / 2, (kept + damage) / 2])
    reached = goal.reached(np.stack([before, turned, same]), 0, np.full(3, 6))
    assert reached.tolist() == [False, kept + damage > 1, False]
    assert goal.told(before).tolist() == [0.5, 0.5]  # nothing is lost of either
    scores = goal.score(np.stack([before, turned, same]), 0)
    assert scores[1] > 1 and scores[1] == scores.max() and (scores >= 0).all()
    written = goal.written(before, turned)
    assert (written.reference, written.before, written.after) == ("thank you", "thank you", "sorry for that")
    assert written.damage == pytest.approx(damage, abs=1e-6) and written.similarity == pytest.approx(kept, abs=1e-6)


def test_an_output_that_comes_nearer_to_the_reference_is_no_damage(victim: WritingVictim) -> None:
    before, turned = ask(victim, [TEXTS[0], "the film was awful and nasty"])
    goal = MeaningLoss(victim, "sorry for that", before)
    assert goal.damage(int(turned[1])) == 0.0 and not goal.reached(turned[None], 0, np.ones(1))[0]
    nothing = MeaningLoss(victim, "ZZZ", before)
    assert nothing.near(int(before[1])) == 0.0 and nothing.pointless(before, 0) and not goal.pointless(before, 0)
    typed = MeaningLoss(victim, "", before)
    assert typed.reference == "thank you"  # without a reference, what was written


def test_non_overlapping_asks_for_another_word_at_every_place(victim: WritingVictim) -> None:
    before, turned, same = ask(victim, [TEXTS[0], "the film was awful and nasty", "the film was great and fine"])
    goal = NonOverlapping(victim, "", before)
    assert goal.reached(np.stack([before, turned, same]), 0, np.ones(3)).tolist() == [False, True, False]
    assert goal.told(before)[1] == 0.0 and goal.told(turned)[1] == 1.0
    scores = goal.score(np.stack([before, turned]), 0)
    assert scores[1] > 0 > scores[0]  # other words lead, its own words lead


def test_keywords_are_reached_where_all_of_them_are_written(victim: WritingVictim) -> None:
    before, turned = ask(victim, [TEXTS[0], "the film was awful and nasty"])
    both = [victim.find("sorry"), victim.find("that")]
    goal = Keywords(victim, "", before, both)
    assert goal.reached(np.stack([before, turned]), 0, np.ones(2)).tolist() == [False, True]
    scores = goal.score(np.stack([before, turned]), 0)
    assert scores[1] > scores[0]
    mixed = Keywords(victim, "", before, [victim.find("sorry"), victim.find("you")])
    assert mixed.told(turned).tolist() == [0.75, 0.25]  # one of two: half of a half
    assert Keywords(victim, "", turned, both).pointless(turned, 0) and not goal.pointless(before, 0)
    with pytest.raises(InputError, match="knows no word 'refund'"):
        find_writing_goal("keywords:refund", victim)


def test_goals_by_name(victim: WritingVictim) -> None:
    assert [find_writing_goal(name, victim).name for name in ("meaning", "non-overlapping", "keywords:sorry")] == [
        "meaning", "non-overlapping", "keywords:sorry",
    ]  # fmt: skip
    assert not is_writing_goal("untargeted") and is_writing_goal("keywords:a,b")
    for wrong in ("untargeted", "keywords", "keywords:", "meaningful"):
        with pytest.raises(UnknownNameError):
            find_writing_goal(wrong, victim)


def attacked(victim: WritingVictim, recipe: str, goal: str, **options: object) -> list[AttackResult]:
    examples = [
        Example(row=row, text=text, label=0, target="thank you" if row % 2 == 0 else "sorry for that")
        for row, text in enumerate(TEXTS)
    ]
    surface = lexicon().substitutes
    aim = find_writing_goal(goal, victim)
    results = attack(victim, examples, find(recipe), goal=aim, surface=surface, **options)  # pyright: ignore
    return sorted(results, key=lambda result: result.id)


def crossing(word: str) -> tuple[str, ...]:
    """A surface that leads from one class to the other."""
    return tuple(BAD) if word in GOOD else tuple(GOOD) if word in BAD else ()


@pytest.mark.parametrize(("recipe", "goal"), [("greedy", "meaning"), ("seq2sick", "non-overlapping")])
def test_searches_turn_outputs_and_record_them(victim: WritingVictim, recipe: str, goal: str) -> None:
    examples = [Example(row=row, text=text, label=0) for row, text in enumerate(TEXTS)]
    aim = find_writing_goal(goal, victim)
    results = list(attack(victim, examples, find(recipe), goal=aim, surface=crossing, budget=0.5))
    assert {result.status for result in results} == {"success"}
    for result in results:
        assert result.written is not None and result.written.before != result.written.after
        assert (result.prediction, result.adversarial_prediction) == (0, 1)
        assert ANSWERS[result.adversarial_prediction] == "meaning lost"
        assert len(result.trajectory) == len(result.edits) + 1 and result.trajectory[-1] < 0.5
        words = result.text.split(" ")
        for edit in result.edits:
            assert edit.target in crossing(words[edit.position])


def test_results_depend_neither_on_the_batch_nor_on_who_runs_beside(predictor: Predictor) -> None:
    def told(**options: object) -> list[tuple[object, ...]]:
        found = attacked(WritingVictim(predictor), "character-noise", "meaning", **options)
        return [(r.adversarial, r.status, r.queries, r.written) for r in found]

    assert told() == told(batch=3, concurrency=1) == told(batch=7, concurrency=2)


def test_who_does_not_write_and_goals_of_labels_are_told(predictor: Predictor, victim: WritingVictim) -> None:
    with pytest.raises(InputError, match="attacks what a model writes"):
        attack(tiny.TinyVictim(), tiny.examples(limit=2), find("seq2sick"), surface=tiny.synonyms)
    with pytest.raises(InputError, match="needs gradients"):
        attack(victim, [], find("hotflip"), goal=find_writing_goal("meaning", victim), surface=crossing)
    with pytest.raises(InputError, match="goal of its own"):
        attack(victim, [], find("input-reduction"), goal=find_writing_goal("meaning", victim))
    assert Untargeted().written(np.zeros(2), np.zeros(2)) is None


def test_corpus_bleu_is_the_sum_of_its_parts() -> None:
    rng = random.Random(0)
    wanted = [[rng.choice("abcd") for _ in range(rng.randint(5, 12))] for _ in range(20)]
    written = [[word if rng.random() < 0.8 else "x" for word in text][: rng.randint(4, 12)] for text in wanted]
    counts = [bleu_counts(own, other) for own, other in zip(written, wanted, strict=True)]
    assert bleu(written, wanted) == bleu_of([sum(column) for column in zip(*counts, strict=True)]) > 0.1
    assert bleu([], []) == 0.0
