"""The whole way through, on built-in data and without a network, in minutes.

Trains a clean and an adaptively adversarially trained model, attacks both with the same texts on the same surface,
and picks what a person wants to see of it: texts that broke the one and not the other, and replies.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from aat_datasets.records import Example
from aat_models.events import AttackResult, Done, Event, Notice, Progress
from aat_workbench.demo import ADVERSARIES, DATASET, begin, demo_config, reusable
from aat_workbench.runs import RunFolder, runs_root
from aat_workbench.training import drive

__all__ = ["run_demo"]

SHOWN = 3
REPLY_WORDS = 40


def run_demo(
    *,
    seed: int = 0,
    examples: int = 200,
    keep: bool = False,
    root: Path | None = None,
    settings: dict[str, Any] | None = None,
    signals: bool = True,
) -> Iterator[Event]:
    """The demo's events; ends with ``Done``, whose summary is what the command prints.

    Args:
        seed: of trainings and attacks.
        examples: how many test texts are attacked, the same for both models.
        keep: use finished runs of an earlier demo with the same config.
        root: folder of runs.
        settings: dotted config keys over the demo's own, for both models.
        signals: see ``run_training``.

    Raises AatError; what was trained until then is kept.
    """
    began = time.monotonic()
    root = root or runs_root()
    runs: dict[str, RunFolder] = {}
    for kind in ADVERSARIES:
        config = demo_config(kind, seed, settings)
        found = reusable(config, root) if keep else None
        if found is not None:
            yield Notice(message=f"{kind}: using the finished run {found.name}")
            runs[kind] = found
            continue
        folder = runs[kind] = begin(kind, config, root)
        yield Notice(message=f"{kind}: training {folder.name}")
        yield from (event for event in drive(folder, signals=signals) if not isinstance(event, Done))
    results: dict[str, list[AttackResult]] = {}
    models: dict[str, dict[str, Any]] = {}
    for kind, folder in runs.items():
        yield Notice(message=f"{kind}: attacking {folder.name} with {examples} texts")
        models[kind], results[kind] = yield from _attack(folder, examples, seed, root)
    yield Done(summary=_summary(runs, models, results, seed, time.monotonic() - began))


def _attack(
    folder: RunFolder, examples: int, seed: int, root: Path
) -> Generator[Event, None, tuple[dict[str, Any], list[AttackResult]]]:
    """Yields the attack's progress; returns its summary and its results by id."""
    from aat_workbench.attacking import AttackRequest, AttackRun
    from aat_workbench.targets import open_target

    target = open_target(folder.name, root)
    run = AttackRun(target, AttackRequest(recipe="greedy", n=examples, seed=seed, surface="all", save=True))
    for events in run.steps():
        yield from (event for event in events if isinstance(event, Progress | Notice))
    return run.summary, sorted(run.results, key=lambda result: result.id)


def _summary(
    runs: dict[str, RunFolder],
    models: dict[str, dict[str, Any]],
    results: dict[str, list[AttackResult]],
    seed: int,
    seconds: float,
) -> dict[str, Any]:
    from aat_models.predictor import Predictor

    figures = ("clean_accuracy", "clean_accuracy_interval", "accuracy_under_attack", "accuracy_under_attack_interval")
    more = ("success_rate", "mean_queries", "mean_edited_share", "warnings")
    aat = Predictor.load(runs["aat"].checkpoint())
    return {
        "dataset": DATASET,
        "seed": seed,
        "examples": len(results["clean"]),
        "recipe": "greedy",
        "models": {
            kind: {"run": folder.name, **{name: models[kind][name] for name in (*figures, *more)}}
            for kind, folder in runs.items()
        },
        "adversarial": _broken(results, aat.labels),
        "replies": list(_replies(aat, seed)),
        "path": str(runs["aat"].path.parent),
        "seconds": round(seconds, 1),
    }


def _broken(results: dict[str, list[AttackResult]], labels: list[str]) -> list[dict[str, Any]]:
    """Texts that broke the clean model: those first that the other one withstood, then those with the fewest edits."""
    withstood = {result.id for result in results["aat"] if result.status == "failed"}
    broken = [result for result in results["clean"] if result.status == "success"]
    broken.sort(key=lambda result: (result.id not in withstood, len(result.edits), result.id))
    return [
        {
            "id": result.id,
            "text": result.text,
            "adversarial": result.adversarial,
            "edits": [[edit.position, edit.source, edit.target] for edit in result.edits],
            "label": labels[result.label],
            "adversarial_prediction": labels[result.adversarial_prediction],
            "probability": round(result.probabilities[result.label], 4),
            "adversarial_probability": round(result.adversarial_probabilities[result.label], 4),
            "aat_withstood": result.id in withstood,
        }
        for result in broken[:SHOWN]
    ]


def _replies(model: Any, seed: int) -> Iterator[dict[str, str]]:
    """What the model answers to a few test messages, of different intents."""
    from aat_datasets.catalog import open_dataset
    from aat_models.sampling import Sampling

    shown: dict[int | None, Example] = {}
    for example in open_dataset(DATASET).examples("test", limit=50, seed=seed):
        shown.setdefault(example.label, example)
    for example in list(shown.values())[:SHOWN]:
        tokens = model.generate(example.text, Sampling(greedy=True, max_tokens=REPLY_WORDS))
        label = model.labels[int(model.predict([example.text])[0].argmax())]
        yield {"message": example.text, "label": label, "reply": "".join(token.text for token in tokens).strip()}
