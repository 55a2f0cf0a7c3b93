"""Datasets of the Hugging Face hub: which Parquet files a repository has at a revision, and fetching them.

Needs the extra ``hf``. Only what ``data get`` names is fetched; ``HF_ENDPOINT`` names another hub.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from aat_datasets.errors import DataError

__all__ = ["Found", "Place", "fetch", "find", "parse"]

_PLACE = re.compile(r"([\w.-]+(?:/[\w.-]+)?)(?:@([\w./-]+))?(?:#([\w./-]+))?")


class Place(NamedTuple):
    """A repository, a revision of it (empty: the newest), and a folder in it (empty: all)."""

    repo: str
    revision: str
    folder: str


class Found(NamedTuple):
    """What a repository holds: the commit, and ``(path, size, sha256 or empty)`` of its Parquet files."""

    revision: str
    files: list[tuple[str, int, str]]


def parse(text: str) -> Place:
    """``ORG/NAME[@REVISION][#FOLDER]``. Raises DataError."""
    match = _PLACE.fullmatch(text)
    if match is None or ".." in text:
        raise DataError(f"not a dataset of the Hugging Face hub: {text!r}", "hf:ORG/NAME, hf:ORG/NAME@REVISION#FOLDER")
    return Place(match[1], match[2] or "", match[3] or "")


def find(place: Place) -> Found:
    """The repository's Parquet files. Raises DataError: not there, no network, no Parquet, several folders of it."""
    library = _library()
    api = library.HfApi(endpoint=_endpoint())
    name = place.repo + (f"@{place.revision}" if place.revision else "")
    info: Any = _guarded(
        name, lambda: api.dataset_info(place.repo, revision=place.revision or None, files_metadata=True)
    )
    files: list[tuple[str, int, str]] = []
    siblings: list[Any] = info.siblings or []
    for entry in siblings:
        if entry.rfilename.endswith(".parquet") and entry.rfilename.startswith(place.folder):
            files.append((entry.rfilename, entry.size or 0, entry.lfs.sha256 if entry.lfs else ""))
    if not files:
        hint = "the hub keeps Parquet of most datasets at @refs/convert/parquet"
        raise DataError(f"{name}: no Parquet file{f' under {place.folder}' if place.folder else ''}", hint)
    folders = sorted({path.partition("/")[0] for path, _, _ in files if "/" in path})
    if not place.folder and len(folders) > 1:
        raise DataError(f"{name}: has several datasets: {', '.join(folders[:20])}", f"hf:{name}#{folders[0]}")
    return Found(str(info.sha), sorted(files))


def fetch(repo: str, revision: str, path: str, target: Path, progress: Callable[[int, int, str], None] | None) -> None:
    """One file of a repository → ``target``, which appears whole; a download that was interrupted is gone on with.

    Raises DataError.
    """
    library = _library()
    if progress:
        progress(0, 0, f"downloading {target.name}")
    work = target.parent / ".hub"
    library.utils.disable_progress_bars()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        found = _guarded(
            f"{repo}/{path}",
            lambda: library.hf_hub_download(
                repo, path, repo_type="dataset", revision=revision or None, local_dir=work, endpoint=_endpoint()
            ),
        )
        Path(found).replace(target)
    except OSError as error:
        raise DataError(f"{target}: {error.strerror or error}") from None
    shutil.rmtree(work, ignore_errors=True)


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _library() -> Any:
    # Nothing is told to the hub but what is asked of it.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import huggingface_hub  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise DataError("the Hugging Face hub needs an extra", "pip install 'aat-workbench[hf]'") from None
    return huggingface_hub


def _guarded(name: str, ask: Callable[[], Any]) -> Any:
    """What ``ask`` gives; whatever the library raises, of which there are many kinds, as one line."""
    try:
        return ask()
    except OSError as error:
        response = getattr(error, "response", None)
        if response is None:
            raise DataError(
                f"{name}: the hub cannot be reached ({type(error).__name__})", "check the network"
            ) from None
        raise DataError(f"{name}: the hub answered {response.status_code}", "check the name and the revision") from None
    except Exception as error:
        first = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise DataError(f"{name}: {first}", "check the network, the name and the revision") from None
