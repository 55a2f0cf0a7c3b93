"""What an attack is run on: its examples, with labels as the model numbers them, and its surface."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from aat_datasets.errors import DataError, InputError
from aat_datasets.records import Example
from aat_workbench.attack_request import AttackRequest, SurfaceKind

if TYPE_CHECKING:
    from aat_datasets.catalog import Dataset
    from aat_datasets.lexicon import Lexicon
    from aat_models.attacks import Recipe
    from aat_workbench.targets import Target

__all__ = ["AttackTexts", "Substitutes", "attack_texts", "fit_language", "stand_ins", "surface_of"]

Substitutes = Callable[[str], Sequence[str]]

_LEXICON_TEXTS = 20_000  # training texts looked through for neighbours where there is no synonym table
_CALIBRATION_TEXTS = 1000
_LANGUAGE_TEXTS = 50


class AttackTexts(NamedTuple):
    """Examples to attack and to calibrate on (none: not calibrated); ``labels`` are the classes' names.

    With ``writing`` outputs are attacked: the labels are 0, and the examples' targets are compared with.
    """

    dataset: Dataset | None
    name: str
    split: str
    labels: list[str]
    examples: list[Example]
    calibration: list[Example]
    writing: bool = False

    @property
    def fingerprint(self) -> str:
        """A hash of what is attacked: the texts, their labels or wanted outputs, and ids."""
        content = "\n".join(f"{example.row} {example.label} {example.text}" for example in self.examples)
        if self.writing:
            content += "\n".join(["", *(example.target or "" for example in self.examples)])
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def attack_texts(target: Target, request: AttackRequest) -> AttackTexts:
    """The texts of an attack. Raises InputError, DataError, UnknownNameError."""
    if request.texts is not None:
        examples = _typed(target, request.texts, request.labels)
        return AttackTexts(None, "", "", target.labels, examples, [])
    name = request.dataset or target.dataset
    if name:
        return _from_dataset(target, request, name)
    split = request.split or "test"
    examples = target.own_examples(split, request.n, request.seed)
    calibration = target.own_examples("dev", _CALIBRATION_TEXTS, 0)
    if examples is None:
        raise InputError(f"{target.name} has no dataset of its own", "name one with --dataset")
    return AttackTexts(None, "", split, target.labels, examples, calibration or [])


def fit_language(target: Target, recipe: Recipe, texts: AttackTexts) -> list[str]:
    """What a recipe leaves out in the language of the texts. Raises InputError where that is everything."""
    from aat_models.attacks import check_language

    return check_language(recipe, (target.words(example.text) for example in texts.examples[:_LANGUAGE_TEXTS]))


def _typed(target: Target, texts: Sequence[str], given: Sequence[int | str | None] | None) -> list[Example]:
    if not texts or any(not text.strip() for text in texts):
        raise InputError("the text is empty", "give at least one word")
    labels = list(given) if given is not None else [None] * len(texts)
    if len(labels) != len(texts):
        raise InputError(f"{len(texts)} texts but {len(labels)} labels")
    predicted = [row.index(max(row)) for row in target.predict(texts)] if None in labels else [0] * len(texts)
    found: list[Example] = []
    for row, (text, label, guess) in enumerate(zip(texts, labels, predicted, strict=True)):
        if isinstance(label, str):
            if label not in target.labels:
                raise DataError(f"the model has no label {label!r}", "its labels: " + ", ".join(target.labels))
            label = target.labels.index(label)
        found.append(Example(row=row, text=text, label=guess if label is None else label))
    return found


def _from_dataset(target: Target, request: AttackRequest, name: str) -> AttackTexts:
    from aat_datasets.catalog import open_dataset

    dataset = open_dataset(name)
    labels = _names(target, dataset)
    split = request.split or next((split for split in ("test", "dev") if split in dataset.splits), "test")
    examples = _labelled(dataset, split, request.n, request.seed, labels)
    if not examples:
        others = ", ".join(sorted(dataset.splits))
        raise DataError(f"dataset {name}: the split {split} has no labelled texts", f"its splits: {others}")
    calibration = _labelled(dataset, "dev", _CALIBRATION_TEXTS, 0, labels) if "dev" in dataset.splits else []
    return AttackTexts(dataset, name, split, labels, examples, calibration)


def _names(target: Target, dataset: Dataset) -> list[str]:
    """The classes' names, in the model's order. Raises DataError where model and dataset do not belong together."""
    if target.unnamed:
        if len(target.labels) != len(dataset.labels):
            raise DataError(
                f"{target.name} has {len(target.labels)} classes, dataset {dataset.name} has {len(dataset.labels)}",
                "attack with the dataset the model was made for",
            )
        return list(dataset.labels)
    missing = [label for label in dataset.labels if label not in target.labels]
    if missing or not dataset.labels:
        what = f"the labels {', '.join(missing[:5])} of dataset" if missing else "the texts, which have no labels, of"
        raise DataError(
            f"{target.name} does not know {what} {dataset.name}", "its labels: " + ", ".join(target.labels[:12])
        )
    return target.labels


def _labelled(dataset: Dataset, split: str, limit: int, seed: int, labels: list[str]) -> list[Example]:
    number = [labels.index(label) for label in dataset.labels]
    return [
        msgspec.structs.replace(example, label=number[example.label])
        for example in dataset.examples(split, limit, seed)
        if example.label is not None
    ]


def surface_of(target: Target, kind: SurfaceKind, dataset: Dataset | None = None) -> tuple[Substitutes, str]:
    """The substitutes of a word, and what names them: the surface's hash.

    Synonyms are the target's own where it has some, else those chosen for ``dataset``.
    """
    from aat_datasets.typos import character_variants
    from aat_models.attacks import combine

    synonyms, identity = _synonyms(target, dataset) if kind != "characters" else (None, "")
    sources = [synonyms] if synonyms is not None else []
    if kind != "words":
        sources.append(character_variants)
    return combine(*sources), f"{kind}:{identity[:16]}" if identity else kind


def stand_ins(target: Target, recipe: Recipe, kind: SurfaceKind, dataset: Dataset | None) -> list[str]:
    """Says so where an attack's synonyms are neighbours in the training texts for want of a table of its language."""
    from aat_datasets import builtin, lexical

    table = {"en": "counterfitted", "zh": "wordnet-cmn"}.get(dataset.info.language if dataset is not None else "")
    if table is None or kind == "characters" or "surface" not in recipe.needs or target.own_synonyms is not None:
        return []
    if target.lexicon is not None:
        if target.lexicon.name != "neighbours":
            return []
        then = "for the next training"
    elif dataset is None or dataset.name in builtin.names() or lexical.find(table) is not None:
        return []
    else:
        then = "for the next attack"
    get = f"`data get {table}` fetches one {then}"
    return [f"no table of synonyms ({get}): neighbours in the training texts stand in, few and loose"]


def _synonyms(target: Target, dataset: Dataset | None) -> tuple[Substitutes, str]:
    own = target.own_synonyms
    if own is not None:
        return own
    if target.lexicon is not None:
        return target.lexicon.substitutes, target.lexicon.hash
    if dataset is None:
        return lambda word: (), "none"
    lexicon = _chosen(dataset)

    def substitutes(word: str) -> tuple[str, ...]:
        # The table is lower-case; a victim whose words are not still has synonyms for them.
        return lexicon.substitutes(word) or lexicon.substitutes(word.lower())

    return substitutes, lexicon.hash


def _chosen(dataset: Dataset) -> Lexicon:
    from aat_datasets import lexicon

    split = "train" if "train" in dataset.splits else next(iter(dataset.splits))
    examples = dataset.examples(split, _LEXICON_TEXTS)
    return lexicon.choose(
        "auto",
        dataset.name,
        [example.text.lower().split() for example in examples],
        [example.label for example in examples],
        language=dataset.info.language,
    )
