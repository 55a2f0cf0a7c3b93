"""The probe's conversation with the engine: ask after a rest, drop what is stale, look for the edit that breaks."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rich.text import Text
from textual.timer import Timer

from aat_datasets.errors import AatError
from aat_models.events import AttackResult
from aat_workbench.terminal import visible

from ..asking import told
from ..asking_pane import AskingPane
from ..themes import plain
from ..widgets.bars import decimal
from ..widgets.probe import Answer, ProbePanel
from ..widgets.results import changes_text, label_name

__all__ = ["DEBOUNCE", "Probing"]

DEBOUNCE = 0.15  # seconds of rest after a key before the models are asked
PATIENCE = 0.4  # seconds until it is said that an answer is waited for
BREAK_BUDGET = 0.5  # share of the words the quick attack on a typed text may change


class Probing:
    """Drives a ``ProbePanel`` for the pane that owns it.

    Args:
        owner: the pane whose timers and workers these are.
        models: the targets of sides A and B; B is empty where there is none.
        by: the method of the salience.
        found: called with an attack's result on the typed text and the class names.
    """

    def __init__(
        self,
        owner: AskingPane,
        panel: ProbePanel,
        models: Callable[[], tuple[str, str]],
        by: Callable[[], str],
        found: Callable[[AttackResult, list[str]], None],
    ) -> None:
        self._owner = owner
        self._panel = panel
        self._models = models
        self._by = by
        self._found = found
        self._rest: Timer | None = None
        self.answers: dict[str, Answer] = {}  # by side: what was answered last
        self._asked = 0

    def ask_soon(self) -> None:
        """The text or a model changed: ask after a rest."""
        if self._rest is not None:
            self._rest.stop()
        self._asked += 1  # whatever is still on its way is stale from now on
        self._rest = self._owner.set_timer(DEBOUNCE, self._ask)

    def typed(self) -> None:
        """The text changed: what was found for the old one no longer holds."""
        self._panel.show_found(None)
        self._owner.workers.cancel_group(self._owner, "break")
        self.ask_soon()

    def _ask(self) -> None:
        text = self._panel.text.strip()
        for side, target in zip("ab", self._models(), strict=True):
            if not text or not target:
                self._panel.show(side, None)
                continue
            self._owner.run_worker(self._answer(side, target, text, self._asked), group=f"probe-{side}", exclusive=True)

    async def _answer(self, side: str, target: str, text: str, asked: int) -> None:
        waiting = self._owner.set_timer(PATIENCE, partial(self._panel.wait, side))
        try:
            answer = await self._owner.asking.answer(target, text, self._by())
        finally:
            waiting.stop()
        if asked == self._asked:
            self.answers[side] = answer
            self._panel.show(side, answer)

    def break_it(self, text: str) -> None:
        """Look for the smallest edit that changes A's answer to ``text``."""
        self._panel.show_found(Text("looking for an edit that changes A's answer …", style="italic"))
        self._owner.run_worker(self._break(self._models()[0], text.strip()), group="break", exclusive=True)

    async def _break(self, target: str, text: str) -> None:
        result: AttackResult | None = None
        try:
            labels = await self._owner.asking.labels(target)
            (probabilities,) = await self._owner.asking.predictions(target, [text])
            label = max(range(len(probabilities)), key=lambda c: probabilities[c])
            stream = self._owner.stream(
                "attack",
                target=target,
                recipe="greedy",
                surface="all",  # whatever it takes: synonyms and misspellings
                texts=[text],
                labels=[label],
                budget=BREAK_BUDGET,
                save=False,
            )
            try:
                async for event in stream:
                    if isinstance(event, AttackResult):
                        result = event
            finally:
                await stream.aclose()
        except AatError as error:
            style = plain(self._owner.app.theme_variables, "error")
            self._panel.show_found(Text(visible(told(error)), style=style))
            return
        if result is None:
            self._panel.show_found(Text("the attack gave no result"))
            return
        self._panel.show_found(self._sentence(result, labels))
        self._found(result, labels)

    def _sentence(self, result: AttackResult, labels: list[str]) -> Text:
        colours = self._owner.app.theme_variables
        now = visible(label_name(labels, result.adversarial_prediction))
        if result.status == "success":
            text = Text("✗ breaks with ", style=plain(colours, "error"))
            text.append(visible(changes_text(result)[:300]), style="bold")
            text.append(f": now {now} {decimal(result.adversarial_probabilities[result.adversarial_prediction])}")
        else:
            text = Text("✓ no edit found", style=plain(colours, "success"))
            text.append(f" that changes the answer: stays {now}")
        text.append(f" · {result.queries} queries", style=plain(colours, "muted"))
        return text
