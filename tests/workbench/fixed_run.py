"""A runs folder made by code, the same on every machine: two runs with believable curves, and attack results.

Used by the tests of the app and by the pictures in docs/screenshots. Nothing in it depends on the clock: records carry
times of their own, and the run that seems to be at work names this very process, which lives while it is looked at.
"""

from __future__ import annotations

import json
import math
import os
import random
from pathlib import Path
from typing import Any

import msgspec

from aat_models import config as configs
from aat_models import events
from aat_models.events import (
    AttackResult,
    Checkpointed,
    ControlApplied,
    Done,
    Edit,
    Evaluation,
    Event,
    Notice,
    Started,
    Step,
)
from aat_workbench import liveness
from aat_workbench.runs import RunStatus

__all__ = ["BEGIN", "LABELS", "attack_results", "make_attack", "make_run", "make_runs"]

BEGIN = 1_750_000_000.0
LABELS = ["negative", "positive"]
SENTENCES = (
    (
        "a stirring , funny and finally transporting re-imagining of beauty and the beast",
        1,
        {1: "rousing", 3: "amusing"},
    ),
    ("the movie is a mess from start to finish", 0, {4: "jumble", 8: "end"}),
    ("one of the best films of the year", 1, {3: "finest"}),
    ("it never fails to engage us", 1, {2: "fai1s", 4: "involve"}),
    ("a gorgeous , witty , seductive movie", 1, {1: "georgeous", 3: "clever", 5: "alluring"}),
    ("the plot is paper-thin and the acting is worse", 0, {5: "and", 8: "poorer"}),
    ("it 's slow -- very , very slow", 0, {2: "sluggish"}),
    ("a quiet , patient and deeply humane piece of work", 1, {1: "silent", 5: "profoundly"}),
    ("nothing happens , and it happens to flat characters", 0, {0: "nothin", 7: "bland"}),
    ("an exhilarating ride through an unlikely friendship", 1, {1: "thrilling", 5: "improbable"}),
)


def make_runs(root: Path) -> list[str]:
    """Three runs in ``root``: one at work, one done, one failed. Returns their names, newest first."""
    make_run(root, "sst2-bilstm-aat-1", adversary="aat", steps=1240, total=2000, state="running", age=0)
    make_run(root, "sst2-bilstm-none-1", adversary="none", steps=2000, total=2000, state="done", age=60)
    make_run(root, "support-cnn-fgm-1", adversary="fgm", steps=160, total=1200, state="failed", age=120)
    make_attack(root / "sst2-bilstm-none-1")
    return ["sst2-bilstm-aat-1", "sst2-bilstm-none-1", "support-cnn-fgm-1"]


def make_run(
    root: Path,
    name: str,
    *,
    adversary: str = "aat",
    steps: int = 1240,
    total: int = 2000,
    state: str = "running",
    age: float = 0,
) -> Path:
    """One run folder; ``age`` in seconds orders the runs."""
    folder = root / name
    (folder / "control").mkdir(parents=True)
    (folder / "checkpoints").mkdir()
    settings = {"run": name, "data.dataset": name.split("-")[0], "model.encoder": name.split("-")[1]}
    parts: dict[str, object] = dict.fromkeys(
        ("adversary.adaptive", "adversary.rho_floor", "adversary.cache"), adversary == "aat"
    )
    config = configs.apply(
        configs.Config(), {"adversary.beta": 1.0, **settings, **parts, "adversary.name": adversary, "train.lr": 0.001}
    )
    (folder / "config.toml").write_text(configs.dump(config), encoding="utf-8")
    os.utime(folder / "config.toml", (BEGIN - age, BEGIN - age))
    records = _records(name, adversary, steps, total, state)
    with (folder / "events.jsonl").open("wb") as file:
        for record in records:
            file.write(events.encode(record) + b"\n")
    summary = next((record.summary for record in records if isinstance(record, Done)), None)
    last = next((record.metrics for record in reversed(records) if isinstance(record, Evaluation)), {})
    failed = state == "failed"
    status = RunStatus(
        state=state,  # pyright: ignore[reportArgumentType]
        pid=os.getpid(),
        host=liveness.host(),
        process_start=liveness.process_start(os.getpid()),
        started=BEGIN,
        heartbeat=BEGIN + steps * 0.15,
        step=steps,
        total=total,
        stage="encoder",
        metrics=last,
        summary=summary,
        error="the loss is not a number at step 160" if failed else "",
    )
    (folder / "status.json").write_bytes(msgspec.json.encode(status))
    if failed:
        (folder / "log.txt").write_text("loading support: 8412 texts\nsurface: dataset, 5210 words\n", encoding="utf-8")
    return folder


def _records(name: str, adversary: str, steps: int, total: int, state: str) -> list[Event]:
    draw = random.Random(name)
    against = adversary != "none"
    started = Started(
        time=BEGIN, run=name, total=total, stages=["encoder"], parameters=3_412_226, labels=LABELS,
        surface="counterfitted, 11420 words" if against else "", threads=1,
    )  # fmt: skip
    records: list[Event] = [started]
    if against:
        records.append(Notice(time=BEGIN + 1, message="surface: 11420 words have substitutes, 4.9 each"))
    best = 0.0
    for step in range(20, steps + 1, 20):
        now = BEGIN + 2 + step * (0.15 if against else 0.06)
        records.append(_step(step, total, against, now, draw))
        if step % 200 == 0:
            accuracy = 0.83 - 0.31 * math.exp(-step / 330) - (0.012 if against else 0) + draw.gauss(0, 0.005)
            robust = (0.52 if against else 0.17) * (1 - math.exp(-step / 480)) + draw.gauss(0, 0.008)
            figures = {"accuracy": round(accuracy, 4), "robust_accuracy": round(max(0.0, robust), 4)}
            records.append(Evaluation(time=now + 0.5, step=step, split="dev", metrics=figures))
            better, best = accuracy > best, max(best, accuracy)
            records.append(Checkpointed(time=now + 0.8, step=step, path=f"checkpoints/step-{step:08}", best=better))
        if step == 620 and against:
            records.append(ControlApplied(time=now + 0.1, step=step, command="set", value="lr=0.0008"))
    if state == "done":
        summary: dict[str, Any] = {"run": name, "dev": {"accuracy": 0.829}, "robust": {"accuracy": 0.171}}
        summary |= {"seconds": 124.2, "examples_per_second": 1066.0, "step_time_ratio": 1.0}
        records.append(Done(time=BEGIN + 126, summary=summary))
    if state == "failed":
        records.append(
            events.Failed(time=BEGIN + 27, error="the loss is not a number at step 160", hint="lower train.lr")
        )
    return records


def _step(step: int, total: int, against: bool, now: float, draw: random.Random) -> Step:
    share = step / total
    metrics = {
        "loss": 0.18 + 0.52 * math.exp(-step / 420) + draw.gauss(0, 0.018),
        "lr": 0.001 * min(1.0, step / 100) * (0.5 + 0.5 * math.cos(math.pi * share)),
        "examples_per_second": (425 if against else 1066) + draw.gauss(0, 14),
        "step_seconds": (0.15 if against else 0.06) + draw.gauss(0, 0.004),
    }
    if against:
        rise = 0.05 + 0.24 * (1 - math.exp(-step / 600))
        word = 0.34 + 0.22 * share + draw.gauss(0, 0.01)
        char = 0.33 - 0.12 * share + draw.gauss(0, 0.01)
        metrics |= {
            "loss_adv": 0.36 + 0.62 * math.exp(-step / 560) + draw.gauss(0, 0.026),
            "rho_mean": rise + draw.gauss(0, 0.003),
            "rho_p10": rise * 0.62 + draw.gauss(0, 0.003),
            "rho_p90": min(0.3, rise * 1.25 + draw.gauss(0, 0.003)),
            "weight_word": word,
            "weight_char": char,
            "weight_hull": 1 - word - char,
            "fooled": 0.5 + 0.3 * math.exp(-step / 300) + draw.gauss(0, 0.02),
        }
    metrics = {key: round(value, 5) for key, value in metrics.items()}
    return Step(time=now, step=step, total=total, epoch=round(4 * share, 3), stage="encoder", metrics=metrics)


def attack_results(count: int = 40) -> list[AttackResult]:
    """Results as an attack on a sentiment model gives them: all four statuses, one to three edits."""
    draw = random.Random("attack")
    return [_result(place, draw) for place in range(count)]


def _result(place: int, draw: random.Random) -> AttackResult:
    text, label, swaps = SENTENCES[place % len(SENTENCES)]
    words = text.split(" ")
    status = ("success", "success", "failed", "success", "skipped", "failed", "success", "budget")[place % 8]
    confidence = round(0.55 + 0.44 * draw.random(), 4)
    edits: list[Edit] = []
    trajectory = [confidence if status != "skipped" else round(1 - confidence, 4)]
    if status != "skipped":
        low = 0.2 if status == "success" else 0.58
        for step, (position, target) in enumerate(sorted(swaps.items()), start=1):
            edits.append(Edit(position, words[position], target))
            words[position] = target
            trajectory.append(round(confidence + (low - confidence) * step / len(swaps), 4))
    right = trajectory[-1]
    return AttackResult(
        time=BEGIN + place * 0.4,
        id=place,
        text=text,
        adversarial=" ".join(words),
        label=label,
        prediction=label if status != "skipped" else 1 - label,
        adversarial_prediction=1 - label if status in ("success", "skipped") else label,
        probabilities=_both(trajectory[0], label),
        adversarial_probabilities=_both(right, label),
        edits=edits,
        queries=1 if status == "skipped" else 34 + draw.randrange(90),
        cache_hits=draw.randrange(12),
        edited_share=round(len(edits) / len(words), 4),
        status=status,
        trajectory=trajectory,
        seconds=round(0.02 + 0.1 * draw.random(), 4),
    )


def _both(right: float, label: int) -> list[float]:
    wrong = round(1 - right, 4)
    return [wrong, right] if label == 1 else [right, wrong]


def make_attack(run: Path, name: str = "greedy-1", count: int = 40) -> Path:
    """An attack folder in a run folder: config.toml, results.jsonl, summary.json."""
    folder = run / "attacks" / name
    folder.mkdir(parents=True)
    recipe = name.rsplit("-", 1)[0]
    (folder / "config.toml").write_text(
        f'target = "{run.name}"\nrecipe = "{recipe}"\ndataset = "sst2"\nsplit = "test"\nn = {count}\nseed = 0\n'
        'budget = 0.3\nqueries_per_word = 50\ncheckpoint = "step-00002000"\nweights = "0123456789abcdef"\n'
        'texts = "fedcba9876543210"\nsurface = "words"\nsurface_hash = "words:0011223344556677"\n'
        f"labels = {json.dumps(LABELS)}\ntemperature = 1.3\ncalibrated = true\n",
        encoding="utf-8",
    )
    results = attack_results(count)
    with (folder / "results.jsonl").open("wb") as file:
        for result in results:
            file.write(events.encode(result) + b"\n")
    right = [result for result in results if result.status != "skipped"]
    broken = [result for result in right if result.status == "success"]
    summary = {
        "recipe": recipe,
        "examples": count,
        "clean_accuracy": round(len(right) / count, 4),
        "accuracy_under_attack": round((len(right) - len(broken)) / count, 4),
        "success_rate": round(len(broken) / len(right), 4),
        "mean_queries": round(sum(result.queries for result in right) / len(right), 1),
        "mean_edited_share": round(sum(result.edited_share for result in broken) / len(broken), 4),
        "seconds": 16.0,
        "examples_per_second": round(count / 16.0, 2),
    }
    (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return folder
