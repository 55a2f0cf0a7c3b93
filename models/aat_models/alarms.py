"""Signs, while a model trains, that something is wrong: each kind is said once a stage, as a warning.

divergence   the training loss, or the loss on dev, stays well above its own lowest value
collapse     every dev text gets the same label
masking      the gradient no longer shows where the model is weak, so that a search that follows it finds nothing and the
             adversarial loss trains nothing

Masking is suspected where the search that trains hardly does harm: the one-step robust accuracy is nearly the clean one,
adversarial texts are hardly ever misread, or their loss is below that of the clean ones. None of these proves anything, so a
closer look follows, on few texts: what stands one gradient step but falls to several (Tramèr et al. 2018), or to a few
random draws that know no gradient (Athalye et al. 2018, section 3.1), was hidden, not robust.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from aat_models.events import Notice, Step

__all__ = ["Alarms", "CloserLook"]

TIMES, NATS = 2.0, 0.25  # a loss above TIMES its lowest value plus NATS has risen
RECORDS, EVALUATIONS = 5, 3  # in a row, before anything is said
EARLY = 50  # steps of a stage in which a model may still answer everything alike
UNHARMED = 0.95  # one-step robust accuracy, as a share of the clean one, that is too good to be believed unseen
FOOLED = 0.02  # share of adversarial texts misread below which the adversary does nothing
SEVERAL, RANDOM = 0.15, 0.10  # how much lower than after one step makes masking likely: several standard errors


class CloserLook(NamedTuple):
    """Shares of ``texts`` dev texts still right after one gradient step, after several, and after random draws."""

    texts: int
    one: float
    several: float
    random: float


class _Rise:
    """Counts in how many values in a row a loss was well above its lowest one."""

    def __init__(self) -> None:
        self.lowest, self.at, self.count = math.inf, 0, 0

    def take(self, step: int, value: float) -> int:
        if value < self.lowest:
            self.lowest, self.at = value, step
        self.count = self.count + 1 if value > TIMES * self.lowest + NATS else 0
        return self.count


class Alarms:
    """The warnings of the stage at work.

    Args:
        labels: names of the classes.
        adversary: name of the method that trains; what knows no gradient cannot be blinded by one.
    """

    def __init__(self, labels: Sequence[str], adversary: str) -> None:
        self.labels = labels
        self.searches = adversary not in ("none", "noise", "random")
        self.trains = adversary != "none"
        self.begin(0)

    def begin(self, step: int) -> None:
        """A new stage: everything may be said again."""
        self.start = step
        self.said: list[str] = []
        self.loss, self.dev = _Rise(), _Rise()
        self.harmless = 0  # records in a row in which the search did no harm
        self.collapsed = 0  # evaluations in a row with one answer to all

    def recorded(self, record: Step) -> Iterator[Notice]:
        """What a record of the training curves gives rise to."""
        figures = record.metrics
        loss = figures.get("loss_decoder" if record.stage == "decoder" else "loss")
        if loss is not None and self.loss.take(record.step, loss) >= RECORDS:
            low = f"the training loss is {loss:.3g}; its lowest was {self.loss.lowest:.3g} at step {self.loss.at}"
            yield from self._say("divergence", record.step, f"{low}: lower train.lr or adversary.beta")
        below = figures.get("loss_adv", math.inf) < 0.95 * figures.get("loss", -math.inf) - 0.01
        idle = figures.get("fooled", 1.0) < FOOLED
        self.harmless = self.harmless + 1 if self.searches and (below or idle) else 0

    def evaluated(
        self, step: int, metrics: Mapping[str, float], answers: Sequence[int], look: Callable[[], CloserLook] | None
    ) -> Iterator[Notice]:
        """What an evaluation on dev gives rise to.

        ``answers`` counts how often each class was the answer, empty where nothing was classified; ``look`` takes the
        closer look, where there is reason to (None: there never is).
        """
        loss = metrics.get("decoder_loss", metrics.get("loss"))
        if loss is not None and self.dev.take(step, loss) >= EVALUATIONS:
            low = f"the loss on dev is {loss:.3g}; its lowest was {self.dev.lowest:.3g} at step {self.dev.at}"
            yield from self._say("divergence on dev", step, f"{low}: it overfits or diverges; train.patience stops it")
        one = sum(count > 0 for count in answers) == 1 and len(answers) > 1
        self.collapsed = self.collapsed + 1 if one else 0
        if self.collapsed >= EVALUATIONS and step - self.start > EARLY:
            label = self.labels[max(range(len(answers)), key=answers.__getitem__)]
            told = f"all {sum(answers)} dev texts are answered {label}"
            yield from self._say("collapse", step, f"{told}: lower train.lr, or look at the labels")
        if look is not None and "masking" not in self.said and self._suspected(metrics):
            yield from self._look(step, look())

    def _suspected(self, metrics: Mapping[str, float]) -> bool:
        robust, clean = metrics.get("robust_accuracy"), metrics.get("accuracy", 0.0)
        if robust is None or not self.trains:
            return False
        return robust >= UNHARMED * clean > 0 or self.harmless >= RECORDS

    def _look(self, step: int, found: CloserLook) -> Iterator[Notice]:
        if found.several < found.one - SEVERAL:
            stand = f"{found.several:.0%} several (Tramèr et al. 2018)"
        elif found.random < found.one - RANDOM:
            stand = f"{found.random:.0%} a few random draws (Athalye et al. 2018)"
        else:
            return
        told = f"of {found.texts} dev texts {found.one:.0%} stand one gradient step, but only {stand}"
        yield from self._say("masking", step, f"{told}: the gradient is masked; trust attack, not robust_accuracy")

    def _say(self, kind: str, step: int, message: str) -> Iterator[Notice]:
        if kind not in self.said:
            self.said.append(kind)
            yield Notice(message=f"{kind}: {message}", level="warning", step=step)

    def state(self) -> dict[str, Any]:
        """What a resumed training needs."""
        rises = {name: _plain(rise) for name, rise in (("loss", self.loss), ("dev", self.dev))}
        return {"start": self.start, "said": self.said, "harmless": self.harmless, "collapsed": self.collapsed, **rises}

    def restore(self, values: dict[str, Any]) -> None:
        self.start, self.said = values["start"], values["said"]
        self.harmless, self.collapsed = values["harmless"], values["collapsed"]
        for rise, name in ((self.loss, "loss"), (self.dev, "dev")):
            lowest, rise.at, rise.count = values[name]
            rise.lowest = math.inf if lowest is None else lowest


def _plain(rise: _Rise) -> list[float | None]:
    return [None if math.isinf(rise.lowest) else rise.lowest, rise.at, rise.count]
