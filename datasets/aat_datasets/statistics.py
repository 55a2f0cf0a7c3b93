"""What a dataset is like: label balance, lengths, repeats, vocabulary, overlap between splits, odd characters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from aat_datasets.overlap import overlap
from aat_datasets.readers import path_literal

if TYPE_CHECKING:
    from aat_datasets.catalog import Dataset

__all__ = ["SplitStatistics", "Statistics", "statistics"]


class SplitStatistics(msgspec.Struct, kw_only=True):
    """One split. Lengths are in words between blanks; ``controls`` are rows with a C0 or C1 character or DEL.

    ``entropy`` is that of the labels in bits: that of equal shares is the logarithm of their number. ``once`` are words of
    the vocabulary that occur once.
    """

    rows: int
    labels: dict[str, int]
    words: int
    mean_words: float
    longest_words: int
    mean_characters: float
    lengths: list[tuple[int, int, int]]
    vocabulary: int
    once: int
    entropy: float
    duplicates: int
    contradictions: int
    controls: int


class Statistics(msgspec.Struct, kw_only=True):
    """A dataset. ``overlap``: ``dev in train`` → rows of dev whose text is also in train.

    ``rejected`` are lines that ingest left out, ``undecodable`` those among them that are not of the file's encoding.
    """

    name: str
    fingerprint: str
    splits: dict[str, SplitStatistics]
    overlap: dict[str, int]
    rejected: int
    undecodable: int
    majority: dict[str, float]


def statistics(dataset: Dataset, bins: int = 20) -> Statistics:
    """Read every split once or twice and count. ``majority`` is the share of each split's largest label."""
    splits = {split: _split(dataset, split, bins) for split in dataset.splits}
    majority = {
        name: max(split.labels.values()) / split.rows for name, split in splits.items() if split.labels and split.rows
    }
    return Statistics(
        name=dataset.name,
        fingerprint=dataset.fingerprint,
        splits=splits,
        overlap=overlap(dataset),
        rejected=dataset.meta.rejected,
        undecodable=_undecodable(dataset),
        majority=majority,
    )


def _split(dataset: Dataset, split: str, bins: int) -> SplitStatistics:
    table = dataset.table(split)
    words = "string_split_regex(trim(text), '\\s+')"
    [(total, mean, longest, controls, characters)] = table.query(
        f"""SELECT sum(len(w)), avg(len(w)), max(len(w)), count(*) FILTER (odd), avg(c) FROM (
            SELECT {words} AS w, length(text) AS c,
                regexp_matches(text, '[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x{{9f}}]') AS odd
            FROM texts)"""
    )
    [(vocabulary, once)] = table.query(
        f"""SELECT count(*), count(*) FILTER (n = 1)
        FROM (SELECT count(*) AS n FROM (SELECT unnest({words}) AS w FROM texts) GROUP BY w)"""
    )
    [(distinct, contradictions)] = table.query(
        """SELECT count(*), count(*) FILTER (labels > 1)
        FROM (SELECT text, count(DISTINCT label) AS labels FROM texts GROUP BY text)"""
    )
    rows = dataset.splits[split]
    labels = table.label_counts()
    shares = [count / rows for count in labels.values() if count]
    return SplitStatistics(
        rows=rows,
        labels=labels,
        words=int(total),
        mean_words=round(float(mean), 2),
        longest_words=int(longest),
        lengths=table.length_histogram(bins),
        mean_characters=round(float(characters), 2),
        vocabulary=int(vocabulary),
        once=int(once),
        entropy=round(-sum(share * math.log2(share) for share in shares) + 0.0, 4),
        duplicates=rows - int(distinct),
        contradictions=int(contradictions),
        controls=int(controls),
    )


def _undecodable(dataset: Dataset) -> int:
    import duckdb

    path = dataset.folder / "rejects.parquet"
    if not dataset.meta.rejected or not path.is_file():
        return 0
    with duckdb.connect() as con:
        row = con.execute(
            f"SELECT count(*) FROM read_parquet({path_literal(path)}) WHERE reason LIKE 'bytes that are not%'"
        ).fetchone()
    return int(row[0]) if row else 0
