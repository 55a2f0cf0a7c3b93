"""Hostile texts through everything that prints: commands, exports, reports. Nothing breaks, nothing raw gets through."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from rich.console import Console

from aat_datasets.errors import InputError
from aat_models.events import (
    AttackResult,
    ControlApplied,
    Done,
    Edit,
    Failed,
    Notice,
    Progress,
    Started,
    Token,
    Written,
)
from aat_workbench.cli import diff, generate, output, probe, progress, watch
from aat_workbench.cli.opening import complain
from aat_workbench.report import Report, write
from aat_workbench.report.charts import Bar, bars, curves, differences, document
from aat_workbench.report.sources import AttackPart, EvaluationPart, RunPart
from aat_workbench.runs import RunFolder
from aat_workbench.summary import summarise
from aat_workbench.terminal import escaped
from aat_workbench.tui.exporting import write_results, write_transcript
from aat_workbench.tui.widgets.replies import Reply, Turn

from .hostile import left_over, obeyed, texts, whole
from .test_report import ALLOWED, Page

COUNTS = [pytest.param(120, id="a-sample"), pytest.param(10_000, id="ten-thousand", marks=pytest.mark.slow)]
COLOURS = "m"  # finals of the sequences a coloured print may hold


class Screen(io.TextIOWrapper):
    """A standard stream that is a terminal, and keeps the bytes it was sent."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="strict", newline="\n", write_through=True)

    def isatty(self) -> bool:
        return True

    def taken(self) -> bytes:
        data = self.buffer.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
        self.seek(0)
        self.truncate()
        return data


def result_of(text: str, number: int = 0) -> AttackResult:
    words = ["plain", text, "word"]
    adversarial = ["plain", text + "z", text]
    return AttackResult(
        id=number, text=" ".join(words), adversarial=" ".join(adversarial), label=0, prediction=0,
        adversarial_prediction=1,
        probabilities=[0.9, 0.1], adversarial_probabilities=[0.2, 0.8], edits=[Edit(1, text, text + "z"), Edit(2,
        "word", text)],
        queries=7, cache_hits=0, edited_share=0.5, status="success", trajectory=[0.9, 0.5, 0.2], seconds=0.1,
        written=Written(reference=text, before=text + "b", after=text + "a", near_before=0.9, near_after=0.1,
        similarity=0.5, damage=0.8),
    )  # fmt: skip


def coloured(text: str) -> None:
    """A diff as a terminal with all colours gets it."""
    console = Console(
        file=sys.stdout, force_terminal=True, color_system="truecolor", width=100, highlight=False, legacy_windows=False
    )
    console.print(diff.diff(result_of(text), [text, f"{text} too"]))


def probed(text: str) -> None:
    labels = [text, text + "2"]
    answer = {
        "text": text, "prediction": text, "probabilities": dict(zip(labels, [0.9, 0.1], strict=True)), "words": [text,
        "b"],
        "salience": [0.5, -0.1],
    }  # fmt: skip
    probe._print(answer, result_of(text), labels, quiet=False)


def streamed(text: str) -> None:
    def writing() -> Iterator[Any]:
        yield [Token(index=0, text=text, probability=0.5), Notice(message=text)]
        return {"text": text}

    generate._written(writing(), stream=True, quiet=False)


def watched(text: str) -> None:
    folder = RunFolder(Path("/runs") / (text.replace("/", "").replace("\x00", "")[:50] or "x"))
    for event in (Failed(error=text, hint=text, time=1.0), Done(summary={text: text, "dev": {text: 0.5}}, time=1.0)):
        watch._print(folder, event, several=True, quiet=False)


def lived(text: str) -> None:
    """The live line of a training."""
    events = [
        Progress(done=0, total=3, message=text), Started(run=text, total=3, stages=[text], parameters=1,
        labels=[text], device=text),
        Notice(message=text, level="warning"), ControlApplied(step=1, command="set", value=text, by=text, before=text),
    ]  # fmt: skip
    for _ in progress._live(iter(events)):
        pass


def complained(text: str) -> None:
    with pytest.raises(SystemExit):
        complain(InputError(text, text))


# What is printed, and the finals of the sequences that may be in it.
PRINTERS: dict[str, tuple[Callable[[str], None], str]] = {
    "a line": (output.print_line, ""),
    "a remark": (output.say, ""),
    "a table's cells": (lambda text: output.print_table(["a", "b"], [[text, 1.0], ["x", text]]), COLOURS),
    "a table's title and heads": (lambda text: output.print_table([text, f"{text}2"], [["x", 1]], title=text), COLOURS),
    "a diff": (coloured, COLOURS),
    "a plain diff": (lambda text: diff.print_text(diff.diff(result_of(text), [text])), COLOURS),
    "a probe's answer": (probed, COLOURS),
    "a streamed token": (streamed, ""),
    "a run's end": (watched, ""),
    "an event's line": (lambda text: output.say(progress.line(Notice(message=text))), ""),
    "an error": (complained, ""),
}


@contextlib.contextmanager
def screen() -> Iterator[Screen]:
    """A terminal in place of both standard streams; within a test, for pytest puts its own there before each."""
    made = Screen()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm-256color")
        patch.setenv("COLUMNS", "100")
        patch.setattr(sys, "stdout", made)
        patch.setattr(sys, "stderr", made)
        yield made


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", COUNTS)
def test_what_commands_print(count: int, record_property: Callable[[str, object], None]) -> None:
    with screen() as sent:
        for number, text in enumerate(texts(count)):
            check_printers(sent, number, text)
    tell(record_property, count, len(PRINTERS) + 2, "what commands print")


def check_printers(sent: Screen, number: int, text: str) -> None:
    for name, (show, finals) in PRINTERS.items():
        show(text)
        assert not (raw := obeyed(sent.taken(), finals)), (name, number, ascii(raw), ascii(text[:200]))
    if number % 25 == 0:  # it starts a thread of its own
        lived(text)
        assert not (raw := obeyed(sent.taken(), "mKAlhGC").replace("\r", "")), ("live", ascii(raw), ascii(text[:200]))
    for value in ({"text": text, text: [text, 0.5, None]}, Notice(message=text)):
        output.emit(value)
        data = sent.taken()
        assert not left_over(data.decode(), lines=True) and data.count(b"\n") == 1
        assert json.loads(data) == json.loads(json.dumps(msgspec.to_builtins(value)))


def tell(record_property: Callable[[str, object], None], count: int, places: int, where: str) -> None:
    record_property("summary", f"{count:,} texts through {places} places ({where}): 0 crashes, 0 raw control bytes")


# Reports and exports


def report_of(group: list[str]) -> Report:
    """A report in which each of the texts stands wherever a text can."""
    first, many = group[0], dict.fromkeys(group)
    results = [result_of(text, number) for number, text in enumerate(group)]
    from aat_workbench.attack_store import Timing

    summary = summarise("greedy", results, Timing(), None, group, "untargeted") | {
        "target": first,
        "dataset": first,
        "goal": first,
    }
    rows = [
        {"target": text, "recipe": text, "examples": 3, "clean_accuracy": 0.5, "accuracy_under_attack": 0.25,
         "accuracy_under_attack_interval": [0.1, 0.4], "success_rate": 0.5, "path": text}
        for text in many
    ]  # fmt: skip
    table = {
        "targets": list(many), "reference": first, "dataset": first, "examples": 3, "seed": 0, "rows": rows,
        "warnings": group,
        "notes": group, "checks": [{"name": t, "target": t, "outcome": t, "message": t} for t in group],
        "comparisons": [
            {"target": t, "reference": first, "recipe": t, "difference": 0.1, "low": -0.1, "high": 0.2,
            "only_reference": 1,
             "only_target": 2, "p": 0.5, "p_holm": 0.5} for t in many],
    }  # fmt: skip
    curve = [(1, 0.5), (2, 0.25)]
    run = RunPart(
        name=first, facts={text: text for text in group}, figures={f"{text} f": 0.5 for text in group},
        curves={f"{text} loss": curve for text in group},
    )  # fmt: skip
    return Report(
        title=" ".join(group),
        runs=[run],
        attacks=[AttackPart(name=first, summary=summary, labels=[first, group[-1]], results=results)],
        evaluations=[EvaluationPart(name=first, table=table)],
    )


def check_page(page: str) -> None:
    """Nothing of a page's elements and attributes comes from a text, and nothing in it is obeyed by a terminal."""
    parsed = Page(page)
    assert {tag for tag, _ in parsed.tags} <= ALLOWED
    known = {
        "class",
        "dir",
        "charset",
        "lang",
        "name",
        "content",
        "http-equiv",
        "viewbox",
        "role",
        "xmlns",
        "aria-label",
    }
    drawn = {"x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "points", "fill", "stroke"}
    for tag, attributes in parsed.tags:
        for name, value in attributes.items():
            assert (
                name in known | drawn
                or name.startswith(("font-", "stroke-", "text-", "fill-"))
                or name in ("rx", "transform", "opacity")
            ), (tag, name)
            assert "evil" not in (value or "") and "alert" not in (value or ""), (tag, name, value)
    assert "<script" not in page.lower() and not left_over(page, lines=True)


def check_picture(picture: str) -> None:
    for element in ElementTree.fromstring(picture).iter():
        assert element.tag.rpartition("}")[2] in ALLOWED | {"desc"}
        assert not any(name.startswith("on") or "href" in name for name in element.attrib)
    assert not left_over(picture, lines=True)


def check_sheet(path: Path, rows: int) -> None:
    csv.field_size_limit(10_000_000)
    with path.open(encoding="utf-8", newline="") as file:
        found = list(csv.reader(file))
    assert len(found) == rows + 1
    for row in found:
        assert len(row) == len(found[0])
        assert not any(
            field.startswith(("=", "+", "@", "\t", "\r")) or (field[:1] == "-" and not number(field)) for field in row
        )


def number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", COUNTS)
def test_reports_and_exports(count: int, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    group: list[str] = []
    for at, text in enumerate(texts(count, seed=1, longest=100_000), start=1):
        group.append(whole(text))
        if len(group) < 40 and at < count:
            continue
        report = report_of(group)
        check_page(write(report, "html", tmp_path / "r.html", examples=100).read_text(encoding="utf-8"))
        check_picture(write(report, "svg", tmp_path / "r.svg").read_text(encoding="utf-8"))
        marked = write(report, "md", tmp_path / "r.md", examples=100).read_text(encoding="utf-8")
        assert not left_over(marked, lines=True) and "<script" not in marked and "](javascript" not in marked
        lines = write(report, "jsonl", tmp_path / "r.jsonl").read_text(encoding="utf-8")
        assert not left_over(lines, lines=True)
        rows = [row for row in map(json.loads, lines.splitlines()) if row["kind"] == "attack"]
        assert [row["text"] for row in rows] == [f"plain {one} word" for one in group]
        alone = Report(title="r", attacks=report.attacks)
        sheet = write(alone, "csv", tmp_path / "r.csv")
        check_sheet(sheet, len(group))
        assert not left_over(sheet.read_text(encoding="utf-8"), lines=True)
        write(alone, "parquet", tmp_path / "r.parquet")
        kept = duckdb.execute(f"SELECT text FROM read_parquet('{tmp_path}/r.parquet') ORDER BY id").fetchall()
        assert [row[0] for row in kept] == [f"plain {one} word" for one in group]
        check_exports(tmp_path, group)
        group = []
    tell(record_property, count, 10, "reports and exports")


def check_exports(folder: Path, group: list[str]) -> None:
    results = [result_of(text, at) for at, text in enumerate(group)]
    labels = [group[0], group[-1]]
    write_results(folder / "e.csv", results, labels)
    check_sheet(folder / "e.csv", len(group))
    write_results(folder / "e.jsonl", results, labels)
    found = [json.loads(line) for line in (folder / "e.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["text"] for row in found] == [result.text for result in results]
    turns: list[Turn] = []
    for text in group:
        reply = Reply("A", text, text, "greedy")
        reply.tokens, reply.notices, reply.state = [Token(index=0, text=text, probability=0.5)], [text], "done"
        turns.append(Turn(text, [reply]))
    write_transcript(folder / "t.md", turns)
    marked = (folder / "t.md").read_text(encoding="utf-8")
    assert not left_over(marked, lines=True)
    write_transcript(folder / "t.jsonl", turns)
    assert [
        json.loads(line)["prompt"] for line in (folder / "t.jsonl").read_text(encoding="utf-8").splitlines()
    ] == group


def test_charts_take_any_name() -> None:
    for text in map(whole, texts(60, seed=2, longest=1000)):
        check_picture(
            document([bars(text, [Bar(text, 0.5, 0.1, 0.9, 0)]), differences(text, [Bar(text, 0.1, -0.1, 0.2, 0)])])
        )
        check_picture(document([curves(text, {text: [(1, 0.5), (2, 0.4)]})]))


@pytest.mark.parametrize("text", ["\x7f", "\x9b31m", "\u202e", "\U000e0041", "中文", "\\u202e", "\x00\x1b"])
def test_json_with_escapes_is_the_same_json(text: str) -> None:
    line = escaped(json.dumps({"text": text}, ensure_ascii=False))
    assert json.loads(line) == {"text": text} and not left_over(line)
