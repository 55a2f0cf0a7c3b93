"""``aat-workbench data``: list, show, describe, add and fetch datasets; others of its commands lie beside this file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from aat_datasets.errors import DataError, InputError
from aat_datasets.records import Row
from aat_workbench.cli.data_checking import check
from aat_workbench.cli.data_making import export, replies, sample, split
from aat_workbench.cli.data_view import view
from aat_workbench.cli.hosting import OnHost, ask
from aat_workbench.cli.ingesting import progress_bar, sizes
from aat_workbench.cli.output import Json, Quiet, emit, figure, print_line, print_table, say

if TYPE_CHECKING:
    from aat_datasets.adding import AddReport
    from aat_datasets.sources import Progress
    from aat_datasets.statistics import SplitStatistics, Statistics

__all__ = ["app"]

app = typer.Typer(help="list, show, check, add, fetch and make datasets", no_args_is_help=True, rich_markup_mode=None)
app.command("check")(check)
app.command("split")(split)
app.command("sample")(sample)
app.command("replies")(replies)
app.command("export")(export)
app.command()(view)

Name = Annotated[str, typer.Argument(help="dataset, as `data list` names it", show_default=False)]

_CUT = 300  # characters of a text in a table; --json gives all
_BAR = 40  # cells of the longest bar of a histogram


@app.command("list")
def list_datasets(json: Json = False, quiet: Quiet = False, host: OnHost = "") -> None:
    """Every dataset: built-in, ready, in the mirror, downloadable, or missing."""
    from aat_datasets import catalog
    from aat_datasets.records import DatasetInfo

    infos = msgspec.convert(ask(host, "listing", quiet=quiet), list[DatasetInfo]) if host else catalog.listing()
    if json:
        emit(infos)
        return
    rows = [
        (info.name, info.state, info.task, info.language, len(info.labels) or "–", sizes(info.splits), info.title)
        for info in infos
    ]
    print_table(["name", "state", "task", "language", "labels", "rows", "title"], rows)
    if any(info.state == "missing" for info in infos):
        say("missing: set AAT_MIRROR to a folder that holds the files", quiet=quiet)


@app.command()
def show(
    name: Name,
    split: Annotated[str, typer.Option("--split", help="which split; empty: the first")] = "",
    rows: Annotated[
        str, typer.Option("--rows", help="A:B, from row A to before row B of what the filters leave")
    ] = "0:20",
    where: Annotated[str | None, typer.Option("--where", help="SQL condition over row, text, label, target")] = None,
    label: Annotated[str | None, typer.Option("--label", help="only this label")] = None,
    contains: Annotated[str | None, typer.Option("--contains", help="only texts that hold this, in any case")] = None,
    order: Annotated[
        str | None, typer.Option("--order", help="row, text, label or length; -length: longest first")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    host: OnHost = "",
) -> None:
    """Rows of a dataset, filtered and sorted."""
    start, stop = _range(rows)
    asked: dict[str, Any] = {"split": split, "where": where, "label": label, "contains": contains, "order": order}
    if host:
        answer = ask(host, "rows", quiet=quiet, name=name, start=start, stop=stop, **asked)
        window = msgspec.convert(answer, Window)
    else:
        with progress_bar(quiet or json) as progress:
            window = rows_of(name, start, stop, **asked, progress=progress)
    if json:
        emit(window)
        return
    total, found = window.total, window.rows
    target = any(row.target is not None for row in found)
    print_table(
        ["row", "label", "text", *(["target"] if target else [])],
        [(row.row, row.label, _short(row.text), *([_short(row.target or "")] if target else [])) for row in found],
    )
    say(f"{len(found):,} of {total:,} rows", quiet=quiet)


class Window(msgspec.Struct):
    """Some rows, of ``total``."""

    total: int
    rows: list[Row]


def rows_of(
    name: str,
    start: int,
    stop: int,
    *,
    split: str = "",
    where: str | None = None,
    label: str | None = None,
    contains: str | None = None,
    order: str | None = None,
    progress: Progress | None = None,
) -> Window:
    """Rows of a dataset's split (empty: its first) from ``start`` to before ``stop`` of what the filters leave."""
    from aat_datasets import catalog

    dataset = catalog.open_dataset(name, progress)
    table = dataset.table(split or next(iter(dataset.splits)))
    total = table.count(where, label, contains)
    return Window(total, table.window(start, stop, where=where, label=label, contains=contains, order=order))


@app.command()
def stats(
    name: Name,
    bins: Annotated[int, typer.Option("--bins", help="bins of the length histogram", min=1, max=200)] = 12,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Label balance, lengths, repeated texts, overlap between splits, control characters."""
    from aat_datasets import catalog
    from aat_datasets.statistics import statistics

    with progress_bar(quiet or json) as progress:
        found = statistics(catalog.open_dataset(name, progress), bins)
    if json:
        emit(found)
    else:
        _print_statistics(found)


@app.command()
def add(
    name: Name,
    files: Annotated[list[Path] | None, typer.Argument(help="CSV, TSV, JSONL, Parquet or TXT, also .gz")] = None,
    text: Annotated[str | None, typer.Option("--text", help="column of the text; guessed when not given")] = None,
    label: Annotated[str | None, typer.Option("--label", help="column of the label; '': there is none")] = None,
    target: Annotated[str | None, typer.Option("--target", help="column of the output text")] = None,
    split: Annotated[list[str] | None, typer.Option("--split", help="SPLIT=FILE; repeat it", metavar="S=FILE")] = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help="of the files, where it is not UTF-8")] = None,
    header: Annotated[
        bool | None, typer.Option("--header/--no-header", help="whether CSV and TSV name columns")
    ] = None,
    title: Annotated[str, typer.Option("--title", help="what lists show")] = "",
    language: Annotated[
        str | None, typer.Option("--language", help="language code; zh is told by its characters, else en")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="of the dev and test splits that are made")] = 0,
    allow_rejects: Annotated[
        bool, typer.Option("--allow-rejects", help="go on where more than 5 % of the lines are rejected")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="ingest a dataset of this name anew")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Ingest your own files; good rows are kept, bad lines listed."""
    from aat_datasets import catalog

    with progress_bar(quiet or json) as progress:
        report = catalog.add(
            name,
            files or [],
            text=text,
            label=label,
            target=target,
            splits=_splits(split or []),
            encoding=encoding,
            header=header,
            seed=seed,
            allow_rejects=allow_rejects,
            replace=replace,
            title=title,
            language=language,
            progress=progress,
        )
    if json:
        emit(report)
    else:
        _print_report(report, quiet)


@app.command()
def get(
    name: Name,
    origin: Annotated[
        str, typer.Option("--from", metavar="ORIGIN", help="hf:ORG/NAME@REVISION#FOLDER or nltk:CORPUS, as NAME")
    ] = "",
    text: Annotated[str | None, typer.Option("--text", help="column of the text; guessed when not given")] = None,
    label: Annotated[str | None, typer.Option("--label", help="column of the label; '': there is none")] = None,
    target: Annotated[str | None, typer.Option("--target", help="column of the output text")] = None,
    seed: Annotated[int, typer.Option("--seed", help="of the dev and test splits that are made")] = 0,
    replace: Annotated[bool, typer.Option("--replace", help="fetch a dataset of this name anew")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fetch a dataset: mirror first, then download; verify, then ingest. --from: one that has no card yet.

    Or a table of words: counterfitted (English synonyms), wordnet-cmn (Chinese ones), wordnet (what pwws takes).
    """
    from aat_datasets import catalog, lexical

    with progress_bar(quiet or json) as progress:
        if origin:
            catalog.fetched(
                name, origin, text=text, label=label, target=target, seed=seed, replace=replace, progress=progress
            )
        files = lexical.fetch(name, progress) if name in lexical.NAMES else catalog.get(name, progress)
    if json:
        emit({"name": name, "files": files})
        return
    for file in files:
        print_line(f"{file['sha256']}  {file['path']}")
    licence = f"; licence: {lexical.TABLES[name].licence}" if name in lexical.TABLES else ""
    say(f"{name} is ready{licence}", quiet=quiet)


def _range(text: str) -> tuple[int, int]:
    start, colon, stop = text.partition(":")
    try:
        first = int(start or 0)
        last = int(stop) if stop else first + (20 if colon else 1)
    except ValueError:
        raise InputError(f"--rows: expected A:B, got {text!r}") from None
    if first < 0 or last < first:
        raise InputError(f"--rows: expected A:B with 0 ≤ A ≤ B, got {text!r}")
    return first, last


def _splits(given: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for entry in given:
        split, equals, path = entry.partition("=")
        if not equals or not path:
            raise InputError(f"--split: expected SPLIT=FILE, got {entry!r}")
        if split in found:
            raise DataError(f"--split: {split} is given twice")
        found[split] = Path(path)
    return found


def _short(text: str) -> str:
    return text if len(text) <= _CUT else f"{text[:_CUT]}…"


def _print_report(report: AddReport, quiet: bool) -> None:
    columns = ", ".join(f"{role}: {column}" for role, column in _roles(report))
    print_line(f"{report.name}: {report.rows:,} rows, {sizes(report.splits)}")
    say(f"columns: {columns}; language: {report.language}", quiet=quiet)
    if report.labels:
        shown = ", ".join(report.labels[:20]) + (" …" if len(report.labels) > 20 else "")
        say(f"{len(report.labels)} labels: {shown}", quiet=quiet)
    if report.derived:
        say(f"dev and test that were not given were drawn from train, seed {report.derived['seed']}", quiet=quiet)
    if report.rejected_total:
        print_line(f"{report.rejected_total:,} rejected")
        print_table(["file", "line", "reason"], [(r.file, r.line, r.reason) for r in report.rejected[:20]])


def _roles(report: AddReport) -> list[tuple[str, str]]:
    c = report.columns
    roles = [("text", " + ".join(c.text)), ("label", c.label), ("text_b", c.text_b), ("target", c.target)]
    return [(role, column) for role, column in roles if column]


def _print_statistics(found: Statistics) -> None:
    names = list(found.splits)
    figures = [
        ("rows", "rows"),
        ("words", "words"),
        ("mean words", "mean_words"),
        ("longest, words", "longest_words"),
        ("mean characters", "mean_characters"),
        ("vocabulary", "vocabulary"),
        ("words that occur once", "once"),
        ("entropy of the labels, bits", "entropy"),
        ("repeated texts", "duplicates"),
        ("texts with two labels", "contradictions"),
        ("rows with control characters", "controls"),
    ]
    print_table(
        [found.name, *names],
        [(title, *(_count(getattr(found.splits[name], field)) for name in names)) for title, field in figures],
    )
    if found.overlap:
        print_table(["texts in two splits", "rows"], list(found.overlap.items()))
    for name in names:
        _print_split(name, found.splits[name])
    if found.rejected:
        undecodable = f", {found.undecodable:,} of them for their encoding" if found.undecodable else ""
        print_line(f"{found.rejected:,} lines were rejected at ingest{undecodable}")


def _count(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else figure(value)


def _print_split(name: str, split: SplitStatistics) -> None:
    if split.labels:
        rows = [(label, f"{count:,}", f"{100 * count / split.rows:.1f} %") for label, count in split.labels.items()]
        print_table([f"{name}: label", "rows", "share"], rows)
    most = max((count for _, _, count in split.lengths), default=0)
    rows = [
        (f"{low}–{high}", f"{count:,}", "█" * round(_BAR * count / most) or "▏")
        for low, high, count in split.lengths
        if most
    ]
    print_table([f"{name}: words", "rows", ""], rows)
