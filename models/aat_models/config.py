"""A run's whole configuration: typed, with a line of help for every key, read from and written to TOML.

Nothing here imports torch, so that forms and commands can show and check a config at once. A field's help is the
string of its ``help(...)`` annotation; the command line and the app show the same text.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import tomli_w

from aat_datasets.errors import ConfigError, UnknownNameError
from aat_models.config_sections import (
    ADVERSARIES,
    BETA,
    BOUNDED,
    DECODERS,
    ENCODERS,
    LANGUAGE_MODELS,
    OPEN,
    STATEFUL,
    AdversaryConfig,
    Config,
    DataConfig,
    LanguageConfig,
    ModelConfig,
    SurfaceConfig,
    TrainConfig,
)
from aat_models.own_code import is_own

__all__ = [
    "ADVERSARIES",
    "BOUNDED",
    "DECODERS",
    "ENCODERS",
    "LANGUAGE_MODELS",
    "OPEN",
    "STATEFUL",
    "AdversaryConfig",
    "Config",
    "DataConfig",
    "LanguageConfig",
    "ModelConfig",
    "SurfaceConfig",
    "TrainConfig",
    "apply",
    "dump",
    "from_toml",
    "help_of",
    "identity",
    "is_language_model",
    "keys",
    "writes",
]


def is_language_model(config: Config) -> bool:
    """Whether the model is one that goes on with a text, without encoder, vector and label head."""
    return config.model.encoder in LANGUAGE_MODELS


def writes(config: Config) -> bool:
    """Whether the model can generate text."""
    return is_language_model(config) or config.model.decoder != "none"


LATER = (
    "language", "data.history", "data.output_pieces", "model.attention", "model.decoder_dropout", "train.smoothing",
    "adversary.ranking",
)  # fmt: skip
"""Sections and keys that came after the first hashes were kept."""


def identity(config: Config) -> dict[str, Any]:
    """What a config says, as plain values, for hashes that are kept.

    Keys that came later are left out where they have their defaults: what was measured before they were there counts on.
    """
    tree, plain = msgspec.to_builtins(config), msgspec.to_builtins(Config())
    for dotted in LATER:
        *sections, name = dotted.split(".")
        own, default = tree, plain
        for section in sections:
            own, default = own[section], default[section]
        if own[name] == default[name]:
            del own[name]
    return tree


@cache
def keys() -> Mapping[str, tuple[str, Any, str]]:
    """Every dotted key → (type as a word, default, help)."""
    found: dict[str, tuple[str, Any, str]] = {}

    def walk(struct: msgspec.Struct, prefix: str) -> None:
        hints = get_type_hints(type(struct), include_extras=True)
        for name in struct.__struct_fields__:
            value = getattr(struct, name)
            if isinstance(value, msgspec.Struct):
                walk(value, f"{prefix}{name}.")
            else:
                found[prefix + name] = (type(value).__name__, value, help_of(hints[name]))

    walk(Config(), "")
    return found


def help_of(annotation: Any) -> str:
    """The help text of one ``Annotated`` field."""
    for extra in getattr(annotation, "__metadata__", ()):
        if isinstance(extra, msgspec.Meta) and extra.description:
            return extra.description
    return ""


def from_toml(text: str, where: str = "config") -> Config:
    """The config in a TOML text. Raises ConfigError naming the key."""
    try:
        return _convert(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: not TOML: {error}") from None


def dump(config: Config) -> str:
    """The complete config as TOML, defaults included."""
    return tomli_w.dumps(msgspec.to_builtins(config))


def apply(config: Config, settings: dict[str, Any]) -> Config:
    """A copy of ``config`` with dotted keys set: ``{"train.lr": "1e-3"}``.

    Values that are strings are read as TOML where the key is not a string itself. Raises ConfigError or
    UnknownNameError naming the key.
    """
    tree = msgspec.to_builtins(config)
    known = keys()
    if config.adversary.beta == BETA.get(config.adversary.name, 1.0):
        del tree["adversary"]["beta"]  # another method brings its own
    for key, value in settings.items():
        if key not in known:
            raise UnknownNameError("config key", key, known)
        *parents, leaf = key.split(".")
        branch = tree
        for parent in parents:
            branch = branch[parent]
        branch[leaf] = _read(value, branch.get(leaf, 0.0))
    return _convert(tree)


def _read(value: Any, current: Any) -> Any:
    if not isinstance(value, str) or isinstance(current, str):
        return value
    if isinstance(current, list):
        return [part.strip().strip("\"'") for part in value.strip().strip("[]").split(",") if part.strip()]
    try:
        return tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        return value


def _convert(tree: dict[str, Any]) -> Config:
    try:
        config = msgspec.convert(tree, Config, strict=True)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), tree)) from None
    for key, name in (("model.encoder", config.model.encoder), ("adversary.name", config.adversary.name)):
        if name not in OPEN[key] and not is_own(name):
            raise ConfigError(f"{key}: {_unknown(key, name)}, py:module:Class")
    for key, value in (("train.lr", config.train.lr), ("train.epochs", config.train.epochs)):
        if not math.isfinite(value):
            raise ConfigError(f"{key}: expected a finite number, got {value}")
    if config.adversary.name == "ibp" and config.model.encoder not in BOUNDED:
        raise ConfigError(
            f"model.encoder: {config.model.encoder} cannot be bounded, as adversary ibp asks",
            f"what can be: {', '.join(BOUNDED)}",
        )
    if config.model.attention and config.model.encoder not in STATEFUL and not is_own(config.model.encoder):
        raise ConfigError(
            f"model.attention: the encoder {config.model.encoder} has no state for each word to attend to",
            f"what has: {', '.join(STATEFUL)}",
        )
    if is_language_model(config):
        _check_language(config)
    return config


def _check_language(config: Config) -> None:
    """Raises ConfigError for what a language model cannot be combined with."""
    wanted = config.language
    if wanted.width % wanted.heads or (wanted.width // wanted.heads) % 2:
        raise ConfigError(
            f"language.heads: {wanted.heads} heads do not divide the width {wanted.width} into even parts"
        )
    if wanted.key_heads and wanted.heads % wanted.key_heads:
        raise ConfigError(f"language.key_heads: {wanted.key_heads} do not divide the {wanted.heads} heads")
    if config.adversary.name not in ("none", "noise"):
        raise ConfigError(
            f"adversary.name: {config.adversary.name} does not train a language model", "none and noise do"
        )
    if config.train.stages != ["encoder"] or config.model.decoder != "none":
        raise ConfigError(
            "train.stages, model.decoder: a language model is trained in one stage of its own, and is its own decoder",
            "leave both as they are by default",
        )


def _explain(text: str, tree: dict[str, Any]) -> str:
    """``Expected `int`, got `str` - at `$.train.epochs``` → ``train.epochs: expected int, got 'five'``."""
    reason, _, place = text.partition(" - at `$.")
    key = place.rstrip("`")
    value: Any = tree
    try:
        for part in re.findall(r"[^.\[\]]+", key):
            value = value[int(part)] if isinstance(value, list) else value[part]
    except (KeyError, TypeError, IndexError, ValueError):
        return text[:1].lower() + text[1:]
    if reason.startswith("Invalid enum value"):
        return f"{key}: {_unknown(key, value)}"
    wanted = reason.removeprefix("Expected ").split(", got")[0].replace("`", "")
    return f"{key}: expected {wanted}, got {value!r}" if key else reason


def _unknown(key: str, value: Any) -> str:
    """``unknown 'lama' (did you mean llama?); known: bow, cnn, …``."""
    known = allowed(key.partition("[")[0])
    near = get_close_matches(str(value), known, n=2)
    meant = f" (did you mean {' or '.join(near)}?)" if near else ""
    return f"unknown {value!r}{meant}; known: {', '.join(known)}"


def allowed(key: str) -> list[str]:
    """What the key, or the entries of its list, may be; nothing where it may be anything."""
    if key in OPEN:
        return list(OPEN[key])
    kind: Any = Config
    for part in key.split("."):
        kind = get_type_hints(kind).get(part)
    found = get_args(kind) if get_origin(kind) is list else (kind,)
    return [str(one) for one in get_args(found[0])] if found and get_origin(found[0]) is Literal else []


def load(path: Path) -> Config:
    """The config in a TOML file. Raises ConfigError."""
    try:
        return from_toml(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
