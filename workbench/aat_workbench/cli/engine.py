"""``aat-workbench engine``: the engine on stdin and stdout."""

from __future__ import annotations

__all__ = ["engine"]


def engine() -> None:
    """Hold models and answer JSON lines on stdin/stdout; the app starts one by itself, also over ssh."""
    from aat_workbench.engine import main

    main()
