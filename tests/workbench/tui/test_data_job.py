"""Long work in a process of its own: its result, its errors, and that nothing is left of it when it is stopped."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from aat_datasets import catalog
from aat_datasets.errors import DataError
from aat_datasets.ordering import Ordering
from aat_workbench.tui.data_job import DataJob

ROWS = 1_000


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    return tmp_path / "data"


def write(path: Path, rows: int = ROWS) -> Path:
    draw = random.Random(3)
    with path.open("w") as file:
        file.write("text,label\n")
        for row in range(rows):
            file.write(f"row {row} {' word' * draw.randrange(9)},{'ab'[row % 2]}\n")
            if row == 7:
                file.write("broken\n")
    return path


async def test_files_are_added_selected_and_sorted(home: Path, tmp_path: Path) -> None:
    told: list[str] = []
    job = DataJob("add", "mine", files=[str(write(tmp_path / "rows.csv"))], label="label", text="text", title="\x1b[2J")
    report = await job.run(lambda: told.append(job.told()))
    assert (report["rows"], report["rejected_total"]) == (ROWS, 1)
    assert report["rejected"][0]["line"] == 10
    assert any("reading rows.csv" in line for line in told)
    made = await DataJob("view", "some", of="mine", selection={"contains": "row 1"}, only=["train"]).run()
    assert made["splits"] == catalog.open_dataset("some").splits
    path = tmp_path / "order.parquet"
    found = await DataJob(
        "order", "mine", split="train", selection={"label": "b"}, order="-length", path=str(path)
    ).run()
    table = catalog.open_dataset("mine").table("train")
    wanted = [row.row for row in table.window(0, ROWS, label="b", order="-length")]
    order = Ordering(path, found["total"])
    assert order.rows(0, ROWS) == wanted
    assert order.rows(5, 9) == wanted[5:9] and order.rows(len(wanted), ROWS) == []
    assert order.place(wanted[17]) == 17 and order.place(wanted[17] ^ 1) in (None, *range(ROWS))
    order.close()
    assert not path.exists()
    assert (await DataJob("open", "mine").run())["splits"] == catalog.open_dataset("mine").splits


async def test_what_goes_wrong_is_raised_as_the_work_raised_it(home: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file") as caught:
        await DataJob("add", "mine", files=[str(tmp_path / "none.csv")]).run()
    assert "Traceback" not in str(caught.value)
    with pytest.raises(DataError, match="is a dataset of the package"):
        await DataJob("add", "sst2", files=[str(write(tmp_path / "rows.csv"))]).run()
    with pytest.raises(DataError, match="ended without an answer"):
        await DataJob("nonsense", "mine").run()


@pytest.mark.parametrize("how", ["cancel", "task", "kill"])
async def test_stopped_work_leaves_nothing(home: Path, tmp_path: Path, how: str) -> None:
    raw = write(tmp_path / "rows.csv", 200_000)
    job = DataJob("add", "mine", files=[str(raw)])
    task = asyncio.create_task(job.run())
    for _ in range(2_000):
        if any(home.glob(".tmp-mine-*/*")):
            break
        await asyncio.sleep(0.01)
    else:
        pytest.fail("the work did not begin")
    process = job._process
    assert process is not None and process.returncode is None
    if how == "cancel":
        job.cancel()
    elif how == "task":
        task.cancel()
    else:
        os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(asyncio.CancelledError if how == "task" else DataError):
        await task
    assert process.returncode is not None
    assert [path.name for path in home.iterdir()] == []
    assert "mine" not in catalog.names()


async def test_the_work_stops_when_whoever_asked_for_it_is_gone(home: Path, tmp_path: Path) -> None:
    job = DataJob("add", "mine", files=[str(write(tmp_path / "rows.csv", 200_000))])
    task = asyncio.create_task(job.run())
    while job._process is None or not any(home.glob(".tmp-mine-*")):
        await asyncio.sleep(0.01)
    assert job._process.stdin is not None
    job._process.stdin.close()  # what the kernel does for a process that was killed
    with pytest.raises(DataError, match="ended without an answer"):
        await task
    assert job._process.returncode == 130
    assert [path.name for path in home.iterdir()] == []
