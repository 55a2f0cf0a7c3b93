"""``aat-workbench serve``: the app in a browser."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from aat_workbench.cli.output import Json, Quiet, emit, print_line

__all__ = ["serve"]


def serve(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: one that is free")] = 0,
    address: Annotated[
        str,
        typer.Option("--bind", metavar="ADDRESS", help="interface to listen on; others than this machine's are open"),
    ] = "127.0.0.1",
    browse: Annotated[bool, typer.Option("--open", help="open it in this machine's browser")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The app in a browser (extra serve): each tab is a process of its own, trainings outlive them. Ctrl-C ends it.

    The address printed holds a token: whoever has it runs programs as you. Nobody else on the network can reach it,
    unless --bind says so; then nothing is encrypted, and a tunnel (ssh -L) is the better way.
    """
    from aat_workbench.serving import is_loopback
    from aat_workbench.serving import serve as run

    def told(url: str) -> None:
        if json:
            emit({"url": url})
        else:
            print_line(url)
        sys.stdout.flush()
        if not quiet and not is_loopback(address):
            print(
                "whoever reads this address may run programs as you, and the way to it is not encrypted",
                file=sys.stderr,
            )
        if browse:
            import webbrowser

            webbrowser.open(url)

    run(address, port, told=told)
