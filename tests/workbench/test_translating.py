"""A dataset of text pairs without labels, from the file to a model that attends, what it writes, and its refusals."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from .places import command, moved_into, sets

WORDS = {"one": "eins", "two": "zwei", "dog": "Hund", "cat": "Katze", "sees": "sieht", "runs": "läuft", "big": "groß"}
SETTINGS = [
    "train.stages=joint", "train.epochs=12", "train.batch_size=16", "train.lr=0.02", "train.threads=1",
    "train.evaluate_limit=20", "model.encoder=bilstm", "model.hidden=24", "model.latent=16", "model.embedding=16",
    "model.characters=false", "model.dropout=0", "model.decoder=gru", "model.decoder_hidden=32", "model.attention=true",
    "model.decoder_embedding=16", "data.output_pieces=40", "surface.source=none", "surface.characters=0",
]  # fmt: skip


pytestmark = pytest.mark.slow  # it trains


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run ``pairs`` that puts one German word for each English one."""
    folder = tmp_path_factory.mktemp("pairs")
    with moved_into(folder):
        draw = random.Random(0)
        texts = [draw.choices(sorted(WORDS), k=draw.randint(2, 5)) for _ in range(500)]
        rows = [json.dumps({"en": " ".join(text), "de": " ".join(WORDS[word] for word in text)}) for text in texts]
        (folder / "pairs.jsonl").write_text("\n".join(rows), encoding="utf-8")
        command("data", "add", "pairs", "pairs.jsonl", "--text", "en", "--target", "de", "--quiet")
        chosen = sets(*SETTINGS)
        command("train", "--quiet", "--dataset", "pairs", "--run", "pairs", *chosen)
        yield folder


def test_it_translates_and_is_measured(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    command("generate", "pairs", "--prompt", "big dog sees two", "--beams", "4", "--json")
    assert json.loads(capsys.readouterr().out)["text"].strip() == "groß Hund sieht zwei"
    command("generate", "pairs", "--measure", "30", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["bleu"] > 0.6 and found["bleu_lowercase"] >= found["bleu"] and found["texts"] == 30


def test_a_walk_through_its_vectors_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    command("latent", "pairs", "big dog", "one cat", "--nearest", "0", code=2)
    assert "attends to the encoder's states" in capsys.readouterr().err


def test_what_cannot_be_trained_is_said_in_a_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for settings, said in (
        (["model.attention=true", "model.encoder=bow"], "bow has no state for each word"),
        (["model.decoder=gru"], "encoder trains on labels"),
    ):
        capsys.readouterr()
        chosen = sets(*settings)
        command("train", "--quiet", "--dataset", "pairs", "--run", "refused", *chosen, code=2)
        told = capsys.readouterr().err
        assert said in told and len(told.strip().splitlines()) <= 2
