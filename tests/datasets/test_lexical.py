"""Tables of words: fetched from a server on this machine, found again, refused where they are others."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from aat_datasets import lexical
from aat_datasets.card import File
from aat_datasets.errors import DataError, UnknownNameError
from aat_datasets.lexicon import Lexicon, choose

from .loopback import Answers, serve

CONTENT = json.dumps({"film": ["movie", "picture"], "movie": ["film"], "alone": []}).encode()
ENGLISH = [["a", "film", "or", "movie"]] * 3


class _Host(Answers):
    """Gives out the table."""


def _known(data: bytes, path: str = "", url: str = "") -> File:
    return File(split="", path=path, url=url, size=len(data), sha256=hashlib.sha256(data).hexdigest())


@pytest.fixture
def table(data_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[lexical.Table]:
    """A small table in place of the counter-fitted one, and a host that gives it out."""
    _Host.answers, _Host.asked = {"/table.json": CONTENT}, []
    for place in serve(_Host):
        made = lexical.TABLES["counterfitted"]._replace(
            gzipped=_known(gzip.compress(CONTENT, mtime=0), path="lexical/table.json.gz"),
            plain=_known(CONTENT, url=f"{place}/table.json"),
        )
        monkeypatch.setitem(lexical.TABLES, "counterfitted", made)
        yield made


def test_a_table_is_downloaded_once_and_taken_from_then_on(table: lexical.Table) -> None:
    assert choose("auto", "own", ENGLISH, language="en").name == "neighbours"
    [file] = lexical.fetch("counterfitted")
    assert Path(file["path"]).read_bytes() == CONTENT and file["sha256"] == table.plain.sha256
    assert lexical.fetch("counterfitted") == [file] and _Host.asked == ["/table.json"]
    assert choose("auto", "own", ENGLISH, language="en").substitutes("film") == ("movie", "picture")
    Path(file["path"]).write_bytes(CONTENT[:-1] + b" ")  # no longer what was fetched
    assert lexical.find("counterfitted") is None
    lexical.fetch("counterfitted")
    assert len(_Host.asked) == 2 and len(Lexicon.from_counterfitted()) == 2


def test_another_content_is_refused_and_not_kept(table: lexical.Table, data_home: Path) -> None:
    _Host.answers["/table.json"] = CONTENT.replace(b"picture", b"pasture")
    with pytest.raises(DataError, match=r"sha256 is .{64}, expected .{64}"):
        lexical.fetch("counterfitted")
    _Host.answers.clear()
    with pytest.raises(DataError, match="the host answered 404"):
        lexical.fetch("counterfitted")
    assert lexical.find("counterfitted") is None and not list(data_home.rglob("*.json"))


@pytest.mark.parametrize("packed", [True, False])
def test_a_mirror_may_have_it_gzipped_or_not_and_anywhere(table: lexical.Table, tmp_path: Path, packed: bool) -> None:
    content = gzip.compress(CONTENT, mtime=0) if packed else CONTENT
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "blob").write_bytes(content)
    assert lexical.find("counterfitted", tmp_path) == tmp_path / "deep" / "er" / "blob"
    assert Lexicon.from_counterfitted(tmp_path).substitutes("movie") == ("film",)
    (tmp_path / "deep" / "er" / "blob").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataError, match="counter-fitted"):
        Lexicon.from_counterfitted(tmp_path)


def test_the_tables_there_are() -> None:
    with pytest.raises(UnknownNameError, match="counterfitted"):
        lexical.fetch("counterfited")
    for known in lexical.TABLES.values():
        assert known.plain.url.startswith("https://") and len(known.plain.sha256) == len(known.gzipped.sha256) == 64
        assert len(known.plain.url.split("/")[5]) == 40, "a commit, so that the same bytes come again"
