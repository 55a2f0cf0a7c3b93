"""How near a model's answers come to a dataset's own output texts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from aat_datasets.errors import DataError
from aat_models.sampling import Sampling
from aat_workbench.targets import Target

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
    ``tokens_per_second``. Raises DataError where the split has no output texts, InputError where the target does not write.
    """
    from aat_datasets.catalog import open_dataset
    from aat_models.text_metrics import bleu, chrf, words_of

    name = dataset or target.dataset
    if not name:
        raise DataError(f"{target.name}: it is not known what it was trained on", "name a dataset: --dataset")
    examples = [one for one in open_dataset(name).examples(split, n, seed) if one.target]
    if not examples:
        raise DataError(f"dataset {name}: the split {split} has no output texts to compare with")
    written = [""] * len(examples)
    tokens, began = 0, time.perf_counter()
    # texts of like length together: shorter ones then wait less for longer ones
    order = sorted(range(len(examples)), key=lambda place: len(examples[place].text))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        for place, token in target.generate_many([examples[row].text for row in chosen], sampling):
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
    }  # fmt: skip
