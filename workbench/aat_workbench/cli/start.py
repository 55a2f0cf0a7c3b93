"""The console script: the app and the engine at once; the command line's own machinery is loaded only for commands."""

from __future__ import annotations

import sys

from aat_datasets.errors import AatError
from aat_workbench.cli.opening import complain, open_pane

__all__ = ["main"]


def main() -> None:
    """``aat-workbench`` and ``aat-workbench COMMAND …``."""
    if sys.argv[1:] == ["engine"]:  # somebody waits for it at the other end of a connection
        from aat_workbench.engine import main as serve

        serve()
    if len(sys.argv) > 1:
        from aat_workbench.cli.main import main as run_command

        run_command()
        return
    try:
        open_pane("datasets")
    except AatError as error:
        complain(error)


if __name__ == "__main__":
    main()
