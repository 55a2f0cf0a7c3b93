"""The benchmark of attacks: its figures, the limit, the two sides' processes, and the comparison itself where it can run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from aat_datasets.errors import EngineError, InputError
from aat_models.attacks import attack, tiny
from aat_workbench import attack_bench
from aat_workbench.attack_bench import bench_attack, summary
from aat_workbench.attack_bench_side import Recorder, Session, recipe_of, replay
from aat_workbench.cli.bench import app
from aat_workbench.peers import environment
from aat_workbench.peers.wire import Side, one_thread, our_packages

MIRROR = os.environ.get("AAT_MIRROR", "")


def answer(cpu: float, successes: int, forward: float = 0.0) -> dict[str, Any]:
    statuses = {str(k): "success" if k < successes else "failed" for k in range(8)} | {"8": "skipped", "9": "skipped"}
    return {"cpu": cpu, "wall": cpu, "forward": forward, "queries": 100, "rows": 90, "statuses": statuses}


def tiny_session(count: int = 30) -> Session:
    return Session(tiny.TinyVictim(), [(e.row, e.text, e.label or 0) for e in tiny.examples(limit=count)])


# figures


def test_figures_are_medians_of_rounds_and_ratios_round_by_round():
    seen = {
        "ours": [answer(1.0, 4, 0.5), answer(2.0, 4, 1.6), answer(4.0, 4, 3.2)],
        "peer": [answer(10.0, 5), answer(8.0, 5), answer(24.0, 5)],
        "limit": [{"cpu": 0.5, "wall": 1.0}, {"cpu": 1.5, "wall": 1.0}, {"cpu": 3.2, "wall": 1.0}],
    }
    found = summary(seen, 64)
    assert found["ours"]["cpu"] == 2.0
    assert found["ours"]["forward_share"] == 0.8
    assert found["factor_cpu"] == 6.0  # 10, 4 and 6: not the ratio of the medians, which is 5
    assert found["limit"] == {"batch": 64, "cpu": 1.5, "wall": 1.0, "share": 0.75}
    assert found["ours"]["accuracy"] == 0.8
    assert found["ours"]["accuracy_under_attack"] == 0.4
    assert found["difference_points"] == 10.0


def test_without_a_peer_there_is_no_comparison():
    found = summary({"ours": [answer(1.0, 4)], "limit": [{"cpu": 0.5, "wall": 1.0}]}, 32)
    assert "factor_cpu" not in found
    assert "peer" not in found


# our side


def test_a_replay_asks_what_the_attack_asked():
    victim = tiny.TinyVictim()
    recorder = Recorder(victim)
    results = list(attack(recorder, tiny.examples(limit=20), recipe_of("deepwordbug"), concurrency=4))
    # Identical texts of two examples are asked once, so the rows are at most the queries.
    assert 0 < len(recorder.rows) <= sum(result.queries for result in results)

    asked: list[int] = []
    shapes: list[tuple[int, ...]] = []

    def score(ids: Any, lengths: Any) -> Any:
        assert list(lengths) == sorted(lengths)
        assert all((row[n:] == 0).all() and (row[:n] > 0).all() for row, n in zip(ids, lengths, strict=True))
        asked.extend(lengths.tolist())
        shapes.append(ids.shape)
        return victim.score(ids, lengths)

    watched: Any = SimpleNamespace(score=score)
    times = replay(watched, recorder.rows, 16)
    assert asked == sorted(len(row) for row in recorder.rows)
    assert max(rows for rows, _ in shapes) == 16
    assert times["cpu"] >= 0 and times["wall"] > 0


def test_a_recorder_changes_no_result():
    plain = tiny_session().attack("deepwordbug", 3)
    session = tiny_session()
    limit = session.replay("deepwordbug", 3, 32)
    assert limit["rows"] == plain["rows"]
    assert session.attack("deepwordbug", 3)["statuses"] == plain["statuses"]
    assert len(session.attack("deepwordbug", 3, limit=7)["statuses"]) == 7


def test_pwws_as_the_peer_searches_ranks_as_it_does():
    """softmax(score without the word) × best score, and the best substitute of the text as it is then."""
    from aat_models.attacks.attempt import Attempt
    from aat_models.attacks.goals import Untargeted
    from aat_workbench.peers.matching import weighted

    victim = tiny.TinyVictim()
    words = ["the", "great", "good", "film"]
    ids = victim.intern(words)
    attempt = Attempt(
        words, ids, 1, victim.score(ids[None], np.array([4]))[0],
        goal=Untargeted(), intern=victim.intern, max_edits=4, surface=tiny.synonyms,
    )  # fmt: skip
    ranking = weighted(attempt, np.array([1, 2, 3], np.int32))

    def p(*others: str) -> float:
        return float(victim.score(victim.intern(others)[None], np.array([len(others)]))[0, 0])

    first = next(ranking)
    assert len(first) == 3
    saliency = np.array([p("the", "good", "film"), p("the", "great", "film"), p("the", "great", "good")])
    moves = ranking.send(np.stack([saliency, 1 - saliency], axis=1))
    best = {1: 0.0, 2: 0.0, 3: 0.0}
    scores: list[float] = []
    for place in (1, 2, 3):
        for other in tiny.synonyms(words[place]):
            score = p(*words[:place], other, *words[place + 1 :])
            scores.append(score)
            best[place] = max(best[place], score)
    assert len(moves) == len(scores) > 3
    with pytest.raises(StopIteration) as end:
        ranking.send(np.stack([scores, 1 - np.array(scores)], axis=1))
    wanted = np.exp(saliency) / np.exp(saliency).sum() * [best[1], best[2], best[3]]
    np.testing.assert_allclose(end.value.value, wanted, rtol=1e-5)


# processes


def test_a_side_that_fails_says_why_and_one_that_dies_too(tmp_path: Path):
    code = (
        "import os, sys\nfrom aat_workbench.peers.wire import serve\n"
        "def die(): print('last words', file=sys.stderr, flush=True); os._exit(3)\n"
        "serve({'double': lambda n: print('stray') or {'n': 2 * n}, 'die': die})"
    )
    with Side("it", [sys.executable, "-c", code], one_thread(our_packages(tmp_path))) as side:
        assert side.ask("double", n=4) == {"n": 8}  # what is printed meanwhile is no answer
        with pytest.raises(EngineError, match="could not double: TypeError"):
            side.ask("double", m=4)
        with pytest.raises(EngineError, match="last words"):
            side.ask("die")


def test_a_side_sees_our_packages_and_one_thread(tmp_path: Path):
    settings = one_thread(our_packages(tmp_path))
    code = "import os, aat_models; print(aat_models.__file__, os.environ['OMP_NUM_THREADS'])"
    said = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, check=True).stdout
    assert said.split() == [str(tmp_path / "aat_models" / "__init__.py"), "1"]


def test_the_command_measures_the_tiny_victim():
    result = CliRunner().invoke(
        app, ["attack", "--victim", "builtin:tiny", "--recipes", "deepwordbug", "-n", "20", "--rounds", "2", "--json"]
    )
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    found = figures["recipes"]["deepwordbug"]
    assert figures["texts"] == 20
    assert len(found["ours"]["cpu_rounds"]) == 2
    assert 0 < found["ours"]["forward_share"] < 1
    assert 0 < found["limit"]["share"] < 1
    assert found["limit"]["batch"] in attack_bench.BATCHES
    assert found["ours"]["accuracy_under_attack"] < found["ours"]["accuracy"]


# the peer


def test_the_peer_runs_in_an_environment_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(environment, "peers_root", lambda: tmp_path)
    folder = environment.place("textattack")
    assert folder.parent == tmp_path
    assert environment.python_of("textattack") is None
    with pytest.raises(InputError, match="not there"):
        attack_bench.side_command("textattack")
    folder.mkdir()
    assert environment.python_of("textattack") is None, "an interrupted one is not taken"
    (folder / "complete").touch()
    command = attack_bench.side_command("textattack")
    assert Path(command[0]).is_relative_to(folder)
    assert command[-2:] == ["-m", "aat_workbench.peers.textattack_peer"]


def test_every_package_of_the_peer_is_pinned():
    lines = environment.requirements("textattack").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(line.count("==") == 1 and not line.startswith("-") for line in pins)
    assert {"textattack==0.3.10", "torch==2.13.0"} <= set(pins)


def test_an_environment_that_cannot_be_made_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def create(folder: Path, **_: Any) -> None:
        folder.mkdir(parents=True)
        folder.with_suffix(".log").write_text("Collecting x\nERROR: No matching distribution found for x==1\nbye\n")
        raise subprocess.CalledProcessError(1, "pip")

    monkeypatch.setattr(environment, "peers_root", lambda: tmp_path)
    monkeypatch.setattr(environment.venv, "create", create)
    with pytest.raises(EngineError, match="could not be made: ERROR: No matching distribution found for x==1"):
        list(environment.make("textattack"))
    assert environment.python_of("textattack") is None


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--against", "other"], "no peer named 'other'.*textattack"),
        (["--against", "textattack", "--recipes", "greedy"], "greedy cannot be compared"),
        (["--against", "textattack", "--recipes", "deepwordbug", "--victim", "builtin:tiny"], "no weights to give"),
        (["--recipes", ","], "at least one name"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_made(options: list[str], wanted: str):
    result = CliRunner().invoke(app, ["attack", *options])
    assert result.exit_code != 0
    assert isinstance(result.exception, InputError)
    with pytest.raises(InputError, match=wanted):
        raise result.exception


def test_what_differs_is_said_for_every_recipe_that_is_compared():
    from aat_models.attacks import RECIPES
    from aat_workbench.peers.matching import MATCHED
    from aat_workbench.peers.textattack_peer import RECIPES as THEIRS

    assert set(attack_bench.DIFFERENCES) - {""} == set(THEIRS) <= {*RECIPES, *MATCHED}
    assert recipe_of("pwws-reask") is MATCHED["pwws-reask"]
    assert recipe_of("deepwordbug") is RECIPES["deepwordbug"]


@pytest.mark.slow
@pytest.mark.skipif(not MIRROR, reason="AAT_MIRROR is not set: no SST-2, no WordNet")
@pytest.mark.skipif(environment.python_of("textattack") is None, reason="made by: bench attack --against textattack")
def test_textattack_attacks_the_same_victim_alike():
    recipes = ["deepwordbug", "pwws-reask", "textfooler-cf", "textbugger-cf", "a2t-cf"]
    *_, figures = bench_attack(recipes, against="textattack", count=40, rounds=1)
    assert isinstance(figures, dict)
    assert figures["peer"]["textattack"] == "0.3.10"
    for name, found in figures["recipes"].items():
        assert found["ours"]["accuracy"] == found["peer"]["accuracy"], name  # the same weights, the same texts
        assert abs(found["difference_points"]) <= 10, name  # two texts of 40 are 5 points
        assert found["factor_cpu"] > 1, name
