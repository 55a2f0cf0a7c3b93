"""One cell of a study measured: trained, attacked, certified; and kept cells measured again."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aat_datasets.errors import InputError
from aat_workbench.robustness_study import BALL, AttackSpec, Cell, Row, Study, pack, read, results_path, rows, unpack

if TYPE_CHECKING:
    from aat_workbench.attack_request import AttackRequest
    from aat_workbench.attacking import AttackRun
    from aat_workbench.targets import Target

__all__ = ["check", "measure"]


def measure(study: Study, cell: Cell, runs_root: Path | None = None) -> Row:
    """Trains and attacks one cell; goes on with a training or an attack that was interrupted.

    Raises AatError.
    """
    from aat_workbench.attack_request import AttackRequest
    from aat_workbench.attacking import AttackRun
    from aat_workbench.masking import robust
    from aat_workbench.targets import open_target

    summary = _train(cell, runs_root)
    target = open_target(cell.name, runs_root)
    target.compute_on(cell.config.train.device)
    right: dict[str, list[bool]] = {}
    seconds: dict[str, float] = {}
    for name, spec in cell.attacks.items():
        if spec.recipe == BALL:
            began = time.monotonic()
            right[name] = _in_the_ball(target, spec, AttackRequest(dataset=cell.dataset, n=cell.n, seed=study.seed))
            seconds[name] = round(time.monotonic() - began, 1)
            continue
        request = AttackRequest(
            recipe=spec.recipe, dataset=cell.dataset, n=cell.n, budget=spec.budget, seed=study.seed,
            surface=spec.surface, queries_per_word=spec.queries_per_word, save=True,
        )  # fmt: skip
        run = AttackRun(target, request, reuse=True, runs_root=runs_root)
        for _ in run.steps():
            pass
        results = sorted(run.results, key=lambda result: result.id)
        right.setdefault("clean", [result.status != "skipped" for result in results])
        right[name] = [robust(result) for result in results]
        seconds[name] = round(run.summary["seconds"], 1)
        _certify(target, request, run, right)
    return Row(
        cell=cell.name, key=cell.key, dataset=cell.dataset, encoder=cell.encoder, method=cell.method, seed=cell.seed,
        n=len(next(iter(right.values()))), right={name: pack(answers) for name, answers in right.items()},
        seconds=summary["seconds"], note=cell.note, device=_device(cell), step_time_ratio=summary.get("step_time_ratio"),
        attack_seconds=seconds, date=time.strftime("%Y-%m-%d"),
    )  # fmt: skip


def _device(cell: Cell) -> str:
    """``cpu``, or the name of the GPU that trained and attacked a cell."""
    import torch

    from aat_models import devices

    device = devices.choose(cell.config.train.device)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _in_the_ball(target: Target, spec: AttackSpec, request: AttackRequest) -> list[bool]:
    """Who survives, by row."""
    from aat_workbench.attack_texts import attack_texts

    examples = sorted(attack_texts(target, request).examples, key=lambda example: example.row)
    words = [target.words(example.text) for example in examples]
    stood = target.survive_ball(words, [example.label or 0 for example in examples], spec.epsilon)
    assert stood is not None, "a cell's target is a trained run"
    return stood


def _certify(target: Target, request: AttackRequest, run: AttackRun, right: dict[str, list[bool]]) -> None:
    """Adds ``certified``, once, where the target can be bounded, and holds every attack on the word surface against it."""
    from aat_workbench.attack_texts import attack_texts, surface_of
    from aat_workbench.certifying import certificates, on_the_surface

    if request.surface != "words" or not on_the_surface(request.recipe):
        return
    texts = attack_texts(target, request)
    found = certificates(target, texts, surface_of(target, request.surface, texts.dataset)[0])
    if found is not None:
        found.check(request.recipe, run.results)
        right["certified"] = [found.certified[row] for row in sorted(found.certified)]


def _train(cell: Cell, runs_root: Path | None) -> dict[str, Any]:
    """The summary of a cell's finished training, which is begun or gone on with where it is not finished."""
    from aat_workbench.runs import find_run
    from aat_workbench.training import run_training

    resume = False
    try:
        folder = find_run(cell.name, runs_root)
    except InputError:
        folder = None
    if folder is not None:
        status = folder.status()
        if folder.config == cell.config and status.state == "done":
            return status.summary or {}
        resume = folder.config == cell.config and folder.latest() is not None and status.state != "failed"
        if not resume:
            folder.remove()
    for _ in run_training(cell.config, resume=resume, runs_root=runs_root):
        pass
    return find_run(cell.name, runs_root).status().summary or {}


def check(path: Path, count: int, *, only: str = "", say: Callable[[str], None] = print) -> Iterator[dict[str, Any]]:
    """Trains and attacks ``count`` kept cells again, in a folder that is thrown away, and compares.

    Yields a record an attack: ``cell``, ``attack``, ``kept`` and ``again`` (accuracies), ``points`` between them. The cells are
    the cheapest to attack: a check takes minutes. Same machine, same versions: no difference is expected.
    """
    study, known = read(path), rows(results_path(path))
    chosen = [row for name, row in known.items() if name in study.cells and re.search(only, name)]
    chosen = sorted((row for row in chosen if row.key == study.cells[row.cell].key), key=_cost)[:count]
    if not chosen:
        raise InputError(f"{path}: no cell is kept that matches", "measure some first")
    for row in chosen:
        say(f"measuring {row.cell} again")
        with tempfile.TemporaryDirectory() as folder:
            again = measure(study, study.cells[row.cell], Path(folder))
        for attack, bits in row.right.items():
            shares = [sum(unpack(one, row.n)) / row.n for one in (bits, again.right[attack])]
            points = round(100 * (shares[1] - shares[0]), 1)
            yield {"cell": row.cell, "attack": attack, "kept": shares[0], "again": shares[1], "points": points}


def _cost(row: Row) -> float:
    return row.seconds + sum(row.attack_seconds.values())
