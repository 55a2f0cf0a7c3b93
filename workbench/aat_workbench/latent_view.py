"""A way through a target's fixed-length vectors, told point by point: what the engine and the command answer.

The training texts whose vectors lie nearest are read once a model, a batch at a time, so that others are answered in between.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import msgspec

from aat_datasets.errors import AatError, InputError
from aat_models.events import Event, Progress
from aat_models.sampling import Sampling
from aat_workbench.protocol import Latent

if TYPE_CHECKING:
    from aat_models.latent import Index
    from aat_workbench.targets import Target

__all__ = ["INDEXED", "look"]

INDEXED = 4_000
"""Training texts, drawn once, that the nearest ones are looked for among."""

_PLACES = 101


def look(target: Target, params: Latent) -> Generator[list[Event], None, dict[str, Any]]:
    """Yields what is under way; returns ``{labels, has_decoder, indexed, points}``. Raises InputError."""
    from aat_models import latent

    predictor = target.vectors
    if predictor is None:
        raise InputError(f"{target.name} has no vectors to look into", "name a run of this workbench")
    _check(params)
    index: Index | None = None
    if params.nearest:
        index = yield from _index(target)
    if params.other:
        way = latent.between(predictor, params.text, params.other, params.places)
    else:
        way = latent.against(predictor, params.text, params.lengths)
    points = latent.tell(predictor, way, Sampling(max_tokens=params.max_tokens), index, params.nearest)
    return {
        "labels": target.labels if target.has_head else [],
        "has_decoder": target.has_decoder,
        "indexed": len(index.texts) if index is not None else 0,
        "points": msgspec.to_builtins(points),
    }


def _check(params: Latent) -> None:
    if not params.text.strip():
        raise InputError("the text is empty", "give at least one word")
    if not 2 <= params.places <= _PLACES or not 1 <= len(params.lengths) <= _PLACES:
        raise InputError(
            f"places: expected 2 to {_PLACES}, got {params.places if params.other else len(params.lengths)}"
        )
    if any(not abs(length) < 1e6 for length in params.lengths):
        raise InputError("lengths: expected numbers")


def _index(target: Target) -> Generator[list[Event], None, Index | None]:
    """The target's training texts by their vectors; None where they are not to be had."""
    from aat_datasets.catalog import open_dataset
    from aat_models.latent import Index

    predictor = target.vectors
    found: Index | None = target.kept.get("latent")
    if found is None and predictor is not None and target.dataset:
        try:
            dataset = open_dataset(target.dataset)
            examples = dataset.examples("train" if "train" in dataset.splits else next(iter(dataset.splits)), INDEXED)
        except AatError:
            return None  # the dataset is gone or lies elsewhere: the way itself can be told
        labels = ["" if one.label is None else dataset.labels[one.label] for one in examples]
        found = target.kept["latent"] = Index(predictor, [one.text for one in examples], labels)
    while found is not None and not found.complete:
        found.grow()
        yield [Progress(message="reading training texts", done=found.done, total=len(found.texts))]
    return found
