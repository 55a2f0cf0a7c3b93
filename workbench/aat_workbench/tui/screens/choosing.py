"""What there is to choose for an attack: recipes, datasets, and models by names that are typed."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import Any

from aat_datasets.errors import AatError

from ..asking_pane import AskingPane
from ..overlays import Ask
from ..widgets.controls import AttackControls

__all__ = ["Choosing"]


class Choosing:
    """Fills an ``AttackControls`` for the pane that owns it; the coroutines are its workers."""

    def __init__(
        self,
        owner: AskingPane,
        controls: AttackControls,
    ) -> None:
        self._owner = owner
        self._controls = controls

    async def learn(self) -> None:
        """Ask what there is. The engine that tells the recipes is warm when the first attack comes."""
        try:
            self._controls.set_datasets(await self._owner.workbench.dataset_names())
            recipes = await self._owner.asking.recipes()
        except AatError:
            return  # an attack says what is wrong; until then there is the plainest recipe to choose
        self._controls.set_recipes(
            [(recipe["name"], _note(recipe)) for recipe in recipes],
            {recipe["name"]: recipe["budget"] for recipe in recipes},
        )

    async def name(self, other: bool) -> None:
        """Ask for the name of model A, or of B."""
        hint = "RUN, RUN@latest, RUN@step-1200, a run's folder, py:module:function, http://…, hf:PATH_OR_ID"
        typed = await self._owner.app.push_screen_wait(Ask(f"Which model is {'B' if other else 'A'}?", hint))
        if typed and other:
            self._controls.other = typed
        elif typed:
            self._controls.target = typed


def _note(recipe: dict[str, Any]) -> str:
    return ("white box: " if "gradients" in recipe["needs"] else "") + recipe["search"]
