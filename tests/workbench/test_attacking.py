"""Attacks that are kept on disk: summaries, folders, killing and going on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aat_datasets.errors import AatError, DataError, InputError, UnknownNameError, VictimError
from aat_models.attacks import RECIPES, find
from aat_models.attacks.victim import WhiteBox
from aat_models.events import AttackResult, Notice, decode
from aat_workbench.attacking import AttackRequest, AttackRun, run_attack
from aat_workbench.detached import child_environment
from aat_workbench.summary import Timing, summarise, wilson
from aat_workbench.targets import identify, open_target

MACHINE = {"seconds", "examples_per_second", "queries_per_second", "forward_share", "path"}
KEYS = {
    "recipe", "examples", "clean_accuracy", "accuracy_under_attack", "success_rate", "mean_queries",
    "mean_edited_share", "seconds", "examples_per_second", "queries_per_second", "forward_share",
    "calibrated_temperature", "warnings",
}  # fmt: skip

VICTIMS = """
import time
from aat_models.attacks import tiny
from aat_models.attacks.victim import score_texts

def calm(texts):
    return score_texts(tiny.TinyVictim(), texts)

def slow(texts):
    time.sleep(0.02)
    return calm(texts)

def logits(texts):
    return [[1.0, 2.0] for _ in texts]

def broken(texts):
    raise RuntimeError("out of luck")

def fails_later(texts):
    if len(texts) > 1:
        raise RuntimeError("out of luck")
    return [[0.5, 0.5]]

number = 3
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a module of victims; runs are kept in it too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    (tmp_path / "attacked_victims.py").write_text(VICTIMS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def run(target: str = "builtin:tiny", **options: Any) -> AttackRun:
    attack = run_attack(target, AttackRequest(**options))
    for _ in attack.steps():
        pass
    return attack


def lasting(summary: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in summary.items() if key not in MACHINE}


def lines_of(path: Path) -> list[AttackResult]:
    return [decode(line) for line in (path / "results.jsonl").read_bytes().splitlines()]  # type: ignore[misc]


# --- summaries --------------------------------------------------------------------------------------------------------


def result(number: int, status: str, *, queries: int = 10, share: float = 0.0, p: float = 0.9) -> AttackResult:
    return AttackResult(
        id=number, text="a b", adversarial="a b", label=0, prediction=0, adversarial_prediction=0,
        probabilities=[p, 1 - p], adversarial_probabilities=[p, 1 - p], edits=[], queries=queries, cache_hits=0,
        edited_share=share, status=status, trajectory=[p], seconds=0.1,
    )  # fmt: skip


def test_the_figures_are_what_their_names_say():
    results = [
        result(3, "success", queries=20, share=0.5),
        result(0, "skipped", queries=1),
        result(1, "failed", queries=30),
        result(2, "budget", queries=100),
    ]
    found = summarise("greedy", results, Timing(2.0, 1.5), 1.25)
    assert found.keys() >= KEYS
    assert found["examples"] == 4
    assert found["clean_accuracy"] == 0.75
    assert found["accuracy_under_attack"] == 0.5  # survivors over all examples
    assert found["success_rate"] == round(1 / 3, 4)  # broken over those that were right
    assert found["mean_queries"] == 50.0
    assert found["mean_edited_share"] == 0.5
    assert (found["examples_per_second"], found["queries_per_second"], found["forward_share"]) == (2.0, 75.5, 0.75)
    assert found["calibrated_temperature"] == 1.25
    assert found["accuracy_under_attack_interval"] == wilson(2, 4)
    assert any("ran out of queries" in warning for warning in found["warnings"])


def test_doubts_are_told():
    assert summarise("greedy", [result(0, "failed")], Timing(), 1.0)["warnings"] == []
    assert "overconfident" in summarise("greedy", [result(0, "failed")], Timing(), 3.0)["warnings"][0]
    assert "probability of 1" in summarise("greedy", [result(0, "failed", p=1.0)], Timing(), 1.0)["warnings"][0]


def test_no_results_have_a_summary_too():
    found = summarise("greedy", [], Timing(), None)
    assert (found["examples"], found["clean_accuracy"], found["success_rate"]) == (0, 0.0, 0.0)


def test_wilson_is_the_score_interval():
    # Newcombe 1998, table I: 81 of 263 and 15 of 148; the ends for 0 of 20 and 20 of 20.
    assert wilson(81, 263) == pytest.approx([0.2553, 0.3662], abs=2e-4)
    assert wilson(15, 148) == pytest.approx([0.0624, 0.1605], abs=2e-4)
    assert wilson(0, 20) == pytest.approx([0.0, 0.1611], abs=2e-4)
    assert wilson(20, 20) == pytest.approx([0.8389, 1.0], abs=2e-4)


# --- folders ----------------------------------------------------------------------------------------------------------


def test_an_attack_is_kept_in_a_folder_of_its_own():
    attack = run(n=30)
    assert attack.path is not None and attack.path.name == "greedy-1"
    assert attack.path.parts[-4:-1] == ("_targets", "builtin-tiny", "attacks")
    stored = json.loads((attack.path / "summary.json").read_text())
    assert stored == attack.summary
    config = tomllib.loads((attack.path / "config.toml").read_text())
    assert (config["recipe"], config["n"], config["seed"], config["budget"]) == ("greedy", 30, 0, 0.3)
    assert config["temperature"] == attack.summary["calibrated_temperature"]
    assert [entry.id for entry in lines_of(attack.path)] == [entry.id for entry in attack.results]
    assert all(entry.time > 0 for entry in lines_of(attack.path))
    assert run(n=30).path == attack.path.with_name("greedy-2")


def test_typed_texts_are_not_kept_unless_asked():
    attack = run(texts=["great film"], labels=["positive"])
    assert attack.path is None and attack.summary["path"] == ""
    assert attack.summary["calibrated_temperature"] is None
    assert attack.summary["warnings"] == []
    assert run(texts=["great film"], save=True).path is not None
    assert run(n=5, save=False).path is None


def test_typed_texts_without_a_label_are_turned_from_the_prediction():
    (found,) = run(texts=["great terrible"]).results
    assert (found.label, found.prediction) == (0, 0)
    (found,) = run(texts=["great terrible"], labels=[1]).results
    assert found.status == "skipped"


# --- interrupted and resumed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["greedy", "deepwordbug"])
@pytest.mark.parametrize("keep", [0, 1, 17, 39])
def test_a_torn_attack_goes_on_and_ends_with_the_same_summary(recipe: str, keep: int):
    whole = run(recipe=recipe, n=40)
    torn = run(recipe=recipe, n=40)
    assert torn.path is not None and whole.path is not None
    lines = (torn.path / "results.jsonl").read_bytes().splitlines(keepends=True)
    cut = b"".join(lines[:keep]) + lines[keep][: len(lines[keep]) // 2]
    (torn.path / "results.jsonl").write_bytes(cut)
    (torn.path / "summary.json").unlink()

    again = run(recipe=recipe, n=40, resume=True)
    assert again.path == torn.path
    assert lasting(again.summary) == lasting(whole.summary)
    assert lasting(json.loads((torn.path / "summary.json").read_text())) == lasting(whole.summary)
    ids = [entry.id for entry in lines_of(torn.path)]
    assert len(ids) == len(set(ids)) == 40
    timeless = {entry.id: msgspec.structs.replace(entry, time=0.0, seconds=0.0) for entry in lines_of(torn.path)}
    assert timeless == {e.id: msgspec.structs.replace(e, time=0.0, seconds=0.0) for e in lines_of(whole.path)}


def test_a_killed_attack_goes_on_where_it_was(place: Path):
    code = """
        from aat_workbench.attacking import AttackRequest, run_attack
        options = dict(dataset="", texts=TEXTS, labels=LABELS, save=True, recipe="deepwordbug")
        run = run_attack("py:attacked_victims:slow", AttackRequest(**options))
        for _ in run.steps():
            pass
        print("finished", flush=True)
    """
    from aat_models.attacks import tiny

    examples = tiny.examples()
    texts, labels = [e.text for e in examples], [e.label for e in examples]
    code = f"TEXTS = {texts!r}\nLABELS = {labels!r}\n" + textwrap.dedent(code)
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=place, env=child_environment(), stdout=subprocess.PIPE, start_new_session=True
    )
    results = place / "runs" / "_targets" / "py-attacked_victims-slow" / "attacks" / "deepwordbug-1" / "results.jsonl"
    deadline = time.monotonic() + 120
    while not (results.exists() and results.read_bytes().count(b"\n") >= 12):
        assert time.monotonic() < deadline and process.poll() is None, "the attack never got going, or was too fast"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    output, _ = process.communicate()
    assert output == b"" and process.returncode == -signal.SIGKILL
    before = results.read_bytes()
    kept = before[: before.rfind(b"\n") + 1]

    options: dict[str, Any] = {"texts": texts, "labels": labels, "recipe": "deepwordbug"}
    resumed = run("py:attacked_victims:slow", **options, resume=True)
    assert results.read_bytes().startswith(kept)
    assert 12 <= kept.count(b"\n") < 200
    uninterrupted = run("py:attacked_victims:calm", **options, save=True)
    different = {"target", "checkpoint"}
    assert {k: v for k, v in lasting(resumed.summary).items() if k not in different} == {
        k: v for k, v in lasting(uninterrupted.summary).items() if k not in different
    }


def test_resuming_a_complete_attack_asks_nothing():
    whole = run(n=20)
    again = run(n=20, resume=True)
    assert again.summary == whole.summary


def test_only_an_attack_of_the_same_settings_is_gone_on_with():
    with pytest.raises(InputError, match="no greedy attack"):
        run(n=20, resume=True)
    run(n=20)
    with pytest.raises(InputError, match=r"greedy-1 differs in: .*seed"):
        run(n=20, seed=1, resume=True)
    with pytest.raises(InputError, match="differs in: surface, surface_hash"):
        run(n=20, surface="all", resume=True)
    first = run(n=20, seed=1)
    assert run(n=20, seed=1, resume=True).path == first.path
    assert first.path is not None
    assert run(n=20, resume=True).path == first.path.with_name("greedy-1")


def test_an_attack_that_is_left_half_way_keeps_what_it_found():
    attack = run_attack("builtin:tiny", AttackRequest(n=200))
    steps = attack.steps()
    while len(attack.results) < 3:
        next(steps)
    steps.close()
    assert attack.path is not None
    assert len(lines_of(attack.path)) == len(attack.results) >= 3
    assert not (attack.path / "summary.json").exists()
    assert json.loads((attack.path / "timing.json").read_text())["seconds"] > 0
    assert run(n=200, resume=True).summary["examples"] == 200


# --- targets ----------------------------------------------------------------------------------------------------------


def test_a_function_is_a_target_and_says_the_same_as_the_model_inside():
    theirs = run("py:attacked_victims:calm", texts=["a great film"], labels=[1], surface="characters").results[0]
    ours = run("builtin:tiny", texts=["a great film"], labels=[1], surface="characters").results[0]
    assert theirs.adversarial == ours.adversarial
    target = open_target("py:attacked_victims:calm")
    words, scores = target.attribute("great film")
    assert words == ["great", "film"]
    assert scores[0] == pytest.approx(0.8808 - 0.5, abs=1e-3) and scores[1] == 0
    assert target.attribute("   ") == ([], [])


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("py:attacked_victims", InputError, "expected py:module:function"),
        ("py:no_such_module:f", VictimError, "cannot import no_such_module"),
        ("py:attacked_victims:clam", UnknownNameError, "did you mean calm"),
        ("py:attacked_victims:number", UnknownNameError, "no function in attacked_victims"),
        ("py:attacked_victims:logits", VictimError, "softmax"),
        ("py:attacked_victims:broken", VictimError, "raised RuntimeError: out of luck"),
        ("builtin:huge", UnknownNameError, "builtin:tiny"),
        ("https:///predict", InputError, "no host"),
        ("http://me:secret@localhost/", InputError, "AAT_HTTP_TOKEN"),
        ("no-such-run", UnknownNameError, "no run named"),
    ],
)
def test_a_target_that_is_none_says_what_to_do(name: str, kind: type[AatError], message: str):
    with pytest.raises(kind, match=message):
        open_target(name)


def test_a_victim_that_fails_during_the_attack_keeps_what_was_found():
    with pytest.raises(VictimError, match="out of luck"):
        run("py:attacked_victims:fails_later", texts=["a", "b", "c"], labels=[0, 0, 0])


def test_wrong_requests_are_refused_before_a_folder_is_made(place: Path):
    for options, kind, message in (
        ({"recipe": "gredy"}, UnknownNameError, "greedy"),
        ({"budget": 0.0}, InputError, "budget"),
        ({"queries_per_word": 0}, InputError, "queries per word"),
        ({"split": "tset"}, UnknownNameError, "test"),
        ({"texts": [" "]}, InputError, "empty"),
        ({"texts": []}, InputError, "empty"),
        ({"texts": ["a"], "labels": [0, 1]}, InputError, "1 texts but 2 labels"),
        ({"texts": ["a"], "labels": ["neutral"]}, DataError, "negative, positive"),
        ({"texts": ["a"], "labels": [5]}, DataError, "2 classes"),
        ({"dataset": "no-such"}, UnknownNameError, "no dataset named"),
        ({"dataset": "support"}, DataError, "does not know the labels"),
    ):
        with pytest.raises(kind, match=message):
            run(**options)
    with pytest.raises(InputError, match="has no dataset of its own"):
        run("py:attacked_victims:calm")
    assert not (place / "runs").exists()


def test_identify_names_what_a_target_stands_for_without_loading_it():
    assert identify("builtin:tiny") == "builtin:tiny"
    assert identify("py:no_such_module:f") == "py:no_such_module:f"


def test_warnings_stream_as_notices(monkeypatch: pytest.MonkeyPatch):
    from aat_workbench.targets import Target

    target = open_target("builtin:tiny")
    monkeypatch.setattr(
        type(target), "own_examples", lambda self, split, limit, seed: None if split == "dev" else _few(), raising=True
    )
    assert isinstance(target, Target)
    attack = AttackRun(target, AttackRequest(n=3))
    events = [event for events in attack.steps() for event in events]
    assert any(isinstance(event, Notice) and "not calibrated" in event.message for event in events)
    assert attack.summary["calibrated_temperature"] is None
    assert "not calibrated" in attack.summary["warnings"][0]


def _few() -> list[Any]:
    from aat_models.attacks import tiny

    return tiny.examples(limit=3)


# --- goals and caps ---------------------------------------------------------------------------------------------------


def test_a_recipes_own_caps_hold_where_none_are_given():
    attack = run(recipe="surface", n=10)
    assert attack.summary["queries_per_word"] == find("surface").queries_per_word > 50
    assert run(recipe="surface", n=10, queries_per_word=60).summary["queries_per_word"] == 60
    assert run(recipe="surface", n=10, resume=True).path == attack.path
    # A recipe may let short texts have more edits than its share allows; a share that is asked for is kept to.
    recipe = next((r for r in RECIPES.values() if r.least_edits > 1), None)
    if recipe is not None and recipe.words is None:
        assert run(recipe=recipe.name, n=5).summary["budget"] == recipe.budget
        with pytest.raises(InputError, match="least_edits"):
            run(recipe=recipe.name, n=5, budget=recipe.budget, resume=True)


def test_a_target_class_can_be_the_goal():
    attack = run(n=40, goal="targeted:positive")
    assert attack.summary["goal"] == "targeted:positive"
    assert {r.adversarial_prediction for r in attack.results if r.status == "success"} == {1}
    assert all(r.status == "skipped" for r in attack.results if r.label == 1)
    assert run(n=40, goal="targeted:positive", resume=True).path == attack.path
    with pytest.raises(InputError, match="differs in: goal"):
        run(n=40, resume=True)
    with pytest.raises(UnknownNameError, match="no label named 'nice'"):
        run(n=40, goal="targeted:nice")
    assert attack.path is not None and attack.path.name == "greedy-1"


def test_what_a_recipe_goes_without_is_among_the_warnings():
    warnings = run(recipe="surface", n=5).summary["warnings"]
    victim = open_target("builtin:tiny").victim
    assert any("gives no gradients" in warning for warning in warnings) != isinstance(victim, WhiteBox)
    (missing,) = run("py:attacked_victims:calm", recipe="surface", texts=["great film"], labels=[1]).summary["warnings"]
    assert "surface: the model gives no gradients" in missing


def test_a_recipe_the_model_is_too_closed_for_is_refused_before_a_folder_is_made(place: Path):
    with pytest.raises(InputError, match="hotflip needs gradients"):
        run("py:attacked_victims:calm", recipe="hotflip", texts=["great"], labels=[1], save=True)
    assert not (place / "runs").exists()
