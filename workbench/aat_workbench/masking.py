"""Signs that a model only seems robust: gradient masking, and searches that were too weak (Athalye et al. 2018).

Each check compares figures that must stand in a certain order where an accuracy under attack means what it says. A
check that cannot be made with the recipes and targets at hand is reported as not made, never as passed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from aat_models.events import AttackResult
from aat_models.statistics import paired_bootstrap

if TYPE_CHECKING:
    from aat_datasets.records import Example
    from aat_workbench.attack_texts import Substitutes
    from aat_workbench.targets import Target

__all__ = [
    "Check", "Results", "Sample", "black_and_white", "growing_budget", "no_limits", "restarts", "robust", "telling_words",
    "transfer",
]  # fmt: skip

Results = Mapping[int, AttackResult]
"""Results of one attack by example."""

Outcome = Literal["passed", "alarm", "not made"]

_OPEN_SHARE = 0.1  # survivors of an attack without limits that are one too many
_MORE = 0.03  # how much further seeds may still find


class Check(msgspec.Struct, kw_only=True):
    """One check on one target: what was found, in words."""

    name: str
    target: str
    outcome: Outcome
    message: str


def robust(result: AttackResult) -> bool:
    """Whether the model was right and stayed right."""
    return result.status in ("failed", "budget")


def _share(answers: Sequence[bool]) -> float:
    return sum(answers) / len(answers) if answers else 0.0


def black_and_white(target: str, attacks: Mapping[str, Results], white: Sequence[str], black: Sequence[str]) -> Check:
    """White-box attacks on the closed surface must do at least as well as black-box ones: they know more."""
    name = "black box beats white box"
    if not white or not black:
        return Check(
            name=name, target=target, outcome="not made", message="needs white-box and black-box recipes of one surface"
        )

    def strongest(recipes: Sequence[str]) -> tuple[str, list[bool]]:
        answers = {recipe: [robust(r) for _, r in sorted(attacks[recipe].items())] for recipe in recipes}
        recipe = min(recipes, key=lambda recipe: _share(answers[recipe]))
        return recipe, answers[recipe]

    (white_name, whites), (black_name, blacks) = strongest(white), strongest(black)
    told = f"{white_name} leaves {_share(whites):.3f}, {black_name} {_share(blacks):.3f}"
    beaten = paired_bootstrap(whites, blacks).high < 0
    return Check(
        name=name,
        target=target,
        outcome="alarm" if beaten else "passed",
        message=f"{told}: the gradients mislead" if beaten else told,
    )


def transfer(target: Target, others: Mapping[str, Mapping[str, Results]], own: Mapping[str, Results]) -> Check:
    """Texts found against other models must not break this one more often than an attack on itself.

    Args:
        target: the model the texts are carried to.
        others: target → recipe → results.
        own: recipe → results on ``target``.
    """
    name = "transfer beats direct"
    if not others:
        return Check(name=name, target=target.name, outcome="not made", message="needs a second target")
    worst = ""
    told: list[str] = []
    for other, attacks in others.items():
        for recipe, results in attacks.items():
            ids = sorted(results)
            predicted = target.predict([results[i].adversarial for i in ids])
            carried = [row.index(max(row)) == own[recipe][i].label for row, i in zip(predicted, ids, strict=True)]
            # A text this model gets wrong unedited counts as lost on both sides: nobody's credit.
            stays = [right and own[recipe][i].status != "skipped" for right, i in zip(carried, ids, strict=True)]
            direct = [robust(own[recipe][i]) for i in ids]
            line = f"{recipe}: texts found on {other} leave {_share(stays):.3f}, direct {_share(direct):.3f}"
            told.append(line)
            if paired_bootstrap(direct, stays).high < 0:
                worst = worst or line
    return Check(
        name=name, target=target.name, outcome="alarm" if worst else "passed", message=worst or "; ".join(told[:3])
    )


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What the checks that attack anew are made on.

    Attributes:
        target: the model.
        examples: texts it gets right.
        temperature: of its calibration.
        surface: the evaluation's substitutes.
        budget, queries_per_word, seed: the evaluation's; None: each recipe's own.
    """

    target: Target
    examples: list[Example]
    temperature: float
    surface: Substitutes
    budget: float
    queries_per_word: int | None
    seed: int

    def run(
        self, recipe: str, *, budget: float | None = None, seed: int | None = None, surface: Substitutes | None = None,
        queries_per_word: int | None = None,
    ) -> Iterator[AttackResult]:  # fmt: skip
        """One attack on the sample, kept nowhere."""
        from aat_models.attacks import attack, find

        return attack(
            self.target.victim,
            self.examples,
            find(recipe),
            budget=self.budget if budget is None else budget,
            queries_per_word=queries_per_word or self.queries_per_word,
            seed=self.seed if seed is None else seed,
            temperature=self.temperature,
            surface=surface or self.surface,
        )


def telling_words(target: Target, examples: Sequence[Example], most: int = 48) -> list[str]:
    """The words that speak most for each class in ``examples``, by smoothed log-odds; the same number for each class."""
    counts: dict[int, Counter[str]] = {}
    for example in examples:
        if example.label is not None:
            counts.setdefault(example.label, Counter()).update(set(target.words(example.text)))
    total: Counter[str] = Counter()
    for counter in counts.values():
        total.update(counter)
    texts = max(1, len(examples))
    each = max(2, most // max(1, len(counts)))
    found: list[str] = []
    for counter in counts.values():
        inside = sum(counter.values())
        outside = max(1, sum(total.values()) - inside)

        def odds(word: str, counter: Counter[str] = counter, inside: int = inside, outside: int = outside) -> float:
            return math.log((counter[word] + 0.5) / (inside + 1)) - math.log(
                (total[word] - counter[word] + 0.5) / (outside + 1)
            )

        kept = [word for word in counter if counter[word] > 1 or texts < 50]
        found += sorted(kept, key=lambda word: (-odds(word), word))[:each]
    return list(dict.fromkeys(found))


def no_limits(sample: Sample, words: Sequence[str]) -> Check:
    """Where every word may become any telling word of any class and nothing is capped, next to nothing may survive."""
    name = "edits without surface or cap do not approach 0"
    chosen = tuple(words)

    def anything(word: str) -> Sequence[str]:
        return [other for other in chosen if other != word]

    results = list(sample.run("greedy", budget=1.0, surface=anything, queries_per_word=500))
    ended = [result for result in results if result.status in ("success", "failed")]
    left = sum(result.status == "failed" for result in ended)
    told = f"{left} of {len(ended)} texts survive when every word may become any of {len(chosen)} telling words"
    if not ended:
        return Check(
            name=name, target=sample.target.name, outcome="not made", message="no text was attacked to the end"
        )
    bad = left > _OPEN_SHARE * len(ended)
    return Check(name=name, target=sample.target.name, outcome="alarm" if bad else "passed", message=told)


def growing_budget(sample: Sample, recipe: str = "greedy") -> Check:
    """A larger budget must not leave more survivors, nor a smaller loss."""
    budgets = sorted({round(sample.budget / 3, 4), sample.budget, min(1.0, 2 * sample.budget)})
    survivors: list[float] = []
    losses: list[float] = []
    for budget in budgets:
        results = list(sample.run(recipe, budget=budget))
        survivors.append(_share([robust(result) for result in results]))
        rows = [max(1e-9, result.adversarial_probabilities[result.label]) for result in results]
        losses.append(-sum(map(math.log, rows)) / max(1, len(rows)))
    told = ", ".join(f"{b:g}: {a:.3f}" for b, a in zip(budgets, survivors, strict=True))
    pairs = range(len(budgets) - 1)
    # A stronger search stops at the first success, so only the survivors' order is strict; losses may round.
    wrong = any(survivors[k + 1] > survivors[k] for k in pairs) or any(losses[k + 1] < losses[k] * 0.98 for k in pairs)
    return Check(
        name="loss not monotone in budget",
        target=sample.target.name,
        outcome="alarm" if wrong else "passed",
        message=f"{recipe} leaves, by budget, {told}",
    )


def restarts(sample: Sample, recipes: Sequence[str], more: int) -> Check:
    """Further seeds of a random search must find next to nothing new."""
    name = "more restarts still help"
    if not recipes or more < 1:
        return Check(
            name=name, target=sample.target.name, outcome="not made", message="needs a recipe that draws at random"
        )
    told: list[str] = []
    bad = False
    for recipe in recipes:
        alive = {result.id for result in sample.run(recipe) if robust(result)}
        first = len(alive)
        for turn in range(more):
            alive &= {result.id for result in sample.run(recipe, seed=sample.seed + turn + 1) if robust(result)}
        told.append(f"{recipe}: {first} of {len(sample.examples)} survive one seed, {len(alive)} survive {more + 1}")
        bad = bad or first - len(alive) > _MORE * len(sample.examples)
    return Check(name=name, target=sample.target.name, outcome="alarm" if bad else "passed", message="; ".join(told))
