"""What to attack, and how: the line of controls above the results."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Select

from ..targets import run_of, targets
from .field import Choice, Number

__all__ = ["NO_SECOND", "AttackControls", "known_targets"]

RECIPE = "greedy"  # what there is to choose until the engine has named its recipes
SURFACES: Sequence[tuple[str, str]] = (
    ("words", "synonyms only"),
    ("characters", "misspellings only"),
    ("all", "synonyms and misspellings"),
)
NO_SECOND = ("", "no second model")
GOALS: Sequence[tuple[str, str]] = (
    ("", "the recipe's own: mostly another label"),
    ("meaning", "the meaning of what it writes"),
    ("non-overlapping", "no word of what it wrote before"),
)
OWN_DATA = ("", "the dataset it was trained on")
TYPED = "type a name …"  # the last of the models: opens a line for a name of one's own


def known_targets(root: Path, *, writers: bool = False) -> list[tuple[str, str]]:
    """The targets as options: name and note; with ``writers`` those that have a decoder come first."""
    known = targets(root)
    if writers:
        known.sort(key=lambda target: not target.writes)
    return [(target.name, target.note) for target in known]


class AttackControls(Horizontal):
    """Models A and B, data, recipe, kind of edits, number of examples (0: all), budget; one to three lines.

    The goal of a model A that writes: its label, or what it writes.
    """

    DEFAULT_CSS = """
    AttackControls { height: auto; padding: 0 1; }
    AttackControls Horizontal { height: 1; width: auto; }
    AttackControls #how { height: auto; }
    AttackControls.-narrow, AttackControls.-tight #how { layout: vertical; }
    AttackControls #goal-line { display: none; }
    AttackControls.-writes #goal-line { display: block; }
    """

    class TargetChosen(Message):
        """Another model A."""

    class OtherChosen(Message):
        """Another model B, or none."""

    class Submitted(Message):
        """Enter in a number: start."""

    class NameWanted(Message):
        """A model of a name that is to be typed, for A or for B."""

        def __init__(self, other: bool) -> None:
            super().__init__()
            self.other = other

    def __init__(self, root: Path, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._root = root
        self._named: list[str] = []  # models whose names were typed, or came from another pane
        self._budgets: dict[str, float] = {}
        self._writers: set[str] = set()  # runs that write
        self._before = {"target": "", "other": ""}

    def compose(self) -> ComposeResult:
        known = self._models()
        self._before["target"] = known[0][0]
        with Horizontal():
            yield Choice("A", known, 24, id="target")
            yield Choice("B", [NO_SECOND, *known], 18, id="other")
            yield Choice("data", [OWN_DATA], 14, id="data", empty="the model's")
        with Horizontal(id="how"):
            with Horizontal():
                yield Choice("recipe", [(RECIPE, "")], 18, id="recipe")
                yield Choice("edits", SURFACES, 13, id="surface")
                yield Number("n", "50", 5, low=0, high=1_000_000, whole=True, id="n")
                yield Number("budget", "0.3", 5, low=0.01, high=1, whole=False, id="budget")
            with Horizontal(id="goal-line"):
                yield Choice("goal", GOALS, 17, id="goal", empty="the recipe's")

    def on_resize(self) -> None:
        self._arrange()

    def on_mount(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        writes = run_of(self.target) in self._writers
        self.set_class(writes, "-writes")
        self.set_class(self.size.width < (170 if writes else 146), "-narrow")
        self.set_class(self.size.width < 100, "-tight")

    def _models(self) -> list[tuple[str, str]]:
        found = targets(self._root)
        known = [(target.name, target.note) for target in found]
        self._writers = {run_of(target.name) for target in found if target.writes}
        names = {name for name, _ in known}
        return [
            *known,
            *((name, "typed") for name in self._named if name not in names),
            (TYPED, "RUN@step-1200, py:, http:"),
        ]

    def refresh_targets(self) -> None:
        """Runs come and go while the app is open."""
        known = self._models()
        self.query_one("#target", Choice).set_options(known)
        self.query_one("#other", Choice).set_options([NO_SECOND, *known])

    def set_recipes(self, recipes: Sequence[tuple[str, str]], budgets: dict[str, float]) -> None:
        """What there is to attack with: names and notes, and the budgets the recipes have by themselves."""
        self._budgets = budgets
        if recipes:
            self.query_one("#recipe", Choice).set_options(recipes)

    def set_datasets(self, names: Sequence[str]) -> None:
        """Datasets whose texts can be attacked in place of the model's own."""
        self.query_one("#data", Choice).set_options([OWN_DATA, *((name, "") for name in names)])

    @property
    def target(self) -> str:
        """Model A."""
        return self.query_one("#target", Choice).value

    @target.setter
    def target(self, name: str) -> None:
        self._choose("target", name)

    @property
    def other(self) -> str:
        """Model B; empty where there is none."""
        return self.query_one("#other", Choice).value

    @other.setter
    def other(self, name: str) -> None:
        self._choose("other", name)

    def _choose(self, field: str, name: str) -> None:
        if name and name not in {known for known, _ in self._models()}:
            self._named.append(name)
            self.refresh_targets()
        self.query_one(f"#{field}", Choice).set(name)

    @property
    def data(self) -> str:
        """The dataset to attack on; empty: the model's own."""
        return self.query_one("#data", Choice).value

    def focus_data(self) -> None:
        self.query_one("#data", Choice).select.focus()

    def focus_target(self) -> None:
        self.query_one("#target", Choice).select.focus()

    def params(self) -> dict[str, Any]:
        """The engine's words for what is chosen. Raises ConfigError where a number is none."""
        data = {"dataset": self.data} if self.data else {}
        goal = self.query_one("#goal", Choice).value if self.has_class("-writes") else ""
        return {
            **data,
            **({"goal": goal} if goal else {}),
            "recipe": self.query_one("#recipe", Choice).value,
            "surface": self.query_one("#surface", Choice).value,
            "n": int(self.query_one("#n", Number).number()),
            "budget": self.query_one("#budget", Number).number(),
        }

    def on_select_changed(self, event: Select.Changed) -> None:
        event.stop()
        field = event.select.parent.id if event.select.parent is not None else None
        if field in ("target", "other"):
            self._model_chosen(field, str(event.value))
        elif field == "recipe" and event.value in self._budgets:
            self.query_one("#budget Input", Input).value = f"{self._budgets[str(event.value)]:g}"

    def _model_chosen(self, field: str, name: str) -> None:
        if name == TYPED:  # no model, but a wish for one: what was chosen before stays until a name has been typed
            self.query_one(f"#{field}", Choice).set(self._before[field])
            self.post_message(self.NameWanted(field == "other"))
        elif name != self._before[field]:
            self._before[field] = name
            self._arrange()
            self.post_message(self.TargetChosen() if field == "target" else self.OtherChosen())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Submitted())

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
