"""The long work a pane has done for it: one piece at a time, its progress in a line of its own, cancelled by a key."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import Any

from textual.content import Content
from textual.widgets import Static

from aat_datasets.errors import DataError
from aat_workbench.terminal import visible

from ..data_job import DataJob

__all__ = ["JobLine"]

REDRAW = 0.5  # seconds: the clock in the line goes on where nothing is told


class JobLine(Static):
    """Shows the job that runs, and nothing while there is none."""

    DEFAULT_CSS = """
    JobLine { height: auto; max-height: 3; padding: 0 1; background: $panel; color: $warning; display: none; }
    JobLine.-busy { display: block; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)
        self.job: DataJob | None = None

    def on_mount(self) -> None:
        self.set_interval(REDRAW, self.tell)

    async def on_unmount(self) -> None:
        if self.job is not None:
            await self.job.part()

    async def run(self, job: DataJob) -> Any:
        """Do it, and return its result. Raises DataError as the job does, or where another one runs."""
        if self.job is not None:
            raise DataError(f"{self.job.name} is being worked on", "c cancels that")
        self.job = job
        self._show(True)
        try:
            return await job.run(self.tell)
        finally:
            self.job = None
            self._show(False)

    def _show(self, busy: bool) -> None:
        self.set_class(busy, "-busy")
        self.tell()
        if self.is_attached:
            self.screen.refresh_bindings()

    def tell(self) -> None:
        """Draw what the job has told."""
        if self.job is not None:
            self.update(Content(f"{visible(self.job.told())} · c cancels"))

    def cancel(self) -> None:
        if self.job is not None:
            self.job.cancel()
