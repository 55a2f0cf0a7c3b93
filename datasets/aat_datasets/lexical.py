"""Tables of words that attacks substitute by: where they lie, and where they are downloaded from when asked to.

A table is known by its content, plain or gzipped. It is looked for among what was downloaded and under ``AAT_MIRROR``,
by its path, then by its size and checksum.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, NamedTuple

from aat_datasets import corpora, sources
from aat_datasets.card import File, Source
from aat_datasets.errors import DataError, UnknownNameError
from aat_datasets.sources import Progress

__all__ = ["NAMES", "TABLES", "Table", "fetch", "find", "needed", "nltk_wordnet", "read"]


class Table(NamedTuple):
    """A table of synonyms.

    Attributes:
        title: what it is, as messages name it.
        licence: under which its authors give it out.
        gzipped: the file as a mirror has it.
        plain: the file as its authors give it out, which is the one that is downloaded.
    """

    title: str
    licence: str
    gzipped: File
    plain: File


TABLES = {
    "counterfitted": Table(
        "the counter-fitted synonym table",
        "MIT",
        File(
            split="",
            path="lexical/counterfitted_neighbors_jia2019.json.gz",
            size=663_480,
            sha256="b10af3dcb73d59ecd13fba10e5bf063a23235c2e525ff8783712c72a73f92e0a",
        ),
        File(
            split="",
            url="https://raw.githubusercontent.com/robinjia/certified-word-sub/42006fe9ea68663443be794a96d9daccfc664dc4/"
            "data/counterfitted_neighbors.json",
            size=1_976_448,
            sha256="103247143f39bd5dd66850f3a912393392641dbd98093c61e2b24a4cc8a96fb0",
        ),
    ),
    "wordnet-cmn": Table(
        "the Chinese WordNet table",
        "Chinese Open Wordnet, free like WordNet's",
        File(
            split="",
            path="lexical/wn-data-cmn.tab.gz",
            size=721_106,
            sha256="f6f33f9202fa07b562fa294cb8f0e7fa0305fddcc890205e1cd76caf94918d04",
        ),
        File(
            split="",
            url="https://raw.githubusercontent.com/omwn/omw-data/f75be19ec590da12a7a5665e361690b5badb7a25/"
            "wns/cow/wn-data-cmn.tab",
            size=2_547_318,
            sha256="379fd2e41d3e1395f9f27cf23a39c6181849ffb4020c14a07ed2a4d4dd651122",
        ),
    ),
}

NAMES = (*TABLES, "wordnet")
"""What ``fetch`` knows: the tables, and NLTK's WordNet, which the recipe ``pwws`` takes."""


def fetch(name: str, progress: Progress | None = None) -> list[dict[str, str]]:
    """Download a table of NAMES, unless it is here; ``[{path, sha256}]`` of its file.

    Raises UnknownNameError, or DataError where its host cannot be reached or gives something else.
    """
    if name == "wordnet":
        folder = sources.data_root() / "nltk_data"
        if not corpora.present(name, sources.roots()):
            corpora.fetch(name, folder, progress)
        found = [path for root in sources.roots() for path in sorted((root / "corpora").glob("wordnet.zip"))]
        return [{"path": str(path), "sha256": sources.sha256_of(path)} for path in found[:1]]
    if name not in TABLES:
        raise UnknownNameError("table of words", name, NAMES)
    table = TABLES[name]
    if (path := find(name)) is None:
        path = _downloaded(table)
        sources.fetch(table.plain.url, path, table.plain.sha256, progress)
    return [{"path": str(path), "sha256": sources.sha256_of(path)}]


def find(name: str, mirror: Path | None = None) -> Path | None:
    """Where a table of TABLES lies; with ``mirror`` nowhere else is looked."""
    table = TABLES[name]
    if mirror is None:
        if _is(_downloaded(table), table.plain):
            return _downloaded(table)
        mirror = sources.mirror_root()
    if mirror is None:
        return None
    if _is(mirror / table.gzipped.path, table.gzipped):
        return mirror / table.gzipped.path
    forms = (table.gzipped, table.plain)
    # Only files of the right size are read, so that looking through a large mirror stays cheap.
    return next((path for path in sorted(mirror.rglob("*")) if any(_is(path, form) for form in forms)), None)


def needed(name: str, mirror: Path | None = None) -> Path:
    """Where a table of TABLES lies. Raises DataError that says how to get it."""
    path = find(name, mirror)
    if path is None:
        raise DataError(
            f"{TABLES[name].title} is not there",
            f"aat-workbench data get {name} downloads it; or set AAT_MIRROR to a folder that holds "
            f"{TABLES[name].gzipped.path}, or choose another surface.source",
        )
    return path


def nltk_wordnet() -> Any:
    """NLTK's reader of WordNet, from what was downloaded, ``AAT_MIRROR`` or NLTK's own places. Raises DataError."""
    import nltk.data as found_  # pyright: ignore[reportMissingTypeStubs]

    found: Any = found_
    found.path += [str(root) for root in sources.roots() if str(root) not in found.path]
    from nltk.corpus import wordnet  # pyright: ignore[reportMissingTypeStubs]

    try:
        wordnet.ensure_loaded()
    except LookupError:
        raise DataError(
            "WordNet is not on this machine",
            "aat-workbench data get wordnet downloads it; or set NLTK_DATA or AAT_MIRROR",
        ) from None
    return wordnet


def read(path: Path) -> bytes:
    """The content of a table's file, unpacked. Raises DataError."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: not a readable table of words: {error}") from None


def _downloaded(table: Table) -> Path:
    return sources.raw_path(Source(kind="url"), table.plain)


def _is(path: Path, wanted: File) -> bool:
    try:
        return path.is_file() and path.stat().st_size == wanted.size and sources.sha256_of(path) == wanted.sha256
    except (OSError, DataError):  # gone, or not to be read
        return False
