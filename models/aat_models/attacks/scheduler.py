"""Runs many searches in lock-step and asks the victim in large batches.

Each round gathers what every running search wants to know, answers what the example has asked before from its cache,
merges identical texts, sorts by length, and asks in batches. Memory is bounded by the number of concurrent examples.

Queries are counted for each example by itself, as papers do: every distinct text asked about it, the unedited one
included, and every gradient. A text asked again is a cache hit, not a query. So counts, results and the query budget
depend neither on the batch size nor on which other examples run beside it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from aat_datasets.errors import DataError, InputError
from aat_datasets.records import Example
from aat_models.attacks.attempt import Attempt
from aat_models.attacks.calibration import temper
from aat_models.attacks.checks import NO_CHECKS, Checks
from aat_models.attacks.constraints import max_edits
from aat_models.attacks.goals import Aim, Untargeted
from aat_models.attacks.recipes import Recipe
from aat_models.attacks.requests import Slopes
from aat_models.attacks.rounds import Round
from aat_models.attacks.running import Running
from aat_models.attacks.tagging import Tagger, open_tagger
from aat_models.attacks.transforms import Surface
from aat_models.attacks.victim import UNK, FloatArray, IntArray, Victim, WhiteBox, Writes, batch_of
from aat_models.events import AttackResult

__all__ = ["Attack", "Statistics", "attack"]


@dataclass(slots=True)
class Statistics:
    """Where the time went.

    ``seconds`` is the attack's own wall time, ``forward_seconds`` the part of it inside the victim; ``rows`` texts
    went to the victim in ``batches`` calls.
    """

    seconds: float = 0.0
    forward_seconds: float = 0.0
    rows: int = 0
    batches: int = 0


class Attack:
    """Attacks examples: iterate over it for results in order of completion, or over ``steps()`` to keep control between
    victim batches.

    Args:
        victim: the model under attack.
        examples: labelled texts; ``row`` becomes the result's ``id`` and must not repeat.
        recipe: what is tried, from ``aat_models.attacks.recipes``.
        budget: the share of a text's words that may be edited, rounded up to whole words; 1 is no cap, None is what the
            recipe says.
        queries_per_word: a text of n words may cost this many queries times n, the unedited text included; None is what
            the recipe says. A gradient costs a query.
        seed: of the recipe's random choices. The same seed gives the same results at any ``concurrency`` and ``batch``.
        concurrency: examples that run beside each other; it bounds the memory.
        batch: texts the victim is asked at a time; None is what the victim says it is fastest with, or 96. On a CPU larger
            ones are slower for most models: they mix more lengths and leave the cache (docs/results/attack-speed.md).
        temperature: the victim's calibrated temperature (``aat_models.attacks.calibration``).
        surface: the substitutes of a word, for recipes that need one and have none of their own.
        goal: another goal than the recipe's, where that is untargeted; of a victim that writes, one of
            ``aat_models.writing_goals``.
        checks: a sentence encoder, and constraints beside the recipe's own.

    Attributes:
        statistics: where the time went; up to date at every result and step.
        warnings: what the recipe has to do without.

    Raises InputError and DataError.
    """

    def __init__(
        self,
        victim: Victim,
        examples: Iterable[Example],
        recipe: Recipe,
        *,
        budget: float | None = None,
        queries_per_word: int | None = None,
        seed: int = 0,
        concurrency: int = 256,
        batch: int | None = None,
        temperature: float = 1.0,
        surface: Surface | None = None,
        goal: Aim | None = None,
        checks: Checks = NO_CHECKS,
    ) -> None:
        self.budget = recipe.budget if budget is None else budget
        self.warnings: list[str] = []
        self._queries_per_word = recipe.queries_per_word if queries_per_word is None else queries_per_word
        self._least_edits = recipe.least_edits if budget is None else 1
        self._goal = recipe.goal if goal is None else goal
        self._checks = checks
        self._check(victim, recipe, temperature)
        self._white_box = self._gradients(victim, recipe)
        self._tagger = self._parts_of_speech(recipe)
        self._surface = self._substitutes(recipe, surface)
        batch = batch_of(victim) if batch is None else batch
        assert concurrency > 0 and batch > 0
        self.statistics = Statistics()
        self._victim = victim
        self._classes = len(victim.labels)
        self._numbers = victim.numbers if isinstance(victim, Writes) else self._classes  # of an answer
        self._examples = iter(examples)
        self._recipe = recipe
        self._seed = seed
        self._concurrency = concurrency
        self._batch = batch
        self._temperature = temperature
        self._seen: set[int] = set()
        self._began = 0.0
        self._results = (result for results in self.steps() for result in results)

    def _check(self, victim: Victim, recipe: Recipe, temperature: float) -> None:
        if not 0 < self.budget <= 1:
            raise InputError(f"budget: expected a share of the words above 0 and at most 1, got {self.budget}")
        if self._queries_per_word < 1:
            raise InputError(f"queries per word: expected at least 1, got {self._queries_per_word}")
        if not temperature > 0:
            raise InputError(f"temperature: expected more than 0, got {temperature}")
        if self._goal is not recipe.goal and not isinstance(recipe.goal, Untargeted):
            raise InputError(f"the recipe {recipe.name} has a goal of its own: {recipe.goal.name}")
        if "decoder" in recipe.needs and not isinstance(victim, Writes):
            raise InputError(
                f"the recipe {recipe.name} attacks what a model writes, and this one is asked for a class",
                "name a run with a decoder",
            )
        self._goal.check(len(victim.labels))
        self._checks.fit(recipe)

    def _gradients(self, victim: Victim, recipe: Recipe) -> WhiteBox | None:
        if isinstance(victim, WhiteBox):
            return victim
        if "gradients" in recipe.needs:
            raise InputError(
                f"the recipe {recipe.name} needs gradients, which this model does not give",
                "attack a trained run, or take a recipe that asks for probabilities only",
            )
        if "gradients" in recipe.wants:
            self.warnings.append(f"{recipe.name}: the model gives no gradients; its white-box part is left out")
        return None

    def _parts_of_speech(self, recipe: Recipe) -> Tagger | None:
        if "parts of speech" not in recipe.wants:
            return None
        tagger = open_tagger()
        if tagger is None:
            self.warnings.append(f"{recipe.name}: parts of speech are not checked; NLTK's tagger data is not there")
        return tagger

    def _substitutes(self, recipe: Recipe, surface: Surface | None) -> Surface | None:
        if recipe.words is not None:
            return recipe.words()
        if "surface" in recipe.needs and surface is None:
            raise InputError(f"the recipe {recipe.name} needs an attack surface", "say which substitutes a word has")
        return surface

    def __iter__(self) -> Iterator[AttackResult]:
        return self

    def __next__(self) -> AttackResult:
        return next(self._results)

    def steps(self) -> Iterator[list[AttackResult]]:
        """Yields after every victim batch: nothing inside a round, the finished examples at its end."""
        rounds = self._rounds()
        while True:
            # Only the attack's own time counts: between two steps the caller may do other work.
            self._began = time.perf_counter()
            results = next(rounds, None)
            self.statistics.seconds += time.perf_counter() - self._began
            if results is None:
                return
            yield results

    def _rounds(self) -> Iterator[list[AttackResult]]:
        running: list[Running] = []
        while True:
            before = self._busy()
            self._fill(running)
            if not running:
                return
            merged = Round(running, self._numbers)
            for batch in merged.batches(self._batch):
                merged.put(batch, self._ask(*merged.block(batch)))
                yield []
            for asking in merged.slopes(self._batch):
                self._ask_slopes(asking)
                yield []
            merged.hand_out(self._busy() - before)
            ended = [(example, self._advance(example)) for example in running]
            running = [example for example, result in ended if result is None]
            yield [result for _, result in ended if result is not None]

    def _busy(self) -> float:
        return self.statistics.seconds + time.perf_counter() - self._began

    def _fill(self, running: list[Running]) -> None:
        """Starts examples until enough of them run."""
        while len(running) < self._concurrency and (example := next(self._examples, None)) is not None:
            if example.row in self._seen:
                raise DataError(f"two examples have the id {example.row}", "give each example a row number of its own")
            if example.label is None or not 0 <= example.label < self._classes:
                raise DataError(
                    f"example {example.row} has the label {example.label}; the model has {self._classes} classes",
                    "attack with examples of the model's own labels",
                )
            self._seen.add(example.row)
            words = self._victim.words(example.text)
            # A text without words is shown to the victim as one unknown word, and cannot be edited.
            ids = self._victim.intern(words) if words else np.array([UNK], np.int32)
            running.append(Running(example, words, ids, self._queries_per_word * len(ids), self._numbers))

    def _ask(self, ids: IntArray, lengths: IntArray) -> FloatArray:
        began = time.perf_counter()
        probabilities = self._victim.score(ids, lengths)
        self.statistics.forward_seconds += time.perf_counter() - began
        self.statistics.rows += len(ids)
        self.statistics.batches += 1
        return temper(probabilities, self._temperature)

    def _ask_slopes(self, asking: list[Running]) -> None:
        """Answers gradients. Temperature only scales a loss, so rankings need none."""
        assert self._white_box is not None
        wanted = [example.gradient for example in asking if example.gradient is not None]
        lengths = np.array([len(request.ids) for request in wanted])
        ids = np.zeros((len(wanted), int(lengths.max())), np.int32)
        candidates = np.zeros((*ids.shape, max(request.candidates.shape[1] for request in wanted)), np.int32)
        for row, request in enumerate(wanted):
            ids[row, : lengths[row]] = request.ids
            candidates[row, : lengths[row], : request.candidates.shape[1]] = request.candidates
        began = time.perf_counter()
        norms, gains = self._white_box.gradients(ids, lengths, np.array([r.label for r in wanted]), candidates)
        self.statistics.forward_seconds += time.perf_counter() - began
        self.statistics.rows += len(ids)
        self.statistics.batches += 1
        for row, (example, request) in enumerate(zip(asking, wanted, strict=True)):
            n, s = request.candidates.shape
            example.slopes = Slopes(norms[row, :n], gains[row, :n, :s])

    def _advance(self, example: Running) -> AttackResult | None:
        """Sends a search its answer and takes its next request; the result where that ends it."""
        answer = example.answer()
        if example.attempt is None or example.search is None:
            assert not isinstance(answer, Slopes), "the first thing asked is the unedited text"
            attempt = example.attempt = self._attempt(example, answer[0])
            if attempt.goal.pointless(answer[0], example.label):
                return example.result("skipped")
            if attempt.reached or not example.words:
                return example.result("success" if attempt.reached and example.words else "failed")
            example.search = self._recipe.search(attempt)
            answer = None
        try:
            # A generator takes nothing at its first step; an empty request is answered at once.
            request = next(example.search) if answer is None else example.search.send(answer)
            while not len(request):
                request = example.search.send(np.zeros((0, self._numbers)))
        except StopIteration:
            missed = "budget" if example.ended else "failed"
            return example.result("success" if example.attempt.reached else missed)
        if example.wish(request):
            return None
        example.search.close()
        return example.result("success" if example.attempt.reached else "budget")

    def _attempt(self, example: Running, probabilities: FloatArray) -> Attempt:
        return Attempt(
            example.words,
            example.ids,
            example.label,
            probabilities,
            goal=self._goal.about(example.example, probabilities),
            intern=self._victim.intern,
            read=self._victim.words,
            max_edits=max_edits(len(example.ids), self.budget, self._least_edits, self._recipe.most_edits),
            surface=self._surface,
            checks=self._checks,
            tagger=self._tagger,
            white_box=self._white_box is not None,
            seed=f"{self._seed}:{example.id}",
        )


attack = Attack
"""Attacks examples one result at a time, in order of completion."""
