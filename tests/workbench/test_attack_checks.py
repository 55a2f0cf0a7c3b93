"""``--similarity`` and ``--fluency``: what they name, what they change, what is kept of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aat_datasets.errors import AatError, InputError, UnknownNameError, VictimError
from aat_models import config as configs
from aat_models.events import AttackResult, decode
from aat_workbench.attack_checks import numbered, open_checks
from aat_workbench.attacking import AttackRequest, AttackRun, run_attack
from aat_workbench.detached import child_environment
from aat_workbench.training import run_training

MAIN = [sys.executable, "-m", "aat_workbench.cli.main"]
SETTINGS = {
    "data.limit": 1200, "surface.source": "dataset", "model.embedding": 32, "model.hidden": 24, "model.latent": 24,
    "model.buckets": 2000, "model.decoder_hidden": 24, "model.decoder_embedding": 16, "train.epochs": 3.0,
    "train.lr": 0.02, "train.batch_size": 32, "train.threads": 1, "adversary.name": "none",
    "train.evaluate_every": 1000, "train.evaluate_limit": 100,
}  # fmt: skip
DECODER = {"model.decoder": "lstm", "train.stages": "encoder,decoder"}

ENCODERS = """
import functools
import numpy as np
import torch
from aat_models.predictor import Predictor
from aat_workbench.runs import resolve_target

@functools.cache
def predictor():
    return Predictor.load(resolve_target("writer"))

@torch.no_grad()
def word_vectors(texts):
    # The mean of the vectors the model itself has for the words.
    found = []
    for text in texts:
        ids = torch.from_numpy(predictor().intern(predictor().words(text)).astype(np.int64))
        found.append(predictor().model.embedding(ids[None])[0].mean(0).numpy())
    return np.stack(found)

def broken(texts):
    raise RuntimeError("out of luck")

def scalar(texts):
    return 1.0
"""

needs_mirror = pytest.mark.skipif(not os.environ.get("AAT_MIRROR"), reason="AAT_MIRROR, with synonyms, is not set")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs: ``writer`` has a decoder (that writes replies), ``silent`` has none; and a module of encoders."""
    place = tmp_path_factory.mktemp("trained")
    before = os.environ.get("AAT_DATA")
    os.environ["AAT_DATA"] = str(place / "data")
    try:
        for name, more in (("writer", DECODER), ("silent", {"data.limit": 100, "train.epochs": 1.0})):
            config = configs.apply(configs.Config(), {"run": name, **SETTINGS, **more})
            for _ in run_training(config, runs_root=place / "runs"):
                pass
    finally:
        os.environ.pop("AAT_DATA")
        if before is not None:
            os.environ["AAT_DATA"] = before
    (place / "checking_encoders.py").write_text(ENCODERS, encoding="utf-8")
    return place


@pytest.fixture(autouse=True)
def place(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(trained)
    monkeypatch.setenv("AAT_RUNS", str(trained / "runs"))
    monkeypatch.setenv("AAT_DATA", str(trained / "data"))
    monkeypatch.syspath_prepend(str(trained))
    return trained


def run(target: str = "writer", **options: Any) -> AttackRun:
    attack = run_attack(target, AttackRequest(**{"n": 40, **options}))
    for _ in attack.steps():
        pass
    return attack


def call(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*MAIN, *arguments], capture_output=True, text=True, env=child_environment(), timeout=120)
    assert done.returncode == code, done.stderr
    return done


def edits(attack: AttackRun) -> dict[int, list[Any]]:
    return {result.id: result.edits for result in attack.results}


def test_a_name_may_end_in_a_number():
    assert numbered("py:a:b") == ("py:a:b", None)
    assert numbered("py:a:b:0.8") == ("py:a:b", 0.8)
    assert numbered("writer@step-3:5") == ("writer@step-3", 5.0)
    assert numbered("writer") == ("writer", None)


def test_similarity_is_measured_by_an_encoder_of_ones_own(place: Path):
    plain = run(recipe="greedy", surface="all")
    measured = run(recipe="greedy", surface="all", similarity="py:checking_encoders:word_vectors")
    assert edits(measured) == edits(plain) and any(edits(plain).values())
    assert plain.summary["mean_similarity"] is None
    from checking_encoders import word_vectors

    assert measured.path is not None
    stored = [decode(line) for line in (measured.path / "results.jsonl").read_bytes().splitlines()]
    for result in stored:
        assert isinstance(result, AttackResult)
        if result.status == "skipped":
            assert result.similarity is None
            continue
        before, after = word_vectors([result.text, result.adversarial])
        cosine = before @ after / (np.linalg.norm(before) * np.linalg.norm(after))
        assert result.similarity == pytest.approx(cosine, abs=1e-4)
    broken = [r.similarity for r in measured.results if r.status == "success" and r.similarity is not None]
    assert measured.summary["mean_similarity"] == pytest.approx(sum(broken) / len(broken), abs=1e-4)
    assert measured.summary["similarity"] == "py:checking_encoders:word_vectors"


@needs_mirror
def test_textfooler_keeps_to_the_cosine(place: Path):
    encoder = "py:checking_encoders:word_vectors"
    free, bound = (run(recipe="textfooler", similarity=f"{encoder}:{cosine}") for cosine in (-1, 0.97))
    without = run(recipe="textfooler-cf")
    assert free.summary["success_rate"] > bound.summary["success_rate"]
    assert free.summary["mean_similarity"] < bound.summary["mean_similarity"]
    assert abs(free.summary["success_rate"] - without.summary["success_rate"]) <= 0.1
    assert run(recipe="textfooler", similarity=f"{encoder}:0.97", resume=True).path == bound.path
    with pytest.raises(InputError, match="differs in: similarity"):
        run(recipe="textfooler", similarity=f"{encoder}:0.5", resume=True)


def test_a_decoder_leaves_substitutes_out_and_says_what_makes_that_doubtful(place: Path):
    free = run(recipe="greedy", budget=1.0)
    bound = run(recipe="greedy", budget=1.0, fluency="writer:0")
    assert sum(map(len, edits(bound).values())) < sum(map(len, edits(free).values()))
    assert free.summary["fluency"] == "" and bound.summary["fluency"] == "writer:0"
    # It was trained to write replies, and says so of itself.
    assert any("has no word for" in warning for warning in bound.summary["warnings"])
    opened = open_checks(AttackRequest(fluency="writer"))
    assert opened.identities["fluency"] == "writer:5" and len(opened.identities["fluency_weights"]) == 16
    assert opened.fluency is not None
    words = [["we", "will", "help", "you"]] * 3
    assert opened.fluency.perplexity(words) < opened.fluency.perplexity([words[0][::-1]] * 3)
    again = run(recipe="greedy", budget=1.0, fluency="writer:0", resume=True)
    assert again.path == bound.path and edits(again) == edits(bound)
    with pytest.raises(InputError, match="differs in: fluency"):
        run(recipe="greedy", budget=1.0, fluency="writer:1", resume=True)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"recipe": "textfooler"}, InputError, "textfooler needs a sentence encoder"),
        (
            {"recipe": "greedy", "similarity": "py:checking_encoders:word_vectors:0.9"},
            InputError,
            "no check of similarity",
        ),
        ({"similarity": "minilm"}, InputError, "minilm is no sentence encoder"),
        ({"similarity": "py:checking_encoders"}, InputError, "no sentence encoder"),
        ({"similarity": "py:checking_encoders:word_vektors"}, UnknownNameError, "did you mean word_vectors"),
        ({"surface": "all", "similarity": "py:checking_encoders:broken"}, VictimError, "RuntimeError: out of luck"),
        ({"surface": "all", "similarity": "py:checking_encoders:scalar"}, VictimError, r"an array of shape \(\)"),
        ({"fluency": "silent"}, InputError, "--fluency: silent has no decoder"),
        ({"fluency": "builtin:tiny"}, InputError, "--fluency: builtin:tiny has no decoder"),
        ({"fluency": "no-such-run"}, UnknownNameError, "no run named"),
        ({"fluency": "writer:-1"}, InputError, "at least 0 nats"),
        ({"fluency": "writer", "recipe": "deepwordbug"}, InputError, "deepwordbug makes edits of its own"),
    ],
)
def test_what_does_not_fit_is_said(options: dict[str, Any], kind: type[AatError], message: str):
    with pytest.raises(kind, match=message):
        run(**options)


def test_the_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(InputError, match="need the package sentence-transformers") as caught:
        open_checks(AttackRequest(similarity="st:some/model"))
    assert caught.value.hint == 'pip install "aat-workbench[similarity]"'


def test_the_command_takes_both_and_says_in_a_line_what_is_missing():
    judges = ["--similarity", "py:checking_encoders:word_vectors", "--fluency", "writer:4"]
    options = ["attack", "writer", "-n", "30", *judges]
    found = json.loads(call(*options, "--json").stdout)
    assert (found["similarity"], found["fluency"]) == ("py:checking_encoders:word_vectors", "writer:4")
    shown = call(*options, "--surface", "all").stdout
    assert "mean_similarity" in shown and "writer:4" in shown
    refused = call("attack", "writer", "--recipe", "textfooler", code=2).stderr
    assert "aat-workbench[similarity]" in refused and len(refused.splitlines()) == 1


@pytest.mark.slow
def test_the_command_leaves_out_what_was_not_measured_and_refuses_a_judge_that_cannot_write():
    assert "mean_similarity" not in call("attack", "builtin:tiny", "-n", "5").stdout
    refused = call("attack", "writer", "--fluency", "silent", code=2).stderr
    assert "model.decoder=lstm" in refused and len(refused.splitlines()) == 1
