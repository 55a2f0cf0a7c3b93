"""The folder Hugging Face keeps a LLaMA in: ``config.json``, ``model.safetensors`` or its sharded index, ``tokenizer.json``.

Read and written without ``transformers``. What a config asks for that this model does not have is refused, never passed over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import save_file
from torch import Tensor

from aat_datasets.errors import CheckpointError
from aat_datasets.subwords import ASSISTANT, BOS, EOS, PAD, UNK, USER, TextTokenizer
from aat_models.checkpoint import assign, load_tensors
from aat_models.llama import Llama, Scaling, Shape

__all__ = ["ends_of", "is_llama", "load", "read_config", "save"]

Config = dict[str, Any]

# Rendered as TextTokenizer.turns has it: the turns alternate, and the model's is opened at the end.
_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[USER]' }}{% else %}"
    "{{ '[ASSISTANT]' }}{% endif %}{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '[ASSISTANT]' }}{% endif %}"
)


def read_config(folder: Path) -> Config:
    """``config.json``. Raises CheckpointError."""
    path = folder / "config.json"
    try:
        found = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}", "name a folder that save_pretrained made") from None
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: not an object")
    return found


def is_llama(config: Config) -> bool:
    """Whether a config is one of a LLaMA that writes text."""
    return config.get("model_type") == "llama" and "LlamaForCausalLM" in (config.get("architectures") or [])


def ends_of(folder: Path, config: Config) -> list[int]:
    """The ids after which a text is over: those of ``generation_config.json``, else of the config."""
    found = config.get("eos_token_id")
    path = folder / "generation_config.json"
    if path.is_file():
        found = msgspec.json.decode(path.read_bytes()).get("eos_token_id", found)
    return [] if found is None else [found] if isinstance(found, int) else list(found)


def load(folder: Path, dtype: torch.dtype | None = None) -> Llama:
    """The model in a folder, in evaluation mode; ``dtype`` None: as it is stored. Raises CheckpointError."""
    shape = _shape(read_config(folder), folder)
    weights = _joined(_tensors(folder), shape, folder)
    with torch.device("meta"):
        model = Llama(shape)
    model = model.to_empty(device="cpu")
    model.place()
    found = {name: tensor if dtype is None else tensor.to(dtype) for name, tensor in weights.items()}
    kinds = {tensor.dtype for tensor in found.values()}
    if len(kinds) > 1:
        raise CheckpointError(f"{folder}: weights of several types", "load it with one: --dtype float32")
    model = model.to(dtype=kinds.pop())
    assign(model, found, folder)
    return model.eval()


def save(model: Llama, tokenizer: TextTokenizer, folder: Path) -> None:
    """Writes the folder, which ``AutoModelForCausalLM`` and ``AutoTokenizer`` then read."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_bytes(_pretty(_config(model, tokenizer)))
    save_file(_apart(model), folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(folder / "tokenizer.json")
    (folder / "tokenizer_config.json").write_bytes(_pretty(_tokenizer_config(model.shape, tokenizer)))
    ends = tokenizer.number(EOS)
    (folder / "generation_config.json").write_bytes(
        _pretty({"bos_token_id": tokenizer.number(BOS), "eos_token_id": ends, "pad_token_id": tokenizer.number(PAD)})
    )


# configs ------------------------------------------------------------------------------------------------------------


def _shape(config: Config, where: Path) -> Shape:
    if not is_llama(config):
        kind = (config.get("architectures") or [config.get("model_type")])[0]
        raise CheckpointError(f"{where}: {kind} is no LLaMA that writes text")
    if config.get("attention_bias") or config.get("mlp_bias"):
        raise CheckpointError(f"{where}: a LLaMA with biases is not known here")
    if config.get("hidden_act", "silu") != "silu":
        raise CheckpointError(f"{where}: hidden_act {config['hidden_act']} is not known here", "silu is")
    try:
        rotary: Config = config.get("rope_parameters") or config.get("rope_scaling") or {}
        heads, width = config["num_attention_heads"], config["hidden_size"]
        return Shape(
            vocabulary=config["vocab_size"], width=width, layers=config["num_hidden_layers"], heads=heads,
            key_heads=config.get("num_key_value_heads") or heads, head=config.get("head_dim") or width // heads,
            inner=config["intermediate_size"], context=config.get("max_position_embeddings", 2048),
            tied=bool(config.get("tie_word_embeddings", False)), epsilon=config.get("rms_norm_eps", 1e-6),
            theta=float(rotary.get("rope_theta") or config.get("rope_theta") or 10_000.0),
            scaling=_scaling(rotary, where),
        )  # fmt: skip
    except KeyError as error:
        raise CheckpointError(f"{where / 'config.json'}: {error.args[0]} is missing") from None


def _scaling(rotary: Config, where: Path) -> Scaling | None:
    kind = rotary.get("rope_type", rotary.get("type", "default"))
    if kind == "default":
        return None
    if kind != "llama3":
        raise CheckpointError(f"{where}: positions of the type {kind} are not known here", "default and llama3 are")
    names = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")
    return Scaling(*(rotary[name] for name in names))


def _config(model: Llama, tokenizer: TextTokenizer) -> Config:
    shape = model.shape
    rotary: Config = {"rope_type": "default", "rope_theta": shape.theta}
    if shape.scaling is not None:
        rotary |= {
            "rope_type": "llama3", "factor": shape.scaling.factor, "low_freq_factor": shape.scaling.low,
            "high_freq_factor": shape.scaling.high, "original_max_position_embeddings": shape.scaling.original,
        }  # fmt: skip
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": shape.vocabulary,
        "hidden_size": shape.width, "intermediate_size": shape.inner, "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads, "num_key_value_heads": shape.key_heads, "head_dim": shape.head,
        "max_position_embeddings": shape.context, "rms_norm_eps": shape.epsilon, "tie_word_embeddings": shape.tied,
        "hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "attention_dropout": 0.0,
        "rope_theta": shape.theta, "rope_parameters": rotary,
        "rope_scaling": None if shape.scaling is None else rotary,
        "torch_dtype": str(model.tokens.weight.dtype).removeprefix("torch."),
        "bos_token_id": tokenizer.number(BOS), "eos_token_id": tokenizer.number(EOS),
        "pad_token_id": tokenizer.number(PAD),
    }  # fmt: skip


def _tokenizer_config(shape: Shape, tokenizer: TextTokenizer) -> Config:
    names = {"bos_token": BOS, "eos_token": EOS, "unk_token": UNK, "pad_token": PAD}
    found: Config = {name: token for name, token in names.items() if tokenizer.number(token) is not None}
    if tokenizer.dialogue:
        found |= {"additional_special_tokens": [USER, ASSISTANT], "chat_template": _TEMPLATE}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": shape.context,
        "clean_up_tokenization_spaces": False, "padding_side": "left", **found,
    }  # fmt: skip


def _pretty(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


# weights ------------------------------------------------------------------------------------------------------------


def _tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder, from one file or from those an index names."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return load_tensors(folder / "model.safetensors")
    try:
        files: dict[str, str] = msgspec.json.decode(index.read_bytes())["weight_map"]
    except (OSError, msgspec.DecodeError, KeyError, TypeError) as error:
        raise CheckpointError(f"{index}: cannot be read: {error}") from None
    found: dict[str, Tensor] = {}
    for name in sorted(set(files.values())):
        if Path(name).name != name:
            raise CheckpointError(f"{index}: {name!r} is no file of this folder")
        found |= load_tensors(folder / name)
    return found


def _joined(tensors: dict[str, Tensor], shape: Shape, where: Path) -> dict[str, Tensor]:
    """Hugging Face's names and parts → ours."""

    def take(name: str) -> Tensor:
        if name not in tensors:
            raise CheckpointError(f"{where}: tensor {name} is missing")
        return tensors.pop(name)

    tensors = {name: tensor for name, tensor in tensors.items() if not name.endswith("rotary_emb.inv_freq")}
    found = {"tokens.weight": take("model.embed_tokens.weight"), "norm": take("model.norm.weight")}
    if not shape.tied:
        found["answer.weight"] = take("lm_head.weight")
    tensors.pop("lm_head.weight", None)  # a tied one may be stored all the same
    for layer in range(shape.layers):
        own, other = f"blocks.{layer}.", f"model.layers.{layer}."
        found[own + "before_attention"] = take(other + "input_layernorm.weight")
        found[own + "look.weight"] = torch.cat([take(f"{other}self_attn.{part}_proj.weight") for part in "qkv"])
        found[own + "join.weight"] = take(other + "self_attn.o_proj.weight")
        found[own + "before_network"] = take(other + "post_attention_layernorm.weight")
        found[own + "gates.weight"] = torch.cat([take(f"{other}mlp.{part}_proj.weight") for part in ("gate", "up")])
        found[own + "leave.weight"] = take(other + "mlp.down_proj.weight")
    if tensors:
        raise CheckpointError(f"{where}: tensor {min(tensors)} is not in the model", "it is of another architecture")
    return found


def _apart(model: Llama) -> dict[str, Tensor]:
    """Our names and products → Hugging Face's."""
    shape, own = model.shape, model.state_dict()
    found = {"model.embed_tokens.weight": own["tokens.weight"], "model.norm.weight": own["norm"]}
    if not shape.tied:
        found["lm_head.weight"] = own["answer.weight"]
    keys = shape.key_heads * shape.head
    for layer in range(shape.layers):
        mine, other = f"blocks.{layer}.", f"model.layers.{layer}."
        found[other + "input_layernorm.weight"] = own[mine + "before_attention"]
        parts = own[mine + "look.weight"].split([shape.heads * shape.head, keys, keys])
        found |= {f"{other}self_attn.{name}_proj.weight": part for name, part in zip("qkv", parts, strict=True)}
        found[other + "self_attn.o_proj.weight"] = own[mine + "join.weight"]
        found[other + "post_attention_layernorm.weight"] = own[mine + "before_network"]
        gate, up = own[mine + "gates.weight"].chunk(2)
        found |= {other + "mlp.gate_proj.weight": gate, other + "mlp.up_proj.weight": up}
        found[other + "mlp.down_proj.weight"] = own[mine + "leave.weight"]
    return {name: tensor.detach().cpu().contiguous() for name, tensor in found.items()}
