"""A trained model, ready to answer: texts in, probabilities, saliences and words out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from aat_datasets.batching import pad
from aat_datasets.errors import InputError
from aat_datasets.lexicon import Lexicon
from aat_datasets.preprocess import Pipeline
from aat_datasets.vocab import UNK, WordTable
from aat_models import checkpoint, evaluation
from aat_models.adversaries.base import Batch
from aat_models.adversaries.proposals import gains
from aat_models.attention import Source
from aat_models.config import Config
from aat_models.decoders import Decoder
from aat_models.embeddings import StepVectors
from aat_models.encoders.sharing import SharesPrefixes
from aat_models.events import Token
from aat_models.generation import write
from aat_models.sampling import Sampling
from aat_models.spelling import WordSpeller
from aat_models.text_model import TextModel
from aat_models.turns import joined
from aat_models.writers import DecoderWriter

__all__ = ["Predictor"]

_BATCH = 512
_GPU_BATCH = 2048
_PLAIN_BATCH = 96  # on a CPU larger ones mix more lengths and leave the cache
_FEW = 8  # texts that are not worth looking for what they have in common


class Predictor:
    """A model with its preprocessing. Made by :meth:`load`.

    It satisfies what an attack asks of a victim: ``labels``, ``words``, ``intern``, ``score``, ``best_batch``, and
    ``gradients``.

    Attributes:
        sharing: whether texts scored together are read only once where they begin or end alike; only some encoders can.
    """

    def __init__(
        self,
        model: TextModel,
        config: Config,
        table: WordTable,
        output: WordTable | None,
        lexicon: Lexicon,
        meta: checkpoint.Meta,
    ) -> None:
        self.model = model.eval()
        self.config = config
        self.table = table
        self.output = output
        self.surface = lexicon
        self.labels = list(meta.labels)
        self.step = meta.step
        self.metrics = dict(meta.metrics)
        self.pipeline = Pipeline(config.data.preprocess)
        self.sharing = isinstance(model.encoder, SharesPrefixes)

    @property
    def device(self) -> torch.device:
        """Where it computes: the CPU, or where :meth:`to` took it."""
        return self.model.device

    def to(self, device: torch.device) -> Predictor:
        """Takes the model to another device; arrays that are asked and answered stay where they are. Returns itself.

        A GPU reads every text whole: to look for what texts have in common is a processor's way to save.
        """
        self.model.to(device)
        self.sharing = device.type == "cpu" and isinstance(self.model.encoder, SharesPrefixes)
        return self

    @classmethod
    def load(cls, folder: Path) -> Predictor:
        """The model in a checkpoint folder. Raises CheckpointError."""
        return cls(*checkpoint.load_model(folder))

    @property
    def has_head(self) -> bool:
        return self.model.head is not None

    @property
    def has_decoder(self) -> bool:
        return self.model.decoder is not None and self.output is not None

    def require_decoder(self, missing: str = "") -> tuple[Decoder, WordTable]:
        """The decoder, and what numbers the words it writes.

        Raises InputError where there is none; its sentence ends with ``missing``, what cannot be done then.
        """
        if self.model.decoder is None or self.output is None:
            raise InputError(
                f"this model has no decoder{missing}",
                "train one: --set model.decoder=lstm --set train.stages=encoder,decoder",
            )
        return self.model.decoder, self.output

    # text → words → numbers -------------------------------------------------------------------------------------

    def words(self, text: str) -> list[str]:
        """The words the model reads, at most ``data.max_words``; an empty text is the one word ``[UNK]``."""
        return self.pipeline.words(text)[: self.config.data.max_words] or [self.table.word(UNK)]

    def intern(self, words: Sequence[str]) -> NDArray[np.int32]:
        """Ids ``(len(words),)``, for words never seen before too."""
        return self.table.intern(words)

    # numbers → answers ------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def score(self, ids: NDArray[np.int32], lengths: NDArray[np.integer]) -> NDArray[np.float64]:
        """Class probabilities ``(N, C)`` of ids ``(N, T)`` padded with 0, lengths ``(N,)``.

        In double precision, so that what an overconfident model thinks of its second choice is not rounded to zero.
        """
        size = _BATCH if self.device.type == "cpu" else _GPU_BATCH
        answers = [
            torch.softmax(self._logits(ids[at : at + size], lengths[at : at + size]).double(), -1)
            for at in range(0, len(ids), size)
        ]
        return torch.cat(answers).cpu().numpy() if answers else np.empty((0, len(self.labels)))

    @property
    def best_batch(self) -> int:
        """How many texts a call of :meth:`score` is fastest with."""
        if self.device.type != "cpu":
            return _GPU_BATCH
        return _BATCH if self.sharing else _PLAIN_BATCH

    def encode(self, ids: NDArray[np.int32], lengths: NDArray[np.integer]) -> Tensor:
        """The fixed-length vectors ``(N, Z)`` of ids ``(N, T)`` padded with 0, lengths ``(N,)``, where the model is.

        What the texts have in common is read once where that pays. Call it under ``torch.no_grad``.
        """
        encoder = self.model.encoder
        if self.sharing and isinstance(encoder, SharesPrefixes) and len(ids) >= _FEW:
            return encoder.encode_batch(ids, lengths, self.model.embedding)
        return self.model.encode(self.model.embedding(self.on_device(ids)), self.on_device(lengths))

    def _logits(self, ids: NDArray[np.int32], lengths: NDArray[np.integer]) -> Tensor:
        assert self.model.head is not None
        return self.model.head(self.encode(ids, lengths))

    def on_device(self, array: NDArray[np.integer]) -> Tensor:
        """Ids, lengths or labels of any shape, as int64 where the model is."""
        return torch.from_numpy(array.astype(np.int64)).to(self.device)

    def gradients(
        self,
        ids: NDArray[np.int32],
        lengths: NDArray[np.integer],
        labels: NDArray[np.integer],
        candidates: NDArray[np.int32],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What an attack that knows the model asks: each text's loss by its word vectors, at the class ``labels`` (N,).

        Returns the gradient's L1 norms ``(N, T)``, and the first-order gain in loss of each of ``candidates``
        ``(N, T, S)`` in the word's place, −inf where the candidate is 0.
        """
        words, others = self.on_device(ids), self.on_device(candidates)
        vectors = StepVectors(self.model.embedding, torch.cat([words.flatten(), others.flatten()]))
        embedded = vectors(words).detach().requires_grad_()
        logits = self.model.classify(embedded, self.on_device(lengths))
        losses = F.cross_entropy(logits, self.on_device(labels), reduction="sum")
        (gradient,) = torch.autograd.grad(losses, embedded)  # (N, T, E)
        return gradient.abs().sum(-1).cpu().numpy(), gains(vectors, words, others, gradient).cpu().numpy()

    def survive_ball(
        self, texts: Sequence[Sequence[str]], labels: Sequence[int], epsilon: float, steps: int = 10
    ) -> list[bool]:
        """Which texts, given as words, stand projected ascent in a ball: see ``evaluation.ball_survivors``."""
        pieces = [self.intern(words) for words in texts]
        order = np.argsort([len(piece) for piece in pieces], kind="stable")
        stood = np.zeros(len(pieces), np.bool_)
        for at in range(0, len(order), _PLAIN_BATCH):
            chosen = order[at : at + _PLAIN_BATCH]
            ids, lengths = pad([pieces[i] for i in chosen])
            parts = (ids, lengths, np.array(labels, np.int64)[chosen], chosen)
            batch = Batch(*map(self.on_device, parts))
            stood[chosen] = evaluation.ball_survivors(self.model, batch, epsilon, steps).cpu().numpy()
        return stood.tolist()

    def predict(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Class probabilities ``(N, C)`` of texts, in their order."""
        pieces = [self.intern(self.words(text)) for text in texts]
        order = np.argsort([len(piece) for piece in pieces], kind="stable")
        answers = np.empty((len(texts), len(self.labels)))
        for at in range(0, len(order), _BATCH):
            chosen = order[at : at + _BATCH]
            answers[chosen] = self.score(*pad([pieces[i] for i in chosen]))
        return answers

    def attribute(self, text: str, label: int | None = None) -> tuple[list[str], list[float]]:
        """Words and their salience for ``label`` (the predicted class where none is given).

        Gradient × input: the first-order change of the class's log-probability if the word's vector were zero
        (Shrikumar et al. 2017). Positive: the word speaks for the class.
        """
        words = self.words(text)
        ids, lengths = self.tensors(words)
        embedded = self.model.embedding(ids).detach().requires_grad_()
        logits = self.model.classify(embedded, lengths)
        wanted = int(logits.argmax()) if label is None else label
        (gradient,) = torch.autograd.grad(torch.log_softmax(logits, -1)[0, wanted], embedded)
        return words, (gradient * embedded).sum(-1)[0].tolist()

    def vector(self, text: str) -> NDArray[np.float32]:
        """The fixed-length vector ``(Z,)`` of a text."""
        return self.vectors([text])[0].cpu().numpy()

    def words_in(self, text: str, history: Sequence[str]) -> list[str]:
        """What is read of a text with the turns before it: as many of them as in training."""
        if not history or not self.config.data.history:
            return self.words(text)
        before = [" ".join(self.pipeline.words(turn)) for turn in history[-self.config.data.history :]]
        most = self.config.data.max_words
        return joined(before, " ".join(self.words(text)), most).split()[:most]

    @torch.no_grad()
    def vectors(self, texts: Sequence[str], histories: Sequence[Sequence[str]] | None = None) -> Tensor:
        """The fixed-length vectors ``(N, Z)`` of at least one text, read side by side, each with the turns before it."""
        told = histories or [()] * len(texts)
        ids, lengths = pad([self.intern(self.words_in(*one)) for one in zip(texts, told, strict=True)])
        return self.model.encode(self.model.embedding(self.on_device(ids)), self.on_device(lengths))

    @torch.no_grad()
    def source(self, text: str, history: Sequence[str] = ()) -> Source:
        """What the decoder writes from: the vector of a text and the turns before it; where it attends, the encoder's states."""
        ids, lengths = self.tensors(self.words_in(text, history))
        return self.model.read(self.model.embedding(ids), lengths)

    def generate(self, text: str, sampling: Sampling | None = None, history: Sequence[str] = ()) -> Iterator[Token]:
        """The decoder's words for a text. Raises InputError where the model has no decoder, ConfigError on bad settings."""
        for _, token in self.generate_many([text], sampling, [history]):
            yield token

    def generate_many(
        self, texts: Sequence[str], sampling: Sampling | None = None, histories: Sequence[Sequence[str]] | None = None
    ) -> Iterator[tuple[int, Token]]:
        """The decoder's words for several texts as they come, each with its text's place; every text as it would be alone."""
        chosen = (sampling or Sampling()).check()
        decoder, output = self.require_decoder()
        if not texts:
            return
        with torch.inference_mode():
            told = histories or [()] * len(texts)
            source = Source.side_by_side([self.source(*one) for one in zip(texts, told, strict=True)])
            writer = DecoderWriter(decoder, source.vector, source.memory)
        spellers = [WordSpeller(output) for _ in texts]
        yield from write(writer, spellers, chosen)

    def tensors(self, words: list[str]) -> tuple[Tensor, Tensor]:
        """A text's ids ``(1, T)`` and length ``(1,)`` where the model is."""
        ids = self.on_device(self.intern(words))[None]
        return ids, torch.tensor([ids.shape[1]], device=ids.device)
