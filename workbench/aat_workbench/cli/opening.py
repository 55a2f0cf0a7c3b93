"""Opening the app, and saying in one line why not: what the console script needs before any command line is read."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from aat_datasets.errors import AatError, InputError, UnknownNameError
from aat_workbench.terminal import visible

__all__ = ["IN_BROWSER", "complain", "open_pane"]

IN_BROWSER = "TEXTUAL_DRIVER"
"""The environment variable by which a served app knows that it draws on no terminal."""


def open_pane(pane: str, run: str = "", host: str = "", watched: Sequence[Path] = ()) -> None:
    """Open the app on a pane, with a run selected, on this machine's runs or another host's.

    ``watched``: trainings that are not ours, beside the runs. Raises InputError where there is no terminal to draw on, or
    nothing to watch, HostError where the host does not answer.
    """
    if IN_BROWSER not in os.environ and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("the app needs a terminal", "in scripts: watch --plain, runs list --json; see --help")
    if hasattr(signal, "SIGHUP"):  # under nohup it is ignored, and the app would outlive its terminal
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if host:
        import asyncio

        asyncio.run(_open_there(host, pane, run))
        return
    from aat_workbench.tui.app import WorkbenchApp

    app = WorkbenchApp(start_pane=pane, watched=watched)
    if run:
        app.selected_run = run
    # What is there now stays: the collector need not look through it at every turn, in the middle of a redraw.
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    try:
        app.run()
    finally:
        gc.unfreeze()  # or the end of the interpreter finds objects of DuckDB alive, and says so on the terminal


async def _open_there(host: str, pane: str, run: str) -> None:
    """The app here, everything else there. The host has answered before the screen is drawn."""
    from aat_workbench.host import Host, HostSession, claim_mirror
    from aat_workbench.mirror import Mirror
    from aat_workbench.tui.app import WorkbenchApp

    session = HostSession(Host.parse(host))
    print(visible(f"connecting to {session.place} …"), file=sys.stderr)
    try:
        await session.start()
        if run:
            names = [entry["run"] for entry in await session.call("runs")]
            if run not in names:
                raise UnknownNameError("run", run, names)
        root, lock = claim_mirror(session.host)
        app = WorkbenchApp(session=session, start_pane=pane, mirror=Mirror(root, session, session.place))
        if run:
            app.selected_run = run
        await app.run_async()
        lock.release()
    finally:
        await session.close()


def complain(error: AatError) -> None:
    """Say in one line on stderr what a user can mend, and exit with the error's code."""
    line = " ".join(str(error).split())
    print(visible(f"aat-workbench: {line}"), file=sys.stderr)
    sys.exit(error.exit_code)
