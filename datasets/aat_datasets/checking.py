"""What is wrong with a dataset: repeats inside and across splits, doubtful labels, odd characters, personal data."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from aat_datasets import masking
from aat_datasets.label_noise import label_noise
from aat_datasets.near_duplicates import near_duplicates
from aat_datasets.overlap import overlap
from aat_datasets.readers import path_literal

if TYPE_CHECKING:
    from aat_datasets.catalog import Dataset
    from aat_datasets.sources import Progress

__all__ = ["Check", "NearPair", "Repeated", "Suspicion", "check"]

# C0 and C1 without tab and line ends, soft hyphen, zero width, directions, line separators, replaced bytes, private use.
_ODD = (
    "\\x{0}-\\x{8}\\x{b}\\x{c}\\x{e}-\\x{1f}\\x{7f}-\\x{9f}\\x{ad}\\x{200b}-\\x{200f}\\x{2028}-\\x{202e}\\x{2060}-\\x{2069}"
    "\\x{feff}\\x{fffd}\\x{e000}-\\x{f8ff}"
)
_ODD_PYTHON = re.compile("[" + re.sub(r"\\x\{(\w+)\}", lambda m: f"\\U{int(m[1], 16):08x}", _ODD) + "]")


class Repeated(msgspec.Struct, kw_only=True):
    """A text that occurs several times: the first row of each of its split, how often in all, and its labels."""

    text: str
    count: int
    rows: dict[str, int]
    labels: list[str]


class NearPair(msgspec.Struct, kw_only=True):
    """Two rows whose texts are nearly the same, and the share of their pieces that they have in common."""

    split: str
    row: int
    other_split: str
    other_row: int
    similarity: float


class Suspicion(msgspec.Struct, kw_only=True):
    """A row whose label is probably wrong."""

    split: str
    row: int
    label: str
    suggested: str
    probability: float


class Check(msgspec.Struct, kw_only=True):
    """What was found. Lists hold the first ``limit`` of each kind, the figures count all.

    ``looked_at`` are the rows, drawn with the seed, that near-duplicates, labels and personal data were looked for in;
    the rest counts every row. ``duplicates``: split → rows beyond the first of equal texts. ``across``: ``test in train`` →
    rows of test whose text is also in train. ``contradictions``: texts with more than one label. ``controls``: character →
    rows. ``pii``: rule → finds.
    """

    name: str
    rows: dict[str, int]
    looked_at: int
    duplicates: dict[str, int]
    across: dict[str, int]
    repeated: list[Repeated]
    contradictions: int
    near_duplicates: int
    near: list[NearPair]
    model_accuracy: float | None
    label_suspects: int
    suspects: list[Suspicion]
    controls: dict[str, int]
    pii: dict[str, int]
    pii_rows: int


def check(
    dataset: Dataset, *, sample: int = 50_000, limit: int = 100, seed: int = 0, progress: Progress | None = None
) -> Check:
    """Look a dataset over. ``sample`` bounds the rows of the slower looks, ``limit`` the lists."""
    say = progress or silent
    say(0, 5, "repeated texts")
    repeats = _repeats(dataset, limit)
    say(1, 5, "characters")
    controls = _controls(dataset)
    rows = _drawn(dataset, sample, seed)
    texts = [text for _, _, text, _ in rows]
    say(2, 5, "near-duplicates")
    near = near_duplicates(texts)
    say(3, 5, "labels")
    labelled = [row for row in rows if row[3] is not None]
    noise = None
    if dataset.labels and len(dataset.labels) > 1 and labelled:
        codes = [int(row[3] or 0) for row in labelled]
        noise = label_noise([row[2] for row in labelled], codes, len(dataset.labels), seed)
    say(4, 5, "personal data")
    finds = [Counter(masking.count(text)) for text in texts]
    return Check(
        name=dataset.name,
        rows=dict(dataset.splits),
        looked_at=len(rows),
        **repeats,
        near_duplicates=len(near),
        near=[
            NearPair(
                split=rows[pair.second][0],
                row=rows[pair.second][1],
                other_split=rows[pair.first][0],
                other_row=rows[pair.first][1],
                similarity=round(pair.similarity, 4),
            )
            for pair in near[:limit]
        ],
        model_accuracy=round(noise.accuracy, 4) if noise else None,
        label_suspects=len(noise.suspects) if noise else 0,
        suspects=[
            Suspicion(
                split=labelled[found.place][0],
                row=labelled[found.place][1],
                label=dataset.labels[labelled[found.place][3] or 0],
                suggested=dataset.labels[found.suggested],
                probability=found.probability,
            )
            for found in (noise.suspects[:limit] if noise else [])
        ],
        controls=controls,
        pii={name: sum(found[name] for found in finds) for name in masking.RULES},
        pii_rows=sum(1 for found in finds if found),
    )


def silent(done: int, total: int, line: str) -> None:
    """Nobody is told."""


def _repeats(dataset: Dataset, limit: int) -> dict[str, Any]:
    import duckdb

    label = "label" if dataset.labels else "NULL::INTEGER"
    parts = [
        f"SELECT '{split}' AS split, file_row_number AS row, text, digest, {label} AS label "
        f"FROM read_parquet({path_literal(dataset.table(split).path)}, file_row_number=true)"
        for split in dataset.splits
    ]
    with duckdb.connect() as con:
        con.execute("SET memory_limit = '2GB'")
        con.execute(f"CREATE VIEW texts AS {' UNION ALL '.join(parts)}")
        # By digest: the texts themselves would have to be held to be compared.
        counts = con.execute("SELECT split, count(*) - count(DISTINCT digest) FROM texts GROUP BY split").fetchall()
        found: list[Any] = con.execute(
            f"""SELECT any_value(text), count(*), map_from_entries(list(DISTINCT (split, first))), list(DISTINCT label)
            FROM (SELECT *, min(row) OVER (PARTITION BY digest, split) AS first FROM texts
                  WHERE digest IN (SELECT digest FROM texts GROUP BY digest HAVING count(*) > 1))
            GROUP BY digest ORDER BY count(*) DESC, min(row) LIMIT {int(limit)}"""
        ).fetchall()
        row = con.execute(
            "SELECT count(*) FROM (SELECT 1 FROM texts GROUP BY digest HAVING count(DISTINCT label) > 1)"
        ).fetchone()
    return {
        "duplicates": {split: dict(counts).get(split, 0) for split in dataset.splits},
        "across": overlap(dataset),
        "repeated": [
            Repeated(
                text=text,
                count=count,
                rows=dict(sorted(rows.items())),
                labels=sorted(dataset.labels[int(code)] for code in codes if code is not None),
            )
            for text, count, rows, codes in found
        ],
        "contradictions": int(row[0]) if row else 0,
    }


def _controls(dataset: Dataset) -> dict[str, int]:
    """Character → rows that hold it, most frequent first."""
    counts: Counter[str] = Counter()
    for split in dataset.splits:
        for (text,) in dataset.table(split).query(f"SELECT text FROM texts WHERE regexp_matches(text, '[{_ODD}]')"):
            counts.update(set(_ODD_PYTHON.findall(text)))
    return {_named(character): count for character, count in counts.most_common()}


def _named(character: str) -> str:
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + (f" {name}" if name else "")


def _drawn(dataset: Dataset, sample: int, seed: int) -> list[tuple[str, int, str, int | None]]:
    """``(split, row, text, label)``: of every split its share of the sample."""
    total = sum(dataset.splits.values())
    rows: list[tuple[str, int, str, int | None]] = []
    for split, count in dataset.splits.items():
        limit = 0 if total <= sample else max(1, count * sample // total)
        rows += [(split, e.row, e.text, e.label) for e in dataset.examples(split, limit, seed)]
    return rows
