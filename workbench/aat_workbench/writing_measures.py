"""How near a model's answers come to a dataset's own output texts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from aat_datasets.errors import DataError
from aat_models.sampling import Sampling
from aat_workbench.targets import Target

if TYPE_CHECKING:
    from aat_datasets.catalog import Dataset
    from aat_datasets.records import Example

__all__ = ["measure"]

BATCH = 32  # texts written side by side


def measure(
    target: Target, sampling: Sampling, *, dataset: str = "", split: str = "test", n: int = 200, seed: int = 0
) -> Iterator[tuple[int, int] | dict[str, Any]]:
    """``(done, of)`` after each batch, and last the figures.

    Args:
        dataset: whose texts are answered; by default the one the target was trained on.
        n: texts, drawn with ``seed``.

    The figures: ``bleu`` (corpus, of words as sacreBLEU has them by default, 13a), ``bleu_lowercase`` (the same without
    case), ``chrf`` (mean of chrF2), ``exact`` (the share that is equal, blanks aside), ``mean_tokens``,
    ``tokens_per_second``. Where the dataset has labels, also ``intent``, the share of texts whose label is that of the train
    reply most like the written one (``aat_models.reply_intents``); ``intent_of_references``, the same of the output texts
    themselves, which says how far that can be trusted; ``label``, the share the model's label head has right, where it has
    one. Raises DataError where the split has no output texts, InputError where the target does not write.
    """
    from aat_datasets.catalog import open_dataset
    from aat_models.text_metrics import bleu, chrf, words_of

    name = dataset or target.dataset
    if not name:
        raise DataError(f"{target.name}: it is not known what it was trained on", "name a dataset: --dataset")
    opened = open_dataset(name)
    examples = [one for one in opened.examples(split, n, seed) if one.target]
    if not examples:
        raise DataError(f"dataset {name}: the split {split} has no output texts to compare with")
    written = [""] * len(examples)
    tokens, began = 0, time.perf_counter()
    # texts of like length together: shorter ones then wait less for longer ones
    order = sorted(range(len(examples)), key=lambda place: len(examples[place].text))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        histories = [examples[row].history[-target.turns :] if target.turns else () for row in chosen]
        for place, token in target.generate_many([examples[row].text for row in chosen], sampling, histories):
            written[chosen[place]] += token.text
            tokens += 1
        yield start + len(chosen), len(order)
    seconds = time.perf_counter() - began
    wanted = [one.target or "" for one in examples]
    equal = sum(own.split() == other.split() for own, other in zip(written, wanted, strict=True))
    words = [[words_of(text) for text in texts] for texts in (written, wanted)]
    lower = [[words_of(text.lower()) for text in texts] for texts in (written, wanted)]
    yield {
        "target": target.name, "dataset": name, "split": split, "texts": len(examples),
        "bleu": round(bleu(*words), 4), "bleu_lowercase": round(bleu(*lower), 4),
        "chrf": round(chrf(written, wanted), 4), "exact": round(equal / len(examples), 4),
        "mean_tokens": round(tokens / len(examples), 2), "tokens_per_second": round(tokens / max(seconds, 1e-9), 1),
        **_intents(target, opened, examples, words),
    }  # fmt: skip


def _intents(
    target: Target, dataset: Dataset, examples: Sequence[Example], words: Sequence[Sequence[Sequence[str]]]
) -> dict[str, float]:
    """The figures of what replies speak to; ``words`` are those of the written and of the wanted texts."""
    from aat_datasets.preprocess import tokenise
    from aat_models.reply_intents import ReplyIntents

    known = [one for one in dataset.examples("train") if one.label is not None and one.target]
    asked = [place for place, one in enumerate(examples) if one.label is not None]
    if not known or not asked:
        return {}
    found = ReplyIntents([tokenise(one.target or "").split() for one in known], [one.label or 0 for one in known])
    written, wanted = (
        sum(found.of(texts[place]) == examples[place].label for place in asked) / len(asked) for texts in words
    )
    figures = {"intent": round(written, 4), "intent_of_references": round(wanted, 4)}
    if target.has_head and target.labels == dataset.labels:
        rows = target.predict([examples[place].text for place in asked])
        right = sum(
            max(range(len(row)), key=row.__getitem__) == examples[place].label
            for place, row in zip(asked, rows, strict=True)
        )
        figures["label"] = round(right / len(asked), 4)
    return figures
