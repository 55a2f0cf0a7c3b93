"""The fixed-length vector, looked into: what lies between two texts, along the direction that hurts, and nearby.

A vector is told by what the decoder writes from it, what the label head makes of it, and the training texts nearest to it.
Walks between texts are those of Bowman et al. 2016; the adversarial direction is the gradient's, as in Miyato et al. 2017,
taken at the vector and not at the words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from aat_datasets.errors import InputError
from aat_datasets.vocab import BOS, EOS
from aat_models.generation import draw, write
from aat_models.predictor import Predictor
from aat_models.sampling import Sampling
from aat_models.spelling import WordSpeller
from aat_models.teacher_forcing import entropy
from aat_models.writers import DecoderWriter

__all__ = ["Index", "Neighbour", "Point", "Way", "against", "between", "tell"]

_BATCH = 128


class Neighbour(msgspec.Struct, frozen=True):
    """A training text near a vector; ``similarity`` is the cosine of the two vectors."""

    text: str
    label: str
    similarity: float


class Point(msgspec.Struct, frozen=True):
    """A vector on a way.

    ``at`` is its place: 0 to 1 between two texts, or how far it was moved, in lengths of the text's own vector. ``text`` is
    what the decoder writes from it (empty without one), ``logprob`` that text's mean log-probability a token, ``probabilities``
    the label head's ``(C,)``, ``distance`` its distance from the first text's vector in lengths of that.
    """

    at: float
    text: str
    logprob: float
    probabilities: list[float]
    distance: float
    nearest: list[Neighbour]


class Way(NamedTuple):
    """Vectors ``(K, Z)`` at the places ``(K,)``, and the vector ``(Z,)`` they begin from."""

    places: list[float]
    vectors: Tensor
    origin: Tensor


class Index:
    """Texts by the direction of their vectors.

    Args:
        predictor: whose vectors.
        texts, labels: of the texts; a label may be empty.

    Attributes: ``done``, how many of them have been read.
    """

    def __init__(self, predictor: Predictor, texts: Sequence[str], labels: Sequence[str]) -> None:
        self.texts = list(texts)
        self.labels = list(labels)
        self._units = np.empty((len(self.texts), predictor.config.model.latent), np.float32)
        self._predictor = predictor
        self._order = np.argsort([len(text) for text in self.texts], kind="stable")
        self.done = 0

    @property
    def complete(self) -> bool:
        return self.done >= len(self.texts)

    def grow(self) -> None:
        """Read one batch of texts more."""
        chosen = self._order[self.done : self.done + _BATCH]
        vectors = self._predictor.vectors([self.texts[place] for place in chosen]).cpu().numpy()
        self._units[chosen] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        self.done += len(chosen)

    def nearest(self, vectors: Tensor, count: int) -> list[list[Neighbour]]:
        """For each of ``vectors`` ``(K, Z)`` the ``count`` texts whose vectors point most nearly its way, equal texts once."""
        while not self.complete:
            self.grow()
        units = F.normalize(vectors, dim=1).cpu().numpy()
        found: list[list[Neighbour]] = []
        for row in units @ self._units.T:
            best: dict[str, Neighbour] = {}
            for place in np.argsort(-row, kind="stable"):
                if len(best) >= count:
                    break
                neighbour = Neighbour(self.texts[place], self.labels[place], round(float(row[place]), 4))
                best.setdefault(neighbour.text, neighbour)
            found.append(list(best.values()))
        return found


def between(predictor: Predictor, text: str, other: str, steps: int) -> Way:
    """``steps`` vectors on the straight line from one text's to another's, both included. Raises InputError."""
    if steps < 2:
        raise InputError(f"a way has at least 2 steps, not {steps}")
    first, last = predictor.vectors([text, other])
    places = [step / (steps - 1) for step in range(steps)]
    return Way(places, torch.stack([torch.lerp(first, last, place) for place in places]), first)


def against(predictor: Predictor, text: str, lengths: Sequence[float]) -> Way:
    """The text's vector moved by each of ``lengths``, in lengths of itself, the way its loss rises fastest.

    The loss is that of the predicted class, or without a label head that of the reply the decoder writes.
    """
    origin = predictor.vectors([text])[0]
    wanted = origin.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(_loss(predictor, wanted), wanted)
    size = gradient.norm()
    direction = gradient / size if size > 0 else torch.zeros_like(gradient)
    scale = origin.norm()
    return Way(list(lengths), torch.stack([origin + length * scale * direction for length in lengths]), origin)


def _loss(predictor: Predictor, vector: Tensor) -> Tensor:
    model = predictor.model
    if model.head is not None:
        logits = model.head(vector[None])
        return F.cross_entropy(logits, logits.argmax(-1))
    assert model.decoder is not None
    ids = torch.tensor([[BOS, *_greedy_ids(predictor, vector.detach()[None]), EOS]], device=vector.device)
    return entropy(model.decoder(vector[None], ids[:, :-1])[0], ids[:, 1:])


def _greedy_ids(predictor: Predictor, vector: Tensor) -> list[int]:
    assert predictor.model.decoder is not None
    writer = DecoderWriter(predictor.model.decoder, vector)
    ids = [drawn.ids[0] for drawn in draw(writer, 1, Sampling(greedy=True))]
    return [number for number in ids if number not in writer.ends]


def tell(predictor: Predictor, way: Way, sampling: Sampling, index: Index | None = None, count: int = 3) -> list[Point]:
    """What a model makes of every vector of a way."""
    texts, logprobs = _written(predictor, way.vectors, sampling)
    chances = _classified(predictor, way.vectors)
    near = index.nearest(way.vectors, count) if index is not None and count else [[] for _ in way.places]
    scale = float(way.origin.norm()) or 1.0
    return [
        Point(
            at=round(place, 6),
            text=texts[row],
            logprob=logprobs[row],
            probabilities=[round(float(chance), 6) for chance in chances[row]],
            distance=round(float((way.vectors[row] - way.origin).norm()) / scale, 6),
            nearest=near[row],
        )
        for row, place in enumerate(way.places)
    ]


def _written(predictor: Predictor, vectors: Tensor, sampling: Sampling) -> tuple[list[str], list[float]]:
    """What the decoder writes from each vector, and its mean log-probability a token."""
    decoder, output = predictor.model.decoder, predictor.output
    texts, sums, counts = [""] * len(vectors), [0.0] * len(vectors), [0] * len(vectors)
    if decoder is not None and output is not None:
        spellers = [WordSpeller(output) for _ in range(len(vectors))]
        for row, token in write(DecoderWriter(decoder, vectors), spellers, sampling):
            texts[row] += token.text
            sums[row] += math.log(max(token.probability, 1e-30))
            counts[row] += 1
    means = [round(total / count, 4) if count else 0.0 for total, count in zip(sums, counts, strict=True)]
    return [text.strip() for text in texts], means


@torch.no_grad()
def _classified(predictor: Predictor, vectors: Tensor) -> NDArray[np.float64]:
    """Class probabilities ``(K, C)``; no columns without a label head."""
    head = predictor.model.head
    return torch.softmax(head(vectors).double(), -1).cpu().numpy() if head is not None else np.empty((len(vectors), 0))
