"""One measured piece of ``bench data`` in a process of its own: ``python -m aat_workbench.data_bench_side PIECE JSON``.

Prints one JSON object: what the piece measured, and the process's wall and CPU seconds and peak memory.
"""

from __future__ import annotations

import json
import random
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aat_datasets.card import Card

__all__ = ["PIECES", "bench_card", "main"]

_WORDS = 5000
_SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu".split()  # noqa: SIM905
_PAGE = 50


def make(path: str, rows: int) -> dict[str, Any]:
    """A CSV file of ``rows`` rows of about 150 bytes: a number, a text of frequent and rare words, one of four labels."""
    import duckdb

    base = len(_SYLLABLES)
    words = [_SYLLABLES[i % base] + _SYLLABLES[i // base % base] + _SYLLABLES[i // base**2] for i in range(_WORDS)]
    words = words[: base**3]
    listed = "[" + ", ".join(f"'{word}'" for word in words) + "]"
    # A square: low numbers are drawn more often, as some words of a language are.
    drawn = f"1 + (pow(hash(i * 131 + j) / 18446744073709551616.0, 2) * {len(words) - 1})::INTEGER"
    text = f"array_to_string(list_transform(range(8 + (hash(i) % 27)::INTEGER), lambda j: list_extract({listed}, {drawn})), ' ')"
    with duckdb.connect(config={"memory_limit": "2GB"}) as con:
        con.execute(
            f"""COPY (SELECT i AS id, {text} || CASE WHEN i % 9973 = 17 THEN ' marmalade' ELSE '' END AS body,
            'topic' || (hash(i + 7) % 4) AS kind FROM range({rows}) r(i)) TO '{path}' (FORMAT csv, HEADER)"""
        )
    return {"bytes": Path(path).stat().st_size}


def copy(path: str, folder: str) -> dict[str, Any]:
    """DuckDB's own COPY of the file to Parquet."""
    import duckdb

    out = Path(folder) / "copy.parquet"
    with duckdb.connect() as con:
        con.execute(f"COPY (SELECT * FROM read_csv('{path}')) TO '{out}' (FORMAT parquet)")
    size = out.stat().st_size
    out.unlink()
    return {"bytes": size}


def bench_card(derive: bool) -> Card:
    """The card of the file that the bench makes: one split, or dev and test drawn from it."""
    from aat_datasets.card import Card, Columns, Derive

    return Card(
        name="bench",
        title="bench",
        task="classification",
        language="en",
        columns=Columns(text=["body"], label="kind"),
        sources=[],
        licence="made by the benchmark",
        derive=Derive(dev=0.1, test=0.1) if derive else None,
    )


def ingest(path: str, folder: str, derive: bool) -> dict[str, Any]:
    """The same file as a dataset: one split, or dev and test drawn from it."""
    from aat_datasets.card import File, Reader
    from aat_datasets.ingest import ingest as into

    shutil.rmtree(folder, ignore_errors=True)
    meta, rejects = into(bench_card(derive), [(File(split="train"), Path(path))], Reader(format="csv"), Path(folder))
    return {"rows": sum(meta.splits.values()), "rejects": len(rejects)}


def windows(folder: str, pages: int) -> dict[str, Any]:
    """Milliseconds of windows and of filtered pages, and what memory they took. Each filter is new to the table."""
    table = _table(Path(folder))
    before = _resident()
    rng = random.Random(0)
    first = _ms(lambda: table.window(0, _PAGE))
    places = [rng.randrange(table.total) for _ in range(pages)]
    anywhere = sorted(_ms(lambda at=place: table.window(at, at + _PAGE)) for place in places)
    down = sorted(_ms(lambda at=page * _PAGE: table.window(at, at + _PAGE)) for page in range(1, pages + 1))
    found: dict[str, Any] = {
        "rows": table.total,
        "open_and_first": first,
        "anywhere": _percentiles(anywhere),
        "page_down": _percentiles(down),
    }
    for name, text in (("frequent", "bababa"), ("one in 10,000", "marmalade"), ("nowhere", "qqq")):
        start = _ms(lambda text=text: table.window(0, _PAGE, contains=text))
        later = sorted(
            _ms(lambda at=page * _PAGE, text=text: table.window(at, at + _PAGE, contains=text)) for page in range(1, 20)
        )
        counted = _ms(lambda text=text: table.count(contains=text))
        found[f"filter, {name}"] = {
            "first_page": start, **_percentiles(later), "count": counted, "rows": table.count(contains=text)
        }  # fmt: skip
    found["memory_growth"] = _resident() - before
    return found


def encode(folder: str, texts: int, rounds: int) -> dict[str, Any]:
    """Words a second of word-level encoding and of the bare batches of ``tokenizers`` on the same texts, in turn."""
    from aat_datasets.vocab import WordTable

    found = [row.text for row in _table(Path(folder)).window(0, texts)]
    words = sum(len(text.split()) for text in found)
    table = WordTable.train(found[: texts // 2])
    sides: dict[str, Callable[[], object]] = {
        "ours": lambda: table.encode(found, 1 << 30),
        "encode_batch": lambda: [
            table.tokenizer.encode_batch(found[at : at + 8192], add_special_tokens=False)
            for at in range(0, len(found), 8192)
        ],
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            seconds[name].append(_ms(side) / 1000)
    return {"words": words, "seconds": seconds}


def stream(folder: str, cache: str, limit: int) -> dict[str, Any]:
    """Encode the dataset and draw batches of it in a process that may hold ``limit`` bytes of its own."""
    import itertools

    import numpy as np

    from aat_datasets import catalog
    from aat_datasets.batching import BucketSampler, pad
    from aat_models.config import Config
    from aat_models.data import encoded_splits

    bytes_of_text = sum(
        int(catalog.open_dataset("bench").table(split).query("SELECT sum(strlen(text)) FROM texts")[0][0])
        for split in catalog.open_dataset("bench").splits
    )
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    config = Config()
    config.data.dataset, config.data.preprocess = "bench", ["lowercase"]
    splits, _ = encoded_splits(config, catalog.open_dataset("bench"), Path(cache))
    train = splits["train"]
    sampler = BucketSampler(train.lengths, 64, seed=0)
    drawn = padded = 0
    for batch in itertools.islice(sampler, 200):
        block, lengths = pad([train.text(int(at)) for at in batch])
        drawn += int(np.count_nonzero(block))
        padded += block.size - int(lengths.sum())
    return {
        "texts": len(train),
        "bytes_of_text": bytes_of_text,
        "limit": limit,
        "words_drawn": drawn,
        "padding": padded,
    }


def _table(folder: Path) -> Any:
    from aat_datasets.ingest import read_meta
    from aat_datasets.tables import Table

    meta = read_meta(folder)
    if meta is None:
        raise SystemExit(f"{folder}: no dataset")
    return Table(folder / "train.parquet", meta.labels, meta.columns, meta.splits["train"])


def _ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return round((time.perf_counter() - started) * 1000, 2)


def _percentiles(ordered: list[float]) -> dict[str, float]:
    return {"p50": ordered[len(ordered) // 2], "p95": ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]}


def _resident() -> int:
    """Bytes of this process in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


PIECES: dict[str, Callable[..., dict[str, Any]]] = {
    "make": make, "copy": copy, "ingest": ingest, "windows": windows, "encode": encode, "stream": stream
}  # fmt: skip


def main() -> None:
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    started = time.perf_counter()
    found = PIECES[name](**arguments)
    wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    found |= {"wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * 1024}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
