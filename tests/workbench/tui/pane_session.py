"""A stand-in for the engine session: a model of a dozen word weights, answering in the same process, with a log."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from typing import Any

from aat_datasets.errors import VictimError
from aat_models.events import AttackResult, Edit, Event, Notice, Progress, Token

LABELS = ["negative", "positive"]
WEIGHTS = {
    "moving": 1.9, "funny": 1.1, "warm": 0.9, "honest": 0.7, "delight": 2.2, "clever": 1.2, "fine": 0.3,
    "dull": -1.8, "hollow": -1.4, "mess": -2.1, "tired": -1.2, "flat": -0.9, "loud": -0.5, "weak": -0.4,
    "not": -0.8, "never": -0.6,
    "stirring": 1.6, "transporting": 1.1, "beauty": 0.6, "beast": -0.3, "finally": -0.2, "rousing": 0.4, "amusing": 0.2,
    "best": 1.4, "engage": 0.9, "fails": -0.7, "gorgeous": 1.5, "witty": 1.2, "paper-thin": -1.3, "worse": -1.5,
    "slow": -1.1, "patient": 0.7, "humane": 1.2, "exhilarating": 1.8,
}  # fmt: skip
SUBSTITUTES = {
    "moving": ("stirring", "moveing"), "funny": ("funy", "droll"), "warm": ("wram", "tepid"),
    "honest": ("frank", "honset"), "delight": ("delihgt", "treat"), "clever": ("celver", "cute"),
    "dull": ("dul", "muted"), "hollow": ("holow", "empty"), "mess": ("mes", "muddle"),
    "tired": ("tierd", "weary"), "flat": ("falt", "even"), "loud": ("luod", "noisy"),
}  # fmt: skip
TEXTS = (
    ("a moving and honest portrait of two brothers , never loud", 1),
    ("the second half is a mess", 0),
    ("funny , warm and clever from the first scene to the last", 1),
    ("a dull script and a flat , tired cast", 0),
    ("it is not a delight , but it is fine", 1),
    ("the jokes are hollow", 0),
    ("a clever plot with a warm heart", 1),
    ("three hours of my life that i will not get back", 0),
)
RECIPES = [
    {
        "name": "greedy",
        "search": "the best of all single substitutions",
        "paper": "",
        "needs": ["surface"],
        "budget": 0.3,
    },
    {"name": "pwws", "search": "by weighted saliency", "paper": "Ren 2019", "needs": [], "budget": 1.0},
]
REPLY = ("we", " can", " send", " the", " parcel", " again", " or", " refund", " the", " order", ".")


def positive(words: Sequence[str]) -> float:
    """p(positive) of a text."""
    return 1 / (1 + math.exp(-sum(WEIGHTS.get(word, 0.0) for word in words) - 0.2))


def probabilities(words: Sequence[str]) -> list[float]:
    p = positive(words)
    return [1 - p, p]


def attacked(row: int, text: str, label: int, budget: float = 0.3) -> AttackResult:
    """Exact greedy on the fake model."""
    words = text.split(" ")
    before = probabilities(words)
    prediction = int(before[1] > 0.5)
    edits: list[Edit] = []
    trajectory = [before[label]]
    queries, now = 1, list(words)
    status = "skipped" if prediction != label else "failed"
    while status == "failed" and len(edits) < math.ceil(budget * len(words)):
        options = [
            (probabilities([*now[:i], other, *now[i + 1 :]])[label], i, other)
            for i, word in enumerate(now)
            for other in SUBSTITUTES.get(word, ())
        ]
        queries += len(options)
        if not options or min(options)[0] >= trajectory[-1]:
            break
        p, at, other = min(options)
        edits.append(Edit(at, words[at], other))
        now[at] = other
        trajectory.append(p)
        if p < 0.5:
            status = "success"
    after = probabilities(now)
    return AttackResult(
        id=row,
        text=text,
        adversarial=" ".join(now),
        label=label,
        prediction=prediction,
        adversarial_prediction=int(after[1] > 0.5),
        probabilities=before,
        adversarial_probabilities=after,
        edits=edits,
        queries=0 if status == "skipped" else queries,
        cache_hits=0,
        edited_share=len(edits) / len(words),
        status=status,
        trajectory=trajectory,
        seconds=0.0,
    )


class FakeStream:
    """Events of a list, one loop turn each; ``hold`` stops before the event of that index until ``release``."""

    def __init__(self, events: Sequence[Event], result: Any, hold: int | None = None) -> None:
        self._events = events
        self._end = result
        self.result: Any = None
        self.closed = False
        self.hold = hold
        self._gate = asyncio.Event()

    def release(self) -> None:
        self._gate.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        for index, event in enumerate(self._events):
            if index == self.hold:
                await self._gate.wait()
            await asyncio.sleep(0)
            yield event
        self.result = self._end

    async def aclose(self) -> None:
        self.closed = True


class FakeSession:
    """Answers like the engine; ``calls`` is what was asked. ``delays`` holds a text's answer back by seconds."""

    def __init__(self, results: Sequence[AttackResult] | None = None) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.streams: list[FakeStream] = []
        self.results = results
        self.delays: dict[str, float] = {}
        self.hold: int | None = None
        self.decoder = True
        self.remembers = False
        self.instructed = False
        self.told: list[str] = []
        self.doubts: list[str] = []  # warnings that an attack's summary has
        self.fail: VictimError | None = None
        self.labels = LABELS
        self.recipes = RECIPES

    def asked(self, method: str) -> list[dict[str, Any]]:
        return [params for name, params in self.calls if name == method]

    async def call(self, method: str, **params: Any) -> Any:
        self.calls.append((method, params))
        if self.fail is not None:
            raise self.fail
        text = params.get("text") or (params.get("texts") or [""])[0]
        await asyncio.sleep(self.delays.get(text, 0))
        if method == "load":
            return {
                "target": params["target"], "labels": self.labels, "step": 1200, "has_head": True,
                "has_decoder": self.decoder, "remembers": self.remembers, "instructed": self.instructed, "surface": "dataset",
            }  # fmt: skip
        if method == "predict":
            words = [text.split(" ") for text in params["texts"]]
            return {"labels": self.labels, "words": words, "probabilities": [probabilities(w) for w in words]}
        if method == "recipes":
            return self.recipes
        if method == "attribute":
            words = text.split(" ")
            sign = 1 if positive(words) > 0.5 else -1
            scores = [sign * WEIGHTS.get(word, 0.0) for word in words]
            if params.get("by") == "integrated":
                scores = [round(score / 2, 3) + 0.01 for score in scores]
            return {"words": words, "scores": scores, "probabilities": probabilities(words), "method": params["by"]}
        raise VictimError(f"no method {method}")

    def stream(self, method: str, **params: Any) -> FakeStream:
        self.calls.append((method, params))
        if method == "attack":
            made = FakeStream(self._attack(params), {"examples": params.get("n"), "warnings": self.doubts}, self.hold)
        elif method == "latent":
            made = FakeStream(
                [Progress(done=128, total=4000, message="reading training texts")], _way(params), self.hold
            )
        else:
            summary = {"tokens": len(REPLY), "tokens_per_second": 42.0, "logprob": -6.5}
            made = FakeStream(self._generate(), summary, self.hold)
        self.streams.append(made)
        return made

    def _attack(self, params: dict[str, Any]) -> list[Event]:
        if params.get("texts"):
            return [attacked(0, params["texts"][0], params["labels"][0], params["budget"])]
        if self.results is not None:
            return list(self.results)
        found = [attacked(row, *TEXTS[row % len(TEXTS)], params["budget"]) for row in range(params["n"])]
        return [Progress(done=0, total=len(found), message="attack"), *found]

    def _generate(self) -> list[Event]:
        return [
            *(Notice(message=text, level="warning") for text in self.told),
        ] + [
            Token(
                index=index,
                text=text,
                probability=round(0.95 - 0.08 * index, 2),
                alternatives=[(text, round(0.95 - 0.08 * index, 2)), (" offer", 0.04), (" sorry", 0.02)],
            )
            for index, text in enumerate(REPLY)
        ]

    async def close(self) -> None:
        self.calls.append(("close", {}))


def _way(params: dict[str, Any]) -> dict[str, Any]:
    """A way whose text says where it is; between two texts it has as many places as were asked for."""
    count = params["places"] if params["other"] else len(params["lengths"])
    places = [step / (count - 1) for step in range(count)] if params["other"] else params["lengths"]
    near = {"text": f"[b]where[/b] is\x1b[2J it {params['target']}", "label": "refund_status", "similarity": 0.91}
    points = [
        {
            "at": at, "text": f"written at {at:.2f}", "logprob": -0.5, "probabilities": [1 - abs(at) / 4, abs(at) / 4],
            "distance": abs(at), "nearest": [near, {**near, "label": ""}],
        }
        for at in places
    ]  # fmt: skip
    return {"labels": ["negative", "positive"], "has_decoder": True, "indexed": 4000, "points": points}
