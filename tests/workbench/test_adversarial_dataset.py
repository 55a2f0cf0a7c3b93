"""From an attack's successes to a dataset, and from there into a training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from aat_datasets import catalog
from aat_datasets.errors import DataError, InputError, UnknownNameError
from aat_models.attacks import tiny
from aat_models.augment import pinned
from aat_models.config import Config, apply
from aat_models.data import prepare
from aat_models.events import AttackResult, Edit
from aat_workbench import adversarial_dataset
from aat_workbench.attacking import AttackRequest, AttackRun, run_attack
from aat_workbench.cli.main import app
from aat_workbench.outcome import written
from aat_workbench.runs import RunFolder, list_runs

SMALL = {
    "data.dataset": "films", "surface.source": "none", "model.embedding": 8, "model.hidden": 8, "model.latent": 8,
    "model.buckets": 50, "train.epochs": 2.0, "train.batch_size": 16, "train.threads": 1, "train.evaluate_every": 8,
}  # fmt: skip


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    # Train and dev share their texts on purpose: only where a text came from tells them apart.
    for split, source in (("train", "dev"), ("dev", "dev"), ("test", "test")):
        rows = "".join(f"{'positive' if e.label else 'negative'}\t{e.text}\n" for e in tiny.examples(source)[:120])
        (tmp_path / f"{split}.tsv").write_text("label\ttext\n" + rows, encoding="utf-8")
    catalog.add("films", [tmp_path / f"{s}.tsv" for s in ("train", "dev", "test")], text="text", label="label")
    return tmp_path


def attack(**options: Any) -> AttackRun:
    run = run_attack("builtin:tiny", AttackRequest(**({"dataset": "films", "split": "train", "n": 60} | options)))
    for _ in run.steps():
        pass
    return run


def test_the_dataset_holds_what_fooled_the_model_with_its_true_labels() -> None:
    runs = [attack(), attack(recipe="deepwordbug")]
    saved = adversarial_dataset.save("fooled", runs)
    assert saved is not None
    found = {r.adversarial: r for run in reversed(runs) for r in run.results if r.status == "success"}
    dataset = catalog.open_dataset("fooled")
    assert (dataset.splits, dataset.labels) == ({"train": len(found)}, ["negative", "positive"])
    assert saved.rows == len(found) > 40
    _, texts, labels, _ = dataset.columns("train")
    assert dict(zip(texts, labels, strict=True)) == {text: result.label for text, result in found.items()}
    originals = dict(dataset.table("train").query("SELECT text, text_b FROM texts", []))
    assert originals == {text: result.text for text, result in found.items()}
    card = catalog.card("fooled")
    assert (card.origin, card.task) == ("films:train", "classification")
    import duckdb

    with duckdb.connect() as con:
        raw = con.execute(f"SELECT * FROM read_parquet('{saved.file}')")
        assert {"recipe", "target", "prediction", "edits", "queries", "id"} <= {column[0] for column in raw.description}
        assert {row[4] for row in raw.fetchall()} == {"greedy", "deepwordbug"}


def test_names_and_goals_that_do_not_fit() -> None:
    run = attack(n=10)
    with pytest.raises(DataError, match="is a dataset of the package"):
        adversarial_dataset.save("support", [run])
    with pytest.raises(DataError, match="there is a dataset 'films' already"):
        adversarial_dataset.save("films", [run])
    with pytest.raises(DataError, match="cannot be called"):
        adversarial_dataset.check_target("../x")
    run.results = [result for result in run.results if result.status != "success"]
    assert adversarial_dataset.save("nothing", [run]) is None
    assert "nothing" not in catalog.names()


def test_a_goal_that_breaks_nothing_cannot_be_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from aat_models.attacks import RECIPES
    from aat_models.attacks.goals import Untargeted

    class Reduction(Untargeted):
        name = "input reduction"

    monkeypatch.setitem(RECIPES, "shorter", replace(RECIPES["greedy"], name="shorter", goal=Reduction()))
    adversarial_dataset.check_recipe("greedy")
    with pytest.raises(InputError, match="shorter has the goal input reduction"):
        adversarial_dataset.check_recipe("shorter")


def saved(name: str = "fooled", **options: Any) -> catalog.Dataset:
    assert adversarial_dataset.save(name, [attack(**options)], replace=True) is not None
    return catalog.open_dataset(name)


def test_its_rows_join_the_training_split_and_no_other(place: Path) -> None:
    added = saved()
    plain = prepare(apply(Config(), SMALL), place / "cache")
    mixed = prepare(apply(Config(), SMALL | {"data.augment": ["fooled"]}), place / "cache")
    size = added.splits["train"]
    train = mixed.splits["train"]
    assert len(train) == 120 + size
    assert {name: len(split) for name, split in mixed.splits.items() if name != "train"} == {"dev": 120, "test": 120}
    assert train.rows.tolist() == [*plain.splits["train"].rows.tolist(), *[-1] * size]
    _, texts, labels, _ = added.columns("train")
    for k in range(size):
        assert " ".join(mixed.table.word(i) for i in train.text(120 + k)) == texts[k]
    assert train.labels[120:].tolist() == labels
    new = {word for text in texts for word in text.split()} - set(plain.table.words()[: plain.table.size])
    assert new and all(mixed.table.intern([word])[0] < mixed.table.size for word in new)


def test_the_cache_knows_what_was_added(place: Path) -> None:
    config = apply(Config(), SMALL | {"data.augment": ["fooled"]})
    saved(n=60)
    first = len(prepare(config, place / "cache").splits["train"])
    saved(n=20)
    assert len(prepare(config, place / "cache").splits["train"]) < first
    assert len(list((place / "cache").iterdir())) == 2
    saved(n=60)
    assert len(prepare(config, place / "cache").splits["train"]) == first
    assert len(list((place / "cache").iterdir())) == 2


def test_labels_are_matched_by_name(place: Path) -> None:
    def add(name: str, *labels: str) -> dict[str, Any]:
        rows = "".join(f"{labels[i % len(labels)]}\tsome text number {i}\n" for i in range(20))
        (place / f"{name}.tsv").write_text("label\ttext\n" + rows, encoding="utf-8")
        catalog.add(name, [], text="text", label="label", splits={"train": place / f"{name}.tsv"})
        return SMALL | {"data.augment": [name]}

    fewer = prepare(apply(Config(), add("fewer", "positive")), place / "cache").splits["train"].labels
    assert len(fewer) > 120 and set(fewer[120:].tolist()) == {1}  # 0 in its own dataset, which has one label only
    other = apply(Config(), add("other", "positive", "so-so", "meh"))
    with pytest.raises(DataError, match=r"the dataset other has the labels 'meh', 'so-so', which films has not"):
        prepare(other, place / "cache")
    with pytest.raises(UnknownNameError, match="fooled"):
        prepare(apply(Config(), SMALL | {"data.augment": ["fooled"]}), place / "cache")


def test_no_one_trains_on_what_was_made_from_the_texts_it_is_measured_on(place: Path) -> None:
    saved(split="test")
    config = apply(Config(), SMALL | {"data.augment": ["fooled"], "run": "leak"})
    with pytest.raises(DataError, match="made from the test split of films"):
        prepare(config, place / "cache")
    with pytest.raises(DataError, match="--split train"):
        RunFolder.create(config)
    assert list_runs() == []
    again = run_attack("builtin:tiny", AttackRequest(dataset="fooled", split="train", n=20))
    for _ in again.steps():
        pass
    again.results = [msgspec.structs.replace(r, status="success", adversarial=f"{r.text} x") for r in again.results]
    adversarial_dataset.save("laundered", [again])
    assert catalog.card("laundered").origin == "films:test"


def test_a_run_is_bound_to_the_rows_it_was_begun_with(place: Path) -> None:
    added = saved(n=60)
    config = apply(Config(), SMALL | {"data.augment": ["fooled"], "run": "bound"})
    folder = RunFolder.create(config)
    entry = f"fooled@{added.fingerprint[:16]}"
    assert folder.config.data.augment == [entry] == pinned([entry], catalog.open_dataset("films"))
    bound = prepare(folder.config, place / "cache")
    assert np.array_equal(bound.splits["train"].ids, prepare(config, place / "cache").splits["train"].ids)
    saved(n=20)
    with pytest.raises(DataError, match="fooled is not the one this run was begun with"):
        prepare(folder.config, place / "cache")


def test_an_augmented_training_resumes_to_the_bit(place: Path) -> None:
    from aat_models.training import CheckpointDue, Training

    saved()
    config = RunFolder.create(apply(Config(), SMALL | {"data.augment": ["fooled"], "run": "exact"})).config

    def train(folder: Path, resume: Path | None = None, until: int = 0) -> int:
        training = Training(config, prepare(config, place / "cache"), resume)
        for event in training.events():
            if isinstance(event, CheckpointDue):
                (folder / str(event.step)).mkdir(parents=True, exist_ok=True)
                training.save(folder / str(event.step))
                if event.step == until:
                    break
        return training.step

    last = train(place / "whole")
    train(place / "parts", until=8)
    assert train(place / "parts", resume=place / "parts" / "8") == last > 16
    for name in ("model.safetensors", "state.safetensors"):
        assert (place / "whole" / str(last) / name).read_bytes() == (place / "parts" / str(last) / name).read_bytes()


def test_the_commands_from_attack_to_training(place: Path) -> None:
    runner = CliRunner()
    arguments = ["attack", "builtin:tiny", "--dataset", "films", "--split", "train", "-n", "40", "--save-as", "fooled"]
    done = runner.invoke(app, [*arguments, "--recipe", "greedy,deepwordbug", "--json"])
    assert done.exit_code == 0, done.output
    summaries = [json.loads(line) for line in done.stdout.splitlines()]
    assert [summary["saved"]["name"] for summary in summaries] == ["fooled", "fooled"]
    assert isinstance(runner.invoke(app, arguments).exception, DataError)  # the name is taken, said before the attack
    assert not (place / "runs" / "_targets" / "builtin-tiny" / "attacks" / "greedy-2").exists()
    again = runner.invoke(app, [*arguments, "--replace"])
    assert again.exit_code == 0 and "train --augment-with fooled" in again.stderr
    from_test = runner.invoke(app, [*arguments[:4], "--split", "test", "-n", "20", "--save-as", "tested"])
    assert "note: they come from the test split" in from_test.stderr
    shown = runner.invoke(app, ["data", "show", "fooled", "--json"])
    rows = json.loads(shown.stdout)
    assert rows["total"] > 10 and rows["rows"][0]["label"] in ("negative", "positive")

    sets = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
    trained = runner.invoke(app, ["train", "--augment-with", "fooled", "--run", "mixed", *sets, "--json"])
    assert trained.exit_code == 0, trained.output
    assert json.loads(trained.stdout.splitlines()[-1])["type"] == "done"
    (entry,) = RunFolder(place / "runs" / "mixed").config.data.augment
    assert entry.startswith("fooled@")


def test_chinese_is_kept_as_it_is_written() -> None:
    result = AttackResult(
        id=1, text="酒店 很 干净 , wifi ok", adversarial="酒 店 很 净干 , wifi ok", label=1, prediction=1,
        adversarial_prediction=0, probabilities=[0.1, 0.9], adversarial_probabilities=[0.8, 0.2],
        edits=[Edit(0, "酒店", "酒 店"), Edit(2, "干净", "净干")], queries=9, cache_hits=0, edited_share=0.3,
        status="success", trajectory=[0.9, 0.2], seconds=0.1,
    )  # fmt: skip
    assert written(result) == ("酒店很干净,wifi ok", "酒 店很净干,wifi ok")
    english = msgspec.structs.replace(result, text="a  good film", adversarial="a  bad film x")
    assert written(english) == (english.text, english.adversarial)
