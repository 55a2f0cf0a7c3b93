"""What can be asked of a target, whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aat_datasets.errors import InputError, VictimError
from aat_models.events import Token
from aat_models.sampling import Sampling

if TYPE_CHECKING:
    from aat_datasets.lexicon import Lexicon
    from aat_datasets.records import Example
    from aat_models.attacks import Victim
    from aat_models.predictor import Predictor

__all__ = ["Target", "reads_of"]


class Target:
    """A victim with what the workbench needs to know of it; a subclass for each kind.

    Attributes:
        name: as it was given.
        identity, weights: the checkpoint and a hash of its weights; what a resumed attack must find unchanged.
        attacks: the folder that keeps its attacks.
        labels, step, has_head, has_decoder: of the model.
        remembers: it answers a turn of a dialogue, and reads what was said before.
        instructed: it takes a system text as well.
        turns: how many turns before a text it was trained to read.
        dataset: the dataset it was trained on; empty where that is not known.
        lexicon: the synonyms saved with it; None where there are none.
        unnamed: its classes have numbers only; a dataset gives them names.
        temperatures: what calibration found, by what it was found on.
        kept: what others made of the model and may want again, by their own names.
        attributions: the methods of ``attribute``, the usual one first.
    """

    attributions: tuple[str, ...] = ("occlusion",)

    def __init__(self, name: str, identity: str, attacks: Path, victim: Victim) -> None:
        self.name = name
        self.identity = identity
        self.weights = ""
        self.attacks = attacks
        self.victim = victim
        self.step = 0
        self.has_head = True
        self.has_decoder = False
        self.remembers = False
        self.instructed = False
        self.turns = 0
        self.dataset = ""
        self.lexicon: Lexicon | None = None
        self.unnamed = False
        self.temperatures: dict[str, float] = {}
        self.kept: dict[str, Any] = {}

    @property
    def labels(self) -> list[str]:
        return self.victim.labels

    @property
    def surface_name(self) -> str:
        return self.lexicon.name if self.lexicon is not None else ""

    def own_examples(self, split: str, limit: int, seed: int) -> list[Example] | None:
        """Texts that come with the target itself; None where it has none and a dataset must be named."""
        return None

    @property
    def own_synonyms(self) -> tuple[Callable[[str], tuple[str, ...]], str] | None:
        """Synonyms that come with the target itself, with what names them; None where it has a lexicon or nothing."""
        return None

    def require_head(self) -> None:
        """Raises VictimError where the model cannot classify."""
        if not self.has_head:
            raise VictimError(
                f"{self.name} has no label head: it writes text and does not classify",
                "name a model whose training had the stage encoder or joint",
            )

    def compute_on(self, device: str) -> None:
        """Answer from ``cpu`` or ``cuda``; ``auto`` takes a GPU where there is one.

        A trained run without a decoder does; all others stay where they are. Raises ConfigError where there is no GPU.
        """

    def write_on(self, device: str, dtype: str = "float32") -> None:
        """Write from ``cpu`` or ``cuda`` (``auto`` takes a GPU where there is one), with weights of a type.

        Language models take any of ``float32``, ``bfloat16`` and ``float16``, a decoder on a vector the first alone. Raises
        ConfigError where there is no GPU, InputError where the type does not fit.
        """

    def words(self, text: str) -> list[str]:
        return self.victim.words(text)

    def predict(self, texts: Sequence[str]) -> list[list[float]]:
        """Class probabilities of each text. Raises VictimError."""
        from aat_models.attacks.victim import score_texts

        self.require_head()
        return [[float(p) for p in row] for row in score_texts(self.victim, texts, batch=64)] if texts else []

    def attribute(self, text: str, method: str = "") -> tuple[list[str], list[float]]:
        """The words and how much each speaks for the predicted class; ``method`` is one of ``attributions``.

        Here by occlusion: how far p(predicted class) falls when the word is unknown. Raises VictimError.
        """
        import numpy as np

        from aat_models.attacks.victim import UNK

        self.require_head()
        words = self.words(text)
        if not words:
            return [], []
        n = len(words)
        ids = np.tile(self.victim.intern(words), (n + 1, 1))
        ids[np.arange(1, n + 1), np.arange(n)] = UNK
        probabilities = self.victim.score(ids, np.full(n + 1, n))
        label = int(probabilities[0].argmax())
        return words, [float(probabilities[0, label] - p) for p in probabilities[1:, label]]

    def certify(
        self, texts: Sequence[Sequence[str]], labels: Sequence[int], substitutes: Callable[[str], Sequence[str]]
    ) -> list[bool] | None:
        """Which texts, given as the target's words, provably keep their label whatever words are substituted.

        None where nothing can be proved: for a trained run with an encoder that can be bounded it can.
        """
        return None

    def survive_ball(self, texts: Sequence[Sequence[str]], labels: Sequence[int], epsilon: float) -> list[bool] | None:
        """Which texts, given as the target's words, stand ascent in a ball around their word vectors.

        None for targets whose word vectors cannot be moved: all but trained runs.
        """
        return None

    @property
    def vectors(self) -> Predictor | None:
        """The model whose fixed-length vectors can be looked into; None for all targets but trained runs."""
        return None

    def generate(
        self, prompt: str, sampling: Sampling, history: Sequence[str] = (), system: str = ""
    ) -> Iterator[Token]:
        """Writes text from the prompt; ``history`` are the turns before it, for a target that remembers.

        Raises InputError where the model writes no text, knows no turns, or takes no ``system`` text.
        """
        raise InputError(
            f"{self.name} has no decoder, so it cannot generate text",
            "train a model with model.decoder = lstm and the stage decoder or joint, or with --model llama",
        )

    def generate_many(
        self, prompts: Sequence[str], sampling: Sampling, histories: Sequence[Sequence[str]] | None = None
    ) -> Iterator[tuple[int, Token]]:
        """Tokens for several prompts, each with its prompt's place; here one prompt after another. Raises as ``generate``."""
        for place, (prompt, history) in enumerate(zip(prompts, histories or [()] * len(prompts), strict=True)):
            for token in self.generate(prompt, sampling, history):
                yield place, token

    def left_out(self, prompt: str, history: Sequence[str] = (), system: str = "") -> list[str]:
        """What of a prompt and the turns before it the model will not read, a sentence each; nothing where it reads all."""
        return []

    def no_system(self, system: str) -> None:
        """Raises InputError where there is a system text."""
        if system:
            raise InputError(f"{self.name} takes no system text: it was trained without", "leave out --system")

    def only_turn(self, history: Sequence[str]) -> None:
        """Raises InputError where there are turns before the one at hand."""
        if history:
            raise InputError(f"{self.name} reads one text: it cannot be told what was said before", "leave out --chat")


def reads_of(read: int, turns: int) -> str:
    """That a model reads some of the turns before only."""
    return f"the model reads {f'the last {read}' if read else 'none'} of the {turns} turns before"
