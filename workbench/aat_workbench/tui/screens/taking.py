"""What is taken out of a pane: a text copied, a table or transcript written to a file, a probe kept in a test set."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from textual.widget import Widget

from aat_datasets.errors import AatError
from aat_models.events import AttackResult
from aat_workbench.terminal import visible

from .. import exporting, saving
from ..asking import told
from ..keep_probe import KeepProbe
from ..overlays import Ask, ShowText
from ..widgets.replies import Turn

__all__ = ["Taking"]


class Taking:
    """Asks where to, and does it, for the widget that owns it; the coroutines are its workers."""

    def __init__(self, owner: Widget) -> None:
        self._owner = owner
        self._dataset = saving.DATASET

    def _say(self, message: str) -> None:
        self._owner.notify(visible(message), markup=False)

    def _complain(self, error: AatError) -> None:
        self._owner.notify(visible(told(error)), severity="error", markup=False)

    def copy(self, text: str) -> None:
        """Copy ``text`` as it is shown: what a shell or an editor would obey stays a glyph when it is pasted."""
        self._owner.app.copy_to_clipboard(visible(text, lines=True))
        self._say("Copied, where the terminal allows it; Y shows the text alone, to select or write to a file.")

    async def show(self, text: str) -> None:
        """Show ``text`` alone; copy it or write it to a file from there."""
        wanted = await self._owner.app.push_screen_wait(ShowText(text))
        if wanted == "copy":
            self.copy(text)
        elif wanted == "file":
            await self._write_text(text)

    async def _write_text(self, text: str) -> None:
        typed = await self._ask("Write the text to", "the text as it is, control characters and all", "text.txt")
        if typed:
            await self._write(lambda path: exporting.write_text(path, text + "\n"), typed, "the text")

    async def export(self, results: Sequence[AttackResult], labels: Sequence[str], name: str) -> None:
        """Write ``results`` to a file of the user's choice."""
        hint = f"{len(results)} results as the table shows them; .csv for a spreadsheet, .jsonl for a program"
        typed = await self._ask("Export the table to", hint, f"{name}.csv", exporting.SUFFIXES)
        if typed:
            kept = list(results)
            await self._write(lambda path: exporting.write_results(path, kept, labels), typed, f"{len(kept)} results")

    async def export_transcript(self, turns: Sequence[Turn]) -> None:
        """Write what was said to a file of the user's choice."""
        hint = f"{len(turns)} turns; .md to read, .jsonl for a program"
        typed = await self._ask("Export the transcript to", hint, "transcript.md", exporting.TRANSCRIPT_SUFFIXES)
        if typed:
            kept = list(turns)
            await self._write(lambda path: exporting.write_transcript(path, kept), typed, f"{len(kept)} turns")

    async def _ask(self, title: str, hint: str, value: str, suffixes: Sequence[str] = ()) -> str | None:
        screen = Ask(title, hint, value, lambda typed: exporting.no_place(typed, suffixes))
        return await self._owner.app.push_screen_wait(screen)

    async def _write(self, write: Callable[[Path], None], typed: str, what: str) -> None:
        path = Path(typed).expanduser()
        try:
            await asyncio.to_thread(write, path)
        except AatError as error:
            self._complain(error)
            return
        self._say(f"{what} written to {path}")

    async def keep(self, text: str, labels: Sequence[str], label: str) -> None:
        """Keep ``text`` in a test set; ``label`` is offered as its true class."""
        if not labels:
            self._owner.notify("The model's classes are not known yet; let it answer first.", markup=False)
            return
        kept = await self._owner.app.push_screen_wait(KeepProbe(text, labels, label, self._dataset))
        if kept is None:
            return
        try:
            count = await asyncio.to_thread(saving.save_probe, kept.dataset, text, kept.label)
        except AatError as error:
            self._complain(error)
            return
        self._dataset = kept.dataset
        self._say(f"kept in {kept.dataset}, which has {count} text{'' if count == 1 else 's'}; it is under 1 Datasets")
