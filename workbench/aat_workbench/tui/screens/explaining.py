"""Why an example broke, asked of the engine: the salience of its texts, its edits one by one, the other model's answer."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
from collections.abc import Callable

from rich.text import Text

from aat_datasets.errors import AatError
from aat_models.events import AttackResult
from aat_workbench.terminal import visible

from ..asking import told
from ..asking_pane import AskingPane
from ..widgets.bars import decimal
from ..widgets.painted import clip
from ..widgets.results import label_name
from ..widgets.variation import Variation, stepped, undone, varied_text
from ..widgets.verdict import Salience, Verdict

__all__ = ["Explaining"]

REST = 0.08  # seconds the cursor must rest before the engine is asked


class Explaining:
    """Fills in a ``Verdict`` for the pane that owns it; what comes too late is dropped.

    ``models`` gives the targets A, which is asked, and B, which has its own answer; B is empty where there is none.
    ``by`` is the method of the salience.
    """

    def __init__(
        self,
        owner: AskingPane,
        verdict: Verdict,
        models: Callable[[], tuple[str, str]],
    ) -> None:
        self._owner = owner
        self._verdict = verdict
        self._models = models
        self.by = "gradient"

    def explain(self, result: AttackResult | None) -> None:
        """Ask about ``result``."""
        if result is not None:
            self._owner.run_worker(self._explain(result, *self._models()), group="explain", exclusive=True)

    def step(self, by: int) -> None:
        """Look at the text ``by`` edits later."""
        if self._verdict.result is not None:
            self._vary(stepped(self._verdict.result, self._verdict.variation, by))

    def undo(self) -> None:
        """Leave out the edit that is looked at, or put it back."""
        if self._verdict.result is not None:
            self._vary(undone(self._verdict.result, self._verdict.variation))

    def change_method(self) -> str:
        """The other method of salience, from now on."""
        self.by = "integrated" if self.by == "gradient" else "gradient"
        self.explain(self._verdict.result)
        self._ask_varied()
        return self.by

    def _vary(self, variation: Variation | None) -> None:
        if variation != self._verdict.variation:
            self._verdict.vary(variation)
            self._ask_varied()

    def _ask_varied(self) -> None:
        result, variation = self._verdict.result, self._verdict.variation
        if result is not None and variation is not None:
            self._owner.run_worker(
                self._answer_varied(result, variation, self._models()[0]), group="vary", exclusive=True
            )

    async def _answer_varied(self, result: AttackResult, variation: Variation, target: str) -> None:
        await asyncio.sleep(REST)
        answer = await self._owner.asking.answer(target, varied_text(result, variation), self.by)
        if self._verdict.result is not result:
            return
        if answer.error:
            self._owner.notify(visible(answer.error), severity="error", markup=False)
            return
        self._verdict.set_varied(variation, answer.probabilities, Salience(answer.words, answer.scores))

    async def _explain(self, result: AttackResult, target: str, other: str) -> None:
        await asyncio.sleep(REST)
        if result.written is not None:
            if self._verdict.result is result:
                self._verdict.set_salience(
                    Salience(note="what is written was attacked, not a label: no salience"), Salience()
                )
            return
        before = await self._owner.asking.salience(target, result.text, self.by)
        after = await self._owner.asking.salience(target, result.adversarial, self.by) if result.edits else Salience()
        if self._verdict.result is result:
            self._verdict.set_salience(before, after)
        if other and result.edits:
            said = await self._opinion(other, result)
            if self._verdict.result is result:
                self._verdict.set_other(said)

    async def _opinion(self, other: str, result: AttackResult) -> Text:
        """What the other model makes of the same edit."""
        try:
            labels = await self._owner.asking.labels(other)
            before, after = await self._owner.asking.predictions(other, [result.text, result.adversarial])
        except AatError as error:
            return Text(f"B {clip(other, 32)}: {visible(told(error))}")
        was, now = (max(range(len(p)), key=p.__getitem__) for p in (before, after))
        text = Text()
        text.append(f"B {clip(other, 32)} {'is fooled too' if was != now else 'is not fooled'}: ", style="bold")
        text.append(f"{clip(label_name(labels, was), 24)} {decimal(before[was])} → ")
        text.append(f"{clip(label_name(labels, now), 24)} {decimal(after[now])}")
        return text
