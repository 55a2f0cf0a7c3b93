"""How fast training is: our loop against the fewest lines that train the same model, what a run folder costs, what each
adversary costs a step, and the model of a plain script against Keras.

Everything is measured on one thread, the two sides of a comparison in turn, and told as the median of the rounds.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from aat_datasets.errors import InputError
from aat_models.config import ADVERSARIES
from aat_workbench.peers import environment
from aat_workbench.peers.wire import Side, one_thread, our_packages

__all__ = ["BACKENDS", "PARTS", "PEER", "bench_train", "compared"]

PARTS = ("loop", "records", "watching", "adversaries")
PEER = "keras"
BACKENDS = ("tensorflow", "torch")
WORDS, WIDTH, BATCH = 10_000, 128, 32  # of the plain script's model
LOOP_BATCH = 64

Answer = dict[str, Any]


def bench_train(
    parts: Sequence[str] = PARTS, *, against: str = "", dataset: str = "sst2-sentences", texts: int = 0,
    adversaries: Sequence[str] = (), encoder: str = "lstm", rounds: int = 5, device: str = "cpu",
) -> Iterator[str | dict[str, Any]]:  # fmt: skip
    """Lines of narration, and last the figures. Times are in seconds.

    Raises InputError where there is no such part or peer, DataError where the texts are not there, EngineError where a side
    fails or the peer's environment cannot be made.
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise InputError(f"--parts: there is no part {unknown[0]}", "known: " + ", ".join(PARTS))
    if against not in ("", PEER):
        raise InputError(f"--against: training is not compared with {against}", f"known: {PEER}")
    if against:
        yield from environment.make(against)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aat-bench-")))
        settings = one_thread(our_packages(folder))
        ours = stack.enter_context(Side("our side", [sys.executable, "-m", "aat_workbench.train_bench_side"], settings))
        yield f"preparing {dataset}"
        figures: dict[str, Any] = {"dataset": dataset, "rounds": rounds, "cores": os.cpu_count(), "device": device}
        figures |= ours.ask("open", dataset=dataset, cache=str(folder / "cache"), texts=texts, device=device)
        if "loop" in parts:
            sides: dict[str, Callable[[], Answer]] = {
                "loop": lambda: ours.ask("loop", batch=LOOP_BATCH, ema=0.0),
                "averaged": lambda: ours.ask("loop", batch=LOOP_BATCH, ema=0.99),
                "bare": lambda: ours.ask("bare", batch=LOOP_BATCH),
            }
            figures["loop"] = yield from compared("loop", sides, rounds)
        if "records" in parts:
            sides = {name: lambda kept=name == "on": ours.ask("recorded", kept=kept) for name in ("on", "off")}
            figures["records"] = yield from compared("records", sides, rounds)
        if "watching" in parts:
            figures["watching"] = yield from _watching(ours, rounds)
        if "adversaries" in parts:
            figures["adversaries"] = yield from _adversaries(ours, adversaries or ADVERSARIES[1:], encoder, rounds)
            figures["encoder"] = encoder
        if against:
            figures[PEER] = yield from _keras(stack, ours, settings, folder, rounds)
    yield figures


def compared(name: str, sides: dict[str, Callable[[], Answer]], rounds: int) -> Generator[str, None, dict[str, Any]]:
    """The median times of the sides in turn, and how often the first fits into each other, round by round."""
    for ask in sides.values():
        ask()  # uncounted: whatever is only done once
    seen: dict[str, list[Answer]] = {side: [] for side in sides}
    for number in range(rounds):
        order = list(sides) if number % 2 == 0 else list(reversed(sides))
        for side in order:
            seen[side].append(sides[side]())
        yield f"{name}, round {number + 1} of {rounds}"
    first = next(iter(sides))
    found: dict[str, Any] = {
        side: {kind: _median([answer[kind] for answer in answers]) for kind in ("wall", "cpu")}
        for side, answers in seen.items()
    }
    for side in list(sides)[1:]:
        pairs = list(zip(seen[side], seen[first], strict=True))
        found[f"{side}_over_{first}"] = {
            kind: _median([theirs[kind] / mine[kind] for theirs, mine in pairs]) for kind in ("wall", "cpu")
        }
    losses = {side: _median([a["loss"] for a in answers]) for side, answers in seen.items() if "loss" in answers[0]}
    return found | ({"loss": losses} if losses else {})


WATCHING = {"records": (20, False), "records_and_tensorboard": (20, True), "a_record_a_step": (1, True)}
"""``train.log_every`` and ``train.tensorboard``; the first as they are by default."""


def _watching(ours: Side, rounds: int) -> Generator[str, None, dict[str, dict[str, float]]]:
    """What writing records and looking for commands take of an epoch, over the training itself in the very same epoch."""
    seen: dict[str, list[Answer]] = {name: [] for name in WATCHING}
    for number in range(-1, rounds):
        for name, (log_every, tensorboard) in WATCHING.items():
            answer = ours.ask("watched", log_every=log_every, tensorboard=tensorboard)
            if number >= 0:  # the first round is not counted
                seen[name].append(answer)
        yield f"watching, round {number + 1} of {rounds}"
    found: dict[str, dict[str, float]] = {}
    for name, answers in seen.items():
        shares = {
            f"{part}_{kind}": _median(
                [a[part][kind] / (a[kind] - a["records"][kind] - a["checkpoints"][kind]) for a in answers]
            )
            for part in ("records", "checkpoints")
            for kind in ("cpu", "wall")
        }
        found[name] = {**shares, "count": answers[0]["count"], "cpu": _median([a["cpu"] for a in answers])}
    return found


def _adversaries(
    ours: Side, names: Sequence[str], encoder: str, rounds: int
) -> Generator[str, None, dict[str, dict[str, float]]]:
    seen: dict[str, list[Answer]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names:
            seen[name].append(ours.ask("adversary", name=name, encoder=encoder))
        yield f"adversaries, round {number + 1} of {rounds}"
    found: dict[str, dict[str, float]] = {}
    for name, answers in seen.items():
        ratio, analytic = _median([answer["ratio"] for answer in answers]), answers[0]["analytic"]
        found[name] = {"ratio": ratio, "analytic": round(analytic, 3), "share": round(ratio / analytic, 3)}
    return found


def _keras(
    stack: ExitStack, ours: Side, settings: dict[str, str], folder: Path, rounds: int
) -> Generator[str, None, dict[str, Any]]:
    python = environment.python_of(PEER)
    assert python is not None, "made before"
    path = folder / "padded.npz"
    told: dict[str, Any] = ours.ask("padded", words=WORDS, path=str(path))
    sides: dict[str, Callable[[], Answer]] = {"ours": lambda: ours.ask("small", words=WORDS, batch=BATCH)}
    for backend in BACKENDS:
        yield f"starting {PEER} on {backend}"
        own = {**settings, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
        side = Side(f"{PEER} on {backend}", [str(python), "-W", "ignore", "-m", "aat_workbench.peers.keras_peer"], own)
        peer = stack.enter_context(side)
        told |= peer.ask("open", texts=str(path), words=WORDS, width=WIDTH, batch=BATCH)
        sides[backend] = lambda peer=peer: peer.ask("epoch")
    return told | (yield from compared(PEER, sides, rounds))


def _median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 4)
