"""Attacks, the engine and the commands on a checkpoint of a real, if untrained, model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aat_datasets import builtin, catalog
from aat_datasets.errors import CheckpointError, InputError, VictimError
from aat_datasets.lexicon import Lexicon
from aat_datasets.vocab import WordTable
from aat_models import config as configs
from aat_models.attacks import attack, find
from aat_models.events import Token
from aat_workbench import checkpoints
from aat_workbench.attack_texts import attack_texts, surface_of
from aat_workbench.attacking import AttackRequest, run_attack
from aat_workbench.runs import RunFolder
from aat_workbench.session import Session
from aat_workbench.targets import open_target

TEXTS = [text for text, _, _ in builtin.splits("support")["test"][:300]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    return tmp_path


def make_run(
    name: str = "small",
    *,
    encoder: str = "bilstm",
    decoder: bool = True,
    head: bool = True,
    lexicon: Lexicon | None = None,
) -> RunFolder:
    """A run with a checkpoint of random weights."""
    settings = {
        "run": name, "model.encoder": encoder, "model.embedding": 12, "model.hidden": 8, "model.latent": 12,
        "model.buckets": 50, "model.decoder": "lstm" if decoder else "none", "model.decoder_hidden": 12,
        "model.decoder_embedding": 8,
    }  # fmt: skip
    folder = RunFolder.create(configs.apply(configs.Config(), settings))
    add_checkpoint(folder, 10, head=head, lexicon=lexicon)
    return folder


def add_checkpoint(
    folder: RunFolder,
    step: int,
    *,
    head: bool = True,
    best: bool = True,
    scale: float = 3,
    lexicon: Lexicon | None = None,
) -> None:
    import torch

    from aat_models import checkpoint

    config = folder.config
    table = WordTable.train([text.lower() for text in TEXTS])
    output = WordTable.of(["we", "will", "help", "you", "."]) if config.model.decoder != "none" else None
    labels = builtin.labels("support") if head else []
    torch.manual_seed(step)
    model = checkpoint.build_model(config, table, output, len(labels))
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.mul_(scale)  # so that words matter
    meta = checkpoint.Meta(step=step, labels=labels)

    def fill(path: Path) -> None:
        words = lexicon or Lexicon.from_builtin("support")
        checkpoint.save_model(path, config, model.state_dict(), table, output, words, meta)

    checkpoints.commit(folder.checkpoints_path, step, fill, best=best)


def timeless(result: Any) -> Any:
    return msgspec.structs.replace(result, seconds=0.0, time=0.0)


@pytest.mark.parametrize("encoder", ["bilstm", "cnn"])
@pytest.mark.parametrize("recipe", ["greedy", "deepwordbug"])
def test_a_models_results_do_not_depend_on_the_batches(place: Path, encoder: str, recipe: str):
    make_run(encoder=encoder)
    target = open_target("small")
    predicted = [row.index(max(row)) for row in target.predict(TEXTS[:12])]
    texts = attack_texts(target, AttackRequest(texts=TEXTS[:12], labels=predicted))
    surface, _ = surface_of(target, "all")

    def run(**options: int) -> list[Any]:
        found = attack(target.victim, texts.examples, find(recipe), surface=surface, **options)
        results = sorted(found, key=lambda result: result.id)
        return [(r.adversarial, r.status, r.queries, r.edits, r.prediction, r.adversarial_prediction) for r in results]

    reference = run()
    assert run(batch=5, concurrency=2) == reference
    assert run(batch=1000, concurrency=1) == reference
    assert any(edits for _, _, _, edits, _, _ in reference)


def test_an_attack_says_where_neighbours_stand_in_for_a_table(place: Path, monkeypatch: pytest.MonkeyPatch):
    lines = "\n".join(f"the {word} was number{i}\t{word}" for i in range(12) for word in ("good", "bad"))
    (place / "films.tsv").write_text("text\tlabel\n" + lines, encoding="utf-8")
    catalog.add("films", [], splits={"train": place / "films.tsv", "test": place / "films.tsv"})
    (place / "some_victim.py").write_text("def predict(texts):\n    return [[0.2, 0.8] for _ in texts]\n")
    monkeypatch.syspath_prepend(place)

    def warnings(target: str, **wanted: Any) -> list[str]:
        attack = run_attack(target, AttackRequest(n=4, **wanted))
        for _ in attack.steps():
            pass
        return [warning for warning in attack.summary["warnings"] if "neighbours" in warning]

    (said,) = warnings("py:some_victim:predict", dataset="films")
    assert "data get counterfitted" in said and "next attack" in said
    assert not warnings("py:some_victim:predict", dataset="films", surface="characters")
    assert not warnings("py:some_victim:predict", dataset="films", recipe="deepwordbug")
    make_run()
    assert not warnings("small")  # with the table of the built-in corpus
    make_run("poor", lexicon=Lexicon.from_neighbours(TEXTS, [0] * len(TEXTS)))
    (said,) = warnings("poor")
    assert "next training" in said


def test_an_attack_on_a_run_uses_its_data_its_surface_and_its_folder(place: Path):
    folder = make_run()
    attack = run_attack("small", AttackRequest(n=25, seed=4))
    for _ in attack.steps():
        pass
    assert attack.path == folder.attacks_path / "greedy-1"
    summary = attack.summary
    assert (summary["dataset"], summary["split"], summary["examples"]) == ("support", "test", 25)
    assert summary["checkpoint"] == "step-00000010"
    assert summary["calibrated_temperature"] is not None
    assert attack.labels == builtin.labels("support")
    again = run_attack("small", AttackRequest(n=25, seed=4))
    for _ in again.steps():
        pass
    assert list(map(timeless, again.results)) == list(map(timeless, attack.results))

    add_checkpoint(folder, 20)
    with pytest.raises(InputError, match="differs in: checkpoint, weights"):
        for _ in run_attack("small", AttackRequest(n=25, seed=4, resume=True)).steps():
            pass
    same = run_attack("small@step-10", AttackRequest(n=25, seed=4, resume=True))
    for _ in same.steps():
        pass
    assert same.path == folder.attacks_path / "greedy-2"

    add_checkpoint(folder, 10, scale=2)  # trained again under the same name
    with pytest.raises(InputError, match="differs in: weights"):
        for _ in run_attack("small", AttackRequest(n=25, seed=4, resume=True)).steps():
            pass


def test_a_function_is_attacked_on_a_dataset_with_the_datasets_labels(place: Path, monkeypatch: pytest.MonkeyPatch):
    code = """
def lengths(texts):
    return [[(1 + (len(t) % 16 == i)) / 17 for i in range(16)] for t in texts]

def two(texts):
    return [[0.5, 0.5] for _ in texts]
"""
    (place / "function_victims.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(place))
    attack = run_attack("py:function_victims:lengths", AttackRequest(dataset="support", n=20, surface="words"))
    for _ in attack.steps():
        pass
    assert attack.labels == builtin.labels("support")
    assert attack.summary["calibrated_temperature"] > 1  # it is right one time in sixteen
    assert len(attack.results) == 20
    with pytest.raises(InputError, match="has 2 classes, dataset support has 16"):
        for _ in run_attack("py:function_victims:two", AttackRequest(dataset="support")).steps():
            pass


def test_a_run_s_salience_can_be_found_by_both_methods(place: Path):
    make_run("small")
    target = open_target("small")
    assert target.attributions == ("gradient", "integrated")
    words, gradient = target.attribute("where is my parcel")
    same, integrated = target.attribute("where is my parcel", "integrated")
    assert words == same and len(gradient) == len(integrated) == len(words)
    assert gradient != integrated


def test_a_model_that_only_writes_is_refused_by_name(place: Path):
    make_run("writer", head=False)
    target = open_target("writer")
    assert (target.has_head, target.has_decoder) == (False, True)
    for ask in (lambda: target.predict(["x"]), lambda: target.attribute("x")):
        with pytest.raises(VictimError, match="writer has no label head"):
            ask()


def test_a_run_without_a_checkpoint_says_so(place: Path):
    RunFolder.create(configs.apply(configs.Config(), {"run": "young"}))
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        open_target("young")


@pytest.fixture
async def session(place: Path) -> AsyncIterator[Session]:
    async with Session(log=place / "engine.log") as made:
        yield made


async def test_the_engine_answers_for_a_run_and_sees_new_checkpoints(place: Path, session: Session):
    folder = make_run()
    found = await session.call("load", target="small@latest")
    assert (found["step"], found["has_head"], found["has_decoder"]) == (10, True, True)
    assert found["labels"] == builtin.labels("support") and found["surface"] == "support"
    before = await session.call("predict", target="small@latest", texts=TEXTS[:3])
    assert [len(row) for row in before["probabilities"]] == [16] * 3
    assert [sum(row) for row in before["probabilities"]] == pytest.approx([1, 1, 1], abs=1e-5)
    salience = await session.call("attribute", target="small@latest", text=TEXTS[0])
    assert len(salience["words"]) == len(salience["scores"]) > 3
    assert salience["probabilities"] == pytest.approx(before["probabilities"][0], abs=1e-5)

    add_checkpoint(folder, 20, best=False)
    assert (await session.call("load", target="small@latest"))["step"] == 20
    assert (await session.call("load", target="small"))["step"] == 10
    after = await session.call("predict", target="small@latest", texts=TEXTS[:3])
    assert after["probabilities"] != before["probabilities"]


async def test_the_engine_holds_two_models(place: Path, session: Session):
    for name in ("one", "two", "three"):
        make_run(name, decoder=False)
        await session.call("load", target=name)
    assert (await session.call("ping"))["held"] == ["two", "three"]
    await session.call("load", target="two")
    await session.call("load", target="one")
    assert (await session.call("ping"))["held"] == ["two", "one"]


async def test_text_streams_token_by_token_and_can_be_stopped(place: Path, session: Session):
    make_run()
    make_run("plain", decoder=False)
    params: dict[str, Any] = {"target": "small", "prompt": TEXTS[0], "greedy": False, "max_tokens": 12}
    stream = session.stream("generate", **params, seed=1)
    tokens = [event async for event in stream]
    assert all(isinstance(token, Token) for token in tokens)
    assert stream.result["text"] == "".join(token.text for token in tokens)
    assert stream.result["tokens"] == len(tokens) > 0
    assert stream.result["logprob"] < 0
    assert await session.call("generate", **params, seed=1) | {"tokens_per_second": 0} == stream.result | {
        "tokens_per_second": 0
    }
    with pytest.raises(InputError, match="plain has no decoder"):
        await session.call("generate", target="plain", prompt="x")

    long = session.stream("generate", **(params | {"max_tokens": 100_000}))
    async with long:
        async for _ in long:
            break
    assert (await asyncio.wait_for(session.call("ping"), 60))["working"] == 0
