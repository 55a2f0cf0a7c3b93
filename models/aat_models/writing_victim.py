"""A victim that writes: a trained encoder-decoder, asked for its output texts and for how likely it finds one.

An answer is two numbers: which text was read, and which output was written. Both are kept here, so that the goals of
``writing_goals`` can compare the texts, and ask how near the decoder is to writing something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from aat_datasets.batching import pad
from aat_datasets.chinese import join_words
from aat_datasets.errors import InputError
from aat_datasets.preprocess import Pipeline
from aat_datasets.vocab import BOS, EOS, PAD, UNK
from aat_models.attacks.victim import FloatArray, IntArray
from aat_models.data import target_steps
from aat_models.generation import draw
from aat_models.predictor import Predictor
from aat_models.sampling import Sampling
from aat_models.spelling import WordSpeller
from aat_models.writers import DecoderWriter

__all__ = ["ANSWERS", "WritingVictim"]

ANSWERS = ["meaning kept", "meaning lost"]
"""The two classes of what is written: the goal is not reached, or is."""

_LONGEST = 60  # words of an output


class WritingVictim:
    """See the module.

    Args:
        predictor: of a run with a decoder. Raises InputError where it has none.

    Attributes:
        numbers: of an answer.
    """

    numbers = 2
    best_batch = 256

    def __init__(self, predictor: Predictor) -> None:
        self._decoder, self._output = predictor.require_decoder(": there is no output text to attack")
        if predictor.config.model.attention:
            raise InputError(
                f"{predictor.config.run}: what a decoder with attention writes cannot be attacked yet",
                "its label head can, where it has one; train without model.attention",
            )
        self.labels = list(ANSWERS)
        self._predictor = predictor
        self._pipeline = Pipeline(target_steps(predictor.config))
        self._texts: list[IntArray] = []
        self._vectors: list[Tensor] = []  # (Z,) of each text
        self._outputs: list[list[int]] = []
        self._spelt: list[str] = []
        self._numbers: dict[tuple[int, ...], int] = {}

    def words(self, text: str, /) -> list[str]:
        return self._predictor.words(text)

    def intern(self, words: Sequence[str], /) -> IntArray:
        return self._predictor.intern(words)

    def score(self, ids: IntArray, lengths: NDArray[Any], /) -> FloatArray:
        """Which text was read and which output was written, (N, 2), of ids (N, T) and lengths (N,); greedy decoding."""
        first = len(self._texts)
        self._texts += [row[:length].copy() for row, length in zip(ids, lengths.tolist(), strict=True)]
        vectors = self._read(self._texts[first:])
        self._vectors += vectors.unbind()
        numbers = [self._number(output) for output in self._written(vectors)]
        return np.stack([np.arange(first, first + len(ids)), np.array(numbers)], axis=1).astype(np.float64)

    # what was read and written ------------------------------------------------------------------------------------

    def text(self, number: int) -> str:
        """A text that was read, as one writes it."""
        return join_words([self._predictor.table.word(i) for i in self._texts[number].tolist()])

    def output(self, number: int) -> str:
        return self._spelt[number]

    def output_ids(self, number: int) -> list[int]:
        """An output's words as the decoder's ids, without the end."""
        return self._outputs[number]

    def find(self, word: str) -> int:
        """The decoder's id of a word. Raises InputError where it never writes it."""
        number = int(self._output.intern([word])[0])
        if number >= self._output.size:
            raise InputError(f"goal: the decoder knows no word {word!r}", "words are told apart by case")
        return number

    def output_words(self, text: str) -> list[int]:
        """The decoder's ids of an output text, UNK for words it does not know."""
        ids = self._output.intern(self._pipeline.words(text))
        return np.where(ids < self._output.size, ids, UNK).tolist()

    # what it nearly wrote -----------------------------------------------------------------------------------------

    @torch.inference_mode()
    def logits(self, texts: Sequence[int], outputs: Sequence[Sequence[int]]) -> Tensor:
        """Logits (K, T + 1, V) where each text (K,) is read and each output of ids, the longest T long, was written so far."""
        seen, _ = pad([np.array([BOS, *output], np.int32) for output in outputs], PAD)
        logits, _ = self._decoder(self._known(texts), self._predictor.on_device(seen))
        logits[..., [PAD, UNK, BOS]] = -torch.inf
        return logits

    def loglikelihood(self, texts: Sequence[int], output: Sequence[int]) -> FloatArray:
        """The mean log-probability of an output's words and its end, where each text (K,) is read: (K,)."""
        return -self._losses(self._known(texts), [output] * len(texts)).cpu().numpy()

    def losses(self, texts: Sequence[str], outputs: Sequence[str]) -> list[tuple[float, int]]:
        """Cross-entropy of output texts under teacher forcing: nats and words, the end counted, of each."""
        ids = [self.output_words(output) for output in outputs]
        read = self._read([self.intern(self.words(text)) for text in texts])
        means = self._losses(read, ids).tolist()
        return [(mean * (len(own) + 1), len(own) + 1) for mean, own in zip(means, ids, strict=True)]

    @torch.inference_mode()
    def _losses(self, read: Tensor, outputs: Sequence[Sequence[int]]) -> Tensor:
        """The mean cross-entropy of each output's words and its end, (K,)."""
        block, _ = pad([np.array([BOS, *output, EOS], np.int32) for output in outputs], PAD)
        ids = self._predictor.on_device(block)
        seen, wanted = ids[:, :-1].masked_fill(ids[:, :-1] == EOS, PAD), ids[:, 1:]
        logits, _ = self._decoder(read, seen)
        losses = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=PAD, reduction="none")
        there = wanted != PAD
        return (losses.view(wanted.shape) * there).double().sum(1) / there.sum(1)

    # the model ----------------------------------------------------------------------------------------------------

    def _known(self, texts: Sequence[int]) -> Tensor:
        """The vectors (K, Z) of texts that were read."""
        return torch.stack([self._vectors[number] for number in texts])

    @torch.inference_mode()
    def _read(self, texts: Sequence[IntArray]) -> Tensor:
        """The fixed-length vectors (K, Z)."""
        return self._predictor.encode(*pad(list(texts)))

    @torch.inference_mode()
    def _written(self, vectors: Tensor) -> list[list[int]]:
        writer = DecoderWriter(self._decoder, vectors)
        found: list[list[int]] = [[] for _ in range(len(vectors))]
        for drawn in draw(writer, len(vectors), Sampling(greedy=True, max_tokens=_LONGEST)):
            for row, number in zip(drawn.rows, drawn.ids, strict=True):
                if number not in writer.ends:
                    found[row].append(number)
        return found

    def _number(self, output: list[int]) -> int:
        number = self._numbers.setdefault(tuple(output), len(self._outputs))
        if number == len(self._outputs):
            speller = WordSpeller(self._output)
            self._outputs.append(output)
            self._spelt.append("".join(map(speller.add, output)))
        return number
