"""The one vocabulary: what training, attacks and generation yield, and what is stored, sent and shown.

One record is one JSON object with a ``type`` field, and one line of ``events.jsonl``. Nothing here imports torch.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = [
    "AttackResult",
    "Checkpointed",
    "ControlApplied",
    "Done",
    "Edit",
    "Evaluation",
    "Event",
    "Failed",
    "Notice",
    "Progress",
    "Resumed",
    "Started",
    "Status",
    "Step",
    "Token",
    "Written",
    "decode",
    "encode",
]

Status = Literal["success", "failed", "skipped", "budget"]


class Base(msgspec.Struct, kw_only=True, tag_field="type", omit_defaults=True):
    """``time`` is Unix time in seconds, stamped by whoever writes the record; 0 where nobody did."""

    time: float = 0.0


class Started(Base, tag="started"):
    """A training begins. ``total`` is the number of optimiser steps over all stages, ``stages`` their order."""

    run: str
    total: int
    stages: list[str]
    parameters: int
    labels: list[str]
    surface: str = ""
    device: str = "cpu"
    threads: int = 1


class Resumed(Base, tag="resumed"):
    """A training goes on from the checkpoint at ``step``; what was recorded after that step no longer counts."""

    step: int


class Step(Base, tag="step"):
    """Training, averaged over the steps since the last such record.

    ``metrics`` are named curves: ``loss`` (clean), ``loss_adv``, ``rho_mean``, ``rho_p10``, ``rho_p90``, ``beta``,
    ``weight_FAMILY`` and ``error_FAMILY`` of aat's families, ``fooled``, ``certified``, ``kappa``, ``lr``,
    ``examples_per_second``, ``step_seconds``. ``epoch`` is a fraction within the stage.
    """

    step: int
    total: int
    epoch: float
    stage: str
    metrics: dict[str, float]


class Evaluation(Base, tag="evaluation"):
    """Figures on a held-out split: ``accuracy``, ``loss``, and ``robust_accuracy`` or ``certified_accuracy`` where measured."""

    step: int
    split: str
    metrics: dict[str, float]


class Checkpointed(Base, tag="checkpoint"):
    """A complete checkpoint is on disk in the run folder under ``path``."""

    step: int
    path: str
    best: bool = False


class ControlApplied(Base, tag="control"):
    """A watcher's command took effect at ``step``.

    Of a setting, ``value`` is ``KEY=VALUE`` and ``before`` what the key's value was. ``by`` says who asked for it, ``id`` which
    command it was.
    """

    step: int
    command: str
    value: str = ""
    before: str = ""
    by: str = ""
    id: str = ""


class Edit(msgspec.Struct, frozen=True, array_like=True):
    """One word replaced: ``[position, from, to]``."""

    position: int
    source: str
    target: str


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What a model wrote, where its output was attacked.

    ``reference`` is the wanted output, that ``before`` the attack where there is none. ``near_before`` and ``near_after`` are
    the outputs' nearness to it and ``similarity`` that of the two texts, each chrF, 0 … 1. ``damage`` is the share of
    ``near_before`` that was lost, 0 where nothing was.
    """

    reference: str
    before: str
    after: str
    near_before: float
    near_after: float
    similarity: float
    damage: float


class AttackResult(Base, tag="attack"):
    """What an attack did to one example.

    ``text`` and ``adversarial`` are the words the attack worked on, joined by single spaces, so that position ``i`` of
    an edit is the ``i``-th of ``text.split(" ")``. ``label`` is the true class, ``prediction`` and ``probabilities`` the
    victim's answer before, ``adversarial_*`` after. ``status``: ``success`` (the prediction left the true class),
    ``failed``, ``skipped`` (wrong before any edit), ``budget`` (queries ran out). ``trajectory`` holds, after each
    accepted step, the probability of the true class, beginning with the unedited text; most steps make one edit. The
    ``target`` of an edit may be several words, or none where a word was left out.

    Of a model that writes ``written`` has the outputs; its classes are 0, the goal is not reached, and 1.
    """

    id: int
    text: str
    adversarial: str
    label: int
    prediction: int
    adversarial_prediction: int
    probabilities: list[float]
    adversarial_probabilities: list[float]
    edits: list[Edit]
    queries: int
    cache_hits: int
    edited_share: float
    status: Status
    trajectory: list[float]
    seconds: float
    similarity: float | None = None
    written: Written | None = None


class Token(Base, tag="token"):
    """One generated token: its text as it is appended, its probability and the logarithm of it, and the likeliest tokens there.

    ``row``: which of several texts it belongs to.
    """

    index: int
    text: str
    probability: float
    alternatives: list[tuple[str, float]] = []
    logprob: float = 0.0
    row: int = 0


class Progress(Base, tag="progress"):
    """``done`` of ``total`` (0: not known) of whatever ``message`` names."""

    done: int
    total: int
    message: str


class Notice(Base, tag="notice"):
    """Something the user should know that does not stop the work.

    ``step`` is that of a training it was noticed at: one that goes on from before it will notice again. 0: of no step.
    """

    message: str
    level: Literal["info", "warning"] = "info"
    step: int = 0


class Done(Base, tag="done"):
    """The end, with the summary the command prints."""

    summary: dict[str, Any]


class Failed(Base, tag="failed"):
    """The end, with the reason and what to do about it."""

    error: str
    hint: str = ""


Event = (
    Started
    | Resumed
    | Step
    | Evaluation
    | Checkpointed
    | ControlApplied
    | AttackResult
    | Token
    | Progress
    | Notice
    | Done
    | Failed
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """One line of JSON, without the line end."""
    return _encoder.encode(event)


def decode(line: bytes | str) -> Event:
    """The record in one line of JSON. Raises ``msgspec.DecodeError`` where the line is not one."""
    return _decoder.decode(line)
