"""What the engine and its clients say to each other: one JSON object a line, over stdin and stdout.

::

    engine  {"hello": {"protocol": 2, "version": "0.1.0", "pid": 4711, "host": "here", "runs": "/home/me/runs"}}
    client  {"id": 1, "method": "predict", "params": {"target": "builtin:tiny", "texts": ["great film"]}}
    engine  {"id": 1, "event": {…}}                       any number, records of aat_models.events
    engine  {"id": 1, "result": …}                        or {"id": 1, "error": {"kind", "message", "hint"}}
    client  {"id": 2, "method": "cancel", "params": {"id": 1}}

A request that was cancelled ends with an error of the kind ``Cancelled``. A line that is no request is answered with an
error whose ``id`` is null. ``kind`` is a name of the error tree (aat_datasets.errors), or ``Internal``.

What is asked about runs (``DESK``) needs no model; the engine answers it beside everything else (run_desk.py), so that
a training can be followed and paused while a model is loaded. Bytes are base64. Nothing here imports torch.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, BinaryIO, Literal

import msgspec

from aat_models.sampling import Sampling
from aat_workbench.attack_request import AttackRequest, SurfaceKind
from aat_workbench.suites import EvaluationRequest

__all__ = [
    "CANCELLED",
    "DESK",
    "INTERNAL",
    "METHODS",
    "PATIENCE",
    "PROTOCOL",
    "TAIL",
    "Attack",
    "Attribute",
    "Cancel",
    "Changed",
    "Changes",
    "Control",
    "Evaluate",
    "Generate",
    "Latent",
    "Load",
    "Note",
    "Nothing",
    "OfRun",
    "Piece",
    "Place",
    "Predict",
    "Problem",
    "Queue",
    "Read",
    "Recipes",
    "Reply",
    "Report",
    "Request",
    "Rows",
    "Start",
    "Substitutes",
    "Text",
    "tail_of",
]

PROTOCOL = 2
CANCELLED = "Cancelled"
INTERNAL = "Internal"


class Request(msgspec.Struct):
    """One call. Parameters that are null count as not given."""

    id: int
    method: str
    params: dict[str, Any] = {}


class Problem(msgspec.Struct):
    """Why a call failed, and what to do about it."""

    kind: str
    message: str
    hint: str = ""


class Reply(msgspec.Struct):
    """What a client reads; exactly one of ``hello``, ``event``, ``result``, ``error`` is there."""

    id: int | None = None
    hello: dict[str, Any] | None = None
    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: Any = msgspec.UNSET
    error: Problem | None = None


class _Params(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    pass


class Nothing(_Params):
    """No parameters."""


class Load(_Params):
    target: str


class Predict(_Params):
    target: str
    texts: list[str]


class Attribute(_Params):
    """``by`` is the method that is wanted; a victim that cannot do it answers by its own, and the result says which."""

    target: str
    text: str
    by: Literal["gradient", "integrated"] = "gradient"


class Recipes(_Params):
    """What there is to attack with."""


class Substitutes(_Params):
    target: str
    text: str
    surface: SurfaceKind = "words"


class Attack(AttackRequest, kw_only=True, forbid_unknown_fields=True):
    target: str


class Evaluate(EvaluationRequest, kw_only=True, forbid_unknown_fields=True):
    """Several targets under the same attacks, the reference first; the result is the evaluation's table."""

    targets: list[str]


class Generate(Sampling, kw_only=True, forbid_unknown_fields=True):
    """``history``: the turns before the prompt, the oldest first, for a target that ``remembers``; ``system``: the system
    text, for one that is ``instructed``."""

    target: str
    prompt: str
    history: list[str] = msgspec.field(default_factory=lambda: list[str]())
    system: str = ""


class Latent(_Params):
    """A way through a model's vectors: from ``text`` to ``other``, else from ``text`` the way that hurts.

    ``places``: how many there are between two texts; otherwise to which ``lengths`` the vector is moved. ``nearest``: how many
    training texts are told beside each.
    """

    target: str
    text: str
    other: str = ""
    places: int = 9
    lengths: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
    nearest: int = 3
    max_tokens: int = 40


class Cancel(_Params):
    id: int


# Runs


class OfRun(_Params):
    """A run by its name: ``run`` tells of it, ``resume`` and ``remove`` do that."""

    run: str


class Control(OfRun, kw_only=True, forbid_unknown_fields=True):
    """A command as ``runs control`` takes it: ``pause``, ``set lr=1e-3``; carried out at step ``at``."""

    command: str
    at: int = 0


class Resume(OfRun, kw_only=True, forbid_unknown_fields=True):
    """Go on with a training, when its turn comes where ``queued``."""

    queued: bool = False


class Note(OfRun, kw_only=True, forbid_unknown_fields=True):
    """A run's note and tags."""

    text: str = ""
    tags: list[str] = []


class Queue(_Params):
    """Who waits for a turn; before that ``parallel`` are had at a time (0: as it is) and the run ``start`` begins."""

    parallel: Annotated[int, msgspec.Meta(ge=0)] = 0
    start: str = ""


class Report(_Params):
    """A report of attacks, runs and evaluations as the bytes of a file; ``examples`` broken texts of each attack are shown."""

    names: list[str]
    form: Literal["md", "html", "csv", "jsonl", "parquet", "svg"] = "html"
    examples: Annotated[int, msgspec.Meta(ge=0)] = 20


class Rows(_Params):
    """Rows of a dataset from ``start`` to before ``stop`` of what the filters leave, as ``data show`` tells them."""

    name: str
    start: int
    stop: int
    split: str = ""
    where: str | None = None
    label: str | None = None
    contains: str | None = None
    order: str | None = None


class Start(_Params):
    """Start a training, when its turn comes where ``queued``; ``config`` is TOML."""

    config: str
    queued: bool = False


class Changes(_Params):
    """What is new in the run folders since the answer that gave ``token``; 0: everything. ``only``: of these runs."""

    token: int = 0
    only: list[str] = []


class Text(msgspec.Struct):
    """A small file that is replaced, never appended to: all of it, and when it was written (Unix ns)."""

    content: bytes
    written: int


class Changed(msgspec.Struct):
    """The answer to ``Changes``. Paths are relative to the folder of runs, with ``/``.

    ``whole`` says that everything is told, so that what is not named is not there. ``sizes`` are those of files that
    grow, in bytes, each with a mark that changes when the file does; ``gone`` are files that were there.
    """

    token: int
    whole: bool
    texts: dict[str, Text]
    sizes: dict[str, tuple[int, str]]
    gone: list[str]


class Place(msgspec.Struct):
    """How much of a file a mirror has: ``size`` bytes (-1: no file), and the sha256 (hex) of the last ``TAIL`` of them.

    ``line`` is where the last whole line ends, -1 where that is not known, with a hash of its own: a writer that was
    killed may have left a torn line, which the next one cuts off.
    """

    path: str
    size: int
    tail: str
    line: int = -1
    line_tail: str = ""


class Read(_Params):
    """What comes after these places, ``limit`` bytes in all; places that are not reached are not answered."""

    places: list[Place]
    limit: Annotated[int, msgspec.Meta(ge=1, le=1 << 22)] = 1 << 18


class Piece(msgspec.Struct):
    """Bytes of a file from ``offset`` on: the place's size, or else its line; 0 where it was of another file."""

    path: str
    offset: int
    content: bytes
    written: int


TAIL = 1024
PATIENCE = "AAT_PATIENCE"
"""Environment variable: seconds without a word from its client after which an engine ends; none: it waits for ever."""
DESK = (
    "changes", "control", "datasets", "demo", "listing", "note", "queue", "read", "remove", "report", "resume", "rows", "run",
    "runs", "start",
)  # fmt: skip
METHODS: dict[str, type[msgspec.Struct]] = {
    "load": Load,
    "predict": Predict,
    "attribute": Attribute,
    "substitutes": Substitutes,
    "attack": Attack,
    "evaluate": Evaluate,
    "generate": Generate,
    "latent": Latent,
    "cancel": Cancel,
    "recipes": Recipes,
    "ping": Nothing,
    "shutdown": Nothing,
    "runs": Nothing,
    "run": OfRun,
    "control": Control,
    "start": Start,
    "resume": Resume,
    "note": Note,
    "remove": OfRun,
    "demo": Nothing,
    "datasets": Nothing,
    "listing": Nothing,
    "rows": Rows,
    "queue": Queue,
    "report": Report,
    "changes": Changes,
    "read": Read,
}


def tail_of(file: BinaryIO, size: int) -> str:
    """The sha256 of the last bytes before ``size``: by it a file is known to be the one that was read so far."""
    start = max(0, size - TAIL)
    file.seek(start)
    return hashlib.sha256(file.read(size - start)).hexdigest()
