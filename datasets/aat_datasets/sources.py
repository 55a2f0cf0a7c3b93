"""Where a dataset's files are: a mirror folder, what was downloaded before, or a URL (only when asked to download).

A file is known by its sha256. ``locate`` looks at its path under each root first, then at every file of its size.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from aat_datasets.card import Card, File, Source
from aat_datasets.errors import DataError

__all__ = ["Progress", "data_root", "download", "locate", "mirror_root", "present", "reachable", "sha256_of"]

Progress = Callable[[int, int, str], None]
"""Called with what is done, the total (0: unknown) and a line for the user."""

_TIMEOUT = 30  # seconds without a byte before a download is given up


def data_root() -> Path:
    """Where cached Parquet, user cards and downloads lie: ``AAT_DATA``, else the user's cache folder."""
    given = os.environ.get("AAT_DATA")
    if given:
        return Path(given).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("aat-workbench")) / "data"


def mirror_root() -> Path | None:
    """The folder of raw files that ``AAT_MIRROR`` names; None where it names none."""
    given = os.environ.get("AAT_MIRROR")
    return Path(given).expanduser() if given else None


def sha256_of(path: Path) -> str:
    """The file's sha256, hexadecimal. Raises DataError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


def reachable(card: Card) -> Source | None:
    """The first source whose files all lie on this machine, by path and size alone (nothing is hashed)."""
    for source in card.sources:
        if source.kind == "builtin" or (source.files and all(_candidates(file) for file in source.files)):
            return source
    return None


def locate(source: Source) -> list[tuple[File, Path]] | None:
    """Every file of a source with where it lies, checksums verified; None where one is not there.

    Raises DataError where a file has the right place but none with the right checksum exists.
    """
    found: list[tuple[File, Path]] = []
    for file in source.files:
        candidates = _candidates(file)
        if not candidates:
            return None
        right = next((path for path in candidates if not file.sha256 or sha256_of(path) == file.sha256), None)
        if right is None:
            raise DataError(
                f"{candidates[0]}: sha256 is {sha256_of(candidates[0])}, expected {file.sha256}",
                "the file was changed or is not the one the card means",
            )
        found.append((file, right))
    return found


def present(file: File) -> bool:
    """Whether a file of the right path or size is on this machine."""
    return bool(_candidates(file))


def download(card: Card, progress: Progress | None = None) -> Source:
    """Fetch every file of the first source with URLs into ``$AAT_DATA/raw`` and return that source.

    Raises DataError where no source has a URL, the host cannot be reached, or a checksum does not fit (nothing is
    kept then).
    """
    source = next((s for s in card.sources if s.files and all(file.url for file in s.files)), None)
    if source is None:
        wanted = ", ".join(sorted({file.path for s in card.sources for file in s.files if file.path}))
        raise DataError(
            f"{card.name}: no download is known for it",
            f"set AAT_MIRROR to a folder that holds {wanted}" if wanted else "",
        )
    for file in source.files:
        if not present(file):
            _fetch(file, progress)
    return source


def raw_path(file: File) -> Path:
    """Where a download of ``file`` is kept: by checksum, so that two versions never meet."""
    key = file.sha256 or hashlib.sha256(file.url.encode()).hexdigest()
    name = Path(file.path or file.url.split("?")[0]).name or "file"
    return data_root() / "raw" / key[:16] / name


def _candidates(file: File) -> list[Path]:
    """Paths worth hashing, best first: the download, the path hint, then any mirror file of the same size."""
    paths = [raw_path(file)] if file.url else []
    mirror = mirror_root()
    hint = Path(file.path) if file.path else None
    if hint is not None and hint.is_absolute():
        paths.append(hint)
    elif hint is not None and mirror is not None:
        paths.append(mirror / hint)
    found = [path for path in paths if path.is_file()]
    if mirror is not None and file.sha256 and file.size:
        others = _sizes(str(mirror)).get(file.size, ())
        # A same-size file elsewhere counts only with the right bytes, so it is hashed here; there are few.
        if not found or all(path.stat().st_size != file.size for path in found):
            found += [path for path in others if path not in found and sha256_of(path) == file.sha256]
        else:
            found += [path for path in others if path not in found]
    return found


@lru_cache(maxsize=4)
def _sizes(root: str) -> dict[int, list[Path]]:
    """Every file below ``root`` by its size in bytes."""
    sizes: dict[int, list[Path]] = {}
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            path = Path(folder) / name
            try:
                sizes.setdefault(path.stat().st_size, []).append(path)
            except OSError:
                continue  # vanished, or a broken link: not a candidate
    return sizes


class _Bar:
    """The progress object pooch asks for, passing on to a ``Progress`` function."""

    def __init__(self, progress: Progress, name: str) -> None:
        self.total = 0
        self._done = 0
        self._progress = progress
        self._name = name

    def update(self, step: int) -> None:
        self._done += step
        self._progress(self._done, int(self.total), f"downloading {self._name}")

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        self._progress(self._done, self._done, f"downloaded {self._name}")


def _fetch(file: File, progress: Progress | None) -> None:
    import logging

    import pooch as pooch_  # pyright: ignore[reportMissingTypeStubs]
    import requests

    pooch: Any = pooch_
    pooch.get_logger().setLevel(logging.ERROR)
    target = raw_path(file)
    bar: Any = _Bar(progress, target.name) if progress else False
    fetcher: Any = pooch.FTPDownloader if file.url.startswith("ftp:") else pooch.HTTPDownloader
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(
            file.url,
            known_hash=f"sha256:{file.sha256}" if file.sha256 else None,
            fname=target.name,
            path=target.parent,
            downloader=fetcher(timeout=_TIMEOUT, progressbar=bar),
        )
    except requests.RequestException as error:
        raise DataError(f"{file.url}: {_reason(error)}", "check the network, or set AAT_MIRROR") from None
    except ValueError as error:
        raise DataError(f"{file.url}: its sha256 is not {file.sha256}", "the file on the host has changed") from error
    except OSError as error:
        raise DataError(f"{target}: {error.strerror or error}") from None


def _reason(error: Exception) -> str:
    """A connection error in a few words; the library's own runs over several lines."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"the host answered {response.status_code}"
    return f"cannot be reached ({type(error).__name__})"


def listed(files: Iterable[tuple[File, Path]]) -> list[dict[str, str]]:
    """``[{path, sha256}]`` of located files."""
    return [{"path": str(path), "sha256": file.sha256 or sha256_of(path)} for file, path in files]
