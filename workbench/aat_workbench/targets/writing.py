"""Targets that write text and do nothing else: language models of runs, and folders of Hugging Face's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from aat_datasets.errors import VictimError
from aat_models.events import Token
from aat_models.sampling import Sampling
from aat_workbench.targets.base import Target, reads_of

if TYPE_CHECKING:
    from aat_models.language_model import LanguageModel, Reading

__all__ = ["LanguageTarget", "WritingTarget", "of_checkpoint", "of_folder"]


def of_checkpoint(name: str, checkpoint: Path, attacks: Path) -> Target | None:
    """The target in a checkpoint folder of a language model; None for one of another kind. Raises CheckpointError."""
    from aat_models import config as configs

    path = checkpoint / "config.toml"
    if not path.is_file() or not configs.is_language_model(configs.load(path)):
        return None
    from aat_models.language_model import LanguageModel

    return LanguageTarget(name, checkpoint.name, attacks, LanguageModel.load(checkpoint))


def of_folder(name: str, attacks: Path) -> Target | None:
    """The target ``hf:FOLDER`` of a model that writes; None for anything else.

    Raises CheckpointError, VictimError, InputError.
    """
    folder = Path(name.partition(":")[2])
    if not (folder / "config.json").is_file():
        return None
    from aat_models import llama_layout
    from aat_models.huggingface_writing import writes_text

    config = llama_layout.read_config(folder)
    if llama_layout.is_llama(config):
        from aat_models.language_model import LanguageModel

        return LanguageTarget(name, name, attacks, LanguageModel.load_folder(folder))
    return WritingTarget(name, attacks, folder) if writes_text(config) else None


class _Writes(Target):
    """Asked for what it cannot be told, it says so."""

    def _check(self, history: Sequence[str], system: str) -> None:
        if not self.remembers:
            self.only_turn(history)
        if not self.instructed:
            self.no_system(system)


class LanguageTarget(_Writes):
    """A model that goes on with a text, or answers a turn."""

    def __init__(self, name: str, identity: str, attacks: Path, model: LanguageModel) -> None:
        super().__init__(name, identity, attacks, _NoVictim(name))
        self._model = model
        self.step = model.step
        self.has_head, self.has_decoder, self.remembers = False, True, model.dialogue
        self.instructed = model.instructed
        if model.config is not None:
            self.dataset, self.turns = model.config.data.dataset, model.config.data.history

    def write_on(self, device: str, dtype: str = "float32") -> None:
        import torch

        from aat_models import devices

        self._model.model.to(device=devices.choose(device), dtype=getattr(torch, dtype))

    def generate(
        self, prompt: str, sampling: Sampling, history: Sequence[str] = (), system: str = ""
    ) -> Iterator[Token]:
        self._check(history, system)
        return self._model.generate(prompt, sampling.check(), history, system)

    def left_out(self, prompt: str, history: Sequence[str] = (), system: str = "") -> list[str]:
        self._check(history, system)
        return _told(self._model.reading(prompt, history, system), len(history))

    def generate_many(
        self, prompts: Sequence[str], sampling: Sampling, histories: Sequence[Sequence[str]] | None = None
    ) -> Iterator[tuple[int, Token]]:
        return self._model.generate_many(prompts, sampling.check(), histories)


def _told(read: Reading, turns: int) -> list[str]:
    """What is not read, a sentence each."""
    told: list[str] = []
    if read.turns:
        told.append(reads_of(turns - read.turns, turns))
    if read.tokens:
        told.append(
            f"the prompt is too long for the model: its first {read.tokens:,} tokens are left out, the last "
            f"{len(read.ids):,} are read"
        )
    return told


class WritingTarget(_Writes):
    """A Hugging Face model that writes and is no LLaMA."""

    def __init__(self, name: str, attacks: Path, folder: Path) -> None:
        from aat_models.huggingface_writing import HuggingFaceWriter

        super().__init__(name, name, attacks, _NoVictim(name))
        self._writer = HuggingFaceWriter(folder)
        self.has_head, self.has_decoder, self.remembers = False, True, self._writer.remembers
        self.instructed = self.remembers

    def write_on(self, device: str, dtype: str = "float32") -> None:
        import torch

        from aat_models import devices

        self._writer.to(devices.choose(device), getattr(torch, dtype))

    def generate(
        self, prompt: str, sampling: Sampling, history: Sequence[str] = (), system: str = ""
    ) -> Iterator[Token]:
        self._check(history, system)
        return self._writer.generate(prompt, sampling.check(), history, system)

    def left_out(self, prompt: str, history: Sequence[str] = (), system: str = "") -> list[str]:
        self._check(history, system)
        return _told(self._writer.reading(prompt, history, system=system), len(history))


class _NoVictim:
    """Stands where a victim would: there are no labels, and nothing can be asked."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def labels(self) -> list[str]:
        return []

    def words(self, text: str, /) -> list[str]:
        self._refuse()

    def intern(self, words: Sequence[str], /) -> Any:
        self._refuse()

    def score(self, ids: Any, lengths: Any, /) -> Any:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise VictimError(f"{self._name} writes text and does not classify", "name a model with a label head")
