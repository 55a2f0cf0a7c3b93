"""Corpora of NLTK as rows: a document with its category, or a paragraph where a corpus has no categories.

NLTK finds its data where ``NLTK_DATA`` says and in its usual places; here also under ``$AAT_DATA`` and the mirror.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aat_datasets.errors import DataError

__all__ = ["fetch", "present", "rows"]

Progress = Callable[[int, int, str], None]


def present(corpus: str, roots: list[Path]) -> bool:
    """Whether the corpus lies in a folder of NLTK's or in one of ``roots``. Does not load NLTK for those."""
    names = [f"corpora/{corpus}", f"corpora/{corpus}.zip"]
    if any((root / name).exists() for root in roots for name in names):
        return True
    return any((Path(root) / name).exists() for root in _nltk_roots() for name in names)


def fetch(corpus: str, folder: Path, progress: Progress | None = None, index: str | None = None) -> None:
    """Download a corpus by NLTK's own downloader, which checks its sums, into ``folder``.

    ``index`` is the address of another index than NLTK's. Raises DataError.
    """
    import contextlib
    import io
    from urllib.error import URLError

    from nltk.downloader import Downloader  # pyright: ignore[reportMissingTypeStubs]

    if progress:
        progress(0, 0, f"downloading {corpus}")
    downloader: Any = Downloader(server_index_url=index)
    said = io.StringIO()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            known = {package.id for package in downloader.corpora()}
            if corpus not in known:
                raise DataError(f"NLTK has no corpus {corpus!r}", "nltk.org/nltk_data lists them")
            downloader.download(corpus, download_dir=str(folder), quiet=True, raise_on_error=True, print_error_to=said)
    except (URLError, OSError, ValueError) as error:
        raise DataError(f"NLTK corpus {corpus!r}: {str(error).splitlines()[0]}", "check the network") from None


def rows(corpus: str, roots: list[Path]) -> Iterator[tuple[str, str | None]]:
    """``(text, label)``: documents of a categorised corpus (those of several categories left out), else paragraphs.

    Raises DataError where NLTK has no reader for the corpus, it is not there, or it holds no text.
    """
    import nltk.corpus  # pyright: ignore[reportMissingTypeStubs]
    import nltk.data as found_  # pyright: ignore[reportMissingTypeStubs]

    found: Any = found_
    paths: list[str] = found.path
    added = [str(root) for root in roots if str(root) not in paths]
    paths[:0] = added
    try:
        reader: Any = getattr(nltk.corpus, corpus, None)
        if reader is None:
            raise DataError(f"NLTK has no reader for {corpus!r}", "a corpus of nltk.corpus: movie_reviews, reuters …")
        try:
            files: list[str] = list(reader.fileids())
        except (LookupError, OSError):
            raise DataError(f"NLTK corpus {corpus!r} is not on this machine", "data get fetches it") from None
        if not files or not callable(getattr(reader, "raw", None)):
            raise DataError(f"NLTK corpus {corpus!r} holds no running text")
        yield from _rows(reader, files)
    finally:
        for path in added:
            paths.remove(path)


def _rows(reader: Any, files: list[str]) -> Iterator[tuple[str, str | None]]:
    if callable(getattr(reader, "categories", None)):
        for file in files:
            categories = list(reader.categories(file))
            text = str(reader.raw(file)).strip()
            if len(categories) == 1 and text:
                yield text, str(categories[0])
        return
    for file in files:
        block: list[str] = []
        for line in [*str(reader.raw(file)).splitlines(), ""]:
            if line.strip():
                block.append(line)
            elif block:
                yield "\n".join(block), None
                block = []


def _nltk_roots() -> list[str]:
    import os
    import sys

    # Where NLTK looks, without loading it: a list of datasets asks this.
    usual = [Path.home() / "nltk_data", Path(sys.prefix) / "nltk_data", Path(sys.prefix) / "share" / "nltk_data"]
    return [*os.environ.get("NLTK_DATA", "").split(os.pathsep), *map(str, usual), "/usr/share/nltk_data"]
