"""The decoder-only model: what its cache, its padding and its folder promise, held against transformers where it is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from aat_datasets.errors import CheckpointError
from aat_datasets.subwords import TextTokenizer
from aat_models import llama_layout
from aat_models.llama import Cache, Llama, Scaling, Shape

SHAPE = Shape(vocabulary=40, width=32, layers=2, heads=4, key_heads=2, head=8, inner=48, context=64)
SHAPES = {
    "grouped, tied": SHAPE,
    "a head each, untied": SHAPE._replace(key_heads=4, tied=False),
    "one for all, wide heads": SHAPE._replace(key_heads=1, head=12, tied=False, theta=500.0),
    "stretched positions": SHAPE._replace(scaling=Scaling(4.0, 1.0, 4.0, 16)),
}


def made(shape: Shape, seed: int = 0) -> Llama:
    torch.manual_seed(seed)
    model = Llama(shape).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            # so that attention and norms matter
            parameter.mul_(4) if parameter.dim() > 1 else parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def tokenizer() -> TextTokenizer:
    return TextTokenizer.train("characters", ["abcdefghijklmnopqrstuvwxyz ABCDEFGH"], dialogue=True)


@pytest.fixture(params=SHAPES)
def model(request: pytest.FixtureRequest) -> Llama:
    return made(SHAPES[request.param])


@torch.no_grad()
def test_a_cache_changes_nothing(model: Llama) -> None:
    ids = torch.randint(40, (3, 20))
    whole = model(ids)
    cache = Cache(model.shape, 3, 4)
    parts = [
        model(ids[:, :7], cache),
        *(model(ids[:, at : at + 1], cache) for at in range(7, 15)),
        model(ids[:, 15:], cache),
    ]
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=2e-5, rtol=1e-4)
    assert cache.length == 20
    torch.testing.assert_close(model(ids, last=True), whole[:, -1], atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_texts_of_unlike_length_padded_in_front_are_as_good_as_alone(model: Llama) -> None:
    lengths, width = [9, 4, 1], 9
    rows = [torch.randint(40, (length + 3,)) for length in lengths]
    cache = Cache(model.shape, 3, 20, starts=torch.tensor([width - length for length in lengths]))
    block = torch.zeros(3, width, dtype=torch.long)
    for row, (ids, length) in enumerate(zip(rows, lengths, strict=True)):
        block[row, width - length :] = ids[:length]
    found = [model(block, cache, last=True)]
    for at in range(3):
        found.append(
            model(
                torch.stack([ids[length + at] for ids, length in zip(rows, lengths, strict=True)])[:, None],
                cache,
                last=True,
            )
        )
    for row, (ids, length) in enumerate(zip(rows, lengths, strict=True)):
        alone = model(ids[None])[0, length - 1 :]
        torch.testing.assert_close(torch.stack([logits[row] for logits in found]), alone, atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_a_cache_goes_on_with_the_rows_that_are_kept(model: Llama) -> None:
    ids = torch.randint(40, (3, 6))
    cache = Cache(model.shape, 3, 4, starts=torch.tensor([0, 2, 1]))
    model(ids, cache)
    rows = torch.tensor([2, 0, 0])
    cache.keep(rows)
    other = Cache(model.shape, 3, 4, starts=torch.tensor([1, 0, 0]))
    model(ids[rows], other)
    following = torch.randint(40, (3, 1))
    torch.testing.assert_close(model(following, cache), model(following, other))


@torch.no_grad()
def test_what_a_token_says_depends_on_what_is_before_it_only(model: Llama) -> None:
    ids = torch.randint(40, (1, 12))
    changed = ids.clone()
    changed[0, 8] = (changed[0, 8] + 1) % 40
    before, after = model(ids), model(changed)
    torch.testing.assert_close(before[:, :8], after[:, :8])
    assert (before[:, 8] - after[:, 8]).abs().max() > 1e-3


def test_positions_beyond_the_table_are_made_when_they_come() -> None:
    model = made(SHAPE._replace(context=10_000))
    ids = torch.randint(40, (1, 30))
    with torch.no_grad():
        whole = model(ids)
        model.cos, model.sin = model.cos[:8], model.sin[:8]
        torch.testing.assert_close(model(ids), whole)


# the folder ---------------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_a_folder_is_read_as_it_was_written(model: Llama, tmp_path: Path) -> None:
    llama_layout.save(model, tokenizer(), tmp_path)
    again = llama_layout.load(tmp_path)
    assert again.shape == model.shape
    ids = torch.randint(40, (2, 10))
    assert torch.equal(again(ids), model(ids))
    assert llama_layout.load(tmp_path, torch.bfloat16)(ids).dtype == torch.bfloat16
    assert llama_layout.ends_of(tmp_path, llama_layout.read_config(tmp_path)) == [tokenizer().number("[EOS]")]


@torch.no_grad()
def test_transformers_answers_as_we_do(model: Llama, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
    llama_layout.save(model, tokenizer(), tmp_path)
    theirs: Any = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    ids = torch.randint(40, (2, 30))
    ours = model(ids)
    assert ours.abs().max() > 1
    assert (theirs(ids).logits - ours).abs().max() < 1e-4
    words: Any = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert words("ab zA")["input_ids"] == tokenizer().encode("ab zA")
    assert words.decode(words("ab zA")["input_ids"]) == "ab zA"
    said = [("user", "ab"), ("assistant", "c"), ("user", "d")]
    told = [{"role": role, "content": content} for role, content in said]
    chat = words.apply_chat_template(told, add_generation_prompt=True, return_dict=False)
    assert chat == tokenizer().turns(["ab", "c", "d"])


@torch.no_grad()
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("key_heads", [4, 2])
@pytest.mark.parametrize("sharded", [False, True])
def test_we_answer_as_transformers_does(tied: bool, key_heads: int, sharded: bool, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=50, hidden_size=32, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=key_heads, max_position_embeddings=64, tie_word_embeddings=tied, initializer_range=0.2,
        rms_norm_eps=1e-5,
    )  # fmt: skip
    theirs: Any = transformers.LlamaForCausalLM(config).eval()
    theirs.save_pretrained(tmp_path, **({"max_shard_size": "20KB"} if sharded else {}))
    assert (tmp_path / "model.safetensors.index.json").is_file() == sharded
    ours = llama_layout.load(tmp_path)
    ids = torch.randint(50, (2, 40))
    logits = ours(ids)
    assert logits.abs().max() > 1
    assert (theirs(ids).logits - logits).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model_type": "gpt2"}, "no LLaMA"),
        ({"attention_bias": True}, "biases"),
        ({"hidden_act": "gelu"}, "gelu"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "yarn"),
        ({"num_hidden_layers": 3}, r"tensor model.layers.2\S+ is missing"),
        ({"num_hidden_layers": 1}, r"tensor model.layers.1\S+ is not in the model"),
        ({"vocab_size": 41}, "tokens.weight is"),
    ],
)
def test_a_folder_that_does_not_fit_says_why(change: dict[str, Any], told: str, tmp_path: Path) -> None:
    llama_layout.save(made(SHAPE), tokenizer(), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change), encoding="utf-8")
    with pytest.raises(CheckpointError, match=told):
        llama_layout.load(tmp_path)


def test_a_folder_without_weights_or_with_a_shard_elsewhere_is_refused(tmp_path: Path) -> None:
    llama_layout.save(made(SHAPE), tokenizer(), tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model.safetensors: cannot be read"):
        llama_layout.load(tmp_path)
    save_file(weights, tmp_path / "all.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": dict.fromkeys(weights, "all.safetensors")}), encoding="utf-8")
    assert llama_layout.load(tmp_path).shape == SHAPE
    index.write_text(json.dumps({"weight_map": dict.fromkeys(weights, "../all.safetensors")}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="no file of this folder"):
        llama_layout.load(tmp_path)
