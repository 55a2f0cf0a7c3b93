"""How fast text is written: our loop against ``transformers.generate`` on the same weights, and what telling a token costs.

Everything is measured on one thread, the sides in turn, each in a process of its own, and told as the median of the rounds.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from aat_datasets.errors import InputError
from aat_workbench.generate_bench_side import SIZES
from aat_workbench.peers.wire import Side, one_thread, our_packages
from aat_workbench.train_bench import compared

__all__ = ["BATCHES", "PEER", "SIZES", "bench_generate"]

PEER = "transformers"
BATCHES = (1, 16)
TYPES = ("float32", "bfloat16")

Answer = dict[str, Any]


def bench_generate(
    sizes: Sequence[str] = tuple(SIZES), *, against: str = "", batches: Sequence[int] = BATCHES, tokens: int = 64,
    dtype: str = "float32", rounds: int = 5,
) -> Iterator[str | dict[str, Any]]:  # fmt: skip
    """Lines of narration, and last the figures: for each size and batch the seconds of each side and their ratios.

    ``equal`` is the share of the tokens both sides choose alike, up to the first that differs in each text. Raises InputError
    where there is no such size, type or peer, EngineError where a side fails.
    """
    for name, given, known in (("--sizes", sizes, tuple(SIZES)), ("--dtype", [dtype], TYPES)):
        if unknown := [one for one in given if one not in known]:
            raise InputError(f"{name}: there is no {unknown[0]}", "known: " + ", ".join(known))
    if against not in ("", PEER):
        raise InputError(f"--against: generation is not compared with {against}", f"known: {PEER}")
    if against and importlib.util.find_spec(PEER) is None:
        raise InputError(f"--against: the package {PEER} is not installed", 'pip install "aat-workbench[hf]"')
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aat-bench-")))
        settings = one_thread(our_packages(folder))
        command = [sys.executable, "-W", "ignore", "-m", "aat_workbench.generate_bench_side"]
        ours = stack.enter_context(Side("our side", command, settings))
        peer = stack.enter_context(Side(PEER, command, settings)) if against else None
        figures: dict[str, Any] = {
            "rounds": rounds,
            "tokens": tokens,
            "dtype": dtype,
            "cores": os.cpu_count(),
            "rows": [],
        }
        for size in sizes:
            place = str(folder / size)
            made = ours.ask("make", size=size, folder=place, dtype=dtype)
            yield f"{size}: {made['parameters']:,} weights"
            figures["torch"] = ours.ask("open", folder=place, by="us", dtype=dtype)["version"]
            if peer is not None:
                figures[PEER] = peer.ask("open", folder=place, by=PEER, dtype=dtype)["version"]
            for batch in batches:
                found = yield from _row(ours, peer, f"{size}, batch {batch}", batch, tokens, rounds)
                figures["rows"].append({"size": size, **made, "batch": batch, **found})
    yield figures


def _row(
    ours: Side, peer: Side | None, name: str, batch: int, tokens: int, rounds: int
) -> Generator[str, None, dict[str, Any]]:
    chosen: dict[str, list[list[int]]] = {}

    def asking(side: Side, do: str) -> Callable[[], Answer]:
        def ask() -> Answer:
            answer = side.ask(do, batch=batch, tokens=tokens)
            chosen[do] = answer.pop("ids")
            return answer

        return ask

    sides = {"ours": asking(ours, "ours"), "told": asking(ours, "told")}
    if peer is not None:
        sides["theirs"] = asking(peer, "theirs")
    found = yield from compared(name, sides, rounds)
    for side in sides:
        found[side]["tokens_per_second"] = round(batch * tokens / found[side]["wall"], 1)
    if peer is not None:
        found["equal"] = _equal(chosen["ours"], chosen["theirs"])
    return found


def _equal(one: list[list[int]], other: list[list[int]]) -> float:
    """The share of tokens before the first difference of each text."""
    same, total = 0, 0
    for mine, theirs in zip(one, other, strict=True):
        same += next((n for n, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b), len(mine))
        total += len(mine)
    return round(same / total, 4)
