"""The commands' verbs for Python, typed; ``aat_workbench`` re-exports them.

Long work is an iterator of the same events the commands print. Nothing heavy is imported before a verb is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aat_models import config as configs
from aat_models.config import Config
from aat_models.events import Event, Token

if TYPE_CHECKING:
    from aat_datasets.catalog import Dataset
    from aat_datasets.records import Example
    from aat_models.attacks import Attack, Recipe, Surface, Victim
    from aat_models.language_model import LanguageModel
    from aat_models.predictor import Predictor

__all__ = [
    "Config",
    "attack",
    "attribute",
    "configure",
    "evaluate",
    "generate",
    "load",
    "load_dataset",
    "load_language_model",
    "surface_of",
    "train",
]


def configure(settings: Mapping[str, Any]) -> Config:
    """The default config with dotted keys set: ``{"data.dataset": "support", "train.epochs": 2}``.

    Raises UnknownNameError or ConfigError naming the key.
    """
    return configs.apply(Config(), dict(settings))


def load_dataset(name: str) -> Dataset:
    """The dataset of that name, ingested on first use; nothing is downloaded.

    Raises UnknownNameError, or DataError where its files are not on this machine.
    """
    from aat_datasets.catalog import open_dataset

    return open_dataset(name)


def train(config: Config, *, resume: bool = False, runs_root: Path | None = None) -> Iterator[Event]:
    """Train in a run folder and yield what happens; ``runs.find_run`` finds the folder again.

    Raises InputError or ConfigError at once where the run cannot be begun, AatError after a ``Failed`` event.
    """
    from aat_workbench.training import run_training

    return run_training(config, resume=resume, runs_root=runs_root)


def load(target: str, *, runs_root: Path | None = None) -> Predictor:
    """The model of ``RUN``, ``RUN@latest``, ``RUN@step-1200`` or a folder. Raises UnknownNameError, CheckpointError."""
    from aat_datasets.errors import CheckpointError
    from aat_models.predictor import Predictor
    from aat_workbench.runs import resolve_target

    place = resolve_target(target, runs_root)
    path = place / "config.toml"
    if path.is_file() and configs.is_language_model(configs.load(path)):
        raise CheckpointError(f"{target} is a language model", "load_language_model reads it")
    return Predictor.load(place)


def load_language_model(target: str, *, runs_root: Path | None = None) -> LanguageModel:
    """The language model of a run, named as for ``load``, or of a folder in Hugging Face's layout, ``hf:FOLDER``.

    Raises UnknownNameError, CheckpointError.
    """
    from aat_models.language_model import LanguageModel
    from aat_workbench.runs import resolve_target

    if target.startswith("hf:"):
        return LanguageModel.load_folder(Path(target.removeprefix("hf:")))
    return LanguageModel.load(resolve_target(target, runs_root))


def surface_of(victim: Victim, kind: str = "words") -> Surface:
    """The substitutes an attack on ``victim`` may use: its own synonyms (``words``), misspellings (``characters``), or
    both (``all``). Raises UnknownNameError."""
    from aat_datasets.errors import UnknownNameError
    from aat_datasets.lexicon import Lexicon, character_variants
    from aat_models.attacks import combine

    own = getattr(victim, "surface", None)
    synonyms = own.substitutes if isinstance(own, Lexicon) else Lexicon.empty().substitutes
    known = {"words": (synonyms,), "characters": (character_variants,), "all": (synonyms, character_variants)}
    if kind not in known:
        raise UnknownNameError("surface", kind, known)
    return combine(*known[kind])


def attack(
    victim: Victim,
    examples: Iterable[Example],
    recipe: str | Recipe = "greedy",
    *,
    surface: Surface | str = "words",
    **options: Any,
) -> Attack:
    """Attack a model and iterate over the results as they are ready.

    Args:
        victim: a loaded model, or anything with ``labels``, ``words``, ``intern`` and ``score``.
        examples: labelled texts with a row number each.
        recipe: name of a recipe, ``py:module:RECIPE``, or a recipe of your own.
        surface: which substitutes, see ``surface_of``, or a function from a word to its substitutes.
        options: ``budget``, ``queries_per_word``, ``seed``, ``concurrency``, ``batch``, ``temperature``; see
            ``aat_models.attacks.attack``.

    Raises InputError, DataError, UnknownNameError.
    """
    from aat_models import attacks

    chosen = surface_of(victim, surface) if isinstance(surface, str) else surface
    wanted = attacks.find(recipe) if isinstance(recipe, str) else recipe
    return attacks.attack(victim, examples, wanted, surface=chosen, **options)


def evaluate(targets: Sequence[str], *, runs_root: Path | None = None, **options: Any) -> dict[str, Any]:
    """Attack several targets on the same texts and compare them with the first.

    Args:
        targets: names as the command takes them: runs, ``py:module:function``, ``http://…``, ``hf:…``.
        options: ``suite``, ``recipes``, ``dataset``, ``split``, ``n``, ``budget``, ``queries_per_word``, ``seed``,
            ``surface``, ``goal``, ``fresh``.

    Returns the table of docs/attacking.md, which is kept on disk too. Raises InputError, DataError, UnknownNameError,
    VictimError, and ConfigError for an option that is none.
    """
    import msgspec

    from aat_datasets.errors import ConfigError
    from aat_workbench.evaluating_writing import evaluation
    from aat_workbench.suites import EvaluationRequest
    from aat_workbench.targets import open_target

    try:
        request = msgspec.convert(options, EvaluationRequest)
    except msgspec.ValidationError as error:
        raise ConfigError(f"evaluate: {error}", "known: " + ", ".join(EvaluationRequest.__struct_fields__)) from None
    made = evaluation([open_target(name, runs_root) for name in targets], request, runs_root)
    for _ in made.steps():
        pass
    return made.table


def attribute(model: Predictor, text: str, label: int | None = None) -> tuple[list[str], list[float]]:
    """Words and their salience for a class, the predicted one where none is given: gradient × input."""
    return model.attribute(text, label)


def generate(model: Predictor | LanguageModel, prompt: str, **sampling: Any) -> Iterator[Token]:
    """Write text from the prompt's vector, or go on with the prompt, a token at a time.

    Args:
        sampling: what ``aat_models.sampling.Sampling`` has: ``greedy``, ``temperature``, ``top_k``, ``beams`` …

    Raises InputError where the model has no decoder, ConfigError naming a setting that is out of range.
    """
    from aat_datasets.errors import ConfigError
    from aat_models.sampling import Sampling

    try:
        chosen = Sampling(**sampling)
    except TypeError as error:
        known = ", ".join(Sampling.__struct_fields__)
        raise ConfigError(f"sampling: {error}", f"known: {known}") from None
    return model.generate(prompt, chosen)
