"""Reports: what they say, in every format, and that hostile text stays text in each."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aat_datasets.errors import InputError, UnknownNameError
from aat_models.events import AttackResult, Edit
from aat_workbench import evaluation_store
from aat_workbench.attack_store import AttackFolder, AttackSettings
from aat_workbench.attacking import AttackRequest, run_attack
from aat_workbench.cli.main import app
from aat_workbench.evaluating import Evaluation, EvaluationRequest
from aat_workbench.report import FORMATS, charts, collect, write
from aat_workbench.report.charts import Bar
from aat_workbench.report.tables import word_diff
from aat_workbench.targets import open_target

from .fixed_run import make_runs

HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> \"quoted\" 'single' & | [link](javascript:x) `code` **b** "
    "\x1b[31mred \x00 \u202ereversed \u200b =cmd|' /C calc'!A0 </title></svg>]]> \ufffe"
)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    return tmp_path


def hostile_attack(root: Path) -> str:
    """A stored attack whose every text is hostile; returns its name."""
    settings = AttackSettings(
        target=f"evil{HOSTILE}", checkpoint="c", weights="", recipe="greedy", dataset="", split="test", texts="",
        n=3, budget=0.3, queries_per_word=50, seed=0, surface="words", surface_hash="", labels=[f"no {HOSTILE}", "=yes"],
    )  # fmt: skip
    folder = AttackFolder.create(root / "_targets" / "evil" / "attacks", settings)
    words = f"=1+1 {HOSTILE}".split(" ")
    with folder.writer() as writer:
        for number, status in enumerate(("success", "failed")):
            adversarial = " ".join([*words[:-1], f"{HOSTILE.split(' ')[0]}x"])
            writer.append(AttackResult(
                id=number, text=" ".join(words), adversarial=adversarial, label=0, prediction=0,
                adversarial_prediction=1, probabilities=[0.9, 0.1], adversarial_probabilities=[0.2, 0.8],
                edits=[Edit(len(words) - 1, words[-1], "x")], queries=4, cache_hits=0, edited_share=0.1, status=status,
                trajectory=[0.9, 0.2], seconds=0.1,
            ))  # type: ignore[arg-type]  # fmt: skip
    return "evil/greedy-1"


def attack(**options: Any) -> str:
    run = run_attack("builtin:tiny", AttackRequest(**({"n": 30} | options)))
    for _ in run.steps():
        pass
    assert run.path is not None
    return f"builtin-tiny/{run.path.name}"


def evaluation() -> str:
    made = Evaluation([open_target("builtin:tiny")], EvaluationRequest(n=30))
    for _ in made.steps():
        pass
    table = made.table
    table["targets"] = ["builtin:tiny", "other"]  # as two targets would have it
    table["comparisons"] = [{
        "target": "other", "reference": "builtin:tiny", "recipe": "greedy", "difference": 0.1, "low": -0.02, "high": 0.2,
        "only_reference": 3, "only_target": 6, "p": 0.5078, "p_holm": 0.5078,
    }]  # fmt: skip
    return evaluation_store.keep(table, evaluation_store.evaluations_root()).name


class Page(HTMLParser):
    """What a browser would see of a page: its tags with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "small", "div", "span", "del", "ins", "table",
    "tr", "th", "td", "ul", "li", "svg", "g", "rect", "line", "text", "circle", "polyline",
}  # fmt: skip


def test_a_page_is_self_contained_and_hostile_text_in_it_is_text(place: Path) -> None:
    make_runs(place / "runs")
    name = hostile_attack(place / "runs")
    report = collect([name, "sst2-bilstm-none-1", evaluation()])
    text = write(report, "html", place / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert {tag for tag, _ in page.tags} <= ALLOWED
    for tag, attributes in page.tags:
        assert not any(key.startswith("on") or key in ("src", "href", "xlink:href") for key in attributes), tag
    assert "<script" not in text and "url(" not in text and "@import" not in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u200b]", text)
    assert "<script>alert(1)</script>" in page.text and "␛[31mred" in page.text and "⟨U+202E⟩reversed" in page.text
    assert any(
        attributes.get("content", "") == "default-src 'none'; style-src 'unsafe-inline'" for _, attributes in page.tags
    )
    assert ("del", {}) in page.tags and ("ins", {}) in page.tags
    for told in (
        "Warning: evil/greedy-1: unfinished: 2 of 3",
        "McNemar p",
        "Run sst2-bilstm-none-1",
        "queries_per_word",
    ):
        assert told in page.text


def test_markdown_holds_hostile_text_in_its_cells(place: Path) -> None:
    name = hostile_attack(place / "runs")
    text = write(collect([name, evaluation()]), "md", place / "page.md").read_text(encoding="utf-8")
    assert "<script" not in text and "<img" not in text and "](javascript" not in text and "\x1b" not in text
    assert r"\[link\]\(javascript:x\)" in text
    lines = text.splitlines()
    heads = [at for at, line in enumerate(lines) if set(line) == {"|", "-"}]
    assert len(heads) >= 4
    for at in heads:
        columns = lines[at].count("|")
        body = at - 1
        while body < len(lines) and lines[body].startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", lines[body])) == columns, lines[body]
            body += 1


def test_a_picture_is_wellformed_and_true_to_scale(place: Path) -> None:
    make_runs(place / "runs")
    name = hostile_attack(place / "runs")
    path = write(collect([name, "sst2-bilstm-aat-1", evaluation()]), "svg", place / "picture.svg")
    tree = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    kinds = {element.tag.rpartition("}")[2] for element in tree.iter()}
    assert {"rect", "polyline", "circle", "line", "text"} <= kinds and "script" not in kinds
    chart = charts.bars("t", [Bar("half", 0.5, 0.4, 0.6), Bar("all", 1.0, 0.9, 1.0)])
    half, whole = (float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', chart.body))
    assert half * 2 == whole
    around = charts.differences("t", [Bar("up", 0.1, 0.0, 0.2), Bar("down", -0.1, -0.2, 0.0)])
    up, down = (float(x) for x in re.findall(r'<circle cx="([\d.]+)"', around.body))
    zero = (250 + 630) / 2
    assert up - zero == pytest.approx(zero - down) and up > zero


def test_curves_keep_their_peaks_and_leave_out_what_is_no_number() -> None:
    points = [(step, 1.0) for step in range(10_000)]
    points[5003] = (5003, 9.0)
    body = charts.curves("t", {"loss": points}).body
    (line,) = re.findall(r'<polyline points="([^"]+)"', body)
    assert len(line.split()) <= 401
    assert min(float(pair.split(",")[1]) for pair in line.split()) == 40.0  # the peak stands at the top
    mixed = charts.curves("t", {"a": [(0, float("nan")), (1, 2.0)], "b": [(0, float("inf"))]}).body
    assert "nan" not in mixed and "inf" not in mixed and "a: 2" in mixed and "b:" not in mixed
    assert "no points" in charts.curves("t", {}).body


def test_tables_for_programs_hold_every_result(place: Path) -> None:
    name = attack()
    report = collect([name])
    results = report.attacks[0].results
    lines = [json.loads(line) for line in write(report, "jsonl", place / "a.jsonl").read_text().splitlines()]
    assert [(line["id"], line["text"], line["queries"]) for line in lines] == [
        (r.id, r.text, r.queries) for r in results
    ]
    assert {line["label"] for line in lines} == {"negative", "positive"}
    with write(report, "csv", place / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["id"]) for row in rows] == [r.id for r in results]
    import duckdb

    path = write(report, "parquet", place / "a.parquet")
    with duckdb.connect() as con:
        found = con.execute(f"SELECT id, adversarial, edited_share, queries FROM read_parquet('{path}')").fetchall()
        types = dict(
            con.execute(
                f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet('{path}'))"
            ).fetchall()
        )
    assert found == [(r.id, r.adversarial, r.edited_share, r.queries) for r in results]
    assert (types["queries"], types["edited_share"], types["text"]) == ("BIGINT", "DOUBLE", "VARCHAR")


def test_hostile_text_survives_where_programs_read_and_is_tamed_where_people_open(place: Path) -> None:
    name = hostile_attack(place / "runs")
    report = collect([name])
    raw = write(report, "jsonl", place / "a.jsonl").read_bytes()
    assert raw.isascii() and b"\x1b" not in raw
    assert json.loads(raw.splitlines()[0])["text"] == f"=1+1 {HOSTILE}"
    content = write(report, "csv", place / "a.csv").read_text(encoding="utf-8")
    assert "\x1b" not in content and "\u202e" not in content
    for row in csv.DictReader(content.splitlines()):
        assert row["text"].startswith("'=1+1 ") and row["adversarial_prediction"] == "'=yes"


def test_runs_and_evaluations_are_tables_too(place: Path) -> None:
    make_runs(place / "runs")
    points = [
        json.loads(line)
        for line in write(collect(["sst2-bilstm-aat-1"]), "jsonl", place / "r").read_text().splitlines()
    ]
    assert {"train loss", "dev accuracy"} <= {point["metric"] for point in points}
    assert all(point["kind"] == "run" for point in points)
    with write(collect([evaluation()]), "csv", place / "e.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["recipe"] for row in rows] == ["greedy", "deepwordbug", "worst-of"]
    assert float(rows[0]["accuracy_under_attack_low"]) < float(rows[0]["accuracy_under_attack"])
    assert write(collect(["evaluation-1"]), "parquet", place / "e.parquet").stat().st_size > 0
    mixed = collect(["sst2-bilstm-aat-1", "evaluation-1"])
    with pytest.raises(InputError, match="different columns"):
        write(mixed, "csv", place / "m.csv")
    kinds = {json.loads(line)["kind"] for line in write(mixed, "jsonl", place / "m.jsonl").read_text().splitlines()}
    assert kinds == {"run", "evaluation"}


def test_names_find_what_they_name(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_runs(place / "runs")
    name = attack()
    assert [part.name for part in collect(["sst2-bilstm-none-1/greedy-1", name]).attacks] == [
        "sst2-bilstm-none-1/greedy-1",
        name,
    ]
    run = collect(["sst2-bilstm-none-1"])
    assert [part.name for part in run.of_runs] == ["sst2-bilstm-none-1/greedy-1"] and not run.attacks
    folder = place / "runs" / "sst2-bilstm-none-1" / "attacks" / "greedy-1"
    assert collect([str(folder)]).attacks[0].name == "sst2-bilstm-none-1/greedy-1"
    assert collect([str(folder.relative_to(place))]).attacks[0].results == collect([str(folder)]).attacks[0].results
    assert len(collect([name, name]).attacks) == 1
    with pytest.raises(UnknownNameError, match=r"did you mean sst2-bilstm-none-1/greedy-1"):
        collect(["sst2-bilstm-none-1/gredy-1"])
    (folder / "config.toml").write_text("x = 1")  # as another version may write it
    unread = collect(["sst2-bilstm-none-1"])
    assert not unread.of_runs and unread.runs[0].facts["attack greedy-1"] == "cannot be read"
    (place / "runs" / "junk").mkdir()
    (place / "runs" / "junk" / "config.toml").write_text("x = 1")
    with pytest.raises(InputError, match="not an attack's folder"):
        collect(["junk"])
    with pytest.raises(InputError, match="nothing to report"):
        collect([])


def test_the_figures_of_a_finished_attack_are_those_of_its_summary(place: Path) -> None:
    run = run_attack("builtin:tiny", AttackRequest(n=30))
    for _ in run.steps():
        pass
    assert run.path is not None
    (part,) = collect([str(run.path)]).attacks
    stored = json.loads((run.path / "summary.json").read_text())
    assert part.summary == {key: value for key, value in stored.items() if key != "path"}


def test_a_diff_marks_words_however_the_attack_moved_them() -> None:
    def diff(before: str, after: str) -> list[tuple[str, str]]:
        template = AttackResult(
            id=0, text=before, adversarial=after, label=0, prediction=0, adversarial_prediction=0, probabilities=[1.0],
            adversarial_probabilities=[1.0], edits=[], queries=1, cache_hits=0, edited_share=0, status="failed",
            trajectory=[1.0], seconds=0.0,
        )  # fmt: skip
        return list(word_diff(template))

    assert diff("a good film", "a fine film") == [("=", "a"), ("-", "good"), ("+", "fine"), ("=", "film")]
    assert diff("a good film", "a film") == [("=", "a"), ("-", "good"), ("=", "film")]
    assert diff("a film", "a film !") == [("=", "a film"), ("+", "!")]


@pytest.mark.parametrize("form", FORMATS)
def test_the_command_writes_every_format(form: str, place: Path) -> None:
    name = attack(n=10)
    runner = CliRunner()
    done = runner.invoke(app, ["report", name, "--format", form, "--json"])
    assert done.exit_code == 0, done.output
    path = place / json.loads(done.stdout)["path"]
    assert path.name == f"report-builtin-tiny-greedy-1.{form}" and path.stat().st_size > 100
    done = runner.invoke(app, ["report", name, "--format", form, "--out", "deep/er/x", "--quiet"])
    assert done.exit_code == 0 and (place / "deep" / "er" / "x").is_file() and done.stdout == ""
    assert sorted(file.name for file in (place / "deep" / "er").iterdir()) == ["x"]
    (place / "folder").mkdir()
    refused = runner.invoke(app, ["report", name, "--format", form, "--out", "folder"])
    assert isinstance(refused.exception, InputError)
    assert not [file for file in place.iterdir() if file.name.startswith(".")]
