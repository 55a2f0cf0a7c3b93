"""Many methods, models and seeds trained and attacked alike: the tables of docs/results/robustness.md, in pieces.

A study is a TOML file: attacks, methods, and blocks that say which methods train which encoders on which dataset with
which seeds. Every training with its attacks is a cell, measured in a process of its own on one thread; its outcome is one
line of a JSON-lines file beside the study. A cell that is there is not measured again unless its settings changed, so a
study of many hours can be made in many sittings. Who got which text right is kept, so that comparisons are paired.

``robustness_cells`` measures a cell.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec

from aat_datasets.errors import ConfigError, InputError, UnknownNameError
from aat_models import config as configs
from aat_models.config import Config
from aat_workbench import durable
from aat_workbench.runs import in_its_language

if TYPE_CHECKING:
    pass

__all__ = [
    "BALL",
    "AttackSpec",
    "Cell",
    "Row",
    "Study",
    "joined",
    "pack",
    "read",
    "results_path",
    "rows",
    "run_study",
    "unpack",
]

POLL_SECONDS = 0.5


BALL = "ball"
"""A recipe of studies alone: ascent in a ball around the word vectors, ``epsilon`` times their norm."""


class AttackSpec(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One attack: a recipe with its surface and its caps (none: the recipe's own), or BALL with its radius."""

    recipe: str
    surface: Literal["words", "characters", "all"] = "words"
    budget: float | None = None
    queries_per_word: int | None = None
    epsilon: float = 0.1


class Block(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Every method × encoder × seed on one dataset; ``settings`` are config keys they share.

    ``n`` is how many texts are attacked (0: as many as the study says), ``note`` joins the cells' names and the table's
    title, so that methods can be trained in two ways.
    """

    dataset: str
    encoders: list[str]
    methods: list[str]
    attacks: list[str]
    seeds: list[int] = msgspec.field(default_factory=lambda: [0])
    settings: dict[str, Any] = {}
    n: Annotated[int, msgspec.Meta(ge=0)] = 0
    note: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    attacks: dict[str, AttackSpec]
    methods: dict[str, dict[str, Any]]
    blocks: list[Block]
    n: Annotated[int, msgspec.Meta(ge=0)] = 1000
    seed: int = 0
    reference: str = "aat"
    unions: dict[str, list[str]] = {}


class Cell(NamedTuple):
    """One training with its attacks on ``n`` texts. ``key`` changes with anything its outcome depends on."""

    name: str
    dataset: str
    encoder: str
    method: str
    seed: int
    config: Config
    attacks: dict[str, AttackSpec]
    n: int
    note: str
    key: str


class Study(NamedTuple):
    """``unions`` name sets of attacks of which a text must survive all."""

    name: str
    seed: int
    reference: str
    unions: dict[str, list[str]]
    cells: dict[str, Cell]


class Row(msgspec.Struct, kw_only=True):
    """What a cell came to.

    ``device`` is where it was measured. ``right`` holds, for ``clean``, each attack and ``certified``, who was right:
    hexadecimal bits, in the order of the rows.
    """

    cell: str
    key: str
    dataset: str
    encoder: str
    method: str
    seed: int
    n: int
    right: dict[str, str]
    seconds: float
    note: str = ""
    device: str = "cpu"
    step_time_ratio: float | None = None
    attack_seconds: dict[str, float] = {}
    date: str


def read(path: Path) -> Study:
    """The study in a file. Raises ConfigError or UnknownNameError naming what is wrong."""
    try:
        file = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}", "a study has name, [attacks.*], [methods.*] and [[blocks]]") from None
    cells: dict[str, Cell] = {}
    for block in file.blocks:
        for kind, names, known in (("method", block.methods, file.methods), ("attack", block.attacks, file.attacks)):
            for name in names:
                if name not in known:
                    raise UnknownNameError(f"{kind} of {path.name}", name, known)
        attacks = {name: file.attacks[name] for name in block.attacks}
        for encoder in block.encoders:
            for method in block.methods:
                for seed in block.seeds:
                    cell = _cell(file, block, encoder, method, seed, attacks)
                    if cell.name in cells:
                        raise ConfigError(f"{path}: two cells would be called {cell.name}")
                    cells[cell.name] = cell
    return Study(file.name, file.seed, file.reference, file.unions, cells)


def _cell(file: _File, block: Block, encoder: str, method: str, seed: int, attacks: dict[str, AttackSpec]) -> Cell:
    parts = [file.name, block.dataset, encoder, *([block.note] if block.note else []), method, str(seed)]
    name = re.sub(r"[^a-z0-9.+-]+", "_", "-".join(parts).lower())
    n = block.n or file.n
    settings = {
        "data.dataset": block.dataset, "model.encoder": encoder, "seed": seed, "run": name, "train.threads": 1,
        **block.settings, **file.methods[method],
    }  # fmt: skip
    config = in_its_language(configs.apply(Config(), settings))
    content = msgspec.json.encode([configs.identity(config), attacks, n, file.seed], order="sorted")
    key = hashlib.sha256(content).hexdigest()[:16]
    return Cell(name, block.dataset, encoder, method, seed, config, attacks, n, block.note, key)


def results_path(study: Path) -> Path:
    """Where a study's rows are: beside it, ``.jsonl``."""
    return study.with_suffix(".jsonl")


def rows(path: Path) -> dict[str, Row]:
    """The rows of a results file by cell; none where there is no file. Raises InputError."""
    try:
        found = [msgspec.json.decode(line, type=Row) for line in path.read_bytes().splitlines() if line.strip()]
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{path}: {error}", "it is not a study's results") from None
    return {row.cell: row for row in found}


def _keep(path: Path, row: Row) -> None:
    known = rows(path) | {row.cell: row}
    durable.replace(path, b"".join(msgspec.json.encode(known[name]) + b"\n" for name in sorted(known)))


def unpack(bits: str, n: int) -> list[bool]:
    """``right`` of a row as ``n`` booleans."""
    return [character == "1" for character in f"{int(bits or '0', 16):0{n}b}"]


def pack(right: Sequence[bool]) -> str:
    """Booleans as the bits of ``right``."""
    return f"{int(''.join('1' if one else '0' for one in right) or '0', 2):x}"


def joined(row: Row, unions: dict[str, list[str]]) -> Row:
    """The row with a column for each of ``unions`` all of whose attacks it has: who survives every one of them."""
    right = dict(row.right)
    for name, attacks in unions.items():
        if all(attack in right for attack in attacks):
            answers = [unpack(right[attack], row.n) for attack in attacks]
            right[name] = pack([all(one) for one in zip(*answers, strict=True)])
    return msgspec.structs.replace(row, right=right)


# all of them ------------------------------------------------------------------------------------------------------


def run_study(
    path: Path, *, only: str = "", parallel: int = 1, minutes: float = 0.0, gpu: bool = False
) -> Iterator[str]:
    """Measures what is missing, ``parallel`` cells at a time; yields what is done in words.

    Args:
        only: a regular expression the names of the cells match somewhere; empty: all.
        minutes: after that long no further cell is begun; 0: no end.
        gpu: cells that name no device take a GPU; else those alone do that are for one.

    A cell that fails is told and left out; the next call tries it again. Stopped in the middle, what was trained and
    attacked stays.
    """
    study = read(path)
    target = results_path(path)
    known = rows(target)
    chosen = [cell for cell in study.cells.values() if re.search(only, cell.name)]
    waiting = [cell for cell in chosen if cell.name not in known or known[cell.name].key != cell.key]
    yield f"{len(chosen) - len(waiting)} of {len(chosen)} cells are there"
    if (left := [cell for cell in waiting if _wants_a_gpu(cell)]) and not _a_gpu_is_here():
        waiting = [cell for cell in waiting if not _wants_a_gpu(cell)]
        yield f"{len(left)} cells are for a GPU, and none is here"
    end = time.monotonic() + 60 * minutes if minutes else float("inf")
    working: dict[str, tuple[subprocess.Popen[bytes], IO[bytes], float]] = {}
    try:
        while waiting or working:
            while waiting and len(working) < parallel and time.monotonic() < end:
                cell = waiting.pop(0)
                log = (target.parent / f".{cell.name}.log").open("w+b")
                Path(log.name).unlink()  # it lives as long as it is open
                working[cell.name] = (_start(path, cell, log, gpu), log, time.monotonic())
            if not working:
                break
            time.sleep(POLL_SECONDS)
            for name, (process, log, began) in list(working.items()):
                if process.poll() is None:
                    continue
                del working[name]
                yield _ended(name, process.returncode, log, time.monotonic() - began, target)
    finally:
        for process, log, _ in working.values():
            process.terminate()
            process.wait()
            log.close()
    if waiting:
        yield f"{len(waiting)} cells are left"


def _wants_a_gpu(cell: Cell) -> bool:
    return cell.config.train.device == "cuda"


def _a_gpu_is_here() -> bool:
    import torch

    return torch.cuda.is_available()


def _start(path: Path, cell: Cell, log: IO[bytes], gpu: bool) -> subprocess.Popen[bytes]:
    """A process that measures a cell on one processor thread; it sees a GPU where ``gpu``, or where the cell is for one."""
    command = [sys.executable, "-m", "aat_workbench.cli.main", "bench", "robustness", str(path), "--cell", cell.name]
    hidden = {} if gpu or _wants_a_gpu(cell) else {"CUDA_VISIBLE_DEVICES": ""}
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | hidden
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)


def _ended(name: str, code: int, log: IO[bytes], seconds: float, target: Path) -> str:
    log.seek(0)
    lines = log.read().splitlines() or [b""]
    log.close()
    try:
        row = msgspec.json.decode(lines[-1], type=Row)
    except msgspec.MsgspecError:
        return f"{name}: failed ({code}): {lines[-1].decode(errors='replace')[:300]}"
    _keep(target, row)
    shares = ", ".join(f"{attack} {sum(unpack(bits, row.n)) / row.n:.3f}" for attack, bits in row.right.items())
    return f"{name}: {shares}; {seconds:.0f} s"
