"""Tables of words: fetched from a server on this machine, found again, refused where they are others."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from aat_datasets import lexical
from aat_datasets.errors import DataError, UnknownNameError
from aat_datasets.lexicon import Lexicon, choose

CONTENT = json.dumps({"film": ["movie", "picture"], "movie": ["film"], "alone": []}).encode()
ENGLISH = [["a", "film", "or", "movie"]] * 3


class _Host(http.server.BaseHTTPRequestHandler):
    answers: dict[str, bytes] = {}  # noqa: RUF012
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        data = self.answers.get(self.path)
        self.send_response(200 if data is not None else 404)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output quiet."""


def _known(path: str, data: bytes) -> lexical._File:  # pyright: ignore[reportPrivateUsage]
    return lexical._File(Path(path), len(data), hashlib.sha256(data).hexdigest())  # pyright: ignore[reportPrivateUsage]


@pytest.fixture
def table(data_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[lexical.Table]:
    """A small table in place of the counter-fitted one, and a host that gives it out."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Host)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    _Host.answers, _Host.asked = {"/table.json": CONTENT}, []
    made = lexical.TABLES["counterfitted"]._replace(
        gzipped=_known("lexical/table.json.gz", gzip.compress(CONTENT, mtime=0)),
        plain=_known("table.json", CONTENT),
        url=f"http://127.0.0.1:{server.server_port}/table.json",
    )
    monkeypatch.setitem(lexical.TABLES, "counterfitted", made)
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


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
        assert known.url.startswith("https://") and len(known.plain.sha256) == len(known.gzipped.sha256) == 64
        assert len(known.url.split("/")[5]) == 40, "a commit, so that the same bytes come again"
