"""Attacks on named targets, as generators of events, kept on disk where they are to be kept.

Results of a run's attacks are in ``runs/RUN/attacks/RECIPE-K`` (attack_store.py), those of other targets in
``$AAT_RUNS/_targets/NAME/attacks``. A killed attack goes on with ``resume``: nothing already attacked is attacked
again, and the summary is the one it would have had.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from aat_datasets.errors import InputError, VictimError
from aat_models.events import AttackResult, Event, Notice, Progress
from aat_workbench.attack_checks import OpenedChecks, open_checks
from aat_workbench.attack_request import AttackRequest
from aat_workbench.attack_store import AttackFolder, AttackSettings
from aat_workbench.attack_texts import AttackTexts, Substitutes, attack_texts, fit_language, stand_ins, surface_of
from aat_workbench.eventlog import RunWriter
from aat_workbench.summary import Timing, summarise
from aat_workbench.writing_attacks import attacks_writing, figures, goal_of, writing_texts, writing_victim

if TYPE_CHECKING:
    from aat_datasets.records import Example
    from aat_models.attacks import Aim, Attack
    from aat_models.distributed import Group
    from aat_workbench.targets import Target

__all__ = ["AttackRequest", "AttackRun", "run_attack"]

_CAPS = (
    "checkpoint", "dataset", "split", "seed", "goal", "budget", "queries_per_word", "surface", "similarity", "fluency",
)  # fmt: skip

_TIMING_EVERY = 2.0  # seconds between two writes of timing.json

_FEWEST_CALIBRATION_TEXTS = 20  # a temperature fitted on fewer says nothing


class _Work(msgspec.Struct):
    """What several processes share out: where results go (empty: nowhere), how to attack, which texts are done."""

    path: str
    settings: AttackSettings
    done: list[int]


class AttackRun:
    """One attack on one target: iterate over ``steps()``, then read ``summary``.

    Args:
        target: what is attacked.
        request: what to do.
        batch: texts the victim is asked at a time, None as many as it is fastest with; small batches give control back
            more often.
        concurrency: examples that run beside each other; it bounds the memory. Neither changes a result.
        surface: substitutes to use instead of the target's own, with what names them, so that several targets are
            attacked alike.
        runs_root: where the runs are that the request names.
        reuse: go on with an attack of the same settings where there is one, begin one where there is none.
        group: processes that share the texts out among them; rank 0 has all results in the end, and the folder.

    Attributes:
        path: the folder it is kept in; None where it is not, or before the first results.
        labels: names of the classes, once begun.
        total: the number of examples, once begun.
        results: what was found so far, that of an interrupted attack included.
        found_before: how many of them an earlier attack had found.
        writing: whether what the target writes is attacked, and not its label.
    """

    def __init__(
        self,
        target: Target,
        request: AttackRequest,
        *,
        batch: int | None = None,
        concurrency: int = 256,
        surface: tuple[Substitutes, str] | None = None,
        runs_root: Path | None = None,
        reuse: bool = False,
        group: Group | None = None,
    ) -> None:
        from aat_models.attacks import find

        self.target = target
        self.path: Path | None = None
        self.labels: list[str] = []
        self.total = 0
        self.results: list[AttackResult] = []
        self.found_before = 0
        self._surface = surface
        self._reuse = reuse
        self._group = group
        self._request = request
        self._runs_root = runs_root
        self._checks: OpenedChecks | None = None
        self._recipe = find(request.recipe)
        self.writing = attacks_writing(target, request, self._recipe)
        self._batch = batch
        self._concurrency = concurrency
        self._settings: AttackSettings | None = None
        self._timing = Timing()
        self._warnings: list[str] = []

    @property
    def summary(self) -> dict[str, Any]:
        """The figures of all results so far, with the caps they were found under."""
        settings = self._settings
        assert settings is not None, "an attack has a summary once it has begun"
        temperature = settings.temperature if settings.calibrated else None
        found = summarise(self._recipe.name, self.results, self._timing, temperature, self._warnings, settings.goal)
        found |= figures(self.results) if self.writing else {}
        for key in _CAPS:
            found[key] = getattr(settings, key)
        return found | {"target": self.target.name, "path": str(self.path or "")}

    def steps(self) -> Iterator[list[Event]]:
        """Attacks; yields after every victim batch what has happened since, often nothing.

        Raises InputError, DataError, UnknownNameError, VictimError; what was found before stays in the folder.
        """
        if self.writing:  # raises where nothing is written
            writing_victim(self.target)
        else:
            self.target.require_head()
        yield [Progress(done=0, total=0, message="reading texts")]
        texts = (writing_texts if self.writing else attack_texts)(self.target, self._request)
        self.labels, self.total = texts.labels, len(texts.examples)
        self._checks = open_checks(self._request, self._runs_root)
        substitutes, surface_hash = self._surface or surface_of(self.target, self._request.surface, texts.dataset)
        settings = self._wanted(texts, surface_hash)
        self._warnings += fit_language(self.target, self._recipe, texts)
        self._warnings += stand_ins(self.target, self._recipe, self._request.surface, texts.dataset)
        self._prepared([], settings, substitutes)  # what the recipe misses is said before a folder is made
        yield [Progress(done=0, total=self.total, message="calibrating")]
        folder, work = self._begin(texts, settings)
        try:
            settings = self._settings = work.settings
            examples = [example for example in texts.examples if example.row not in set(work.done)]
            if self._group is not None:
                examples = examples[self._group.rank :: self._group.size]
            attack = self._prepared(examples, settings, substitutes)
            words = [self.target.words(example.text) for example in texts.examples] if self._request.fluency else []
            self._warnings += [*attack.warnings, *self._checks.warnings(words)]
            yield [Notice(message=warning, level="warning") for warning in self._warnings]
            yield [self._progress()]
            yield from self._attack(attack, folder, self._writer(folder, work.path))
            self._together(folder)
            if folder is not None:
                folder.write_summary(self.summary)
        finally:
            if folder is not None:
                folder.close()

    def _prepared(self, examples: list[Example], settings: AttackSettings, substitutes: Substitutes) -> Attack:
        from aat_models.attacks import Attack

        assert self._checks is not None, "checks are opened before an attack is prepared"
        return Attack(
            writing_victim(self.target) if self.writing else self.target.victim,
            examples,
            self._recipe,
            budget=self._request.budget,  # the recipe's own cap has a least number of edits that a given one has not
            queries_per_word=settings.queries_per_word,
            seed=settings.seed,
            temperature=settings.temperature,
            surface=substitutes,
            goal=self._goal(settings),
            checks=self._checks.checks,
            batch=self._batch,
            concurrency=self._concurrency,
        )

    def _goal(self, settings: AttackSettings) -> Aim | None:
        """What is wanted, None where that is the recipe's own goal."""
        from aat_models.attacks.goals import find_goal
        from aat_models.writing_goals import find_writing_goal

        if self.writing:
            return find_writing_goal(settings.goal, writing_victim(self.target))
        return find_goal(settings.goal, settings.labels) if self._request.goal else None

    def _progress(self) -> Progress:
        return Progress(done=len(self.results), total=self.total, message=f"{self._recipe.name} on {self.target.name}")

    def _attack(self, attack: Attack, folder: AttackFolder | None, writer: RunWriter | None) -> Iterator[list[Event]]:
        before = self._timing
        written = time.monotonic()
        try:
            for results in attack.steps():
                for result in results:
                    result.time = time.time()
                    if writer is not None:
                        writer.append(result)
                self.results += results
                self._timing = Timing(
                    before.seconds + attack.statistics.seconds,
                    before.forward_seconds + attack.statistics.forward_seconds,
                )
                if folder is not None and time.monotonic() - written > _TIMING_EVERY:
                    written = time.monotonic()
                    folder.write_timing(self._timing, lasting=False)
                yield [*results, self._progress()] if results else []
        except VictimError as error:
            raise VictimError(error.message, self._kept(error.hint)) from error
        finally:
            if writer is not None:
                writer.close()
            if folder is not None:
                folder.write_timing(self._timing, lasting=True)

    # several processes ------------------------------------------------------------------------------------------

    def _begin(self, texts: AttackTexts, settings: AttackSettings) -> tuple[AttackFolder | None, _Work]:
        """Opens the folder, in rank 0 alone, and says what is to be done; the others hear it."""
        group = self._group
        if group is not None and group.rank:
            told = group.tell()
            if not told:
                raise SystemExit(1)  # rank 0 says why
            return None, msgspec.json.decode(told, type=_Work)
        try:
            folder = self._open(texts, settings)
        except BaseException:
            if group is not None:
                group.tell()
            raise
        path = str(folder.path.absolute()) if folder is not None else ""
        work = _Work(path, folder.settings if folder is not None else settings, [r.id for r in self.results])
        if group is not None:
            group.tell(msgspec.json.encode(work))
        return folder, work

    def _writer(self, folder: AttackFolder | None, path: str) -> RunWriter | None:
        if folder is not None:
            return folder.writer()
        other = self._group is not None and self._group.rank > 0 and path
        return RunWriter(Path(path) / f"results-{self._group.rank}.jsonl") if self._group and other else None

    def _together(self, folder: AttackFolder | None) -> None:
        """All results in rank 0, and as the attack's time that of the process that took longest."""
        if self._group is None:
            return
        told = [
            msgspec.json.decode(part, type=Timing) for part in self._group.gather(msgspec.json.encode(self._timing))
        ]
        self._timing = max(told, key=lambda timing: timing.seconds)
        if folder is not None:
            self.results = folder.take_parts().results
            folder.write_timing(self._timing, lasting=True)

    def _kept(self, hint: str) -> str:
        """What a user can do after the victim has gone: the reason's own hint, and what is on disk."""
        how = "the same command" if self._reuse else "--resume"
        kept = f"{len(self.results)} of {self.total} results are kept in {self.path}; {how} goes on"
        return "; ".join(part for part in (hint, kept if self.path is not None else "nothing was kept") if part)

    def _wanted(self, texts: AttackTexts, surface_hash: str) -> AttackSettings:
        request, closed = self._request, "surface" in self._recipe.needs
        budget = self._recipe.budget if request.budget is None else request.budget
        # Said here, before a folder is made for it; the engine of attacks checks again.
        if not 0 < budget <= 1:
            raise InputError(f"budget: expected a share of the words above 0 and at most 1, got {budget}")
        queries = self._recipe.queries_per_word if request.queries_per_word is None else request.queries_per_word
        if queries < 1:
            raise InputError(f"queries per word: expected at least 1, got {queries}")
        judges = self._checks.identities if self._checks is not None else {}
        return AttackSettings(
            target=self.target.name,
            checkpoint=self.target.identity,
            weights=self.target.weights,
            recipe=self._recipe.name,
            dataset=texts.name,
            split=texts.split,
            texts=texts.fingerprint,
            n=len(texts.examples),
            budget=budget,
            queries_per_word=queries,
            seed=request.seed,
            surface=request.surface if closed else "",
            surface_hash=surface_hash if closed else "",
            labels=texts.labels,
            goal=goal_of(request, self._recipe) if self.writing else request.goal or self._recipe.goal.name,
            least_edits=self._recipe.least_edits if request.budget is None else 1,
            similarity=judges.get("similarity", ""),
            similarity_weights=judges.get("similarity_weights", ""),
            fluency=judges.get("fluency", ""),
            fluency_weights=judges.get("fluency_weights", ""),
        )

    def _open(self, texts: AttackTexts, settings: AttackSettings) -> AttackFolder | None:
        """The folder of the attack, new or gone on with, and the temperature; None where nothing is kept."""
        keep = self._request.texts is None if self._request.save is None else self._request.save
        folder: AttackFolder | None = None
        if self._request.resume:
            folder = AttackFolder.resume(self.target.attacks, settings)
        elif self._reuse:
            found = AttackFolder.newest(self.target.attacks, settings)
            folder = found if isinstance(found, AttackFolder) else None
        if folder is not None:
            self.results, self._timing = folder.results, folder.timing
            self.found_before = len(self.results)
            settings = folder.settings
        else:
            self._calibrate(texts, settings)
            if keep:
                folder = AttackFolder.create(self.target.attacks, settings)
        if not settings.calibrated and self._request.texts is None and not self.writing:
            dev = f"only {len(texts.calibration)} dev texts" if texts.calibration else "there is no dev split"
            self._warnings.append(f"not calibrated: {dev}; overconfidence may pass for robustness")
        self.path = folder.path if folder is not None else None
        return folder

    def _calibrate(self, texts: AttackTexts, settings: AttackSettings) -> None:
        if len(texts.calibration) < _FEWEST_CALIBRATION_TEXTS:
            return
        known = self.target.temperatures
        on = f"{texts.name}:{texts.dataset.fingerprint if texts.dataset is not None else ''}"
        if on not in known:
            from aat_models.attacks import calibrate

            known[on] = calibrate(self.target.victim, texts.calibration)
        settings.temperature, settings.calibrated = known[on], True


def run_attack(target: str, request: AttackRequest, runs_root: Path | None = None) -> AttackRun:
    """Opens a target by name and prepares an attack on it. Raises what ``open_target`` raises."""
    from aat_workbench.targets import open_target

    return AttackRun(open_target(target, runs_root), msgspec.structs.replace(request), runs_root=runs_root)
