"""JSON lines between a benchmark and the processes it measures: one request a line, one answer a line.

Each side of a comparison runs in a process of its own with one thread, so that neither warms the other's caches.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from aat_datasets.errors import EngineError

__all__ = ["Side", "one_thread", "our_packages", "serve"]

Handler = Callable[..., dict[str, Any]]


def our_packages(folder: Path) -> Path:
    """``folder`` with a link to each of our packages and nothing else, for the ``PYTHONPATH`` of another environment."""
    for name in ("aat_datasets", "aat_models", "aat_workbench"):
        found = importlib.util.find_spec(name)
        assert found is not None and found.submodule_search_locations
        (folder / name).symlink_to(Path(found.submodule_search_locations[0]).resolve(), target_is_directory=True)
    return folder


def one_thread(packages: Path) -> dict[str, str]:
    """The environment of a measured process: our packages, one thread, fixed hashing, nothing fetched."""
    counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    offline = dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"), "1")
    fixed = {"PYTHONHASHSEED": "0", "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": str(packages)}
    return {**os.environ, **counts, **offline, **fixed}


def serve(handlers: Mapping[str, Handler]) -> None:
    """Answers requests until the input ends. A failure is an answer too; stray prints go to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer: dict[str, Any] = {"result": handlers[request.pop("do")](**request)}
        except Exception as error:  # whatever it is belongs to whoever asked
            hint = getattr(error, "hint", "")
            answer = {"error": f"{type(error).__name__}: {error}" + (f" ({hint})" if hint else "")}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class Side:
    """A measured process. A context manager; what it writes to stderr is told where it dies.

    Args:
        name: for messages.
        command: that runs :func:`serve`.
        environment: of the process, see :func:`one_thread`.
    """

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._command = command
        self._environment = dict(environment)

    def __enter__(self) -> Side:
        handle, log = tempfile.mkstemp(prefix="aat-bench-", suffix=".log")
        self._log = Path(log)
        try:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=handle, env=self._environment
            )
        except OSError as error:
            self._log.unlink()
            raise EngineError(f"{self.name} does not start: {error.strerror}", self._command[0]) from None
        finally:
            os.close(handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        process = self._process
        if kind is not None:
            process.kill()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._log.unlink()

    def ask(self, do: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one request. Raises EngineError with what the process said."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **parameters}).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            said = self._log.read_text(errors="replace").strip()[-600:]
            raise EngineError(f"{self.name} ended while it was asked to {do}", said)
        answer = json.loads(line)
        if "error" in answer:
            raise EngineError(f"{self.name} could not {do}: {answer['error']}")
        return answer["result"]
