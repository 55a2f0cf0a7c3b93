"""The process that does long work on datasets for the app: reading files in, downloads, views, sorting.

``python -m aat_workbench.data_work`` takes one request, a line of JSON, from its standard input, and tells its progress
and its end as lines of JSON. When its input ends, it stops what it does, leaves nothing half done, and goes: that is how
it is cancelled, and what happens to it when the app is killed. In a process of its own the work takes no time and no
memory from the screen, and a database that is deep in a file can be stopped at any moment.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from aat_datasets.errors import AatError
from aat_datasets.selection import Selection

__all__ = ["Answer", "Request", "main"]

BETWEEN = 0.1  # seconds between two tellings of progress
MEMORY = "512MB"  # for sorting; what is more goes to the disk


class Request(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What to do: ``open``, ``get``, ``add``, ``view``, ``order`` or ``neighbours``, with what those functions take."""

    work: str
    name: str
    arguments: dict[str, Any] = {}


class Answer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A line: progress while ``message`` is set, else the end, with a result or what went wrong."""

    done: int = 0
    total: int = 0
    message: str = ""
    result: Any = None
    kind: str = ""  # the error's class
    error: str = ""
    hint: str = ""


def main() -> None:
    """See the module."""
    with contextlib.suppress(OSError, AttributeError):  # not on every system
        os.nice(5)
    stop = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, stop if callable(stop) else signal.default_int_handler)
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=Request)
    threading.Thread(target=_stop_with_input, daemon=True).start()
    try:
        result = WORKS[request.work](request, _teller())
        _tell(Answer(result=result))
    except AatError as error:
        _tell(Answer(kind=type(error).__name__, error=error.message, hint=error.hint))
    except KeyboardInterrupt:
        sys.exit(130)


def _stop_with_input() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    _thread.interrupt_main()


def _tell(answer: Answer) -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


def _teller() -> Callable[[int, int, str], None]:
    last = ["", 0.0]

    def tell(done: int, total: int, message: str) -> None:
        now = time.monotonic()
        if message != last[0] or now - float(last[1]) >= BETWEEN:
            last[:] = [message, now]
            _tell(Answer(done=done, total=total, message=message or "working"))

    return tell


Progress = Callable[[int, int, str], None]


def _open(request: Request, progress: Progress) -> Any:
    from aat_datasets.catalog import open_dataset

    return {"splits": open_dataset(request.name, progress).splits}


def _get(request: Request, progress: Progress) -> Any:
    from aat_datasets.catalog import get

    return {"files": len(get(request.name, progress))}


def _add(request: Request, progress: Progress) -> Any:
    from aat_datasets.adding import add

    arguments = dict(request.arguments)
    splits = {split: Path(path) for split, path in arguments.pop("splits", {}).items()}
    return add(
        request.name, [Path(path) for path in arguments.pop("files")], splits=splits, progress=progress, **arguments
    )


def _view(request: Request, progress: Progress) -> Any:
    from aat_datasets.views import save_view

    arguments = dict(request.arguments)
    selection = msgspec.convert(arguments.pop("selection"), Selection)
    return {"splits": save_view(request.name, arguments.pop("of"), selection, progress=progress, **arguments).splits}


def _order(request: Request, progress: Progress) -> Any:
    from aat_datasets.catalog import open_dataset
    from aat_datasets.ordering import write_order

    arguments = request.arguments
    table = open_dataset(request.name, progress).table(arguments["split"])
    selection = msgspec.convert(arguments["selection"], Selection)
    progress(0, 0, f"sorting by {arguments['order'].removeprefix('-')}")
    return {"total": write_order(table, selection, arguments["order"], Path(arguments["path"]), memory=MEMORY)}


def _neighbours(request: Request, progress: Progress) -> Any:
    """The synonyms that ``texts`` themselves tell; their matrix takes hundreds of megabytes."""
    from aat_datasets.lexicon import Lexicon

    words = [text.lower().split() for text in request.arguments["texts"]]
    lexicon = Lexicon.from_neighbours(words, request.arguments["labels"])
    return {"name": lexicon.name, "table": {word: lexicon.substitutes(word) for word in lexicon.words}}


WORKS: dict[str, Callable[[Request, Progress], Any]] = {
    "open": _open,
    "get": _get,
    "add": _add,
    "view": _view,
    "order": _order,
    "neighbours": _neighbours,
}

if __name__ == "__main__":
    main()
