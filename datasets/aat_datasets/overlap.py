"""Texts that stand in two splits of a dataset: equal character by character."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aat_datasets.errors import DataError
from aat_datasets.readers import literal, path_literal

if TYPE_CHECKING:
    from aat_datasets.catalog import Dataset

__all__ = ["overlap"]


def overlap(dataset: Dataset) -> dict[str, int]:
    """``dev in train`` → rows of dev whose text is also in train, for every pair of splits.

    Compares the digests that ingest kept, 64 bits of MD5: of ten million texts, two that differ have the same with a
    probability under one in 100,000. Memory grows with the smaller split of each pair. Raises DataError.
    """
    import duckdb

    names = list(dataset.splits)
    files = {name: f"read_parquet({path_literal(dataset.table(name).path)})" for name in names}
    found: dict[str, int] = {}
    with duckdb.connect() as con:
        paths = ", ".join(literal(str(dataset.table(name).path)) for name in names)
        con.execute("SET threads=1")
        con.execute("SET enable_external_file_cache=false")
        con.execute(f"SET allowed_paths=[{paths}]")
        con.execute("SET enable_external_access=false")
        for number, base in enumerate(names):
            for other in names[number + 1 :]:
                # Of the larger split only what is also in the smaller one is kept in memory.
                small, large = sorted((base, other), key=lambda name: dataset.splits[name])
                both = f"SELECT digest FROM {files[large]} WHERE digest IN (SELECT digest FROM {files[small]})"
                try:
                    row = con.execute(f"SELECT count(*) FROM {files[other]} WHERE digest IN ({both})").fetchone()
                except duckdb.Error as error:
                    raise DataError(f"{dataset.name}: {str(error).splitlines()[0]}") from None
                found[f"{other} in {base}"] = int(row[0]) if row else 0
    return found
