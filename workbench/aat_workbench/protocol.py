"""What the engine and its clients say to each other: one JSON object a line, over stdin and stdout.

::

    engine  {"hello": {"protocol": 1, "version": "0.1.0", "pid": 4711}}
    client  {"id": 1, "method": "predict", "params": {"target": "builtin:tiny", "texts": ["great film"]}}
    engine  {"id": 1, "event": {…}}                       any number, records of aat_models.events
    engine  {"id": 1, "result": …}                        or {"id": 1, "error": {"kind", "message", "hint"}}
    client  {"id": 2, "method": "cancel", "params": {"id": 1}}

A request that was cancelled ends with an error of the kind ``Cancelled``. A line that is no request is answered with an
error whose ``id`` is null. ``kind`` is a name of the error tree (aat_datasets.errors), or ``Internal``.
Nothing here imports torch.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from aat_models.sampling import Sampling
from aat_workbench.attack_request import AttackRequest, SurfaceKind

__all__ = [
    "CANCELLED",
    "INTERNAL",
    "METHODS",
    "PROTOCOL",
    "Attack",
    "Attribute",
    "Cancel",
    "Generate",
    "Latent",
    "Load",
    "Nothing",
    "Predict",
    "Problem",
    "Recipes",
    "Reply",
    "Request",
    "Substitutes",
]

PROTOCOL = 1
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


class Generate(Sampling, kw_only=True, forbid_unknown_fields=True):
    """``history``: the turns before the prompt, the oldest first, for a target that ``remembers``."""

    target: str
    prompt: str
    history: list[str] = msgspec.field(default_factory=lambda: list[str]())


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


METHODS: dict[str, type[msgspec.Struct]] = {
    "load": Load,
    "predict": Predict,
    "attribute": Attribute,
    "substitutes": Substitutes,
    "attack": Attack,
    "generate": Generate,
    "latent": Latent,
    "cancel": Cancel,
    "recipes": Recipes,
    "ping": Nothing,
    "shutdown": Nothing,
}
