"""Hugging Face classifiers as victims, on a model of a few weights made here."""

from __future__ import annotations

import importlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aat_datasets.errors import InputError, VictimError
from aat_models.attacks import TextVictim, attack, find
from aat_models.attacks.victim import score_texts
from aat_models.huggingface import HuggingFaceModel

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "film", "good", "bad", "##ly"]


def test_without_the_extra_its_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def absent(name: str, package: str | None = None) -> Any:
        if name == "transformers":
            raise ModuleNotFoundError("No module named 'transformers'")
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(InputError, match=r"aat-workbench\[hf\]"):
        HuggingFaceModel("anything")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
    import torch

    path = tmp_path_factory.mktemp("classifier")
    (path / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    tokenizer = transformers.BertTokenizer(str(path / "vocab.txt"))
    tokenizer.save_pretrained(path)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=12, id2label={0: "negative", 1: "positive", 2: "neither"},
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.mul_(8)  # so that words matter
    model.save_pretrained(path)
    transformers.BertModel(config).save_pretrained(path / "headless")
    tokenizer.save_pretrained(path / "headless")
    return path


def test_a_folder_is_a_victim(folder: Path) -> None:
    model = HuggingFaceModel(str(folder))
    assert (model.labels, model.named, model.unknown) == (["negative", "positive", "neither"], True, "[MASK]")
    assert len(model.weights) == 16 and model.weights == HuggingFaceModel(str(folder)).weights
    texts = ["a good film", "bad", "", "a " * 50]
    found = np.asarray(model(texts))
    assert found.shape == (4, 3)
    assert found.sum(axis=1) == pytest.approx(np.ones(4))
    one_by_one = np.concatenate([model([text]) for text in texts])
    assert found == pytest.approx(one_by_one, abs=1e-5)
    assert np.abs(found[0] - found[1]).max() > 1e-3
    assert model([]).shape == (0, 3)


def test_it_can_be_attacked(folder: Path) -> None:
    from aat_datasets.records import Example

    model = HuggingFaceModel(str(folder))
    victim = TextVictim(model.labels, model, model.unknown)
    label = int(score_texts(victim, ["a good film"])[0].argmax())
    (result,) = attack(
        victim, [Example(row=0, text="a good film", label=label)], find("greedy"), budget=1.0,
        surface=lambda word: tuple(other for other in ("bad", "film", "good") if other != word),
    )  # fmt: skip
    assert result.status in ("success", "failed")
    assert result.adversarial_probabilities[label] <= result.probabilities[label]


def test_a_model_without_a_classifying_head_is_refused(folder: Path) -> None:
    with pytest.raises(VictimError, match="is no classifier: it has no weights classifier"):
        HuggingFaceModel(str(folder / "headless"))


def test_a_folder_that_is_no_model_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(VictimError, match="cannot be loaded") as caught:
        HuggingFaceModel(str(tmp_path))
    assert len(str(caught.value).splitlines()) == 1
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no-such-kind"}), encoding="utf-8")
    with pytest.raises(VictimError, match="cannot be loaded"):
        HuggingFaceModel(str(tmp_path))
