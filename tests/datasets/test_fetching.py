"""Datasets of the Hugging Face hub and of NLTK, fetched from a server on this machine that answers as theirs do."""

from __future__ import annotations

import gc
import hashlib
import http.server
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from aat_datasets import catalog, corpora, hub
from aat_datasets.errors import DataError

from .loopback import Answers, serve

REVISION = "0123456789abcdef0123456789abcdef01234567"


def parquet(folder: Path, rows: int) -> bytes:
    path = folder / "made.parquet"
    notes = json.dumps({"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}})
    with duckdb.connect() as con:
        con.execute(
            f"""COPY (SELECT 'a review, number ' || i AS text, i % 2 AS label FROM range({rows}) r(i))
            TO '{path}' (FORMAT parquet, KV_METADATA {{huggingface: '{notes}'}})"""
        )
    return path.read_bytes()


class Hub(http.server.BaseHTTPRequestHandler):
    """The two answers of the hub that matter: what a dataset holds, and a file of it."""

    files: dict[str, bytes] = {}  # noqa: RUF012
    said: dict[str, str] = {}  # noqa: RUF012
    asked: list[str] = []  # noqa: RUF012

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(path)
        if path.startswith("/api/datasets/org/films"):
            entries = [
                {"rfilename": name, "size": len(data), "lfs": {"oid": self.sum_of(name), "size": len(data),
                 "pointerSize": 130, "sha256": self.sum_of(name)}}
                for name, data in self.files.items()
            ]  # fmt: skip
            self._send(json.dumps({"id": "org/films", "sha": REVISION, "siblings": entries}).encode(), body, {})
            return
        name = path.removeprefix(f"/datasets/org/films/resolve/{REVISION}/")
        if name not in self.files:
            self.send_error(404)
            return
        data = self.files[name]
        self._send(data, body, {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": REVISION})

    def sum_of(self, name: str) -> str:
        return self.said.get(name) or hashlib.sha256(self.files[name]).hexdigest()

    def _send(self, data: bytes, body: bool, headers: dict[str, str]) -> None:
        self.send_response(200)
        for key, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output quiet."""


@pytest.fixture
def films(data_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    pytest.importorskip("huggingface_hub", reason="the extra hf is not installed")
    Hub.files = {
        "plain/train-00000-of-00001.parquet": parquet(tmp_path, 80),
        "plain/test-00000-of-00001.parquet": parquet(tmp_path, 20),
        "plain/unsupervised-00000-of-00001.parquet": parquet(tmp_path, 10),
    }
    Hub.said, Hub.asked = {}, []
    for endpoint in serve(Hub):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        yield Hub


def test_a_dataset_of_the_hub(films: type[Hub], data_home: Path) -> None:
    card = catalog.fetched("films", "hf:org/films")
    assert catalog.describe("films").state in ("mirror", "ready")
    files = catalog.get("films")
    dataset = catalog.open_dataset("films")
    assert dataset.splits == {"train": 72, "dev": 8, "test": 20}
    assert dataset.labels == ["no", "yes"]
    assert card.sources[0].revision == REVISION
    assert [file["sha256"] for file in files] == [file.sha256 for file in card.sources[0].files]
    assert not any("unsupervised" in path for path in films.asked)
    # What is there is not fetched again, and the card alone brings it back.
    films.asked.clear()
    catalog.get("films")
    assert films.asked == []
    for file in files:
        Path(file["path"]).unlink()
    for path in (data_home / "films").iterdir():
        path.unlink()
    (data_home / "films").rmdir()
    assert catalog.describe("films").state == "downloadable"
    catalog.get("films")
    assert catalog.open_dataset("films").fingerprint == dataset.fingerprint


def test_a_file_that_is_another_one_is_refused_with_both_sums(films: type[Hub], data_home: Path) -> None:
    wrong = "f" * 64
    films.said["plain/test-00000-of-00001.parquet"] = wrong
    with pytest.raises(DataError, match=rf"org/films/plain/test-.*sha256 is [0-9a-f]{{64}}, expected {wrong}"):
        catalog.fetched("films", "hf:org/films")
    assert "films" not in catalog.names()


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ("hf:org/none", "the hub answered 404|404"),
        ("hf:org/films#other", "no Parquet file under other"),
        ("hf:../films", "not a dataset of the Hugging Face hub"),
        ("http://x", "unknown origin"),
        ("hf:", "unknown origin"),
    ],
)
def test_what_the_hub_does_not_have(films: type[Hub], origin: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as raised:
        catalog.fetched("films", origin)
    assert "\n" not in str(raised.value)


def test_a_hub_that_is_not_there(data_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub", reason="the extra hf is not installed")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError, match="org/films"):
        hub.find(hub.parse("org/films@main"))


def documents() -> dict[str, str]:
    return {
        f"movie_reviews/{kind}/cv{i:03}_1.txt": f"film number {i} is {kind}\nand \x1b[2J\n"
        for i in range(20)
        for kind in ("pos", "neg")
    }


def test_a_categorised_corpus_of_nltk(data_home: Path) -> None:
    for name, text in documents().items():
        path = data_home / "nltk_data" / "corpora" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    catalog.fetched("reviews", "nltk:movie_reviews")
    dataset = catalog.open_dataset("reviews")
    assert dataset.labels == ["neg", "pos"]
    assert sum(dataset.splits.values()) == 40
    assert dataset.table("train").count(contains="film number") == dataset.splits["train"]
    assert catalog.get("reviews")


def test_paragraphs_where_a_corpus_has_no_categories(data_home: Path) -> None:
    folder = data_home / "nltk_data" / "corpora" / "gutenberg"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("One.\nTwo.\n\n\nThree.\n")
    assert list(corpora.rows("gutenberg", [data_home / "nltk_data"])) == [("One.\nTwo.", None), ("Three.", None)]
    for corpus in ("nothing_of_nltk", "inaugural"):
        with pytest.raises(DataError):
            list(corpora.rows(corpus, []))


class Index(Answers):
    """The index of NLTK and a corpus."""


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    # NLTK refuses addresses of this machine otherwise; everything else of its downloader runs as it does.
    monkeypatch.setattr("nltk.pathsec.ENFORCE", False)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in documents().items():
            archive.writestr(name, text)
    data = packed.getvalue()
    size = sum(map(len, documents().values()))
    for place in serve(Index):
        package = (
            f'<package id="movie_reviews" name="Reviews" subdir="corpora" size="{len(data)}" unzipped_size="{size}"'
            f' unzip="1" sha256_checksum="{hashlib.sha256(data).hexdigest()}" url="{place}/movie_reviews.zip"/>'
        )
        Index.answers = {
            "/index.xml": f"<nltk_data><packages>{package}</packages><collections/></nltk_data>".encode(),
            "/movie_reviews.zip": data,
        }
        yield place
    gc.collect()


# NLTK leaves its sockets to the garbage collector, which warns of each.
sockets_left = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::ResourceWarning",
    "ignore:Security Violation:RuntimeWarning",
)


@sockets_left
def test_a_corpus_is_fetched_by_the_downloader_of_nltk(data_home: Path, index: str) -> None:
    corpora.fetch("movie_reviews", data_home / "nltk_data", index=f"{index}/index.xml")
    assert corpora.present("movie_reviews", [data_home / "nltk_data"])
    assert len(list(corpora.rows("movie_reviews", [data_home / "nltk_data"]))) == 40
    with pytest.raises(DataError, match="NLTK has no corpus 'nothing'"):
        corpora.fetch("nothing", data_home / "nltk_data", index=f"{index}/index.xml")


@sockets_left
def test_a_corpus_with_another_sum_is_refused(data_home: Path, index: str) -> None:
    Index.answers["/movie_reviews.zip"] = Index.answers["/movie_reviews.zip"][:-1] + b"x"
    with pytest.raises(DataError, match=r"NLTK corpus 'movie_reviews': .*mismatch"):
        corpora.fetch("movie_reviews", data_home / "nltk_data", index=f"{index}/index.xml")
    assert not corpora.present("movie_reviews", [data_home / "nltk_data"])
