"""Drawn splits: what is held out is found among a few rows, and is what sorting all of them would give."""

from __future__ import annotations

import random

import duckdb
import pytest

from aat_datasets.card import Derive
from aat_datasets.splitting import Cuts

PRIME = 2**31 - 1


@pytest.mark.parametrize("seed", range(8))
def test_the_first_of_each_label_are_held_out_however_many_texts_are_the_same(seed: int) -> None:
    draw = random.Random(seed)
    twin = draw.randrange(PRIME)
    rows = [(draw.randrange(3), twin if draw.random() < 0.6 else draw.randrange(PRIME)) for _ in range(3000)]
    rows += [(3, draw.randrange(PRIME)) for _ in range(2)]  # too few to hold any out
    counts = [sum(code == label for code, _ in rows) for label in range(4)]
    with duckdb.connect() as con:
        con.execute("CREATE TABLE texts (code INTEGER, h BIGINT)")
        con.executemany("INSERT INTO texts VALUES (?, ?)", rows)
        cuts = Cuts(counts, Derive(dev=0.05, test=0.1), set())
        parts: dict[str, str] | None = None
        tries = 0
        while parts is None:
            con.execute(f"CREATE OR REPLACE TABLE held AS SELECT * FROM texts WHERE {cuts.enough()}")
            parts, tries = cuts.parts(con, "held"), tries + 1
        assert tries < 20
        assert list(parts) == ["dev", "test", "train"]
        for label, count in enumerate(counts):
            ordered = sorted(h for code, h in rows if code == label)
            tests = round(count * 0.1) if count > 2 else 0
            both = tests + (round(count * 0.05) if count > 2 else 0)
            low, high = (ordered[taken] if taken else 0 for taken in (tests, both))
            expected = {
                "test": sum(h < low for h in ordered),
                "dev": sum(low <= h < high for h in ordered),
                "train": sum(h >= high for h in ordered),
            }
            for part, where in parts.items():
                table = "texts" if part == "train" else "held"
                found = con.execute(f"SELECT count(*) FROM {table} WHERE code = {label} AND ({where})").fetchone()
                assert found is not None and found[0] == expected[part], (label, part)
