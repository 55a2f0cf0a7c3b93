"""A checkpoint of a trained run that has an encoder and a fixed-length vector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from aat_datasets.errors import InputError
from aat_models import devices
from aat_models.checkpoint import weights_hash
from aat_models.config import BOUNDED
from aat_models.events import Token
from aat_models.predictor import Predictor
from aat_models.sampling import Sampling
from aat_models.turns import TURN
from aat_workbench.targets.base import Target, reads_of

__all__ = ["RunTarget"]


class RunTarget(Target):
    """Classifies, writes, or both, as it was trained; told apart from others by a hash of its weights."""

    attributions = ("gradient", "integrated")

    def __init__(self, name: str, checkpoint: Path, attacks: Path) -> None:
        self._predictor = Predictor.load(checkpoint)
        super().__init__(name, checkpoint.name, attacks, self._predictor)
        self.weights = weights_hash(checkpoint)
        self.step = self._predictor.step
        self.has_head = self._predictor.has_head
        self.has_decoder = self._predictor.has_decoder
        self.dataset = self._predictor.config.data.dataset
        self.turns = self._predictor.config.data.history
        self.remembers = self.has_decoder and self.turns > 0
        self.lexicon = self._predictor.surface

    def compute_on(self, device: str) -> None:
        if not self.has_decoder:
            self._predictor.to(devices.choose(device))

    def write_on(self, device: str, dtype: str = "float32") -> None:
        if dtype != "float32":
            raise InputError(f"{self.name}: a decoder on a fixed-length vector writes in float32", "leave out --dtype")
        self._predictor.to(devices.choose(device))

    def attribute(self, text: str, method: str = "") -> tuple[list[str], list[float]]:
        self.require_head()
        if method == "integrated":
            from aat_models.attribution import integrated_gradients

            return integrated_gradients(self._predictor, text)
        words, scores = self._predictor.attribute(text)
        return list(words), [float(score) for score in scores]

    def certify(
        self, texts: Sequence[Sequence[str]], labels: Sequence[int], substitutes: Callable[[str], Sequence[str]]
    ) -> list[bool] | None:
        from aat_models.certification import SLACK, text_margins

        predictor = self._predictor
        if not self.has_head or predictor.config.model.encoder not in BOUNDED:
            return None
        margins = text_margins(predictor.model, predictor.intern, texts, labels, substitutes)
        return (margins > SLACK).tolist()

    @property
    def vectors(self) -> Predictor | None:
        return self._predictor

    def survive_ball(self, texts: Sequence[Sequence[str]], labels: Sequence[int], epsilon: float) -> list[bool] | None:
        return self._predictor.survive_ball(texts, labels, epsilon) if self.has_head else None

    def generate(
        self, prompt: str, sampling: Sampling, history: Sequence[str] = (), system: str = ""
    ) -> Iterator[Token]:
        if not self.has_decoder:
            return super().generate(prompt, sampling)
        self.no_system(system)
        if not self.remembers:
            self.only_turn(history)
        return self._predictor.generate(prompt, sampling.check(), history)

    def left_out(self, prompt: str, history: Sequence[str] = (), system: str = "") -> list[str]:
        if self.remembers and (read := self._predictor.words_in(prompt, history).count(TURN)) < len(history):
            return [reads_of(read, len(history))]
        count, most = len(self._predictor.pipeline.words(prompt)), self._predictor.config.data.max_words
        return [f"the prompt is too long for the model: the first {most:,} of its {count:,} words are read"] * (
            count > most
        )

    def generate_many(
        self, prompts: Sequence[str], sampling: Sampling, histories: Sequence[Sequence[str]] | None = None
    ) -> Iterator[tuple[int, Token]]:
        if not self.has_decoder:
            return super().generate_many(prompts, sampling, histories)
        return self._predictor.generate_many(prompts, sampling.check(), histories)
