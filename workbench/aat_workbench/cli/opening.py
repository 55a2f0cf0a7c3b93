"""Opening the app, and saying in one line why not: what the console script needs before any command line is read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from aat_datasets.errors import AatError, InputError
from aat_workbench.terminal import visible

__all__ = ["complain", "open_pane"]


def open_pane(pane: str, run: str = "", watched: Sequence[Path] = ()) -> None:
    """Open the app on a pane, with a run selected; ``watched``: trainings that are not ours, beside the runs.

    Raises InputError where there is no terminal to draw on, or nothing to watch.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("the app needs a terminal", "in scripts: watch --plain, runs list --json; see --help")
    from aat_workbench.tui.app import WorkbenchApp

    app = WorkbenchApp(start_pane=pane, watched=watched)
    if run:
        app.selected_run = run
    app.run()


def complain(error: AatError) -> None:
    """Say in one line on stderr what a user can mend, and exit with the error's code."""
    line = " ".join(str(error).split())
    print(visible(f"aat-workbench: {line}"), file=sys.stderr)
    sys.exit(error.exit_code)
