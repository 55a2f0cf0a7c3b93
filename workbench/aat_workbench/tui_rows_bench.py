"""How fast the Datasets pane is on very many rows: opening, paging, jumping, searching, and what memory it takes.

Everything is measured from outside, in a pseudo-terminal, on the program as a user starts it; the counts of labels and
lengths go on beside all of it, as they do for a user. Needs Linux, for the memory of another process.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from aat_datasets.errors import EngineError, InputError
from aat_workbench.pseudo_terminal import PseudoTerminal
from aat_workbench.surroundings import surrounded_by
from aat_workbench.tui_bench import APP, SHARE, percentile

__all__ = ["bench_rows", "make_rows"]

NAME = "rows"
PAGE_DOWN, ENTER, ESCAPE = b"\x1b[6~", b"\r", b"\x1b"
PLACES, PAGES = 10, 20
WORDS = (("1 of 1 000 rows", "everythousandth"), ("1 of 100 rows", "everyhundredth"))
RARE = "everymillionth"
_LABEL = "(?:angry|calm|glad|sad) "  # after a row's number; ids of tokens stand alone
_WAITING = re.compile(r"│\s+…\s\s")  # a row whose page is on its way


def make_rows(rows: int, folder: Path) -> None:
    """Write ``train.parquet`` with ``rows`` texts of 5 to 44 words and four labels, and a small ``dev`` and ``test``.

    Deterministic. A word of the texts stands in every hundredth, thousandth and millionth of them.
    """
    import duckdb

    from aat_datasets.readers import literal

    words = [f"{start}{middle}{end}" for start in _STARTS for middle in _MIDDLES for end in _ENDS]
    chosen = f"w[1 + (hash(i * 64 + k) % {len(words)})::BIGINT]"
    seldom = " || ".join(
        f"CASE WHEN i % {step} = {step // 2} THEN ' {word}' ELSE '' END"
        for word, step in (("everyhundredth", 100), ("everythousandth", 1_000), (RARE, 1_000_000))
    )
    with duckdb.connect() as con:
        con.execute("CREATE TABLE words AS SELECT ?::VARCHAR[] AS w", [words])
        for split, start, count in (("train", 0, rows), ("dev", rows - 500, 1_000), ("test", rows, 1_000)):
            con.execute(f"""COPY (
                SELECT array_to_string(list_transform(range(5 + (hash(i) % 40)::BIGINT), lambda k: {chosen}), ' ')
                    || {seldom} AS text, ['angry', 'calm', 'glad', 'sad'][1 + (hash(i + 7) % 4)::BIGINT] AS label
                FROM range({start}, {start + count}) r(i), words
            ) TO {literal(str(folder / f"{split}.parquet"))} (FORMAT parquet, COMPRESSION zstd)""")


_STARTS = ("par", "ref", "del", "cus", "ser", "mon", "tra", "ord", "ret", "pay", "lat", "box")
_MIDDLES = ("cel", "un", "iv", "to", "vi", "ey", "ck", "er", "ur", "ing", "e", "o")
_ENDS = ("s", "ed", "er", "ing", "al", "ly", "", "est", "ness", "ment")


def bench_rows(rows: int, size: tuple[int, int], data: Path | None) -> Iterator[str | dict[str, Any]]:
    """Lines of narration, and last the figures: times in milliseconds, memory in MiB.

    ``data`` is a data folder that is kept, and used again where it holds the rows already. Raises InputError where
    this system cannot tell another process's memory, EngineError where the app does not show what it should.
    """
    if not Path("/proc/self/status").exists():
        raise InputError("bench tui --rows needs Linux", "it reads the app's memory from /proc")
    with tempfile.TemporaryDirectory(prefix="aat-bench-") as name:
        work = Path(name)
        home = data.absolute() if data is not None else work / "data"
        environment = {
            "AAT_RUNS": str(work / "runs"),
            "AAT_DATA": str(home),
            "AAT_MIRROR": "",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        yield f"making {rows:,} rows"
        ingest = _prepare(rows, work, home)
        yield "starting the app without a dataset"
        base = _memory_alone(size, {**environment, "AAT_DATA": str(work / "empty")})
        with PseudoTerminal(APP, size=size, environment=environment) as terminal:
            opened = yield from _open(terminal, rows)
            after = {"opened": _memory(terminal.pid, "VmRSS")}
            pages = yield from _page(terminal, rows)
            after["paged"] = _memory(terminal.pid, "VmRSS")
            found = yield from _find(terminal)
            after["searched"] = _memory(terminal.pid, "VmRSS")
            peak = _memory(terminal.pid, "VmHWM")
    yield {
        "rows": rows,
        "size": list(size),
        "cores": os.cpu_count(),
        **ingest,
        "open_ms": opened,
        **pages,
        "first_page_ms": found,
        "memory_mib": {"without_dataset": base, **after, "peak": peak, "growth": round(peak - base, 1)},
    }


def _prepare(rows: int, work: Path, home: Path) -> dict[str, Any]:
    """The dataset, made once in ``home``."""
    with surrounded_by({"AAT_DATA": str(home)}):
        from aat_datasets import adding, catalog, shelf

        if NAME in shelf.names() and catalog.open_dataset(NAME).splits.get("train") == rows:
            return {}
        raw = work / "raw"
        raw.mkdir()
        make_rows(rows, raw)
        began = time.monotonic()
        splits = {split: raw / f"{split}.parquet" for split in ("train", "dev", "test")}
        adding.add(NAME, [], splits=splits, text="text", label="label", target="", replace=True)
        for path in splits.values():
            path.unlink()
        return {"ingest_seconds": round(time.monotonic() - began, 1)}


def _memory(pid: int, field: str) -> float:
    """``VmRSS`` or ``VmHWM`` (the highest so far) of a process, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024, 1)


def _memory_alone(size: tuple[int, int], environment: dict[str, str]) -> float:
    """What the app takes with its list of datasets and none of them open."""
    with PseudoTerminal(APP, size=size, environment=environment) as terminal:
        _wait(terminal, lambda: "made by this program" in terminal.text())
        terminal.feed(terminal.drain(0.5, 3.0), lambda: False)
        return _memory(terminal.pid, "VmRSS")


def _wait(terminal: PseudoTerminal, seen: Callable[[], bool], limit: float = 60.0) -> float:
    try:
        return terminal.wait(seen, limit)
    except TimeoutError as error:
        raise EngineError("the app did not show what it should", str(error)) from None


def _ready(terminal: PseudoTerminal) -> bool:
    """Whether every row in view has its text."""
    return not _WAITING.search(terminal.text())


def _grouped(count: int) -> str:
    return f"{count:,}".replace(",", " " if count >= 10_000 else "")


def _open(terminal: PseudoTerminal, rows: int) -> Generator[str, None, float]:
    """From the start of the process to the first page of the rows: the only dataset that is ready opens by itself."""
    title = f"{NAME} · train · {_grouped(rows)} rows"
    first = re.compile(r"\n.*│\s+0\s\s")  # row 0
    seen = _wait(
        terminal, lambda: title in terminal.text() and first.search(terminal.text()) is not None and _ready(terminal)
    )
    yield "opened"
    return round(1000 * (seen - terminal.started), 1)


def _page(terminal: PseudoTerminal, rows: int) -> Generator[str, None, dict[str, Any]]:
    """Jumps to places all over the split, and pages down from each."""
    jumps: list[float] = []
    pages: list[float] = []
    for place in range(PLACES):
        row = (place * 7 + 3) % PLACES * rows // PLACES + place * 1_237 % max(rows // PLACES, 1)
        _press(terminal, b"g", lambda: "Go to which row" in terminal.text())
        terminal.press(str(row).encode())
        _wait(terminal, lambda row=row: str(row) in terminal.text())
        jumps.append(_press(terminal, ENTER, lambda row=row: _holds(terminal, row)))
        for _ in range(min(PAGES, rows // PLACES // 100)):
            top = terminal.looks(2, terminal.lines - 2)
            pages.append(
                _press(
                    terminal,
                    PAGE_DOWN,
                    lambda top=top: terminal.looks(2, terminal.lines - 2) != top and _ready(terminal),
                )
            )
            time.sleep(0.05)
        yield f"paged at row {row:,}"
    return {
        "jump_ms": _spread(jumps),
        "page_down_ms": _spread(pages),
    }


def _holds(terminal: PseudoTerminal, row: int) -> bool:
    text = terminal.text()
    return "Go to which row" not in text and re.search(rf"│\s+{row}\s\s{_LABEL}", text) is not None and _ready(terminal)


def _press(terminal: PseudoTerminal, keys: bytes, seen: Callable[[], bool]) -> float:
    """Milliseconds from the keys to the first paint in which ``seen`` holds."""
    terminal.feed(terminal.drain(0.06, 1.0), lambda: False)  # what is still on its way belongs to what came before
    pressed = terminal.press(keys)
    return 1000 * (_wait(terminal, seen) - pressed)


def _spread(values: list[float]) -> dict[str, Any]:
    return {
        "p50": round(statistics.median(values), 1) if values else None,
        "p95": round(percentile(values, SHARE), 1) if values else None,
        "most": round(max(values), 1) if values else None,
        "times": len(values),
    }


def _find(terminal: PseudoTerminal) -> Generator[str, None, dict[str, float]]:
    """From the last key of a filter to a screen full of its rows; of a rare word to its first row, and to its last."""
    found: dict[str, float] = {}
    for name, word in WORDS:
        found[name] = round(_type(terminal, word, lambda word=word: _full(terminal, word)), 1)
        _clear(terminal)
        yield f"filter {word}: {found[name]:.0f} ms"
    began = time.perf_counter()
    first = _type(terminal, RARE, lambda: re.search(rf"│\s+\d*500000\s\s{_LABEL}", _filtered(terminal)) is not None)
    found["1 of 1 000 000 rows, the first one"] = round(first, 1)
    yield f"filter {RARE}: {first:.0f} ms"
    last = _wait(terminal, lambda: "searched" not in terminal.text(), 120.0)
    found["1 of 1 000 000 rows, all of them"] = round(1000 * (last - began), 1)
    _clear(terminal)
    return found


def _type(terminal: PseudoTerminal, word: str, seen: Callable[[], bool]) -> float:
    """Milliseconds from a word typed into the filter at once to the first paint in which ``seen`` holds."""
    terminal.press(b"/")
    time.sleep(0.3)
    return _press(terminal, word.encode(), seen)


def _clear(terminal: PseudoTerminal) -> None:
    terminal.press(ENTER)
    time.sleep(1.0)  # the table has the focus then, and takes the key
    _press(terminal, b"x", lambda: "contains…" in terminal.text() and _ready(terminal))
    time.sleep(0.3)


def _filtered(terminal: PseudoTerminal) -> str:
    """The screen once its rows are those of the filter; before, nothing."""
    text = terminal.text()
    return text if re.search(r"train · [\d ]+ of ", text) and _ready(terminal) else ""


def _full(terminal: PseudoTerminal, word: str) -> bool:
    """Whether every line of the table shows a row, and the rows are those of the filter."""
    text = _filtered(terminal)
    shown = [int(number) for number in re.findall(rf"│\s+(\d+)\s\s{_LABEL}", text)]
    step = 100 if word == "everyhundredth" else 1_000
    return len(shown) >= terminal.lines - 8 and all(row % step == step // 2 for row in shown)
