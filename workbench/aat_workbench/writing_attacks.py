"""Attacks on what a model writes: when an attack is one, on which texts, and what a summary says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from aat_datasets.errors import DataError, InputError
from aat_datasets.records import Example
from aat_models.events import AttackResult, Written
from aat_workbench.attack_request import AttackRequest
from aat_workbench.attack_texts import AttackTexts

if TYPE_CHECKING:
    from aat_models.attacks import Recipe
    from aat_models.writing_victim import WritingVictim
    from aat_workbench.targets import Target

__all__ = ["attacks_writing", "figures", "goal_of", "outputs", "writing_texts", "writing_victim"]

_KEPT = "writing victim"  # its name among what a target keeps


def attacks_writing(target: Target, request: AttackRequest, recipe: Recipe) -> bool:
    """Whether the output is attacked and not the label: the goal or the recipe says so, or there is no label head."""
    from aat_models.writing_goals import is_writing_goal

    if request.goal:
        return is_writing_goal(request.goal)
    return "decoder" in recipe.needs or (not target.has_head and target.vectors is not None)


def goal_of(request: AttackRequest, recipe: Recipe) -> str:
    return request.goal or recipe.writing


def writing_victim(target: Target) -> WritingVictim:
    """The target as one that writes, made once. Raises InputError where it is no run with a decoder."""
    from aat_models.writing_victim import WritingVictim

    if _KEPT not in target.kept:
        if target.vectors is None:
            raise InputError(
                f"{target.name}: there is no decoder whose output could be attacked",
                "name a run with model.decoder set",
            )
        target.kept[_KEPT] = WritingVictim(target.vectors)
    return target.kept[_KEPT]


def writing_texts(target: Target, request: AttackRequest) -> AttackTexts:
    """The texts with their wanted outputs; typed texts have none. Raises InputError, DataError, UnknownNameError."""
    from aat_datasets.catalog import open_dataset
    from aat_models.writing_victim import ANSWERS

    if request.texts is not None:
        if not request.texts or any(not text.strip() for text in request.texts):
            raise InputError("the text is empty", "give at least one word")
        typed = [Example(row=row, text=text, label=0) for row, text in enumerate(request.texts)]
        return AttackTexts(None, "", "", list(ANSWERS), typed, [], writing=True)
    name = request.dataset or target.dataset
    dataset = open_dataset(name)
    split = request.split or next((split for split in ("test", "dev") if split in dataset.splits), "test")
    found = [
        msgspec.structs.replace(example, label=0)
        for example in dataset.examples(split, request.n, request.seed)
        if example.target
    ]
    if not found:
        raise DataError(f"dataset {name}: the split {split} has no output texts to compare with")
    return AttackTexts(dataset, name, split, list(ANSWERS), found, [], writing=True)


def outputs(results: Sequence[AttackResult]) -> list[Written]:
    """What was written before and after, of the results in the order of their ids."""
    return [r.written for r in sorted(results, key=lambda result: result.id) if r.written is not None]


def figures(results: Sequence[AttackResult]) -> dict[str, Any]:
    """What a summary says besides, over all texts: chrF to the wanted outputs, before and after, and BLEU.

    ``mean_damage`` and ``mean_source_similarity`` are over those where the attack succeeded. Empty where no output was attacked.
    """
    from aat_datasets.preprocess import tokenise
    from aat_models.text_metrics import bleu

    told = outputs(results)
    if not told:
        return {}
    broken = outputs([result for result in results if result.status == "success"])
    words = [[tokenise(text).split() for text in texts] for texts in zip(*map(_texts, told), strict=True)]
    return {
        "bleu": round(bleu(words[1], words[0]), 4),
        "adversarial_bleu": round(bleu(words[2], words[0]), 4),
        "chrf": _mean([one.near_before for one in told]),
        "adversarial_chrf": _mean([one.near_after for one in told]),
        "mean_damage": _mean([one.damage for one in broken]),
        "mean_source_similarity": _mean([one.similarity for one in broken]),
    }


def _texts(one: Written) -> tuple[str, str, str]:
    return one.reference, one.before, one.after


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0
