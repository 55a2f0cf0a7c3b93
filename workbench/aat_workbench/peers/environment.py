"""Makes the environment a peer runs in: a virtual environment in the cache folder, from a list of pinned packages."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from aat_datasets.errors import EngineError, InputError

__all__ = ["make", "peers_root", "place", "python_of"]

_DONE = "complete"  # written last: an environment without it was interrupted
_LIMIT = 3600


def peers_root() -> Path:
    """Where the environments lie."""
    return Path(platformdirs.user_cache_dir("aat-workbench")) / "peers"


def requirements(peer: str) -> Path:
    """The list of packages of a peer. Raises InputError where there is no such peer."""
    folder = Path(__file__).parent
    path = folder / f"{peer}.txt"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.txt")))
        raise InputError(f"--against: no peer named {peer!r}", f"known: {known}")
    return path


def place(peer: str) -> Path:
    """The folder of a peer's environment: another one for every list of packages and every Python."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(requirements(peer).read_bytes() + version.encode()).hexdigest()
    return peers_root() / f"{peer}-{digest[:12]}"


def python_of(peer: str) -> Path | None:
    """The Python of a peer's environment; None where it has not been made."""
    folder = place(peer)
    return _python(folder) if (folder / _DONE).is_file() else None


def make(peer: str) -> Iterator[str]:
    """Makes the environment where it is not there yet; yields lines of narration.

    Raises EngineError where that cannot be done: no network, no such versions, no space.
    """
    if python_of(peer) is not None:
        return
    folder = place(peer)
    yield f"making the environment of {peer} in {folder}: some minutes, about 3 GB"
    log = folder.with_suffix(".log")
    try:
        venv.create(folder, with_pip=True, clear=True)
        _install(peer, folder, log)
    except (OSError, subprocess.SubprocessError) as error:
        reason = _tail(log) or str(error)
        raise EngineError(
            f"the environment of {peer} could not be made: {reason}",
            f"see {log}; the bench runs without --against too",
        ) from None
    (folder / _DONE).touch()
    yield f"the environment of {peer} is ready"


def _install(peer: str, folder: Path, log: Path) -> None:
    command = [str(_python(folder)), "-m", "pip", "install", "--no-input", "--no-deps", "--prefer-binary"]
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    with log.open("wb") as out:
        subprocess.run(
            [*command, "-r", str(requirements(peer))],
            stdout=out, stderr=subprocess.STDOUT, env=own, check=True, timeout=_LIMIT,
        )  # fmt: skip


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _tail(log: Path) -> str:
    """The last error in pip's log, else its last line."""
    if not log.is_file():
        return ""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or [""])[-1][:300]
