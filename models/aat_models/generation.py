"""Text from the fixed-length vector, one word at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from aat_datasets.chinese import has_han
from aat_datasets.vocab import BOS, EOS, PAD, UNK, WordTable
from aat_models.decoders import LSTMDecoder
from aat_models.events import Token
from aat_models.sampling import Sampling

__all__ = ["choose", "generate", "spacing"]

_SHOWN = 5  # alternatives a token comes with
_CLOSING = set(".,!?;:)]}%…’”。、，！？；：）》」")
_OPENING = set("([{“$£#（《「。，！？；：、")


def choose(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> tuple[int, Tensor]:
    """The next word's id, and the probabilities ``(V,)`` it was drawn from (before top-k and top-p cut them)."""
    if sampling.greedy:
        probabilities = torch.softmax(logits, -1)
        return int(probabilities.argmax()), probabilities
    probabilities = torch.softmax(logits / sampling.temperature, -1)
    kept = probabilities.clone()
    if sampling.top_k:
        threshold = kept.topk(min(sampling.top_k, len(kept))).values[-1]
        kept[kept < threshold] = 0
    if sampling.top_p < 1:
        ranked, order = kept.sort(descending=True)
        before = ranked.cumsum(0) - ranked
        kept[order[before >= sampling.top_p * kept.sum()]] = 0
    return int(torch.multinomial(kept, 1, generator=generator)), probabilities


@torch.no_grad()
def generate(decoder: LSTMDecoder, vector: Tensor, output: WordTable, sampling: Sampling) -> Iterator[Token]:
    """Words until the text ends or ``max_tokens`` are made; ``vector`` is ``(1, Z)``.

    Padding, the begin mark and the unknown word are never produced.
    """
    sampling.check()
    generator = torch.Generator().manual_seed(sampling.seed)
    state = None
    last, previous = BOS, ""
    for index in range(sampling.max_tokens):
        logits, state = decoder(vector, torch.tensor([[last]]), state)
        row = logits[0, 0].double()
        row[[PAD, UNK, BOS]] = -torch.inf
        last, probabilities = choose(row, sampling, generator)
        if last == EOS:
            return
        top = probabilities.topk(min(_SHOWN, len(probabilities)))
        others = [
            (output.word(number) if number != EOS else "⏎", round(p, 6))
            for p, number in zip(top.values.tolist(), top.indices.tolist(), strict=True)
        ]
        word = output.word(last)
        yield Token(
            index=index,
            text=spacing(word, previous) + word,
            probability=round(float(probabilities[last]), 6),
            alternatives=others,
        )
        previous = word


def spacing(word: str, previous: str) -> str:
    """What stands between two words of an output text: a space, or nothing at its start and around punctuation.

    Nothing beside a Chinese word either.
    """
    if (
        not previous
        or has_han(word[0] + previous[-1])
        or word[0] in _CLOSING
        or word in ("n't", "'s", "'re", "'ve", "'ll", "'d", "'m")
        or previous[-1] in _OPENING
    ):
        return ""
    return " "
