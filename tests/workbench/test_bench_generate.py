"""The benchmark of generation: its sides write the same, its figures are complete, and what it does not know is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aat_datasets.errors import InputError
from aat_workbench.generate_bench import bench_generate
from aat_workbench.generate_bench_side import Session


def test_what_is_not_known_is_refused() -> None:
    for given, told in (
        ({"sizes": ["huge"]}, "no huge"),
        ({"dtype": "int8"}, "no int8"),
        ({"against": "keras"}, "not compared with keras"),
    ):
        with pytest.raises(InputError, match=told):
            list(bench_generate(**given))  # type: ignore[arg-type]


def test_all_sides_write_the_same_tokens(tmp_path: Path) -> None:
    session = Session()
    assert session.make("small", str(tmp_path), "float32")["parameters"] > 800_000
    session.open(str(tmp_path), "us", "float32")
    found = {batch: session.ours(batch, 5) for batch in (1, 3)}
    assert found[3]["ids"][:1] == found[1]["ids"] and len(found[3]["ids"]) == 3
    assert session.told(3, 5)["ids"] == found[3]["ids"]
    assert min(found[1]["wall"], found[1]["cpu"]) > 0
    pytest.importorskip("transformers", reason="the extra hf is not installed")
    session.open(str(tmp_path), "transformers", "float32")
    assert session.theirs(3, 5)["ids"] == found[3]["ids"]


def test_figures_are_there_for_every_size_and_batch() -> None:
    *told, figures = bench_generate(["small"], batches=[1, 2], tokens=3, rounds=1)
    assert told[0] == "small: 820,608 weights"
    rows: list[dict[str, Any]] = figures["rows"]  # type: ignore[index]
    assert [(row["size"], row["batch"]) for row in rows] == [("small", 1), ("small", 2)]
    for row in rows:
        assert row["ours"]["tokens_per_second"] > 0 and row["told_over_ours"]["wall"] > 0
        assert "theirs" not in row
