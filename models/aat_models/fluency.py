"""How likely a decoder finds a text with another word in it: a language model's check of substitutes.

Alzantot et al. 2018 and Jia et al. 2019 keep the substitutes that a language model finds about as likely in their place
as the word itself. Here the language model is a trained run's own decoder. It is not a language model of all texts: it
writes output texts from a vector. Given the vector of the original text, what it says of a word is how well the word fits
what comes before it *and* what the text says. Two things follow. A decoder trained to give a text back knows the
original word, so that substitutes fall further than under an unconditional model. One trained to write something else,
such as replies, knows little of these texts: ``perplexity`` shows it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aat_datasets.batching import pad
from aat_datasets.errors import InputError
from aat_datasets.preprocess import Pipeline
from aat_datasets.vocab import BOS, EOS, PAD, UNK
from aat_models.data import target_steps
from aat_models.decoders import State
from aat_models.predictor import Predictor

__all__ = ["DecoderFluency"]

_FOLLOWING = 6  # words after the edit that are scored with it, as Jia et al. 2019 have it
_REMEMBERED = 512  # texts


class _Reading(NamedTuple):
    """A text as the decoder reads it: its words' ids, where each word begins among them, and the state before each."""

    ids: list[list[int]]  # a word may be several of the decoder's
    vector: Tensor  # (1, Z)
    states: list[State]  # before each word; one more at the end
    last: list[int]  # the id before each word


class DecoderFluency:
    """Scores substitutes with the decoder of a trained model.

    Args:
        predictor: the model; its decoder is given the vector it makes of the original text.

    Attributes:
        surprising: the perplexity of one who takes every word of the decoder's for equally likely.

    Raises InputError where it has no decoder, or one that writes pieces of words.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._decoder, self._output = predictor.require_decoder(" to judge fluency with")
        if predictor.config.data.output_pieces:
            raise InputError(
                "the model's decoder writes pieces of words: how likely a word is it does not say by itself",
                "name a run with data.output_pieces = 0",
            )
        self._predictor = predictor
        self.surprising = float(self._output.size)
        self._words = {word: number for number, word in enumerate(self._output.words()[: self._output.size])}
        self._pipeline = Pipeline(target_steps(predictor.config))
        self._pieces = functools.lru_cache(65_536)(self._split)
        self._readings = functools.lru_cache(_REMEMBERED)(self._read)

    @torch.no_grad()
    def falls(self, words: Sequence[str], position: int, substitutes: Sequence[str]) -> NDArray[np.float64]:
        """How far the log-probability of the text falls with each substitute at ``position``, (K,) in nats.

        What comes before cancels; the word, the six after it and the text's end are scored. Infinite for a substitute
        the decoder has no word for; one in the place of such a word is compared with the unknown word.
        """
        reading = self._readings(tuple(words))
        after: list[int] = [number for ids in reading.ids[position + 1 :] for number in ids]
        rest = [*after, EOS][:_FOLLOWING]
        rows = [[*ids, *rest] for ids in (reading.ids[position], *(self._ids(word) for word in substitutes))]
        scores = self._log_probabilities(reading, position, rows)
        found = scores[0] - scores[1:]
        unknown = np.array([UNK in self._ids(word) for word in substitutes], np.bool_)
        return np.where(unknown, np.inf, found.round(4))

    @torch.no_grad()
    def perplexity(self, texts: Sequence[Sequence[str]]) -> float:
        """The perplexity of whole texts, each given its own vector: how well the decoder knows texts like these."""
        total, count = 0.0, 0
        for words in texts:
            reading = self._readings(tuple(words))
            row = [*(number for ids in reading.ids for number in ids), EOS]
            total += float(self._log_probabilities(reading, 0, [row])[0])
            count += len(row)
        return math.exp(min(-total / count, 700.0)) if count else math.nan

    def unknown_share(self, texts: Sequence[Sequence[str]]) -> float:
        """The share of the texts' words the decoder has no word for."""
        found = [UNK in self._ids(word) for words in texts for word in words]
        return sum(found) / len(found) if found else 0.0

    def _ids(self, word: str) -> tuple[int, ...]:
        return self._pieces(word)

    def _split(self, word: str) -> tuple[int, ...]:
        # Output texts keep their case, the words a victim reads may not: any form the decoder has will do.
        forms = [(piece, piece.lower(), piece.capitalize()) for piece in self._pipeline.words(word)]
        return tuple(next((self._words[w] for w in some if w in self._words), UNK) for some in forms) or (UNK,)

    def _read(self, words: tuple[str, ...]) -> _Reading:
        vector, memory = self._predictor.source(" ".join(words))
        ids = [list(self._ids(word)) for word in words]
        state, states, last, previous = self._decoder.begin(vector, memory), [], [], BOS
        for numbers in ids:
            states.append(state)
            last.append(previous)
            for number in numbers:
                _, state = self._decoder.states(vector, torch.tensor([[previous]], device=vector.device), state)
                previous = number
        return _Reading(ids, vector, [*states, state], [*last, previous])

    def _log_probabilities(self, reading: _Reading, position: int, rows: list[list[int]]) -> NDArray[np.float64]:
        """The log-probability of each row of words, from the state before ``position`` on, (K,)."""
        k, device = len(rows), reading.vector.device
        targets = self._predictor.on_device(pad([np.array(numbers, np.int32) for numbers in rows], PAD)[0])
        first = torch.full((k, 1), reading.last[position], device=device)
        inputs = torch.cat([first, targets[:, :-1]], dim=1)
        state = self._decoder.rows(reading.states[position], torch.zeros(k, dtype=torch.long, device=device))
        states, _ = self._decoder.states(reading.vector.expand(k, -1), inputs, state)
        answers = torch.log_softmax(self._decoder.out(states).double(), dim=-1)  # (K, T, V)
        chosen = answers.gather(2, targets[:, :, None])[:, :, 0]
        return chosen.masked_fill(targets == PAD, 0.0).sum(dim=1).cpu().numpy()
