"""What an attack's edits are judged by, by the names a user gives: ``--similarity`` and ``--fluency``.

::

    py:module:function[:COSINE]     your own encoder: list[str] → (N, E) vectors
    st:PATH_OR_ID[:COSINE]          a sentence-transformers model; needs the extra similarity
    RUN[:NATS]                      the decoder of a trained run
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aat_datasets.errors import InputError
from aat_workbench.attack_request import AttackRequest

if TYPE_CHECKING:
    from aat_models.attacks import Checks
    from aat_models.fluency import DecoderFluency

__all__ = ["OpenedChecks", "numbered", "open_checks"]

NATS = 5.0
"""How far a substitute may make the text less likely unless told otherwise (Jia et al. 2019)."""

_SAMPLE = 50  # texts the decoder's perplexity is measured on


@dataclass
class OpenedChecks:
    """Checks, with what names them in an attack's settings.

    Attributes:
        checks: for the attack.
        identities: settings of the attack (``similarity``, ``fluency`` and hashes of their weights) → what they hold.
    """

    checks: Checks
    identities: dict[str, str] = field(default_factory=dict[str, str])
    fluency: DecoderFluency | None = None

    def warnings(self, texts: Sequence[Sequence[str]]) -> list[str]:
        """What makes a decoder's judgement of these texts, each its words, doubtful."""
        if self.fluency is None or not texts:
            return []
        told: list[str] = []
        unknown, perplexity = self.fluency.unknown_share(texts), self.fluency.perplexity(texts[:_SAMPLE])
        if unknown > 0.1:
            told.append(f"fluency: the decoder has no word for {100 * unknown:.0f} % of the texts' words")
        if perplexity > self.fluency.surprising:
            told.append(
                f"fluency: the decoder knows nothing of such texts (perplexity {perplexity:,.0f}, more than it has words): "
                "it was trained to write others, or too little"
            )
        return told


def open_checks(request: AttackRequest, runs_root: Path | None = None) -> OpenedChecks:
    """Opens what a request names.

    Raises InputError, UnknownNameError, CheckpointError, VictimError; the message names the option.
    """
    from aat_models.attacks import Checks, SentenceEncoder
    from aat_models.attacks.constraints import Fluency

    identities: dict[str, str] = {}
    encoder, constraints, fluency = None, (), None
    if request.similarity:
        name, least = numbered(request.similarity)
        encode, weights = _encoder(name)
        encoder = SentenceEncoder(encode, least)
        identities |= {"similarity": request.similarity, "similarity_weights": weights}
    if request.fluency:
        name, nats = numbered(request.fluency)
        limit = NATS if nats is None else nats
        if not limit >= 0:
            raise InputError(f"--fluency: expected at least 0 nats, got {limit}")
        fluency, checkpoint = _decoder(name, runs_root)
        constraints = (Fluency(fluency.falls, limit),)
        identities |= {"fluency": f"{name}:{limit:g}", "fluency_weights": checkpoint}
    return OpenedChecks(Checks(encoder, constraints), identities, fluency)


def numbered(text: str) -> tuple[str, float | None]:
    """``NAME:0.8`` → the name and the number; ``NAME`` alone → None."""
    name, colon, number = text.rpartition(":")
    try:
        return (name, float(number)) if colon and name else (text, None)
    except ValueError:
        return text, None


def _encoder(name: str) -> tuple[Callable[[list[str]], Any], str]:
    """The function that encodes, and a hash of its weights where they can be seen."""
    kind, _, rest = name.partition(":")
    if kind == "st" and rest:
        from aat_models.sentence_encoder import SentenceTransformerEncoder

        model = SentenceTransformerEncoder(rest)
        return model, model.weights
    module, _, function_name = rest.partition(":")
    if kind != "py" or not module or not function_name:
        raise InputError(
            f"--similarity: {name} is no sentence encoder",
            'py:module:function, or st:PATH_OR_ID with pip install "aat-workbench[similarity]"',
        )
    from aat_workbench.targets.function import guarded, import_function

    return guarded(name, import_function(module, function_name)), ""


def _decoder(name: str, runs_root: Path | None) -> tuple[DecoderFluency, str]:
    """The decoder of a run, and a hash of its weights."""
    from aat_models.checkpoint import weights_hash
    from aat_models.fluency import DecoderFluency
    from aat_models.predictor import Predictor
    from aat_workbench.runs import resolve_target

    if name.partition(":")[0] in ("py", "hf", "http", "https", "builtin"):
        raise InputError(f"--fluency: {name} has no decoder", "name a run trained with model.decoder = lstm")
    checkpoint = resolve_target(name, runs_root)
    predictor = Predictor.load(checkpoint)
    if not predictor.has_decoder:
        raise InputError(
            f"--fluency: {name} has no decoder",
            "name a run trained with --set model.decoder=lstm --set train.stages=encoder,decoder",
        )
    return DecoderFluency(predictor), weights_hash(checkpoint)
