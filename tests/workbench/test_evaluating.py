"""Several models under several attacks: the same texts for all, paired figures, stored attacks used again, alarms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aat_datasets import catalog
from aat_datasets.errors import DataError, InputError, UnknownNameError
from aat_models.attacks import tiny
from aat_models.events import AttackResult
from aat_models.statistics import mcnemar, paired_bootstrap
from aat_workbench import evaluation_store, masking
from aat_workbench.attacking import AttackRequest, run_attack
from aat_workbench.cli.main import app
from aat_workbench.evaluating import Evaluation, EvaluationRequest
from aat_workbench.masking import Sample
from aat_workbench.targets import open_target

VICTIMS = """
from aat_models.attacks import tiny
from aat_models.attacks.victim import score_texts

def calm(texts):
    return score_texts(tiny.TinyVictim(), texts)

def masked(texts):
    return [[1 - 1e-6, 1e-6] if p >= 0.5 else [1e-6, 1 - 1e-6] for p, _ in calm(texts)]

def always(texts):
    return [[0.1, 0.9]] * len(texts)

def three(texts):
    return [[0.2, 0.3, 0.5]] * len(texts)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    (tmp_path / "compared_victims.py").write_text(VICTIMS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    for split in ("dev", "test"):
        rows = "".join(f"{'positive' if e.label else 'negative'}\t{e.text}\n" for e in tiny.examples(split))
        (tmp_path / f"{split}.tsv").write_text("label\ttext\n" + rows, encoding="utf-8")
    catalog.add("films", [tmp_path / "dev.tsv", tmp_path / "test.tsv"], text="text", label="label")
    return tmp_path


def evaluate(*names: str, **options: Any) -> Evaluation:
    made = Evaluation([open_target(name) for name in names], EvaluationRequest(**options))
    for _ in made.steps():
        pass
    return made


PAIR = ("builtin:tiny", "py:compared_victims:masked")


def test_the_table_says_what_the_attacks_found() -> None:
    made = evaluate(*PAIR, dataset="films", n=80)
    table = made.table
    assert (table["reference"], table["recipes"], table["examples"]) == ("builtin:tiny", ["greedy", "deepwordbug"], 80)
    assert [(row["target"], row["recipe"]) for row in table["rows"]] == [
        (target, recipe) for target in PAIR for recipe in ("greedy", "deepwordbug")
    ] + [(target, "worst-of") for target in PAIR]
    alone = run_attack("builtin:tiny", AttackRequest(dataset="films", n=80))
    list(alone.steps())
    row = table["rows"][0]
    for key in ("clean_accuracy", "accuracy_under_attack", "accuracy_under_attack_interval", "mean_queries", "budget"):
        assert row[key] == alone.summary[key]
    assert row["queries"] == sum(result.queries for result in alone.results)
    assert row["seconds"] > 0 and row["calibrated_temperature"] != 1.0
    # One surface for all, that of the first target: the masked model was asked with the same substitutes.
    other = [result for result in made._runs[PAIR[1]]["greedy"].results if result.edits]
    assert other and all(edit.target in tiny.synonyms(edit.source) for result in other for edit in result.edits)


def test_comparisons_are_of_the_same_examples_in_pairs() -> None:
    made = evaluate(*PAIR, dataset="films", n=80)
    left = {name: {r.id: r.status in ("failed", "budget") for r in made._runs[name]["greedy"].results} for name in PAIR}
    assert left[PAIR[0]].keys() == left[PAIR[1]].keys() and len(left[PAIR[0]]) == 80
    first, other = ([left[name][i] for i in sorted(left[name])] for name in PAIR)
    entry = next(c for c in made.table["comparisons"] if c["recipe"] == "greedy")
    assert entry["difference"] == round((sum(other) - sum(first)) / 80, 4)
    interval = paired_bootstrap(first, other)
    assert (entry["low"], entry["high"]) == (round(interval.low, 4), round(interval.high, 4))
    assert entry["p"] == mcnemar(first, other).p <= entry["p_holm"]
    apart = [(a, b) for a, b in zip(first, other, strict=True) if a != b]
    assert (entry["only_reference"], entry["only_target"]) == (apart.count((True, False)), apart.count((False, True)))
    assert entry["only_target"] > entry["only_reference"]
    clean = next(c for c in made.table["comparisons"] if c["recipe"] == "clean")
    assert (clean["difference"], clean["p"]) == (0.0, 1.0)


def test_the_worst_of_row_needs_every_recipe_to_fail() -> None:
    made = evaluate("builtin:tiny", n=60, surface="all", recipes=["greedy", "deepwordbug"])
    results = [{r.id: r.status for r in run.results} for run in made._runs["builtin:tiny"].values()]
    survive = sum(all(found[i] in ("failed", "budget") for found in results) for i in results[0])
    row = made.table["rows"][-1]
    assert (row["recipe"], row["accuracy_under_attack"]) == ("worst-of", round(survive / 60, 4))
    assert row["accuracy_under_attack"] <= min(row["accuracy_under_attack"] for row in made.table["rows"])
    assert row["seconds"] == pytest.approx(sum(r["seconds"] for r in made.table["rows"][:-1]), abs=2e-3)


def test_stored_attacks_are_gone_on_with_and_not_made_again() -> None:
    half = Evaluation([open_target(name) for name in PAIR], EvaluationRequest(dataset="films", n=60))
    steps = half.steps()
    while half.done < 2:
        next(steps)
    steps.close()
    assert half.table == {} and half.path is None
    whole = evaluate(*PAIR, dataset="films", n=60)
    assert [row["reused"] for row in whole.table["rows"][:4]] == [60, 0, 60, 0]
    assert any("120 results are those of earlier attacks" in note for note in whole.table["notes"])
    assert any("py:compared_victims:masked is still the same model" in note for note in whole.table["notes"])
    again = evaluate(*PAIR, dataset="films", n=60)
    assert [row["reused"] for row in again.table["rows"][:4]] == [60] * 4
    fresh = evaluate(*PAIR, dataset="films", n=60, fresh=True)
    assert [row["reused"] for row in fresh.table["rows"][:4]] == [0] * 4

    def figures(made: Evaluation) -> list[Any]:
        return [
            (row["target"], row["recipe"], row["accuracy_under_attack"], row["mean_queries"])
            for row in made.table["rows"]
        ]

    assert figures(whole) == figures(again) == figures(fresh)
    assert again.path is not None and again.path.name == "evaluation-2"
    assert evaluation_store.read(again.path) == json.loads(json.dumps(again.table))


def test_a_masked_model_is_given_away_by_what_was_found_on_another() -> None:
    table = evaluate(*PAIR, dataset="films", recipes=["greedy"], n=0).table
    masked = next(row for row in table["rows"] if row["target"] == PAIR[1])
    plain = next(row for row in table["rows"] if row["target"] == PAIR[0])
    assert masked["accuracy_under_attack"] > plain["accuracy_under_attack"] + 0.05
    outcome = {(check["name"], check["target"]): check["outcome"] for check in table["checks"]}
    assert outcome["transfer beats direct", PAIR[1]] == "alarm"
    assert outcome["transfer beats direct", PAIR[0]] == "passed"
    assert any(warning.startswith(f"{PAIR[1]}: transfer beats direct: greedy") for warning in table["warnings"])


def test_checks_that_attack_anew_belong_to_the_larger_suites() -> None:
    table = evaluate("builtin:tiny", n=60, recipes=["greedy"]).table
    outcomes = {check["name"]: check["outcome"] for check in table["checks"]}
    assert outcomes["edits without surface or cap do not approach 0"] == "not made"
    assert any(note.startswith("not checked: ") and "edits without" in note for note in table["notes"])
    table = evaluate("builtin:tiny", n=60, recipes=["greedy"], suite="standard").table
    outcomes = {check["name"]: (check["outcome"], check["message"]) for check in table["checks"]}
    assert outcomes["edits without surface or cap do not approach 0"][0] == "passed"
    assert outcomes["loss not monotone in budget"][0] == "passed"
    assert outcomes["loss not monotone in budget"][1].startswith("greedy leaves, by budget, 0.1: ")


def sample_of(name: str, count: int = 20) -> Sample:
    target = open_target(name)
    return Sample(
        target=target, examples=[e for e in tiny.examples() if target.predict([e.text])[0][e.label or 0] > 0.5][:count],
        temperature=1.0, surface=tiny.synonyms, budget=0.3, queries_per_word=50, seed=0,
    )  # fmt: skip


def test_a_model_that_nothing_changes_is_not_robust_but_deaf() -> None:
    check = masking.no_limits(sample_of("py:compared_victims:always"), ["excellent", "terrible"])
    assert (check.outcome, check.message[:30]) == ("alarm", "20 of 20 texts survive when ev")
    words = masking.telling_words(open_target("builtin:tiny"), tiny.examples("dev"))
    assert {"excellent", "terrible", "dreadful"} <= set(words) and len(words) <= 48
    assert masking.no_limits(sample_of("builtin:tiny"), words).outcome == "passed"


def result(number: int, status: str, *, p: float = 0.9) -> AttackResult:
    return AttackResult(
        id=number, text="a b", adversarial="a b", label=0, prediction=0, adversarial_prediction=0,
        probabilities=[0.9, 0.1], adversarial_probabilities=[p, 1 - p], edits=[], queries=1, cache_hits=0,
        edited_share=0.0, status=status, trajectory=[p], seconds=0.1,
    )  # fmt: skip


def results(broken: int, total: int = 40) -> dict[int, AttackResult]:
    return {i: result(i, "success" if i < broken else "failed") for i in range(total)}


def test_a_black_box_that_finds_more_than_a_white_box_raises_the_alarm() -> None:
    attacks = {"white": results(5), "black": results(20), "weak": results(1)}
    assert masking.black_and_white("m", attacks, ["white"], ["black", "weak"]).outcome == "alarm"
    assert masking.black_and_white("m", attacks, ["black"], ["white"]).outcome == "passed"
    assert masking.black_and_white("m", attacks, ["white"], ["weak"]).outcome == "passed"
    close = attacks | {"white": results(19)}
    assert masking.black_and_white("m", close, ["white"], ["black"]).outcome == "passed"  # within chance
    assert masking.black_and_white("m", attacks, [], ["black"]).outcome == "not made"


class Told(Sample):
    """A sample whose attacks find what a test says they find."""

    def run(self, recipe: str, **options: Any) -> Iterator[AttackResult]:
        yield from SAID[options.get("budget", options.get("seed"))]


SAID: dict[Any, list[AttackResult]] = {}


def told(said: dict[Any, list[AttackResult]]) -> Told:
    SAID.clear()
    SAID.update(said)
    return Told(**{name: getattr(sample_of("builtin:tiny"), name) for name in Sample.__dataclass_fields__})


def test_survivors_that_grow_with_the_budget_raise_the_alarm() -> None:
    better = {0.1: [result(0, "failed", p=0.9)], 0.3: [result(0, "failed", p=0.7)], 0.6: [result(0, "success", p=0.2)]}
    assert masking.growing_budget(told(better)).outcome == "passed"
    worse = better | {0.3: [result(0, "success", p=0.4)], 0.6: [result(0, "failed", p=0.6)]}
    assert masking.growing_budget(told(worse)).outcome == "alarm"
    smaller_loss = better | {0.3: [result(0, "failed", p=0.95)], 0.6: [result(0, "failed", p=0.95)]}
    assert masking.growing_budget(told(smaller_loss)).outcome == "alarm"


def test_seeds_that_still_find_something_raise_the_alarm() -> None:
    def rows(broken: set[int]) -> list[AttackResult]:
        return [result(i, "success" if i in broken else "failed") for i in range(20)]

    lucky = told({None: rows({1}), 1: rows({2}), 2: rows({3})})
    check = masking.restarts(lucky, ["random"], 2)
    assert (check.outcome, check.message) == ("alarm", "random: 19 of 20 survive one seed, 17 survive 3")
    assert masking.restarts(told({None: rows({1}), 1: rows({1})}), ["random"], 1).outcome == "passed"
    assert masking.restarts(lucky, [], 2).outcome == masking.restarts(lucky, ["random"], 0).outcome == "not made"


@pytest.mark.parametrize(
    ("names", "options", "kind", "told"),
    [
        ([], {}, InputError, "no target"),
        (["builtin:tiny", "builtin:tiny"], {}, InputError, "named twice"),
        (["builtin:tiny"], {"recipes": ["gredy"]}, UnknownNameError, "did you mean greedy"),
        (["builtin:tiny", "py:compared_victims:calm"], {}, InputError, "has no dataset of its own"),
        (["py:compared_victims:three"], {"dataset": "films"}, DataError, "has 3 classes"),
        (["builtin:tiny"], {"dataset": "nope"}, UnknownNameError, "nope"),
        (["builtin:tiny"], {"budget": 3.0}, InputError, "budget"),
    ],
)
def test_what_does_not_fit_is_said_before_an_attack(
    names: list[str], options: dict[str, Any], kind: type[Exception], told: str, place: Path
) -> None:
    with pytest.raises(kind, match=told):
        evaluate(*names, **options)
    assert not list((place / "runs").rglob("results.jsonl"))


def test_the_command_prints_caps_and_seconds_beside_every_score() -> None:
    runner = CliRunner()
    done = runner.invoke(app, ["evaluate", *PAIR, "--dataset", "films", "-n", "30", "--recipes", "greedy"])
    assert done.exit_code == 0, done.stderr
    for word in ("under attack", "95 %", "budget", "queries/word", "seconds", "McNemar p", "signs of gradient masking"):
        assert word in done.stdout
    assert "note: 30 texts: an accuracy is known to ±18 points" in done.stderr
    assert "note: one model each" in done.stderr and "table: " in done.stderr
    done = runner.invoke(app, ["evaluate", "builtin:tiny", "-n", "20", "--json", "--seed", "3"])
    assert done.exit_code == 0
    table = json.loads(done.stdout)
    assert (table["seed"], table["examples"], table["comparisons"]) == (3, 20, [])
    assert done.stderr == ""
