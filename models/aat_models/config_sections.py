"""The sections of a run's config: every key with its type, its default, its limits, and its line of help.

A new key is a field here; the command line and the app's forms take it from there. What is done with a config is in
``aat_models.config``, which also gives these names.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, get_args

import msgspec

__all__ = [
    "ADVERSARIES",
    "BETA",
    "BOUNDED",
    "DECODERS",
    "ENCODERS",
    "LANGUAGE_MODELS",
    "OPEN",
    "STATEFUL",
    "AdversaryConfig",
    "Config",
    "DataConfig",
    "LanguageConfig",
    "ModelConfig",
    "SurfaceConfig",
    "TrainConfig",
]


def help(text: str, **limits: Any) -> msgspec.Meta:
    """A field's line of help, and what it may be."""
    return msgspec.Meta(description=text, **limits)


ADVERSARIES: tuple[str, ...] = (
    "none", "noise", "random", "fgm", "vat", "pgd", "free", "freelb", "smart", "trades", "hotflip", "a2t", "ascc", "ibp", "aat",
)  # fmt: skip
ENCODERS: tuple[str, ...] = ("bow", "cnn", "lstm", "gru", "bilstm", "transformer")
LANGUAGE_MODELS: tuple[str, ...] = ("llama",)  # have no fixed-length vector: they read and write one text
OPEN: dict[str, tuple[str, ...]] = {"model.encoder": (*ENCODERS, *LANGUAGE_MODELS), "adversary.name": ADVERSARIES}
"""Keys that take ``py:module:Class`` besides."""
Decoder = Literal["none", "lstm", "gru", "transformer"]
DECODERS: tuple[str, ...] = get_args(Decoder)
STATEFUL: tuple[str, ...] = ("cnn", "lstm", "gru", "bilstm", "transformer")
"""Encoders with a state for each word; one of the user's own says so itself, see ``aat_models.encoders.base.HasStates``."""
BOUNDED: tuple[str, ...] = ("bow", "cnn", "lstm", "gru", "bilstm")  # encoders whose answers can be certified


class DataConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which texts, and how they become words."""

    dataset: Annotated[str, help("dataset card to train on")] = "support"
    augment: Annotated[list[str], help("datasets whose train rows join, as attack --save-as makes them")] = (
        msgspec.field(default_factory=list)
    )
    limit: Annotated[int, help("train on this many rows, drawn with the seed; 0: all", ge=0)] = 0
    history: Annotated[
        int, help("of a conversation, read this many turns before a text with it; 0: the text alone", ge=0, le=16)
    ] = 0
    preprocess: Annotated[list[str], help("preprocessing steps, in order; as they are here: the language's own")] = (
        msgspec.field(default_factory=lambda: ["normalise", "lowercase", "tokenise"])
    )
    max_words: Annotated[int, help("texts are cut after this many words", ge=1)] = 256
    vocabulary: Annotated[int, help("at most this many words have a vector of their own", ge=1)] = 30_000
    min_count: Annotated[int, help("a word seen less often than this has none", ge=1)] = 1
    output_pieces: Annotated[
        int, help("decoders write so many pieces of words, learnt from the train texts (BPE); 0: whole words", ge=0)
    ] = 0


class ModelConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """text → encoder → fixed-length vector → label head and decoder."""

    encoder: Annotated[
        str, help("what turns words into the fixed-length vector, or py:module:Class; llama: a language model instead")
    ] = "bilstm"
    embedding: Annotated[int, help("width of a word vector", ge=1)] = 100
    characters: Annotated[bool, help("add hashed character n-grams to each word's vector")] = True
    buckets: Annotated[int, help("rows of the character n-gram table", ge=1)] = 20_000
    hidden: Annotated[
        int, help("width of the encoder's states (bilstm: per direction; cnn: per filter width)", ge=1)
    ] = 128
    layers: Annotated[int, help("transformer: blocks, of the encoder and of the decoder", ge=1)] = 2
    latent: Annotated[int, help("length of the fixed-length vector", ge=1)] = 128
    dropout: Annotated[float, help("share of word-vector and latent cells dropped in training", ge=0, lt=1)] = 0.3
    decoder: Annotated[Decoder, help("what writes text from the vector")] = "none"
    decoder_hidden: Annotated[int, help("width of the decoder's state", ge=1)] = 256
    decoder_embedding: Annotated[int, help("width of an output word's vector", ge=1)] = 128
    attention: Annotated[bool, help("the decoder also attends to the encoder's states, one a word")] = False
    decoder_dropout: Annotated[
        float, help("share of a decoder's cells dropped in training: of its word vectors and states", ge=0, lt=1)
    ] = 0.0


class LanguageConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A decoder-only language model in the layout of LLaMA: ``model.encoder = "llama"``."""

    tokenizer: Annotated[
        Literal["characters", "bpe"],
        help("what a text is cut into; bpe: byte-level pieces learnt from the train texts"),
    ] = "characters"
    vocabulary: Annotated[int, help("bpe: number of pieces", ge=300)] = 4096
    context: Annotated[int, help("tokens the model sees at once", ge=2)] = 64
    width: Annotated[int, help("width of the states", ge=2)] = 128
    layers: Annotated[int, help("blocks", ge=1)] = 4
    heads: Annotated[int, help("attention heads; they divide the width", ge=1)] = 4
    key_heads: Annotated[int, help("heads of keys and values, shared by groups of heads; 0: one a head", ge=0)] = 0
    inner: Annotated[int, help("width inside a block's network; 0: 8/3 of the width, rounded up to 32", ge=0)] = 0
    tied: Annotated[bool, help("token vectors are also what answers are compared with")] = True
    theta: Annotated[float, help("base of the rotary positions", gt=1)] = 10_000.0
    dropout: Annotated[float, help("share of cells dropped in training", ge=0, lt=1)] = 0.0
    steps: Annotated[int, help("steps of the training; 0: as many as train.epochs makes", ge=0)] = 0


class TrainConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The loop."""

    stages: Annotated[list[Literal["encoder", "decoder", "joint"]], help("training stages, in order")] = msgspec.field(
        default_factory=lambda: ["encoder"]
    )
    epochs: Annotated[float, help("passes over the data in the stages encoder and joint", gt=0)] = 4.0
    decoder_epochs: Annotated[float, help("passes over the data in the stage decoder", gt=0)] = 4.0
    batch_size: Annotated[int, help("texts a step", ge=1)] = 64
    optimizer: Annotated[Literal["adamw", "adam", "sgd"], help("what steps along the gradient")] = "adamw"
    lr: Annotated[float, help("peak learning rate", gt=0)] = 2e-3
    momentum: Annotated[float, help("sgd: share of the last step that the next one keeps", ge=0, lt=1)] = 0.9
    schedule: Annotated[
        Literal["cosine", "linear", "constant"],
        help("how the learning rate falls after its rise: to zero, or not at all"),
    ] = "cosine"
    warmup: Annotated[float, help("share of a stage's steps the learning rate takes to rise", ge=0, le=1)] = 0.05
    weight_decay: Annotated[float, help("weight decay; adamw: decoupled, adam and sgd: in the gradient", ge=0)] = 1e-2
    clip: Annotated[float, help("largest norm of the whole gradient; 0: no clipping", ge=0)] = 1.0
    smoothing: Annotated[
        float, help("decoders: share of each wanted word's probability spread over all words", ge=0, lt=1)
    ] = 0.0
    ema: Annotated[float, help("decay of the weight average that is evaluated and kept; 0: none", ge=0, lt=1)] = 0.99
    log_every: Annotated[int, help("steps between two records of the curves", ge=1)] = 20
    evaluate_every: Annotated[int, help("steps between two evaluations; 0: four times an epoch", ge=0)] = 0
    evaluate_limit: Annotated[int, help("dev texts an evaluation uses", ge=1)] = 1000
    checkpoint_every: Annotated[int, help("steps between two checkpoints; 0: at every evaluation", ge=0)] = 0
    patience: Annotated[int, help("evaluations without a better score that end a stage; 0: none does", ge=0)] = 0
    threads: Annotated[int, help("processor threads; 0: one less than there are cores", ge=0)] = 0
    device: Annotated[Literal["auto", "cpu", "cuda"], help("where to compute; auto: a GPU where there is one")] = "auto"
    precision: Annotated[
        Literal["fp32", "bf16", "auto"], help("type the encoder trains in; auto: bf16 where a GPU gains by it")
    ] = "fp32"
    compile: Annotated[bool, help("on a GPU, have torch compile the encoder")] = False
    deterministic: Annotated[bool, help("only algorithms that give the same bytes every time")] = False
    tensorboard: Annotated[bool, help("write the curves into the run folder for TensorBoard too, live")] = False


class SurfaceConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The closed attack surface: for every word, the substitutes an adversary may use."""

    source: Annotated[
        Literal["auto", "counterfitted", "wordnet-cmn", "dataset", "neighbours", "none"],
        help(
            "where synonyms come from; auto: the first of counterfitted or wordnet-cmn, dataset, neighbours that is there"
        ),
    ] = "auto"
    synonyms: Annotated[int, help("synonyms a word has at most", ge=0, le=8)] = 8
    characters: Annotated[int, help("character variants a word has at most", ge=0, le=4)] = 4


BETA = {"aat": 0.75, "ascc": 4.0, "trades": 6.0}  # the last two as in their papers


class AdversaryConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What perturbs during training, and how the adversarial loss weighs in."""

    def __post_init__(self) -> None:
        if math.isnan(self.beta):
            self.beta = BETA.get(self.name, 1.0)

    name: Annotated[str, help("what perturbs texts during training, or py:module:Class")] = "none"
    stages: Annotated[
        list[Literal["encoder", "joint", "decoder", "joint-decoder"]],
        help("stages it is on in; encoder, joint: the label's side; decoder, joint-decoder: the decoder's side"),
    ] = msgspec.field(default_factory=lambda: ["encoder", "joint"])
    beta: Annotated[
        float,
        help(
            "weight of the adversarial loss; where none is said the method's own: aat .75, ascc 4, trades 6, else 1",
            ge=0,
        ),
    ] = math.nan
    mu: Annotated[float, help("weight of cross-entropy on adversarial samples beside the KL term", ge=0)] = 0.5
    gamma: Annotated[float, help("aat: weight of the distance between words and their substitutes", ge=0)] = 1.0
    budget: Annotated[float, help("share of a text's words an adversary may change", gt=0, le=1)] = 0.3
    epsilon: Annotated[
        float, help("methods in a ball: its radius, relative to the norm of the text's word vectors", gt=0)
    ] = 0.1
    families: Annotated[list[Literal["word", "char", "any", "hull", "ball"]], help("aat: adversary families")] = (
        msgspec.field(default_factory=lambda: ["any"])
    )
    mixing: Annotated[
        Literal["hedge", "uniform", "average", "max"],
        help(
            "aat: draw one family a step, the stronger the oftener, or evenly; or meet all, their mean or each text's worst"
        ),
    ] = "hedge"
    probe: Annotated[bool, help("aat: families are weighed by held-out texts instead of training batches")] = False
    reference: Annotated[float, help("aat: dev loss of clean training that beta answers to; 0: beta stays", ge=0)] = 0.0
    tolerance: Annotated[float, help("aat: dev loss allowed above the reference, in nats", ge=0)] = 0.03
    dual_rate: Annotated[float, help("aat: how fast beta answers to a dev loss above that", gt=0)] = 2.0
    second_step: Annotated[
        float,
        help("aat: share of the training after which texts not yet fooled get a second ascent; 1: never", ge=0, le=1),
    ] = 1.0
    adaptive: Annotated[bool, help("aat: every example has its own radius, tracking where attacks succeed")] = False
    rho_start: Annotated[float, help("aat: first radius of an example", gt=0, le=1)] = 0.2
    rho_max: Annotated[float, help("aat: largest radius of an example", gt=0, le=1)] = 1.0
    rho_floor: Annotated[bool, help("aat: the smallest radius rises linearly to the budget over the training")] = False
    success: Annotated[float, help("aat: rate of success the radius tracks (q)", gt=0, lt=1)] = 0.5
    eta: Annotated[float, help("aat: step of the radius", gt=0)] = 0.3
    ranking: Annotated[
        Literal["gradient", "chance"],
        help("aat: substitutes by what they gain to first order, or drawn blindly: the control of the method"),
    ] = "gradient"
    temperature: Annotated[float, help("aat, hull: temperature of the weights over substitutes", gt=0)] = 0.5
    cache: Annotated[bool, help("aat: half of the proposals start from the example's last one")] = False
    kappa: Annotated[float, help("ibp: weight of the worst case against the clean loss, at last", ge=0, le=1)] = 0.8
    ramp: Annotated[float, help("ibp: share of the training in which kappa and the boxes grow", ge=0, le=1)] = 0.7
    shrink: Annotated[float, help("ibp: weight of the distance between words and what their boxes span", ge=0)] = 0.3
    box: Annotated[list[Literal["word", "char"]], help("ibp: substitutes its boxes span")] = msgspec.field(
        default_factory=lambda: ["word"]
    )
    proximal: Annotated[float, help("smart: weight of keeping near the answers of averaged weights", ge=0)] = 1.0
    steps: Annotated[int, help("ascc, pgd, freelb, smart, trades: ascent steps; free: turns of a batch", ge=1)] = 2


class Config(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Everything a run is made from; running it again reproduces the run."""

    run: Annotated[str, help("name of the run's folder; empty: made from dataset, model and adversary")] = ""
    seed: Annotated[int, help("seed of everything random", ge=0)] = 0
    data: DataConfig = msgspec.field(default_factory=DataConfig)
    model: ModelConfig = msgspec.field(default_factory=ModelConfig)
    train: TrainConfig = msgspec.field(default_factory=TrainConfig)
    surface: SurfaceConfig = msgspec.field(default_factory=SurfaceConfig)
    adversary: AdversaryConfig = msgspec.field(default_factory=AdversaryConfig)
    language: LanguageConfig = msgspec.field(default_factory=LanguageConfig)
