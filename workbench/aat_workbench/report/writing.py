"""A report in each of its formats, and into a file."""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from aat_datasets.chinese import spaced
from aat_datasets.errors import InputError
from aat_models.events import AttackResult
from aat_workbench import __version__, durable
from aat_workbench.outcome import broken
from aat_workbench.report import tables as content
from aat_workbench.report.charts import document
from aat_workbench.report.escaping import cell, markdown, markup
from aat_workbench.report.sources import AttackPart, Report

__all__ = ["FORMATS", "Format", "write"]

Format = Literal["md", "html", "csv", "jsonl", "parquet", "svg"]

# Nothing is loaded and nothing runs, whatever slipped through: the browser is told so.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .2rem .7rem .2rem 0; border-bottom: 1px solid #8885; vertical-align: top; }
svg { max-width: 100%; height: auto; display: block; margin: 1rem 0; }
.example { margin: .8rem 0; overflow-wrap: anywhere; }
.answer { opacity: .75; }
del { background: #d55e0033; } ins { background: #009e7333; text-decoration: underline; }
"""


def _markdown(report: Report, shown: int) -> str:
    return "\n".join(_markdown_lines(report, shown)) + "\n"


def _markdown_lines(report: Report, shown: int) -> Iterator[str]:
    yield f"# {markdown(report.title)}"
    for table in content.tables(report):
        yield f"\n## {markdown(table.title)}\n"
        yield f"| {' | '.join(map(markdown, table.columns))} |"
        yield f"|{'---|' * len(table.columns)}"
        for row in table.rows:
            yield f"| {' | '.join(map(markdown, row))} |"
        if table.remarks:
            yield ""
        for remark in table.remarks:
            yield f"- {markdown(remark)}"
    marks = {"=": ("", ""), "-": ("~~", "~~"), "+": ("**", "**")}
    for part in report.all_attacks:
        found = content.examples(part, shown)
        if found:
            yield f"\n## {markdown(_heading(part, len(found)))}\n"
        for result in found:
            yield f"- {markdown(_answer(part, result))}: {_marked(result, marks, markdown)}"


def _html(report: Report, shown: int) -> str:
    title = markup(report.title)
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    )
    foot = f"<p><small>aat-workbench {markup(__version__)}</small></p>\n</body>\n</html>\n"
    return head + "".join(_html_parts(report, shown)) + foot


def _html_parts(report: Report, shown: int) -> Iterator[str]:
    drawn = list(content.charts(report))
    if drawn:
        yield document(drawn) + "\n"
    for table in content.tables(report):
        yield f'<h2>{markup(table.title)}</h2>\n<div class="wide"><table>\n'
        yield f"<tr>{''.join(f'<th>{markup(name)}</th>' for name in table.columns)}</tr>\n"
        for row in table.rows:
            yield f"<tr>{''.join(f'<td>{markup(text)}</td>' for text in row)}</tr>\n"
        yield "</table></div>\n"
        if table.remarks:
            yield f"<ul>{''.join(f'<li>{markup(text)}</li>' for text in table.remarks)}</ul>\n"
    elements = {"=": ("<span>", "</span>"), "-": ("<del>", "</del>"), "+": ("<ins>", "</ins>")}
    for part in report.all_attacks:
        found = content.examples(part, shown)
        if found:
            yield f"<h2>{markup(_heading(part, len(found)))}</h2>\n"
        for result in found:
            answer = markup(_answer(part, result))
            text = _marked(result, elements, markup)
            yield f'<div class="example" dir="auto"><div class="answer">{answer}</div>{text}</div>\n'


def _marked(result: AttackResult, marks: Mapping[str, tuple[str, str]], escape: Callable[[str], str]) -> str:
    """A text with what went and what came between marks."""
    pieces = list(content.word_diff(result))
    gaps = spaced([text for _, text in pieces])
    return "".join(
        (" " if gap else "") + marks[kind][0] + escape(text) + marks[kind][1]
        for (kind, text), gap in zip(pieces, gaps, strict=True)
    )


def _heading(part: AttackPart, shown: int) -> str:
    return f"{part.name}: {shown} of {sum(map(broken, part.results))} broken texts, fewest edits first"


def _answer(part: AttackPart, result: AttackResult) -> str:
    def one(number: int, probabilities: Sequence[float]) -> str:
        name = part.labels[number] if number < len(part.labels) else str(number)
        return f"{name} {probabilities[number]:.2f}"

    before = one(result.prediction, result.probabilities)
    after = one(result.adversarial_prediction, result.adversarial_probabilities)
    return f"{before} → {after}, {result.queries} queries"


def _svg(report: Report, shown: int) -> str:
    drawn = list(content.charts(report))
    if not drawn:
        raise InputError("there is nothing to draw yet", "nothing was recorded so far")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + document(drawn) + "\n"


def _csv(report: Report, shown: int) -> str:
    rows = content.records(report, one_kind=True)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: cell(value) if isinstance(value, str) else value for key, value in row.items()})
    return buffer.getvalue()


def _jsonl(report: Report, shown: int) -> str:
    # ASCII: exact for every text there is, and nothing in it that a terminal would obey.
    return "".join(json.dumps(row) + "\n" for row in content.records(report, one_kind=False))


_TEXTS: dict[str, Callable[[Report, int], str]] = {
    "md": _markdown,
    "html": _html,
    "svg": _svg,
    "csv": _csv,
    "jsonl": _jsonl,
}
FORMATS: tuple[str, ...] = (*_TEXTS, "parquet")


def write(report: Report, form: Format, path: Path, *, examples: int = 20) -> Path:
    """The report as a file, in one step: an older one is replaced by a whole one.

    Args:
        examples: broken texts shown of each attack, in the formats for people.

    Raises InputError where there is nothing to write, or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if form == "parquet":
            _parquet(content.records(report, one_kind=True), path)
        else:
            durable.replace(path, _TEXTS[form](report, examples).encode())
    except OSError as error:
        raise InputError(f"{error.filename or path}: {error.strerror}", "the report cannot be written there") from None
    return path


def _parquet(rows: list[dict[str, Any]], path: Path) -> None:
    import duckdb

    from aat_datasets.readers import identifier, literal

    columns = list(rows[0])
    partial = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with duckdb.connect() as con:
            declared = ", ".join(f"{identifier(name)} {_type(rows, name)}" for name in columns)
            con.execute(f"CREATE TABLE report ({declared})")
            cells = [[row.get(name) for row in rows] for name in columns]
            con.execute(f"INSERT INTO report SELECT {', '.join(['unnest(?)'] * len(columns))}", cells)
            con.execute(f"COPY report TO {literal(str(partial))} (FORMAT parquet)")
        partial.replace(path)
    except duckdb.IOException as error:
        raise InputError(f"{path}: {str(error).splitlines()[0]}", "the report cannot be written there") from None
    finally:
        partial.unlink(missing_ok=True)


def _type(rows: Sequence[dict[str, Any]], name: str) -> str:
    """The narrowest of three types that holds a column; None fits any."""
    values = [row.get(name) for row in rows if row.get(name) is not None]
    if values and all(isinstance(value, int) for value in values):
        return "BIGINT"
    return "DOUBLE" if values and all(isinstance(value, int | float) for value in values) else "VARCHAR"
