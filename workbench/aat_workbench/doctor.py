"""Looks over what the workbench needs of this machine, and says how to mend what is amiss."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from aat_datasets.errors import AatError
from aat_workbench.runs import runs_root
from aat_workbench.terminal import utf8_locale
from aat_workbench.threads import cores, default_threads

__all__ = ["Finding", "examine"]

FREE_BYTES = 1 << 30
WIDTH, HEIGHT = 80, 24


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at. ``warning``: it works, but less well; ``error``: it does not. ``mend`` says what to do."""

    name: str
    state: Literal["ok", "warning", "error"]
    found: str
    mend: str = ""


def examine() -> Iterator[Finding]:
    """Every finding, as it is made."""
    checks: list[Callable[[], Finding]] = [
        _python, _torch, _device, _threads, _terminal, _colour, _glyphs, _data, _mirror, _synonyms, _runs, _space,
    ]  # fmt: skip
    for check in checks:
        try:
            yield check()
        except AatError as error:
            yield Finding(name=check.__name__.strip("_"), state="error", found=error.message, mend=error.hint)
    yield from _extras()


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    old = sys.version_info < (3, 11)
    return Finding(name="python", state="error" if old else "ok", found=found, mend="use 3.11 or newer" if old else "")


def _torch() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as error:
        mend = "install it again: pip install --force-reinstall torch"
        return Finding(name="torch", state="error", found=f"cannot be imported: {error}", mend=mend)
    return Finding(name="torch", state="ok", found=str(torch.__version__))


def _device() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding(name="device", state="error", found="not known without torch", mend="install torch")
    import torch

    if torch.cuda.is_available():
        return Finding(name="device", state="ok", found=f"cpu; cuda: {torch.cuda.get_device_name(0)}")
    return Finding(name="device", state="ok", found="cpu")


def _threads() -> Finding:
    threads = default_threads()
    found = f"{threads} of {cores()} processors"
    if threads > cores():
        return Finding(name="threads", state="warning", found=found, mend="set AAT_THREADS to the processors there are")
    return Finding(name="threads", state="ok", found=found)


def _terminal() -> Finding:
    if not sys.stdout.isatty():
        return Finding(name="terminal", state="ok", found="stdout is none; the app needs one, commands do not")
    size = shutil.get_terminal_size()
    small = size.columns < WIDTH or size.lines < HEIGHT
    return Finding(
        name="terminal",
        state="warning" if small else "ok",
        found=f"{os.environ.get('TERM', 'unknown')}, {size.columns} × {size.lines}",
        mend=f"the app is at its best from {WIDTH} × {HEIGHT}" if small else "",
    )


def _colour() -> Finding:
    if os.environ.get("NO_COLOR"):
        return Finding(name="colour", state="ok", found="off: NO_COLOR is set")
    if os.environ.get("COLORTERM", "") in ("truecolor", "24bit"):
        return Finding(name="colour", state="ok", found="16 million colours")
    known = "256" in os.environ.get("TERM", "")
    return Finding(
        name="colour",
        state="ok" if known else "warning",
        found="256 colours" if known else "16 colours, by what TERM and COLORTERM say",
        mend="set COLORTERM=truecolor where the terminal has more",
    )


def _glyphs() -> Finding:
    fine = utf8_locale()
    return Finding(
        name="glyphs",
        state="ok" if fine else "warning",
        found="UTF-8" if fine else "the locale is not UTF-8: ASCII only",
        mend="" if fine else "set LC_ALL=C.UTF-8",
    )


def _data() -> Finding:
    from aat_datasets.sources import data_root

    return _writable("data", data_root(), "AAT_DATA")


def _runs() -> Finding:
    return _writable("runs", runs_root(), "AAT_RUNS")


def _writable(name: str, folder: Path, variable: str) -> Finding:
    """Whether a file can be made in ``folder``, or in the nearest folder above it that is there."""
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        mend = f"set {variable} to a folder that can be written"
        return Finding(name=name, state="error", found=f"{folder}: {error.strerror}", mend=mend)
    return Finding(name=name, state="ok", found=str(folder))


def _mirror() -> Finding:
    given = os.environ.get("AAT_MIRROR", "")
    if not given:
        return Finding(name="mirror", state="ok", found="none: AAT_MIRROR is not set")
    if Path(given).is_dir():
        return Finding(name="mirror", state="ok", found=given)
    return Finding(name="mirror", state="error", found=f"{given}: no such folder", mend="set AAT_MIRROR to a folder")


def _synonyms() -> Finding:
    from aat_datasets import lexical

    there = [name for name in lexical.TABLES if lexical.find(name) is not None]
    if there:
        return Finding(name="synonyms", state="ok", found=", ".join(there))
    mend = "aat-workbench data get counterfitted (English) or wordnet-cmn (Chinese)"
    found = "no table; neighbours in the training texts stand in"
    return Finding(name="synonyms", state="warning", found=found, mend=mend)


def _space() -> Finding:
    folder = runs_root().absolute()
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / 1e9:.1f} GB free where runs are kept"
    if free < FREE_BYTES:
        return Finding(name="space", state="warning", found=found, mend="delete runs: aat-workbench runs rm RUN")
    return Finding(name="space", state="ok", found=found)


def _extras() -> Iterator[Finding]:
    for module, use in (("tokenizers", "subword vocabularies"), ("nltk", "tokenisation"), ("duckdb", "tables")):
        there = importlib.util.find_spec(module) is not None
        mend = "" if there else f"pip install {module}"
        yield Finding(name=module, state="ok" if there else "error", found=use if there else "not installed", mend=mend)
    for extra, module, use in _EXTRAS:
        there = importlib.util.find_spec(module) is not None
        mend = "" if there else f'pip install "aat-workbench[{extra}]"'
        yield Finding(name=f"extra {extra}", state="ok", found=use if there else f"not installed: no {use}", mend=mend)


_EXTRAS = (
    ("hf", "transformers", "hf: targets"),
    ("zh", "jieba", "Chinese words"),
    ("similarity", "sentence_transformers", "meaning by a sentence encoder"),
    ("serve", "textual_serve", "app in a browser"),
)
