"""Encoders: word vectors → one fixed-length vector. One kind a file, one line in the table below."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from aat_datasets.errors import UnknownNameError
from aat_models.config import ModelConfig
from aat_models.encoders.bag import BagOfWords
from aat_models.encoders.convolutional import ConvolutionalEncoder
from aat_models.encoders.recurrent import BiLSTM, gru, lstm
from aat_models.encoders.transformer import TransformerEncoder

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
    """The encoder a config names. Raises UnknownNameError."""
    if config.encoder not in ENCODERS:
        raise UnknownNameError("encoder", config.encoder, ENCODERS)
    return ENCODERS[config.encoder](config)
