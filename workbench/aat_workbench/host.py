"""The engine on another host: the ssh command line that starts it there, and what is said where that fails.

``HOST`` is what ssh knows (``gpu``, ``me@gpu.example.org``); ``HOST:FOLDER`` also says which folder there holds ``runs``.
One ssh connection carries everything. Nothing here imports torch.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from aat_datasets.errors import AatError, EngineError, HostError, InputError
from aat_models.events import Event
from aat_workbench import __version__
from aat_workbench.locking import FolderLock
from aat_workbench.protocol import PATIENCE, PROTOCOL
from aat_workbench.session import Session, Stream, state_folder

__all__ = ["Connection", "Happening", "Host", "HostSession", "claim_mirror"]

_PARTS = re.compile(r"((?:[^@:/]+@)?[^@:/]+):(?!:)(.+)")
_OPTIONS = ("-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=5",
            "-o", "ServerAliveCountMax=3")  # fmt: skip
# A shell that ssh starts for a command reads no profile: the usual places are tried, and a login shell last.
_SEARCH = """
for program in aat-workbench .venv/bin/aat-workbench "$HOME/.local/bin/aat-workbench"; do
  if command -v "$program" >/dev/null 2>&1; then exec "$program" engine; fi
done
exec "${SHELL:-sh}" -lc 'exec aat-workbench engine'
"""
_PATIENCE = 300  # seconds that the engine there works on for a client that says nothing
_BEAT = 20.0  # seconds between two words, so that it knows that somebody is here
_MISSING = (126, 127)  # exit codes of a shell that did not find, or could not run, the program


class Host(NamedTuple):
    """``name`` is ssh's, ``folder`` the working folder there (empty: the home)."""

    name: str
    folder: str = ""

    @classmethod
    def parse(cls, text: str) -> Host:
        """``me@gpu`` or ``me@gpu:project``. Raises InputError."""
        match = _PARTS.fullmatch(text)
        host = cls(match[1], match[2].removeprefix("~/")) if match else cls(text)
        if not host.name or host.name.startswith("-") or any(character.isspace() for character in host.name):
            raise InputError(f"--host: expected USER@HOST or USER@HOST:FOLDER, got {text!r}")
        return host

    def command(self) -> list[str]:
        """The command line of the engine there. Raises InputError where ``AAT_SSH`` cannot be read."""
        try:
            given = shlex.split(os.environ.get("AAT_SSH", ""))  # first, because ssh takes the first it is told
        except ValueError as error:
            raise InputError(f"AAT_SSH: {error}", "for example: AAT_SSH='-p 2222 -i ~/.ssh/key'") from None
        remote = os.environ.get("AAT_REMOTE", "").strip()
        script = f"export {PATIENCE}={_PATIENCE}\n" + (f"{remote} engine" if remote else _SEARCH.strip())
        if self.folder:
            script = f"cd {shlex.quote(self.folder)} || exit 2\n{script}"
        return ["ssh", *given, *_OPTIONS, "--", self.name, f"exec sh -c {shlex.quote(script)}"]

    @property
    def key(self) -> str:
        """A file name for what is kept of this host."""
        asked = hashlib.sha256("\0".join(self.command()).encode()).hexdigest()
        return re.sub(r"[^\w.@-]", "-", self.name)[:80] + "-" + asked[:8]


class HostSession(Session):
    """A session with the engine on another host. ``place`` is what it is called in messages."""

    def __init__(self, host: Host) -> None:
        super().__init__(host.command(), log=state_folder() / f"engine-{host.key}.log")
        self.host = host
        self.place = host.name
        self._beating: asyncio.Task[None] | None = None

    async def _start(self) -> None:
        await super()._start()
        self._beating = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        pid = self.pid
        with contextlib.suppress(AatError):
            while self.pid is not None and self.pid == pid:
                await self._write({"id": 0, "method": "ping"})  # nobody waits for the answer
                await asyncio.sleep(_BEAT)

    async def close(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait([self._beating])
        await super().close()

    @property
    def warning(self) -> str:
        """What is doubtful about the two sides; empty where nothing is, or none has answered yet."""
        there = self.hello.get("version", __version__)
        return f"aat-workbench on {self.place} is {there}, here {__version__}" if there != __version__ else ""

    def _cannot_run(self, error: OSError) -> AatError:
        return HostError(f"ssh cannot be started: {error.strerror}", "it comes with OpenSSH's client")

    def _no_start(self, code: int, said: str) -> AatError:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        last = (lines[-1] if lines else "it said nothing").removeprefix("ssh: ")
        name = self.place
        if code in _MISSING:
            where = "install it there, or say where it is: AAT_REMOTE=/path/to/aat-workbench"
            return HostError(f"{name} has no aat-workbench that can be run: {last}", where)
        if code != 255:
            return HostError(f"the engine on {name} did not start: {last}", f"its log here: {self.log}")
        hint = f"try: ssh {name}"
        if "Permission denied" in last or "authentication" in last.lower():
            hint = f"ssh {name} must work without a password: a key in ssh-agent, or AAT_SSH='-i KEY'"
        elif "Host key verification" in last:
            hint = f"its key is not known here: ssh {name} once, and compare it"
        return HostError(f"cannot reach {name}: {last}", hint)

    def _other_version(self) -> AatError:
        there = f"{self.hello.get('version', '?')} (protocol {self.hello['protocol']})"
        return HostError(
            f"aat-workbench on {self.place} is {there}, here {__version__} (protocol {PROTOCOL})",
            "install the same version on both",
        )

    def _stopped(self, reason: str = "") -> AatError:
        return EngineError(
            f"{self.place}: connection lost" + (f" ({reason})" if reason else ""),
            "trainings there go on; what the engine did is lost, and it is started again by itself",
        )


class Connection:
    """A host as a command uses it: calls that wait. ``with Connection("me@gpu") as there``. Raises HostError."""

    def __init__(self, host: str) -> None:
        self.session = HostSession(Host.parse(host))
        self.name = self.session.place
        self._runner = asyncio.Runner()

    def __enter__(self) -> Connection:
        try:
            self.run(self.session.start())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.closing(self._runner):
            self._runner.run(self.session.close())

    def run(self, work: Any) -> Any:
        """A coroutine's result; Ctrl-C cancels it, there too."""
        return self._runner.run(work)

    def call(self, method: str, **params: Any) -> Any:
        """One request's result. Raises AatError."""
        return self.run(self.session.call(method, **params))

    def events(self, method: str, **params: Any) -> Happening:
        """One request's events as they come."""
        return Happening(self, self.session.stream(method, **params))


class Happening:
    """Events of one request, once; ``result`` is there after the last. Leaving the loop early cancels the request."""

    def __init__(self, there: Connection, stream: Stream) -> None:
        self._there = there
        self._stream = stream

    @property
    def result(self) -> Any:
        return self._stream.result

    def __iter__(self) -> Iterator[Event]:
        try:
            while (event := self._there.run(_next(self._stream))) is not None:
                yield event
        finally:
            self._there.run(self._stream.aclose())


async def _next(stream: Stream) -> Event | None:
    return await anext(stream, None)


def claim_mirror(host: Host) -> tuple[Path, FolderLock]:
    """A folder for copies of a host's runs that no other process uses, with its lock.

    It lies in the user's cache folder and is taken again the next time. Raises InputError where none can be made.
    """
    from platformdirs import user_cache_path

    folder = user_cache_path("aat-workbench") / "hosts" / host.key
    for number in range(1, 100):
        root = folder / str(number)
        try:
            root.mkdir(parents=True, exist_ok=True)
            return root, FolderLock(root, f"the mirror of {host.name}")
        except InputError:
            continue  # another app is on the same host
        except OSError as error:
            raise InputError(f"{error.filename or root}: {error.strerror}", "XDG_CACHE_HOME names another") from None
    raise InputError(f"{folder}: all mirrors are in use", "close an app that is on this host")
