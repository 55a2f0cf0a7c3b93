"""One example between its first query and its result: what it asked, what it may still ask."""

from __future__ import annotations

import numpy as np

from aat_datasets.chinese import join_words
from aat_datasets.records import Example
from aat_models.attacks.attempt import Attempt
from aat_models.attacks.requests import GradientOf, Request, Slopes, Texts
from aat_models.attacks.search import Search
from aat_models.attacks.victim import FloatArray, IntArray
from aat_models.events import AttackResult, Status

__all__ = ["Running"]


class Running:
    """One example between its first query and its result."""

    def __init__(self, example: Example, words: list[str], ids: IntArray, limit: int, classes: int) -> None:
        assert example.label is not None
        self.example = example
        self.id = example.row
        self.label = example.label
        self.words = words
        self.ids = ids
        self.attempt: Attempt | None = None
        self.search: Search | None = None
        self.seconds = 0.0
        self.queries = 0
        self.cache_hits = 0
        self.select = np.zeros(0, np.intp)  # rows of the request that must be asked
        self.keys = np.zeros(0, np.uint64)  # their hashes
        self.lengths = np.zeros(0, np.int32)  # and word counts
        self.gradient: GradientOf | None = None  # what the request is, where it is not of texts
        self.slopes: Slopes | None = None  # and its answer
        self.ended = False  # the query budget left something unanswered
        self._limit = limit
        self._cache: dict[int, int] = {}  # hash of a text → its row in _known
        self._known = np.zeros((1, classes))
        self._rows = 0  # of _known in use
        self._wanted: list[int] = []  # rows of _known that answer the request, in its order
        # The unedited text is the first thing asked.
        self.wish(Texts(ids[None], np.array([len(ids)], np.int32)))

    def wish(self, request: Request | GradientOf) -> bool:
        """Plans what to ask for a request, within the query budget; False where the budget has ended the attack.

        A distinct text costs a query, and so does each gradient.
        """
        if self.ended:
            return False
        self.gradient = self.slopes = None
        if isinstance(request, GradientOf):
            self.select = self.select[:0]
            self.keys, self.lengths = self.keys[:0], self.lengths[:0]
            self.ended = self.queries == self._limit
            if not self.ended:
                self.queries += 1
                self.gradient = request
            return not self.ended
        return self._wish_texts(request)

    def _wish_texts(self, request: Request) -> bool:
        self.request = request
        keys = request.keys()
        ask: list[int] = []
        self._wanted = []
        for k, key in enumerate(keys.tolist()):
            row = self._cache.get(key)
            if row is None:
                if self.queries == self._limit:
                    self.ended = True
                    break
                row = self._cache[key] = self._rows
                self._rows += 1
                self.queries += 1
                ask.append(k)
            else:
                self.cache_hits += 1
            self._wanted.append(row)
        self.select = np.array(ask, np.intp)
        self.keys = keys[self.select]
        self.lengths = request.lengths[self.select]
        return bool(self._wanted)

    def learn(self, probabilities: FloatArray) -> None:
        """Takes the answers for ``select``, (K, C)."""
        if self._rows > len(self._known):
            grown = np.zeros((max(self._rows, 2 * len(self._known)), self._known.shape[1]))
            grown[: len(self._known)] = self._known
            self._known = grown
        self._known[self._rows - len(probabilities) : self._rows] = probabilities

    def answer(self) -> FloatArray | Slopes:
        """The request's answer: all its rows, or the first ones where the budget ended, (K, C); or the slopes."""
        return self._known[self._wanted] if self.slopes is None else self.slopes

    def result(self, status: Status) -> AttackResult:
        attempt = self.attempt
        assert attempt is not None
        goal = attempt.goal
        before, after = goal.told(self._known[0]), goal.told(attempt.probabilities)
        text, adversarial = " ".join(attempt.original), " ".join(word for word in attempt.words if word)
        similarity = None
        if attempt.checks.encoder is not None and status != "skipped":
            written = join_words(attempt.original), join_words(attempt.words)
            similarity = (
                1.0 if text == adversarial else float(attempt.checks.encoder.cosines(written[0], [written[1]])[0])
            )
        return AttackResult(
            id=self.id,
            text=text,
            adversarial=adversarial,
            label=self.label,
            prediction=int(before.argmax()),
            adversarial_prediction=int(after.argmax()),
            probabilities=_plain(before),
            adversarial_probabilities=_plain(after),
            edits=attempt.edits,
            queries=self.queries,
            cache_hits=self.cache_hits,
            edited_share=round(len(attempt.edited) / max(1, len(self.words)), 6),
            status=status,
            trajectory=[round(p, 6) for p in attempt.trajectory],
            seconds=round(self.seconds, 6),
            similarity=None if similarity is None else round(similarity, 4),
            written=goal.written(self._known[0], attempt.probabilities),
        )


def _plain(probabilities: FloatArray) -> list[float]:
    # Six digits: what is beyond them is the victim's rounding, which differs from batch to batch.
    return [round(p, 6) for p in probabilities.tolist()]
