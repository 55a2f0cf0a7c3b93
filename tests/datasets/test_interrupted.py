"""Killed in the middle: an ingest and a download leave no half of anything, and begin again as if nothing had been."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aat_datasets import catalog, sources
from aat_datasets.adding import add
from aat_datasets.card import Card, Columns, File, Reader, Source
from aat_datasets.errors import DataError

BODY = b"text,label\n" + b"".join(b"text number %d,%s\n" % (i, (b"no", b"yes")[i % 2]) for i in range(20_000))


def start(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(Path(catalog.__file__).parents[1])}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment)


def kill_when(process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
    """SIGKILL as soon as something is seen; the process must still be at work then."""
    for _ in range(12_000):
        if ready() or process.poll() is not None:
            break
        time.sleep(0.005)
    assert process.poll() is None, "it was done before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait(60)


def test_a_killed_ingest_leaves_no_dataset_and_begins_again(data_home: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with path.open("wb") as file:
        file.write(b"text,label\n")
        for i in range(1_000_000):
            file.write(b"text number %d of a file that takes a second to read,%s\n" % (i, (b"no", b"yes")[i % 2]))
    code = "import sys; from pathlib import Path; from aat_datasets.adding import add; add('big', [Path(sys.argv[1])])"
    process = start(code, str(path))
    # Killed while the splits are written, the labels and cuts known.
    kill_when(process, lambda: any(data_home.glob(".tmp-big-*/*.parquet")))
    assert "big" not in catalog.names()
    assert not (data_home / "big").exists()
    left = [entry for entry in data_home.iterdir() if entry.name.startswith(".tmp-")]
    assert left
    small = tmp_path / "small.csv"
    small.write_bytes(BODY)
    assert add("big", [small]).rows == 20_000
    for entry in left:  # what the killed one left goes when it is a day old
        os.utime(entry, (0, 0))
    add("big", [small], replace=True)
    assert sorted(entry.name for entry in data_home.iterdir()) == ["big", "cards"]


class Slow(http.server.BaseHTTPRequestHandler):
    """Sends half of the body and waits, until it is told to send all."""

    whole = threading.Event()
    closing = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        half = len(BODY) // 2
        self.wfile.write(BODY[:half])
        self.wfile.flush()
        while not self.whole.is_set() and not self.closing.wait(0.01):
            pass
        if self.whole.is_set():
            self.wfile.write(BODY[half:])

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output quiet."""


@pytest.fixture
def host() -> Iterator[str]:
    Slow.whole.clear()
    Slow.closing.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Slow.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


def far_card(url: str, tmp_path: Path, body: bytes = BODY) -> Card:
    whole = tmp_path / "whole"
    whole.write_bytes(body)
    return Card(
        name="far",
        title="far",
        task="classification",
        language="en",
        labels=["no", "yes"],
        columns=Columns(text=["text"], label="label"),
        sources=[
            Source(
                kind="url",
                reader=Reader(format="csv"),
                files=[File(split="train", url=f"{url}/rows.csv", sha256=sources.sha256_of(whole), size=len(body))],
            )
        ],
        licence="none",
    )


def test_a_killed_download_leaves_no_file_and_begins_again(data_home: Path, tmp_path: Path, host: str) -> None:
    card = far_card(host, tmp_path)
    catalog.write_card(card)
    process = start("from aat_datasets import catalog; catalog.get('far')")
    target = sources.raw_path(card.sources[0], card.sources[0].files[0])
    kill_when(process, lambda: any(path.stat().st_size > 1000 for path in target.parent.glob(".*partial*")))
    assert not target.exists()
    assert catalog.describe("far").state == "downloadable"
    assert not (data_home / "far").exists()
    Slow.whole.set()
    assert [Path(file["path"]) for file in catalog.get("far")] == [target]
    assert catalog.open_dataset("far").splits == {"train": 20_000}
    [partial] = target.parent.glob(".*partial*")
    os.utime(partial, (0, 0))
    target.unlink()
    catalog.get("far")
    assert [path.name for path in target.parent.iterdir()] == ["rows.csv"]


def test_a_wrong_checksum_names_the_file_and_both_sums(data_home: Path, tmp_path: Path, host: str) -> None:
    card = far_card(host, tmp_path, BODY + b"more,no\n")
    catalog.write_card(card)
    Slow.whole.set()
    (tmp_path / "served").write_bytes(BODY)
    found, expected = sources.sha256_of(tmp_path / "served"), card.sources[0].files[0].sha256
    with pytest.raises(DataError, match=f"rows.csv: sha256 is {found}, expected {expected}"):
        catalog.get("far")
    assert not [entry for entry in (data_home / "raw").rglob("*") if entry.is_file()]
