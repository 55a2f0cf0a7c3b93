"""Where a dataset's files are: a mirror folder, what was downloaded before, or a host (only when asked to download).

A file is known by its sha256. ``locate`` looks at its path under each root first, then at every file of its size.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from aat_datasets import corpora, hub
from aat_datasets.card import Card, File, Source
from aat_datasets.errors import DataError

__all__ = [
    "Progress",
    "data_root",
    "download",
    "downloadable",
    "fetch",
    "locate",
    "mirror_root",
    "present",
    "raw_path",
    "reachable",
    "sha256_of",
    "verify",
]

Progress = Callable[[int, int, str], None]
"""Called with what is done, the total (0: unknown) and a line for the user."""

_TIMEOUT = 30  # seconds without a byte before a download is given up
_STALE = 3600  # seconds after which what a killed download left is removed


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
        if source.kind == "builtin" or (source.files and all(_candidates(source, file) for file in source.files)):
            return source
        if source.kind == "nltk" and corpora.present(source.repo, roots()):
            return source
    return None


def downloadable(source: Source) -> bool:
    """Whether the card says where to fetch the source from."""
    return source.kind in ("hf", "nltk") or bool(source.files and all(file.url for file in source.files))


def locate(source: Source) -> list[tuple[File, Path]] | None:
    """Every file of a source with where it lies, checksums verified; None where one is not there.

    Raises DataError where a file has the right place but none with the right checksum exists.
    """
    found: list[tuple[File, Path]] = []
    for file in source.files:
        candidates = _candidates(source, file)
        if not candidates:
            return None
        right = next((path for path in candidates if not file.sha256 or _sum(path) == file.sha256), None)
        if right is None:
            verify(candidates[0], file.sha256, str(candidates[0]), "the file was changed or is not what the card means")
        else:
            found.append((file, right))
    return found


def present(source: Source, file: File) -> bool:
    """Whether a file of the right path or size is on this machine."""
    return bool(_candidates(source, file))


def verify(path: Path, sha256: str, name: str, hint: str) -> None:
    """Raise DataError, with both sums, where a file is not the one that is expected."""
    found = _sum(path)
    if found != sha256:
        raise DataError(f"{name}: sha256 is {found}, expected {sha256}", hint)


def download(card: Card, progress: Progress | None = None) -> Source:
    """Fetch every file of the first source that can be fetched into ``$AAT_DATA/raw`` and return that source.

    Raises DataError where no source can be downloaded, or the error of the first where none could be reached or had the
    right checksums (nothing is kept then).
    """
    failed: DataError | None = None
    for source in filter(downloadable, card.sources):
        try:
            _download(source, progress)
        except DataError as error:
            failed = failed or error
        else:
            return source
    if failed is not None:
        raise failed
    wanted = ", ".join(sorted({file.path for s in card.sources for file in s.files if file.path}))
    raise DataError(
        f"{card.name}: no download is known for it",
        f"set AAT_MIRROR to a folder that holds {wanted}" if wanted else "",
    )


def _download(source: Source, progress: Progress | None) -> None:
    if source.kind == "nltk":
        corpora.fetch(source.repo, data_root() / "nltk_data", progress)
        return
    for file in source.files:
        if present(source, file):
            continue
        target = raw_path(source, file)
        if source.kind == "hf":
            hub.fetch(source.repo, source.revision, file.path, target, progress)
        else:
            fetch(file.url, target, file.sha256, progress)
        if file.sha256 and source.kind == "hf":
            try:
                verify(target, file.sha256, f"{source.repo}/{file.path}", "the file on the hub is another one")
            except DataError:
                target.unlink(missing_ok=True)
                raise


def raw_path(source: Source, file: File) -> Path:
    """Where a download of ``file`` is kept: by checksum, so that two versions never meet."""
    origin = f"hf:{source.repo}@{source.revision}/{file.path}" if source.kind == "hf" else file.url
    key = file.sha256 or hashlib.sha256(origin.encode()).hexdigest()
    name = Path(file.path or file.url.split("?")[0]).name or "file"
    return data_root() / "raw" / key[:16] / name


def roots() -> list[Path]:
    """Folders with ``nltk_data`` of our own: downloads, then the mirror's. NLTK looks in its own places as well."""
    mirror = mirror_root()
    return [data_root() / "nltk_data", *([mirror / "nltk_data"] if mirror else [])]


def _candidates(source: Source, file: File) -> list[Path]:
    """Paths worth hashing, best first: the download, the path hint, then any mirror file of the same size."""
    paths = [raw_path(source, file)] if file.url or source.kind == "hf" else []
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
            found += [path for path in others if path not in found and _sum(path) == file.sha256]
        else:
            found += [path for path in others if path not in found]
    return found


def _sum(path: Path) -> str:
    """A file's sha256, computed once while it stays as it is."""
    try:
        found = path.stat()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    return _known_sum(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=256)
def _known_sum(path: Path, size: int, changed: int) -> str:
    return sha256_of(path)


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


def fetch(url: str, target: Path, sha256: str, progress: Progress | None) -> None:
    """Download beside ``target`` and rename: a file under its name is whole. What a killed download left is removed.

    Raises DataError where the host cannot be reached, or what it gives has another ``sha256`` (empty: any will do).
    """
    import pooch as pooch_  # pyright: ignore[reportMissingTypeStubs]
    import requests

    pooch: Any = pooch_
    bar: Any = _Bar(progress, target.name) if progress else False
    fetcher: Any = pooch.FTPDownloader if url.startswith("ftp:") else pooch.HTTPDownloader
    partial = target.parent / f".{target.name}.partial-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        fetcher(timeout=_TIMEOUT, progressbar=bar)(url, str(partial), None)
        if sha256:
            verify(partial, sha256, url, "the file on the host has changed, or the download was cut short")
        partial.replace(target)
    except requests.RequestException as error:
        raise DataError(f"{url}: {_reason(error)}", "check the network, or set AAT_MIRROR") from None
    except OSError as error:
        raise DataError(f"{target}: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    for left in folder.glob(".*.partial-*"):
        with contextlib.suppress(OSError):  # its owner removed it just now
            if time.time() - left.stat().st_mtime > _STALE:
                left.unlink()


def _reason(error: Exception) -> str:
    """A connection error in a few words; the library's own runs over several lines."""
    response: Any = getattr(error, "response", None)
    if response is not None:
        response.close()  # its connection stays open otherwise
        return f"the host answered {response.status_code}"
    return f"cannot be reached ({type(error).__name__})"


def listed(files: Iterable[tuple[File, Path]]) -> list[dict[str, str]]:
    """``[{path, sha256}]`` of located files, each once."""
    found = {str(path): file.sha256 or sha256_of(path) for file, path in files}
    return [{"path": path, "sha256": sha256} for path, sha256 in found.items()]
