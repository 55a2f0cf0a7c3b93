"""Our side of ``bench attack``: a process that attacks with our engine, and replays its queries through the bare victim.

``python -m aat_workbench.attack_bench_side`` answers the requests of ``peers.wire``: prepare, open, attack, replay.
"""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aat_datasets.records import Example
from aat_models.attacks.victim import batch_of
from aat_workbench.peers.wire import serve

if TYPE_CHECKING:
    from aat_models.attacks import Attack, Recipe, Victim, WhiteBox
    from aat_models.config import Config

__all__ = ["VICTIMS", "Recorder", "Session", "recipe_of", "replay"]

VICTIMS = {
    "bilstm": {"model.encoder": "bilstm", "train.epochs": "3.0"},
    "mean": {"model.encoder": "bow", "model.latent": "32", "train.epochs": "6.0"},
}
"""What the bench trains where no run is given; words have vectors and no n-grams, as in the published comparisons."""

_PLAIN = {
    "data.preprocess": ["lowercase"],
    "model.characters": False,
    "surface.source": "none",
    "train.threads": 1,
}
_UNLIMITED = 1_000_000  # queries a word: the other side has no such budget


def config_of(victim: str, dataset: str) -> Config:
    """The config of a victim that the bench trains. Raises UnknownNameError."""
    from aat_datasets.errors import UnknownNameError
    from aat_models import config as configs

    if victim not in VICTIMS:
        raise UnknownNameError("victim", victim, VICTIMS)
    return configs.apply(configs.Config(), {"data.dataset": dataset, **_PLAIN, **VICTIMS[victim]})


def prepare(victim: str, dataset: str, cache: str) -> dict[str, Any]:
    """Trains a victim, once: a checkpoint folder in ``cache``, named after its config and data."""
    from aat_datasets.catalog import open_dataset
    from aat_models import config as configs
    from aat_models.data import prepare as data_of
    from aat_models.training import CheckpointDue, Training

    config = config_of(victim, dataset)
    made_of = configs.dump(config) + open_dataset(dataset).fingerprint
    folder = Path(cache) / f"{victim}-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
    if not (folder / "model.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        training = Training(config, data_of(config, Path(cache) / "encoded"))
        for event in training.events():
            if isinstance(event, CheckpointDue) and event.best:
                training.save(folder)
    return {"folder": str(folder)}


class Recorder:
    """A victim that keeps the texts it is asked about: rows of ids. Gradients are answered and not kept."""

    def __init__(self, victim: WhiteBox) -> None:
        self._victim = victim
        self.labels = list(victim.labels)
        self.words = victim.words
        self.intern = victim.intern
        self.gradients = victim.gradients
        self.rows: list[NDArray[np.int32]] = []

    @property
    def best_batch(self) -> int:
        return batch_of(self._victim)

    def score(self, ids: NDArray[np.int32], lengths: NDArray[Any]) -> NDArray[Any]:
        self.rows += [row[:length].copy() for row, length in zip(ids, lengths.tolist(), strict=True)]
        return self._victim.score(ids, lengths)


@dataclass
class Clock:
    """Wall and CPU seconds since it was made."""

    def __post_init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        return {"wall": time.perf_counter() - self._wall, "cpu": time.process_time() - self._cpu}


def replay(victim: Victim, rows: Sequence[NDArray[np.int32]], batch: int) -> dict[str, float]:
    """Seconds of all queries through the bare victim, sorted by length, ``batch`` at a time; making arrays is free."""
    ordered = sorted(rows, key=len)
    blocks: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []
    for start in range(0, len(ordered), batch):
        part = ordered[start : start + batch]
        block = np.zeros((len(part), len(part[-1])), np.int32)
        for k, row in enumerate(part):
            block[k, : len(row)] = row
        blocks.append((block, np.array([len(row) for row in part], np.int32)))
    clock = Clock()
    for block, lengths in blocks:
        victim.score(block, lengths)
    return clock.read()


def recipe_of(name: str) -> Recipe:
    """A recipe as it is compared: a shipped one, or one that searches as the peer does."""
    from aat_models.attacks import find
    from aat_workbench.peers.matching import MATCHED

    return MATCHED[name] if name in MATCHED else find(name)


class Session:
    """A victim and the texts it is attacked on; ``bare`` is it without anything that helps an attack alone."""

    def __init__(self, victim: WhiteBox, texts: Sequence[tuple[int, str, int]], bare: Victim | None = None) -> None:
        self._victim = victim
        self._bare = victim if bare is None else bare
        self._examples = [Example(row=row, text=text, label=label) for row, text, label in texts]
        self._recorded: dict[str, list[NDArray[np.int32]]] = {}

    def words(self) -> list[list[str]]:
        """The texts as the victim reads them."""
        return [self._victim.words(example.text) for example in self._examples]

    def _start(self, victim: Victim, recipe: Recipe, seed: int, limit: int = 0) -> Attack:
        from aat_models import attacks
        from aat_workbench.api import surface_of

        surface = surface_of(self._victim) if "surface" in recipe.needs else None
        return attacks.attack(
            victim,
            self._examples[: limit or None],
            recipe,
            queries_per_word=_UNLIMITED,
            seed=seed,
            surface=surface,
        )

    def attack(self, recipe: str, seed: int, limit: int = 0) -> dict[str, Any]:
        """One attack on the first ``limit`` texts, 0: all. What it looks up is opened anew before the clock starts."""
        _forget()
        started = self._start(self._victim, recipe_of(recipe), seed, limit)
        clock = Clock()
        results = list(started)
        times = clock.read()
        return {
            **times,
            "forward": started.statistics.forward_seconds,
            "rows": started.statistics.rows,
            "batches": started.statistics.batches,
            "queries": sum(result.queries for result in results),
            "statuses": {str(result.id): result.status for result in results},
        }

    def replay(self, recipe: str, seed: int, batch: int) -> dict[str, Any]:
        """What ``attack`` asked, through the bare victim."""
        key = f"{recipe}:{seed}"
        if key not in self._recorded:
            recorder = Recorder(self._victim)
            for _ in self._start(recorder, recipe_of(recipe), seed):
                pass
            self._recorded = {key: recorder.rows}
        rows = self._recorded[key]
        return {**replay(self._bare, rows, batch), "rows": len(rows)}


def _forget() -> None:
    """Opens tables and taggers anew: one attack must not live off what the one before has looked up."""
    from aat_models.attacks import tagging, wordnet

    for module in (tagging, wordnet):
        vars(module)["_open"].cache_clear()


def main() -> None:
    """Serves one benchmark. One thread."""
    import torch

    torch.set_num_threads(1)
    sessions: list[Session] = []

    def open_(folder: str, texts: list[tuple[int, str, int]], sharing: bool = True) -> dict[str, Any]:
        from aat_models.attacks.tiny import TinyVictim
        from aat_models.predictor import Predictor

        if folder == "builtin:tiny":
            session = Session(TinyVictim(), texts)
        else:
            victim = Predictor.load(Path(folder))
            bare = copy.copy(victim)
            bare.sharing = False
            session = Session(victim if sharing else bare, texts, bare)
        sessions[:] = [session]
        return {"words": session.words()}

    def attack(recipe: str, seed: int, limit: int = 0) -> dict[str, Any]:
        return sessions[0].attack(recipe, seed, limit)

    def replayed(recipe: str, seed: int, batch: int) -> dict[str, Any]:
        return sessions[0].replay(recipe, seed, batch)

    serve({"prepare": prepare, "open": open_, "attack": attack, "replay": replayed})


if __name__ == "__main__":
    main()
