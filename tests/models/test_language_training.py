"""A language model in the loop all trainings share: it learns, resumes to the bit, and says what it cannot do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from aat_datasets.batching import EncodedSplit
from aat_datasets.errors import CheckpointError, ConfigError, NotFiniteError
from aat_datasets.subwords import TextTokenizer
from aat_models.config import Config, apply, identity
from aat_models.events import Done, Evaluation, Event, Step
from aat_models.language_checkpoint import load_model
from aat_models.language_data import IGNORED, Dialogues, LanguageData, Stream, WindowSampler, prepare, source_of
from aat_models.language_training import LanguageTraining, measured
from aat_models.loop import CheckpointDue
from aat_models.opening import prepare_training

SMALL = {
    "model.encoder": "llama", "language.width": 16, "language.layers": 1, "language.heads": 2, "language.key_heads": 1,
    "language.context": 12, "language.dropout": 0.1, "train.batch_size": 8, "train.log_every": 5, "train.threads": 1,
    "train.evaluate_every": 10, "train.lr": 2e-2, "train.ema": 0.9,
}  # fmt: skip
VERSE = "two and two is four\n\nthree and one is four\n\n"


def config(**settings: object) -> Config:
    return apply(Config(run="toy"), {**SMALL, **{key.replace("__", "."): value for key, value in settings.items()}})


def split_of(rows: list[list[int]]) -> EncodedSplit:
    offsets = np.cumsum([0, *map(len, rows)])
    count = len(rows)
    return EncodedSplit(np.concatenate(rows).astype(np.int32), offsets, np.full(count, -1, np.int32), np.arange(count))


def stream() -> LanguageData:
    tokenizer = TextTokenizer.train("characters", [VERSE])
    parts = {"train": VERSE * 20, "dev": VERSE * 4}
    return LanguageData({name: split_of([tokenizer.encode(text)]) for name, text in parts.items()}, tokenizer)


def dialogues() -> LanguageData:
    tokenizer = TextTokenizer.train("characters", ["abcdxyzw"], dialogue=True)
    end = tokenizer.number("[EOS]")
    said = [(a + b, {"a": "x", "b": "y", "c": "z", "d": "w"}[a]) for a in "abcd" for b in "abcd"] * 4
    rows = [[*tokenizer.turns([text]), *tokenizer.encode(answer), end] for text, answer in said]
    return LanguageData({"train": split_of(rows), "dev": split_of(rows[:16])}, tokenizer)


def drive(training: LanguageTraining, folder: Path, at: int = 0) -> list[Event]:
    """Its events; the checkpoints go into ``folder``; ``at``: what was yielded by the one at that step."""
    found: list[Event] = []
    for event in training.events():
        if isinstance(event, CheckpointDue):
            (folder / str(event.step)).mkdir(parents=True)
            training.save(folder / str(event.step))
            if event.step == at:
                break
        else:
            found.append(event)
    return found


@pytest.mark.parametrize("data", [stream, dialogues])
def test_it_learns_and_resumes_to_the_bit(data, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    settings = config(language__steps=60)
    whole = LanguageTraining(settings, data())
    events = drive(whole, tmp_path / "whole")
    losses = [event.metrics["loss"] for event in events if isinstance(event, Evaluation)]
    assert losses[-1] < 0.5 * losses[0]
    assert {event.stage for event in events if isinstance(event, Step)} == {"language"}
    assert isinstance(events[-1], Done) and events[-1].summary["dev"]["loss"] == pytest.approx(losses[-1], abs=1e-4)

    drive(LanguageTraining(settings, data()), tmp_path / "part", at=30)
    again = LanguageTraining(settings, data(), tmp_path / "part" / "30")
    drive(again, tmp_path / "again")
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], tensor), name
        assert torch.equal(again.average.weights[name], whole.average.weights[name]), name


def test_noise_moves_the_token_vectors_by_the_length_that_was_asked_for() -> None:
    still, moved = (
        LanguageTraining(config(language__steps=20, adversary__name=name), stream()) for name in ("none", "noise")
    )
    read, _ = moved.sources["train"].batch(np.array([0, 5]))
    vectors = moved.model.tokens.weight[read]
    lengths = moved._noise(read).flatten(1).norm(dim=1) / vectors.flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full((2,), 0.1), atol=1e-5, rtol=1e-4)
    losses = [[event.metrics["loss"] for event in one.events() if isinstance(event, Step)] for one in (still, moved)]
    assert losses[0] != losses[1] and losses[1][-1] < 0.8 * losses[1][0]


def test_what_is_kept_is_what_was_measured(tmp_path: Path) -> None:
    data = stream()
    training = LanguageTraining(config(language__steps=20), data)
    events = drive(training, tmp_path)
    model, own, tokenizer, meta = load_model(tmp_path / "20")
    assert own == training.config and tokenizer.size == data.tokenizer.size and meta.step == 20
    found = measured(model, source_of(data.splits["dev"], tokenizer, 12), 1000)
    assert found["loss"] == pytest.approx(events[-1].summary["dev"]["loss"], abs=1e-4)  # type: ignore[union-attr]
    assert found["perplexity"] == pytest.approx(np.exp(found["loss"]))


def test_a_checkpoint_of_another_shape_is_refused(tmp_path: Path) -> None:
    drive(LanguageTraining(config(language__steps=10), stream()), tmp_path)
    with pytest.raises(CheckpointError, match="tensor"):
        LanguageTraining(config(language__steps=10, language__width=32), stream(), tmp_path / "10")


def test_a_rate_that_overflows_shows_the_text_it_was_met_on() -> None:
    training = LanguageTraining(config(train__lr=1e30, train__clip=0.0, train__warmup=0.0, language__steps=5), stream())
    with pytest.raises(NotFiniteError) as caught:
        list(training.events())
    assert any(example["text"] in VERSE * 3 for example in caught.value.batch["examples"])


# batches ------------------------------------------------------------------------------------------------------------


def test_an_epoch_reads_every_token_but_the_ends_once_and_every_epoch_otherwise() -> None:
    sampler = WindowSampler(100, 9, 3, seed=1)
    starts = [sampler.order(epoch) for epoch in range(3)]
    for order in starts:
        read = np.concatenate([np.arange(at, at + 9) for at in order])
        assert len(set(read.tolist())) == len(read) >= 100 - 2 * 9 and read.max() < 99
    assert len({tuple(order.tolist()) for order in starts}) == 3
    batches = iter(sampler)
    first = [next(batches) for _ in range(5)]
    assert {len(batch) for batch in first} == {3}
    other = WindowSampler(100, 9, 3, seed=1)
    other.restore({"epoch": sampler.epoch, "position": sampler.position})
    assert [next(batches).tolist() for _ in range(4)] == [
        batch.tolist() for batch, _ in zip(other, range(4), strict=False)
    ]


def test_a_stream_is_read_in_windows_and_measured_whole() -> None:
    source = Stream(split_of([list(range(25))]), 10)
    read, wanted = source.batch(np.array([3, 7]))
    assert read[1].tolist() == list(range(7, 17)) and wanted[1].tolist() == list(range(8, 18))
    read, wanted = source.batch(source.places(100))
    answers = wanted[wanted != IGNORED].tolist()
    assert answers == list(range(1, 25))
    assert source.places(2).tolist() == [0, 10]


def test_of_a_dialogue_the_answer_alone_counts_and_its_beginning_is_cut() -> None:
    data = dialogues()
    tokens = data.tokenizer
    source = Dialogues(data.splits["train"], 20, tokens.number("[ASSISTANT]") or 0)
    read, wanted = source.batch(np.array([0, 5]))
    assert tokens.decode(read[0].tolist()) == "aax"
    assert [tokens.decode([n]) for n in wanted[0].tolist() if n != IGNORED] == ["x", ""]
    assert (wanted[1] != IGNORED).sum() == 2
    short = Dialogues(data.splits["train"], 3, tokens.number("[ASSISTANT]") or 0)
    read, wanted = short.batch(np.array([0]))
    assert read.shape == (1, 3) and wanted[0, -1] == tokens.number("[EOS]")


def test_texts_are_encoded_from_the_dataset_with_and_without_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    data = prepare(
        config(data__dataset="support", data__limit=50, language__tokenizer="bpe", language__vocabulary=400), tmp_path
    )
    assert data.tokenizer.dialogue and len(data.splits["train"]) == 50
    row = data.splits["train"].text(3).tolist()
    assert row.count(data.tokenizer.number("[ASSISTANT]")) == 1 and row[-1] == data.tokenizer.number("[EOS]")
    other = prepare(config(data__dataset="support", data__limit=50), tmp_path)
    assert not np.array_equal(other.splits["train"].text(3), row)
    opened = prepare_training(
        config(data__dataset="support", data__limit=50, language__steps=2, language__context=48), tmp_path
    )
    assert isinstance(opened(None, opened_group()), LanguageTraining)


def opened_group():  # type: ignore[no-untyped-def]
    from aat_models.distributed import ALONE

    return ALONE


# config -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"language__heads": 3}, "language.heads"),
        ({"language__width": 6, "language__heads": 2}, "language.heads"),
        ({"language__heads": 4, "language__key_heads": 3}, "language.key_heads"),
        ({"adversary__name": "aat"}, "adversary.name"),
        ({"model__decoder": "lstm"}, "model.decoder"),
        ({"train__stages": "encoder,joint"}, "train.stages"),
    ],
)
def test_what_does_not_go_with_a_language_model_is_named(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        config(**settings)


def test_what_was_hashed_before_there_were_language_models_has_the_same_hash() -> None:
    assert "language" not in identity(Config())
    assert "attention" not in identity(Config())["model"] and "smoothing" not in identity(Config())["train"]
    assert identity(apply(Config(), {"model.attention": True}))["model"]["attention"] is True
    assert identity(config())["language"]["width"] == 16
