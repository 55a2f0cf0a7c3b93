"""``--host``: a command that does its work on another host, over ssh."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aat_workbench.cli.output import say

if TYPE_CHECKING:
    from aat_workbench.host import Connection

__all__ = ["OnHost", "ask", "there"]

OnHost = Annotated[
    str, typer.Option("--host", metavar="USER@HOST[:FOLDER]", help="on another host, over ssh; see docs/remote.md")
]


@contextlib.contextmanager
def there(host: str, *, quiet: bool = False) -> Generator[Connection, None, None]:
    """A connection to ``host``. Raises HostError."""
    from aat_workbench.host import Connection

    with Connection(host) as connection:
        if connection.session.warning:
            say(f"warning: {connection.session.warning}", quiet=quiet)
        yield connection


def ask(host: str, method: str, *, quiet: bool = False, **params: Any) -> Any:
    """What the engine on ``host`` answers to one request. Raises AatError."""
    with there(host, quiet=quiet) as connection:
        return connection.call(method, **params)
