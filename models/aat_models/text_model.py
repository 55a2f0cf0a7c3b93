"""The model: word vectors, encoder, fixed-length vector, and what hangs on it (a label head, a decoder, or both)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from aat_datasets.vocab import WordTable
from aat_models import decoders, encoders
from aat_models.attention import Memory, Source
from aat_models.config import ModelConfig
from aat_models.decoders import Decoder
from aat_models.embeddings import StepVectors, WordEmbedding
from aat_models.encoders.base import HasStates, mask_of

__all__ = ["Dropout", "TextModel"]


class Dropout(NamedTuple):
    """One draw of everything dropped in a step, so that a second pass over the same batch can use the same.

    Multipliers: ``embedding`` ``(B, 1, E)``, ``latent`` ``(B, Z)``.
    """

    embedding: Tensor
    latent: Tensor

    def of(self, rows: Tensor) -> Dropout:
        """What is dropped of the texts at ``rows`` ``(R,)`` of the batch; a row may come several times."""
        return Dropout(self.embedding[rows], self.latent[rows])


class TextModel(nn.Module):
    """text → words → encoder → vector → label head and decoder.

    Args:
        config: of the model.
        table: numbers the input words.
        labels: number of classes; 0 for a model without a label head.
        output: numbers the output words; ``None`` for a model without a decoder.

    Attributes:
        width: the narrower type the encoder computes in while it trains, ``None`` for single precision. Weights, losses,
            and evaluations keep single precision in any case.
    """

    HIDE = 0.1  # share of a training step's words that show only their n-grams

    def __init__(self, config: ModelConfig, table: WordTable, labels: int, output: WordTable | None = None) -> None:
        super().__init__()
        self.config = config
        self.embedding = WordEmbedding(table, config.embedding, config.characters, config.buckets)
        self.encoder = encoders.build(config)
        self.head = nn.Linear(config.latent, labels) if labels else None
        writes = output is not None and config.decoder != "none"
        reads = self.encoder.state_width if isinstance(self.encoder, HasStates) else 0
        self.decoder: Decoder | None = (
            decoders.build(output.size, config, reads) if output is not None and writes else None
        )
        self.width: torch.dtype | None = None

    @property
    def device(self) -> torch.device:
        return self.embedding.words.weight.device

    def step_vectors(self, *ids: Tensor) -> StepVectors:
        """The vectors of all words a training step may look up; see :class:`StepVectors`."""
        wanted = torch.cat([part.flatten() for part in ids])
        return StepVectors(self.embedding, wanted, self.HIDE if self.training else 0.0)

    def draw_dropout(self, batch: int) -> Dropout | None:
        """A draw for a batch; ``None`` in evaluation mode."""
        if not self.training or not self.config.dropout:
            return None
        keep = 1 - self.config.dropout
        return Dropout(
            torch.bernoulli(torch.full((batch, 1, self.config.embedding), keep, device=self.device)) / keep,
            torch.bernoulli(torch.full((batch, self.config.latent), keep, device=self.device)) / keep,
        )

    def encode(self, embedded: Tensor, lengths: Tensor, dropout: Dropout | None = None) -> Tensor:
        """Vectors ``(B, T, E)`` → the fixed-length vector ``(B, Z)``."""
        dropped = embedded if dropout is None else embedded * dropout.embedding
        if self.width is not None and self.training:
            with torch.autocast(self.device.type, self.width):
                vector = self.encoder(dropped, lengths).float()
        else:
            vector = self.encoder(dropped, lengths)
        return vector if dropout is None else vector * dropout.latent

    def read(self, embedded: Tensor, lengths: Tensor, dropout: Dropout | None = None) -> Source:
        """Vectors ``(B, T, E)`` → what a decoder writes from: the vector, and where it attends the encoder's states."""
        if self.decoder is None or not self.decoder.attends:
            return Source(self.encode(embedded, lengths, dropout), None)
        assert isinstance(self.encoder, HasStates)
        dropped = embedded if dropout is None else embedded * dropout.embedding
        narrow = self.width if self.training else None
        with torch.autocast(self.device.type, narrow, enabled=narrow is not None):
            vector, states = self.encoder.read(dropped, lengths)
        vector = vector.float() if dropout is None else vector.float() * dropout.latent
        return Source(vector, Memory(states.float(), mask_of(lengths, embedded.shape[1])))

    def write(self, source: Source, ids: Tensor) -> Tensor:
        """Logits ``(B, U, V)`` of the output word after each of ``ids`` ``(B, U)``."""
        assert self.decoder is not None
        return self.decoder(source.vector, ids, memory=source.memory)[0]

    def classify(self, embedded: Tensor, lengths: Tensor, dropout: Dropout | None = None) -> Tensor:
        """Vectors ``(B, T, E)`` → logits ``(B, C)``."""
        assert self.head is not None
        return self.head(self.encode(embedded, lengths, dropout))

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Ids ``(B, T)`` → logits ``(B, C)``."""
        return self.classify(self.embedding(ids), lengths)
