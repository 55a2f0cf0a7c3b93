"""What can be attacked, probed and generated from, by the name a user gives.

::

    RUN, RUN@latest, RUN@step-1200, a folder     a trained model; RUN alone is its best checkpoint
    py:module:function                           your own function: list[str] → (N, C) probabilities
    http://…, https://…                          an endpoint, see http_victim.py
    hf:PATH_OR_ID                                a Hugging Face classifier; needs the extra hf
    hf:PATH                                      a folder of one that writes text; a LLaMA needs no extra
    builtin:tiny                                 the shipped deterministic victim

Heavy imports happen where a target is opened, not here.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aat_datasets.errors import AatError, CheckpointError, InputError, UnknownNameError, VictimError
from aat_models.events import Token
from aat_models.sampling import Sampling
from aat_models.turns import TURN

if TYPE_CHECKING:
    from aat_datasets.lexicon import Lexicon
    from aat_datasets.records import Example
    from aat_models.attacks import Victim
    from aat_models.predictor import Predictor
    from aat_workbench.http_victim import HttpOptions

__all__ = ["SUPPORTED", "Target", "identify", "import_function", "open_target", "reads_of"]

SUPPORTED = (
    "a run (RUN, RUN@latest, RUN@step-1200), a run's folder, py:module:function, http://…, hf:PATH_OR_ID, builtin:tiny"
)

_TINY = "builtin:tiny"


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


class _TinyTarget(Target):
    attributions = ("evidence",)

    def __init__(self, folder: Path) -> None:
        from aat_models.attacks import tiny

        self._tiny = tiny.TinyVictim()
        super().__init__(_TINY, _TINY, folder, self._tiny)

    @property
    def surface_name(self) -> str:
        return "tiny"

    def own_examples(self, split: str, limit: int, seed: int) -> list[Example] | None:
        from aat_models.attacks import tiny

        if split not in ("dev", "test"):
            raise UnknownNameError(f"split of {_TINY}", split, ("dev", "test"))
        return tiny.examples(split, limit, seed)

    @property
    def own_synonyms(self) -> tuple[Callable[[str], tuple[str, ...]], str] | None:
        from aat_models.attacks import tiny

        return tiny.synonyms, "tiny"

    def attribute(self, text: str, method: str = "") -> tuple[list[str], list[float]]:
        return self._tiny.attribute(text)


class _RunTarget(Target):
    attributions = ("gradient", "integrated")

    def __init__(self, name: str, checkpoint: Path, attacks: Path) -> None:
        from aat_models.predictor import Predictor

        self._predictor: Predictor = Predictor.load(checkpoint)
        super().__init__(name, checkpoint.name, attacks, self._predictor)
        with (checkpoint / "model.safetensors").open("rb") as file:
            self.weights = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        self.step = self._predictor.step
        self.has_head = self._predictor.has_head
        self.has_decoder = self._predictor.has_decoder
        self.dataset = self._predictor.config.data.dataset
        self.turns = self._predictor.config.data.history
        self.remembers = self.has_decoder and self.turns > 0
        self.lexicon = self._predictor.surface

    def compute_on(self, device: str) -> None:
        from aat_models import devices

        if not self.has_decoder:
            self._predictor.to(devices.choose(device))

    def write_on(self, device: str, dtype: str = "float32") -> None:
        from aat_models import devices

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
        from aat_models.config import BOUNDED

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


def identify(name: str, runs_root: Path | None = None) -> str:
    """What ``name`` stands for now, without loading it: two names or times with the same answer mean the same model.

    Raises UnknownNameError, CheckpointError, InputError.
    """
    if name == _TINY:
        return name
    kind, colon, _ = name.partition(":")
    if colon and kind in ("py", "hf", "http", "https"):
        return name
    if colon and kind == "builtin":
        raise UnknownNameError("built-in victim", name, [_TINY])
    from aat_workbench.runs import resolve_target

    return str(resolve_target(name, runs_root).absolute())


def open_target(name: str, runs_root: Path | None = None, http: HttpOptions | None = None) -> Target:
    """Loads a target; ``http`` is for endpoints. Raises UnknownNameError, CheckpointError, InputError, VictimError."""
    place = identify(name, runs_root)
    while True:
        try:
            return _opened(name, place, runs_root, http)
        except CheckpointError:
            newer = identify(name, runs_root)
            if newer == place:
                raise
            place = newer  # a training took that checkpoint away while it was read: it has a newer one


def _opened(name: str, place: str, runs_root: Path | None, http: HttpOptions | None) -> Target:
    from aat_workbench import writing_targets
    from aat_workbench.runs import runs_root as default_root

    others = (runs_root or default_root()) / "_targets" / re.sub(r"[^\w.+-]+", "-", name)[-100:] / "attacks"
    if place == _TINY:
        return _TinyTarget(others)
    kind, colon, _ = name.partition(":")
    if colon and place == name and kind in ("py", "hf", "http", "https"):
        return _foreign(name, kind, others, http)
    checkpoint = Path(place)
    inside = checkpoint.parent.name == "checkpoints" and (checkpoint.parent.parent / "config.toml").is_file()
    attacks = checkpoint.parent.parent / "attacks" if inside else others
    if (writer := writing_targets.of_checkpoint(name, checkpoint, attacks)) is not None:
        return writer
    return _RunTarget(name, checkpoint, attacks)


def _foreign(name: str, kind: str, attacks: Path, http: HttpOptions | None) -> Target:
    """A target of which the workbench knows probabilities and nothing else."""
    if kind == "py":
        target = Target(name, name, attacks, _function_victim(name))
        target.unnamed = True
        return target
    from aat_models.attacks import TextVictim
    from aat_workbench import writing_targets

    if kind == "hf" and (writer := writing_targets.of_folder(name, attacks)) is not None:
        return writer
    if kind == "hf":
        from aat_models.huggingface import HuggingFaceModel

        model = HuggingFaceModel(name.partition(":")[2])
        target = Target(name, name, attacks, TextVictim(model.labels, model, model.unknown))
        target.unnamed, target.weights = not model.named, model.weights
        return target
    from aat_workbench.http_victim import Endpoint

    endpoint = Endpoint(name, http)
    target = Target(name, name, attacks, TextVictim(endpoint.labels, endpoint))
    target.unnamed = not endpoint.named
    return target


def _function_victim(name: str) -> Victim:
    """The victim behind ``py:module:function``; the number of classes is what the function answers for one text."""
    from aat_models.attacks import TextVictim
    from aat_models.attacks.victim import checked

    _, _, rest = name.partition(":")
    module_name, _, function_name = rest.partition(":")
    if not module_name or not function_name:
        raise InputError(f"{name}: expected py:module:function", "for example py:my_model:predict")
    call = guarded(name, import_function(module_name, function_name))
    classes = checked(call(["text"]), 1, 0).shape[1]
    return TextVictim([str(number) for number in range(classes)], call)


def guarded(name: str, function: Callable[[list[str]], Any]) -> Callable[[list[str]], Any]:
    """A user's function that raises VictimError, with what it was, for whatever it raises that is not ours."""

    def call(texts: list[str]) -> Any:
        try:
            return function(texts)
        except AatError:
            raise
        except Exception as error:  # a user's function may raise anything; what it was is what they need to know
            raise VictimError(f"{name} raised {type(error).__name__}: {error}") from error

    return call


def import_function(module_name: str, function_name: str) -> Callable[[list[str]], Any]:
    """A user's function, looked for in the current folder too. Raises VictimError, UnknownNameError."""
    from aat_models.own_code import imported

    function = imported(f"py:{module_name}:{function_name}", "function", VictimError)
    if not callable(function):
        functions = [name for name, value in vars(sys.modules[module_name]).items() if callable(value)]
        raise UnknownNameError(f"function in {module_name}", function_name, functions)
    return function
