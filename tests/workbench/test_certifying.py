"""Certified accuracy beside accuracy under attack: in the table, in every report, and what happens where it is too high."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aat_datasets.errors import CertificateError
from aat_models.config import Config, apply
from aat_workbench import evaluation_store
from aat_workbench.certifying import on_the_surface
from aat_workbench.cli.main import app, main
from aat_workbench.evaluating import Evaluation, EvaluationRequest
from aat_workbench.report import collect, write
from aat_workbench.targets import Target, open_target
from aat_workbench.training import run_training

SMALL = {
    "run": "proved", "data.dataset": "support", "data.limit": 1200, "model.encoder": "bow", "model.embedding": 24,
    "model.latent": 16, "model.buckets": 500, "model.dropout": 0.0, "train.epochs": 6.0, "train.threads": 1,
    "train.lr": 0.02, "adversary.name": "ibp", "train.evaluate_every": 1000,
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run in it: a small model trained on its worst case, on the corpus' own synonyms."""
    folder = tmp_path_factory.mktemp("certifying")
    with pytest.MonkeyPatch.context() as patch:
        _settle(patch, folder)
        for _ in run_training(apply(Config(), SMALL), signals=False):
            pass
    return folder


def _settle(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.chdir(folder)
    patch.setenv("AAT_RUNS", str(folder / "runs"))
    patch.setenv("AAT_DATA", str(folder / "data"))
    patch.delenv("AAT_MIRROR", raising=False)


@pytest.fixture(autouse=True)
def place(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    _settle(monkeypatch, home)
    return home


def evaluate(*names: str, **options: Any) -> Evaluation:
    made = Evaluation([open_target(name) for name in names], EvaluationRequest(**options))
    for _ in made.steps():
        pass
    return made


def test_certified_accuracy_stands_below_every_accuracy_under_attack_on_the_surface() -> None:
    table = evaluate("proved", recipes=["greedy", "random", "deepwordbug"], n=120).table
    rows = {row["recipe"]: row for row in table["rows"]}
    certified = rows["greedy"]["certified_accuracy"]
    assert 0.3 < certified <= rows["greedy"]["accuracy_under_attack"] <= rows["greedy"]["clean_accuracy"]
    low, high = rows["greedy"]["certified_accuracy_interval"]
    assert low < certified < high
    assert rows["random"]["certified_accuracy"] == certified <= rows["random"]["accuracy_under_attack"]
    # Misspellings are not on the surface that was certified, and so not in the worst of all three either.
    for name in ("deepwordbug", "worst-of"):
        assert rows[name]["certified_accuracy"] is None and rows[name]["certified_accuracy_interval"] is None
    assert any(note.startswith("certified: no attack on this surface") for note in table["notes"])
    both = evaluate("proved", recipes=["greedy", "random"], n=120).table["rows"]
    assert [row["certified_accuracy"] for row in both] == [certified] * 3


def test_a_certificate_holds_without_a_cap_and_a_larger_surface_has_fewer() -> None:
    words = evaluate("proved", recipes=["surface"], n=60, budget=1.0).table["rows"][0]
    assert words["certified_accuracy"] <= words["accuracy_under_attack"]
    both = evaluate("proved", recipes=["greedy"], n=60, surface="all").table["rows"][0]
    assert both["certified_accuracy"] <= both["accuracy_under_attack"]
    assert both["certified_accuracy"] < words["certified_accuracy"]


def test_what_cannot_be_bounded_has_no_certified_accuracy_and_that_is_said() -> None:
    table = evaluate("builtin:tiny", n=20, recipes=["greedy"]).table
    assert table["rows"][0]["certified_accuracy"] is None
    assert any(note.startswith("no certified accuracy for builtin:tiny: bounds need") for note in table["notes"])


@pytest.mark.parametrize(
    ("recipe", "closed"), [("greedy", True), ("surface", True), ("exhaustive", True), ("deepwordbug", False)]
)
def test_only_recipes_on_the_surface_are_certified_against(recipe: str, closed: bool) -> None:
    assert on_the_surface(recipe) is closed


def all_certified(self: Target, texts: Any, labels: Any, substitutes: Any) -> list[bool]:
    """A wrong proof: everything is certified."""
    return [True] * len(texts)


def test_a_broken_text_that_is_certified_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Target, "certify", all_certified)
    made = Evaluation([open_target("builtin:tiny")], EvaluationRequest(n=40, recipes=["greedy"]))
    with pytest.raises(CertificateError, match=r"builtin:tiny: greedy (broke|found wrong) example (\d+)") as caught:
        for _ in made.steps():
            pass
    number = int(caught.value.message.split("example ")[1].split(",")[0])
    result = next(r for r in made._runs["builtin:tiny"]["greedy"].results if r.id == number)
    assert result.status in ("success", "skipped") and result.text[:200] in caught.value.message
    assert made.table == {} and made.path is None
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "builtin:tiny", "-n", "40", "--recipes", "greedy", "-q"])
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert "which is certified" in told.err and "under attack" not in told.out


def test_reports_show_it_in_every_format_and_refuse_a_table_that_contradicts_itself(
    place: Path, tmp_path: Path
) -> None:
    made = evaluate("proved", recipes=["greedy", "deepwordbug"], n=40)
    assert made.path is not None
    certified = made.table["rows"][0]["certified_accuracy"]
    report = collect([made.path.name])
    for form in ("md", "html"):
        text = write(report, form, tmp_path / f"page.{form}").read_text(encoding="utf-8")
        assert "certified" in text and f"{certified:.3f}".replace(".", r"\." if form == "md" else ".") in text
    with write(report, "csv", tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["certified_accuracy"] for row in rows] == [str(certified), "", ""]
    assert float(rows[0]["certified_accuracy_low"]) < certified < float(rows[0]["certified_accuracy_high"])
    assert rows[1]["certified_accuracy_low"] == ""
    lines = write(report, "jsonl", tmp_path / "rows.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["certified_accuracy"] == certified
    assert write(report, "parquet", tmp_path / "rows.parquet").stat().st_size > 0

    wrong = {**made.table, "rows": [dict(row) for row in made.table["rows"]]}
    wrong["rows"][0]["accuracy_under_attack"] = round(certified - 0.01, 4)
    path = evaluation_store.keep(wrong, place / "runs" / "_evaluations")
    with pytest.raises(CertificateError, match=r"proved, greedy: certified accuracy .* is above accuracy under attack"):
        collect([path.name])
    older = {
        **made.table,
        "rows": [{k: v for k, v in row.items() if "certified" not in k} for row in made.table["rows"]],
    }
    path = evaluation_store.keep(older, place / "runs" / "_evaluations")
    assert "certified" in write(collect([path.name]), "md", tmp_path / "older.md").read_text(encoding="utf-8")


def test_the_command_prints_it_beside_accuracy_under_attack() -> None:
    runner = CliRunner()
    done = runner.invoke(app, ["evaluate", "proved", "-n", "30", "--recipes", "greedy"])
    assert done.exit_code == 0, done.stderr
    assert "certified" in done.stdout and "note: certified: no attack on this surface" in done.stderr
    done = runner.invoke(app, ["evaluate", "proved", "-n", "30", "--recipes", "greedy", "--json"])
    assert 0 < json.loads(done.stdout)["rows"][0]["certified_accuracy"] <= 1
