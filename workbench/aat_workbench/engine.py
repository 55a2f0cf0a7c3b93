"""The engine: holds one or two models and answers on stdin/stdout, so that a screen stays fluid and survives a crash.

Run as ``aat-workbench engine`` or ``python -m aat_workbench.engine``; what is said is in protocol.py. Long work
(attack, evaluate, generate) is a generator: the engine steps all that is under way in turn, one victim batch or token each, and
answers short requests in between. What is asked about runs is answered by a thread of its own, whatever a model does.

stdout belongs to the protocol alone: whatever else prints, a library or a user's own victim, ends on stderr.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import msgspec

from aat_datasets.errors import AatError, InputError, UnknownNameError
from aat_models.events import Event, Notice
from aat_models.sampling import Sampling
from aat_workbench import __version__, liveness, protocol
from aat_workbench.protocol import DESK, METHODS, PATIENCE, PROTOCOL, Problem, Request
from aat_workbench.run_desk import RunDesk
from aat_workbench.targets import Target, identify, open_target

__all__ = ["Engine", "main"]

HELD = 2  # models kept in memory
_BATCH = 64  # texts a victim batch of an attack: small, so that a keystroke's prediction need not wait long
_NICE = 5

Work = Generator[list[Event], None, Any]


class Engine:
    """Answers requests one after another, and long ones a step at a time.

    Args:
        output: where replies go, unbuffered.
        runs_root: folder of runs; None: ``AAT_RUNS``, else ``./runs``.
    """

    def __init__(self, output: BinaryIO, runs_root: Path | None = None) -> None:
        self._output = output
        self._runs_root = runs_root
        self._models: OrderedDict[str, tuple[str, Target]] = OrderedDict()  # name → what it stood for, and the model
        self._work: OrderedDict[int, Work] = OrderedDict()
        self._desk = RunDesk(runs_root)
        self._writing = threading.Lock()
        self.stopped = False

    # One turn

    def serve(self, lines: queue.SimpleQueue[bytes | None], greeted: Callable[[], None]) -> None:
        """Answers until ``shutdown`` or the end of input (None); ``greeted`` is called after the hello."""
        place = {"host": liveness.host(), "runs": str(self._desk.root.absolute())}
        self.send({"hello": {"protocol": PROTOCOL, "version": __version__, "pid": os.getpid(), **place}})
        greeted()
        while not self.stopped:
            try:
                line = lines.get(block=not self._work)
            except queue.Empty:
                self._step()
                continue
            if line is None:
                break
            self._take(line)
        for work in self._work.values():
            work.close()

    def serve_runs(self, lines: queue.SimpleQueue[bytes | None]) -> None:
        """Answers what is asked about runs until the end of input (None)."""
        while (line := lines.get()) is not None:
            request = msgspec.json.decode(line, type=Request)
            try:
                self.send({"id": request.id, "result": self._desk.answer(request.method, _params(request))})
            except BrokenPipeError:
                raise
            except Exception as error:  # see _step
                self._fail(request.id, error)

    def send(self, reply: dict[str, Any]) -> None:
        line = memoryview(msgspec.json.encode(reply) + b"\n")
        with self._writing:
            while line:  # an unbuffered write may take less than all of it
                line = line[self._output.write(line) or 0 :]

    def _step(self) -> None:
        """One step of the long work whose turn it is."""
        number, work = self._work.popitem(last=False)
        try:
            happened = next(work)
        except StopIteration as end:
            self.send({"id": number, "result": end.value})
            return
        except Exception as error:  # a failure of one request must not end the others: it is told and logged
            self._fail(number, error)
            return
        for event in happened:
            self.send({"id": number, "event": event})
        self._work[number] = work

    def _take(self, line: bytes) -> None:
        """Answers one line, or begins what it asks for."""
        if not line.strip():
            return
        try:
            request = msgspec.json.decode(line, type=Request)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._refuse(None, InputError(f"not a request: {error}", 'expected {"id": 1, "method": …, "params": {…}}'))
            return
        try:
            self._begin(request)
        except Exception as error:  # see _step
            self._fail(request.id, error)

    def _begin(self, request: Request) -> None:
        if request.id in self._work:
            raise InputError(f"the id {request.id} is in use", "give every request an id of its own")
        params = _params(request)
        match params:
            case protocol.Attack():
                self._work[request.id] = self._attack(params)
                return
            case protocol.Evaluate():
                self._work[request.id] = self._evaluate(params)
                return
            case protocol.Generate():
                self._work[request.id] = self._generate(params)
                return
            case protocol.Latent():
                self._work[request.id] = self._latent(params)
                return
            case protocol.Load():
                result = self._load(params)
            case protocol.Predict():
                result = self._predict(params)
            case protocol.Attribute():
                result = self._attribute(params)
            case protocol.Substitutes():
                result = self._substitutes(params)
            case protocol.Recipes():
                result = _recipes()
            case protocol.Cancel():
                result = {"cancelled": self._cancel(params.id)}
            case _:
                self.stopped = request.method == "shutdown"
                result = {"pid": os.getpid(), "held": list(self._models), "working": len(self._work)}
        self.send({"id": request.id, "result": result})

    # Failures

    def _fail(self, number: int, error: Exception) -> None:
        if isinstance(error, AatError):
            self._refuse(number, error)
            return
        traceback.print_exception(error)
        text = f"{type(error).__name__}: {error}"
        self.send({"id": number, "error": Problem(protocol.INTERNAL, text, "the traceback is in the engine's log")})

    def _refuse(self, number: int | None, error: AatError) -> None:
        self.send({"id": number, "error": Problem(type(error).__name__, error.message, error.hint)})

    def _cancel(self, number: int) -> bool:
        work = self._work.pop(number, None)
        if work is None:
            return False
        work.close()
        self.send({"id": number, "error": Problem(protocol.CANCELLED, "cancelled")})
        return True

    # Methods

    def _target(self, name: str) -> Target:
        """The target, loaded at most once as long as its name stands for the same checkpoint."""
        place = identify(name, self._runs_root)
        held, target = self._models.get(name, ("", None))
        if target is None or held != place:
            self._models.pop(name, None)  # its memory first: RUN@latest moves on while RUN trains
            target = open_target(name, self._runs_root)
            self._models[name] = (place, target)
            while len(self._models) > HELD:
                self._models.popitem(last=False)
        self._models.move_to_end(name)
        return target

    def _load(self, params: protocol.Load) -> dict[str, Any]:
        target = self._target(params.target)
        return {
            "target": target.name,
            "labels": target.labels,
            "step": target.step,
            "has_head": target.has_head,
            "has_decoder": target.has_decoder,
            "remembers": target.remembers,
            "instructed": target.instructed,
            "surface": target.surface_name,
        }

    def _predict(self, params: protocol.Predict) -> dict[str, Any]:
        target = self._target(params.target)
        probabilities = target.predict(params.texts)
        words = [target.words(text) for text in params.texts]
        return {"labels": target.labels, "words": words, "probabilities": probabilities}

    def _attribute(self, params: protocol.Attribute) -> dict[str, Any]:
        target = self._target(params.target)
        method = params.by if params.by in target.attributions else target.attributions[0]
        words, scores = target.attribute(params.text, method)
        probabilities = target.predict([params.text])[0]
        return {"words": words, "scores": scores, "probabilities": probabilities, "method": method}

    def _substitutes(self, params: protocol.Substitutes) -> dict[str, Any]:
        from aat_workbench.attack_texts import surface_of

        target = self._target(params.target)
        substitutes, _ = surface_of(target, params.surface)
        words = target.words(params.text)
        return {"words": words, "substitutes": [list(substitutes(word)) for word in words]}

    def _attack(self, params: protocol.Attack) -> Work:
        from aat_workbench.attacking import AttackRun

        run = AttackRun(self._target(params.target), params, batch=_BATCH)
        yield from run.steps()
        return run.summary | {"labels": run.labels}

    def _evaluate(self, params: protocol.Evaluate) -> Work:
        from aat_workbench.evaluating_writing import evaluation

        made = evaluation([self._target(name) for name in params.targets], params, self._runs_root)
        yield from made.steps()
        return made.table

    def _generate(self, params: protocol.Generate) -> Work:
        target = self._target(params.target)
        return (yield from generate(target, params.prompt, params, params.history, params.system))

    def _latent(self, params: protocol.Latent) -> Work:
        from aat_workbench.latent_view import look

        target = self._target(params.target)
        return (yield from look(target, params))


def _recipes() -> list[dict[str, Any]]:
    """Every recipe: its name, its search in a line, what it cannot do without, and the budget it has by itself."""
    from aat_models.attacks import RECIPES

    return [
        {"name": recipe.name, "search": recipe.strategy, "paper": recipe.paper, "needs": recipe.needs,
         "budget": recipe.budget}
        for recipe in RECIPES.values()
    ]  # fmt: skip


def generate(target: Target, prompt: str, sampling: Sampling, history: Sequence[str] = (), system: str = "") -> Work:
    """Tokens one by one, before them what the model does not read; returns ``{text, tokens, tokens_per_second, logprob}``."""
    text, tokens, logprob = "", 0, 0.0
    seconds = 0.0
    if left := target.left_out(prompt, history, system):
        yield [Notice(message=told, level="warning") for told in left]
    writing = target.generate(prompt, sampling, history, system)
    while True:
        began = time.perf_counter()
        token = next(writing, None)
        seconds += time.perf_counter() - began
        if token is None:
            break
        text += token.text
        tokens += 1
        logprob += token.logprob
        yield [token]
    rate = round(tokens / seconds, 1) if tokens and seconds else 0.0
    return {"text": text, "tokens": tokens, "tokens_per_second": rate, "logprob": round(logprob, 4)}


def _params(request: Request) -> msgspec.Struct:
    """The parameters of a request, typed. Raises UnknownNameError or InputError."""
    if request.method not in METHODS:
        raise UnknownNameError("method", request.method, METHODS)
    given = {key: value for key, value in request.params.items() if value is not None}
    try:
        return msgspec.convert(given, METHODS[request.method])
    except msgspec.ValidationError as error:
        names = ", ".join(METHODS[request.method].__struct_fields__) or "none"
        raise InputError(f"{request.method}: {error}".replace("`", ""), f"its parameters: {names}") from None


def _claim_streams() -> tuple[BinaryIO, BinaryIO]:
    """Our own handles on stdin and stdout; anybody else's reads find an end, their prints go to stderr."""
    source = os.fdopen(os.dup(0), "rb")
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    sys.stdout.flush()
    os.dup2(2, 1)
    return source, output


def _read(
    source: BinaryIO,
    lines: queue.SimpleQueue[bytes | None],
    of_runs: queue.SimpleQueue[bytes | None],
    heard: Callable[[], None],
) -> None:
    """Hands every line to the thread that answers it."""
    for line in source:
        heard()
        try:
            desk = msgspec.json.decode(line, type=Request).method in DESK
        except (msgspec.MsgspecError, UnicodeDecodeError):
            desk = False  # the engine says what is wrong with it
        (of_runs if desk else lines).put(line)
    of_runs.put(None)
    lines.put(None)


class _Patience:
    """Ends this process where nothing was heard for so many seconds: a connection that hangs closes no pipe."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = time.monotonic()
        if seconds > 0:
            threading.Thread(target=self._watch, daemon=True).start()

    def heard(self) -> None:
        self._last = time.monotonic()

    def _watch(self) -> None:
        while (left := self._last + self._seconds - time.monotonic()) > 0:
            time.sleep(left)
        print(f"nothing was heard for {self._seconds:g} s: the engine ends", file=sys.stderr, flush=True)
        os._exit(1)


def _serve_runs(engine: Engine, lines: queue.SimpleQueue[bytes | None]) -> None:
    try:
        engine.serve_runs(lines)
    except BrokenPipeError:
        os._exit(130)  # nobody is left to answer


def main() -> NoReturn:
    """Serves stdin/stdout until the input ends."""
    from aat_workbench.threads import thread_settings

    source, output = _claim_streams()
    os.environ.update(thread_settings())  # before anything imports torch
    if sys.platform != "win32":
        os.nice(_NICE)
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    of_runs: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    engine = Engine(output)
    desk = threading.Thread(target=_serve_runs, args=(engine, of_runs), daemon=True)
    patience = _Patience(float(os.environ.pop(PATIENCE, "") or 0))
    threading.Thread(target=_read, args=(source, lines, of_runs, patience.heard), daemon=True).start()
    try:
        engine.serve(lines, desk.start)
        if not engine.stopped:
            desk.join()  # what was asked before the end of input is answered
    except (BrokenPipeError, KeyboardInterrupt):
        # Nobody is left to answer. The reader may be blocked in a read: leave without waiting for it.
        os._exit(130)
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
