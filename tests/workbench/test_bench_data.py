"""The benchmark of data: small runs of its pieces, and what its table says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aat_datasets.errors import InputError
from aat_workbench.cli.bench import app
from aat_workbench.data_bench import bench_data
from aat_workbench.data_bench_table import rows_of


def run(folder: Path, *arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(
        app, ["data", "--rows", "5000", "--rounds", "1", "--folder", str(folder), "--json", *arguments]
    )
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


def test_a_small_run(tmp_path: Path) -> None:
    figures = run(tmp_path, "--parts", "ingest,windows,encode")
    assert figures["csv_bytes"] > 5000 * 100
    assert figures["ingest"]["one split"]["of_copy"]["cpu"] > 0
    assert figures["windows"]["rows"] == 5000
    assert figures["windows"]["filter, nowhere"]["rows"] == 0
    assert figures["windows"]["filter, frequent"]["rows"] > 100
    assert figures["encode"]["ratio"] > 0.8
    rows = rows_of(figures)
    assert {committed for _, _, committed in rows} >= {"≥ 0.6", "< 500 ms", "≥ 0.8"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_batches_of_a_dataset_come_from_its_memory_map(tmp_path: Path) -> None:
    found = run(tmp_path, "--parts", "stream")["stream"]
    assert found["texts"] == 4000
    assert found["words_drawn"] > 1000


def test_wrong_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no part read"):
        list(bench_data(1000, ["read"]))
    with pytest.raises(InputError, match="MiB are needed"):
        list(bench_data(10**12, folder=str(tmp_path)))
