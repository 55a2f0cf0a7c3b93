"""Encoders: word vectors → one fixed-length vector. One kind a file, one line in the table below.

One of the user's own is named ``py:module:Class`` and is called as those are: with a ``ModelConfig``.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from aat_datasets.errors import InputError, UnknownNameError
from aat_models.config import ModelConfig
from aat_models.encoders.bag import BagOfWords
from aat_models.encoders.base import HasStates
from aat_models.encoders.convolutional import ConvolutionalEncoder
from aat_models.encoders.recurrent import BiLSTM, gru, lstm
from aat_models.encoders.transformer import TransformerEncoder
from aat_models.own_code import imported, is_own

__all__ = ["ENCODERS", "build"]

ENCODERS: dict[str, Callable[[ModelConfig], nn.Module]] = {
    "bow": BagOfWords,
    "cnn": ConvolutionalEncoder,
    "lstm": lstm,
    "gru": gru,
    "bilstm": BiLSTM,
    "transformer": TransformerEncoder,
}


def build(config: ModelConfig) -> nn.Module:
    """The encoder a config names.

    Raises UnknownNameError, or InputError for one of the user's own that is none, or that has no states where the decoder is
    to attend to them.
    """
    if is_own(config.encoder):
        return _own(config)
    if config.encoder not in ENCODERS:
        raise UnknownNameError("encoder", config.encoder, ENCODERS)
    return ENCODERS[config.encoder](config)


def _own(config: ModelConfig) -> nn.Module:
    made = imported(config.encoder, "encoder")(config)
    if not isinstance(made, nn.Module):
        raise InputError(f"{config.encoder} is no encoder", "it must give a torch.nn.Module for a ModelConfig")
    if config.attention and not isinstance(made, HasStates):
        raise InputError(
            f"model.attention: the encoder {config.encoder} has no state for each word to attend to",
            "give it state_width and read(embedded, lengths), or leave model.attention off",
        )
    return made
