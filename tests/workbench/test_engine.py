"""The engine as a real process, and its client."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aat_datasets.errors import EngineError, InputError, UnknownNameError, VictimError
from aat_models.events import AttackResult, Progress
from aat_workbench.detached import child_environment
from aat_workbench.session import Session

NOISY = """
import os, sys, time
print("printed on import")
from aat_models.attacks import tiny
from aat_models.attacks.victim import score_texts

def noisy(texts):
    print("printed by the victim")
    sys.stdout.flush()
    os.write(1, b"written to descriptor 1\\n")
    return score_texts(tiny.TinyVictim(), texts)

def slow(texts):
    time.sleep(0.05)
    return score_texts(tiny.TinyVictim(), texts)

def greedy_reader(texts):
    assert sys.stdin.read() == ""
    return noisy(texts)

def dies(texts):
    if len(texts) > 1 or texts != ["text"]:
        os._exit(3)
    return [[0.5, 0.5]]

def bug(texts):
    if texts != ["text"]:
        raise KeyboardInterrupt if "interrupt" in texts[0] else RuntimeError("a bug")
    return [[0.5, 0.5]]
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    (tmp_path / "engine_victims.py").write_text(NOISY, encoding="utf-8")
    return tmp_path


@pytest.fixture
async def session(place: Path) -> AsyncIterator[Session]:
    async with Session(log=place / "engine.log") as made:
        yield made


class Pipe:
    """The engine spoken to by hand, line by line."""

    def __init__(self, place: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "aat_workbench.engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=place,
            env=child_environment(),
        )

    def say(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def ask(self, number: int, method: str, **params: Any) -> None:
        self.say(msgspec.json.encode({"id": number, "method": method, "params": params}))

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return msgspec.json.decode(self.process.stdout.readline())

    def end(self) -> tuple[list[dict[str, Any]], str]:
        """What else it says, and its stderr, once its input has ended."""
        out, err = self.process.communicate(timeout=120)
        return [msgspec.json.decode(line) for line in out.splitlines()], err.decode()


@pytest.fixture
def pipe(place: Path) -> Iterator[Pipe]:
    made = Pipe(place)
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.communicate()
    for stream in (made.process.stdin, made.process.stdout, made.process.stderr):
        if stream is not None:
            stream.close()


# --- the wire ---------------------------------------------------------------------------------------------------------


def test_hello_comes_first_and_without_torch(pipe: Pipe):
    hello = pipe.hear()["hello"]
    assert (hello["protocol"], hello["pid"]) == (2, pipe.process.pid)
    assert isinstance(hello["version"], str)
    maps = Path(f"/proc/{pipe.process.pid}/maps")
    if maps.exists():
        assert "libtorch" not in maps.read_text()
    pipe.ask(1, "load", target="builtin:tiny")
    assert pipe.hear() == {
        "id": 1,
        "result": {
            "target": "builtin:tiny", "labels": ["negative", "positive"], "step": 0, "has_head": True,
            "has_decoder": False, "remembers": False, "instructed": False, "surface": "tiny",
        },
    }  # fmt: skip


def test_garbage_is_answered_and_the_next_request_too(pipe: Pipe):
    pipe.hear()
    for line in (b"garbage", b"\xff\xfe", b"[1]", b'{"id": "x", "method": "ping"}', b'{"method": "ping"}'):
        pipe.say(line)
        reply = pipe.hear()
        assert reply["id"] is None and reply["error"]["kind"] == "InputError"
        assert "not a request" in reply["error"]["message"] and reply["error"]["hint"]
    pipe.say(b"")
    pipe.ask(2, "ping")
    assert pipe.hear()["result"]["pid"] == pipe.process.pid


def test_wrong_requests_say_what_is_right(pipe: Pipe):
    pipe.hear()
    for method, params, kind, told in (
        ("predcit", {}, "UnknownNameError", "did you mean predict"),
        ("predict", {"target": "builtin:tiny"}, "InputError", "texts"),
        ("predict", {"target": "builtin:tiny", "texts": 3}, "InputError", "texts"),
        ("predict", {"target": "no-such-run", "texts": []}, "UnknownNameError", "no run named"),
        ("predict", {"target": "builtin:x", "texts": []}, "UnknownNameError", "builtin:tiny"),
        ("load", {"target": "builtin:tiny", "colour": 1}, "InputError", "colour"),
        ("attack", {"target": "builtin:tiny", "recipe": "greed"}, "UnknownNameError", "greedy"),
        ("attack", {"target": "builtin:tiny", "surface": "moon"}, "InputError", "surface"),
        ("generate", {"target": "builtin:tiny", "prompt": "x"}, "InputError", "no decoder"),
        ("cancel", {"id": 77}, "", ""),
    ):
        pipe.ask(5, method, **params)
        reply = pipe.hear()
        if not kind:
            assert reply["result"] == {"cancelled": False}
            continue
        assert reply["id"] == 5
        assert reply["error"]["kind"] == kind, reply
        assert told in reply["error"]["message"] + reply["error"]["hint"]


def test_prints_never_reach_the_protocol(pipe: Pipe):
    pipe.hear()
    pipe.ask(1, "predict", target="py:engine_victims:noisy", texts=["great film"])
    pipe.ask(2, "predict", target="py:engine_victims:greedy_reader", texts=["great film"])
    pipe.ask(3, "shutdown")
    replies, log = pipe.end()
    assert [reply["id"] for reply in replies] == [1, 2, 3]
    assert replies[0]["result"]["probabilities"] == replies[1]["result"]["probabilities"]
    for printed in ("printed on import", "printed by the victim", "written to descriptor 1"):
        assert printed in log
    assert pipe.process.returncode == 0


def test_the_end_of_input_ends_the_engine_even_during_an_attack(pipe: Pipe):
    pipe.hear()
    texts = ["a great film with good acting"] * 200
    pipe.ask(1, "attack", target="py:engine_victims:slow", texts=texts, recipe="deepwordbug")
    pipe.hear()
    pipe.end()
    assert pipe.process.returncode == 0


def test_two_requests_of_one_id_are_told_apart(pipe: Pipe):
    pipe.hear()
    texts = ["a great film with good acting"] * 50
    pipe.ask(1, "attack", target="py:engine_victims:slow", texts=texts, recipe="deepwordbug")
    pipe.hear()
    pipe.ask(1, "predict", target="builtin:tiny", texts=["x"])
    while "error" not in (reply := pipe.hear()):
        pass
    assert "in use" in reply["error"]["message"]


def test_the_engine_takes_a_processor_less_waits_passively_and_is_nice(pipe: Pipe):
    pipe.hear()
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    theirs = os.getpriority(os.PRIO_PROCESS, pipe.process.pid)
    assert theirs == min(19, mine + 5)
    code = (
        "import os; os.environ.pop('OMP_NUM_THREADS', None); os.environ.pop('AAT_THREADS', None)\n"
        "os.environ.pop('OMP_WAIT_POLICY', None)\n"
        "from aat_workbench.threads import cores, thread_settings\n"
        "assert thread_settings() == {'OMP_NUM_THREADS': str(max(1, cores() - 1)), 'OMP_WAIT_POLICY': 'PASSIVE'}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=child_environment())


# --- the client -------------------------------------------------------------------------------------------------------


async def test_predict_attribute_and_substitutes(session: Session):
    found = await session.call("predict", target="builtin:tiny", texts=["Great film", "terrible", ""])
    assert found["labels"] == ["negative", "positive"]
    assert found["words"] == [["great", "film"], ["terrible"], []]
    assert [round(row[1], 3) for row in found["probabilities"]] == [0.881, 0.047, 0.5]
    found = await session.call("attribute", target="builtin:tiny", text="great but terrible")
    assert (found["words"], found["scores"]) == (["great", "but", "terrible"], [-2.0, 0.0, 3.0])
    assert found["probabilities"][0] == pytest.approx(0.7311, abs=1e-4)
    found = await session.call("substitutes", target="builtin:tiny", text="great film", surface="words")
    assert found == {"words": ["great", "film"], "substitutes": [["good", "fine", "grand"], ["movie", "picture"]]}
    assert await session.call("substitutes", target="builtin:tiny", text="great film", surface=None) == found
    both = await session.call("substitutes", target="builtin:tiny", text="great film", surface="all")
    assert len(both["substitutes"][0]) > 3


async def test_an_attack_streams_and_short_requests_are_answered_meanwhile(session: Session):
    texts = ["a great film with good acting and a wonderful ending"] * 60
    stream = session.stream("attack", target="py:engine_victims:slow", texts=texts, recipe="deepwordbug")
    answered = 0
    events: list[Any] = []
    async with stream:
        async for event in stream:
            events.append(event)
            if len(events) < 8:
                found = await asyncio.wait_for(session.call("predict", target="builtin:tiny", texts=["x"]), 60)
                assert found["probabilities"] == [[0.5, 0.5]]
                answered += stream.result is None
    assert answered >= 4
    results = [event for event in events if isinstance(event, AttackResult)]
    assert sorted(result.id for result in results) == list(range(60))
    assert stream.result["examples"] == 60
    assert stream.result["labels"] == ["0", "1"]
    assert any(isinstance(event, Progress) and event.total == 60 for event in events)


async def test_the_attack_of_the_engine_is_that_of_the_library(session: Session):
    from aat_workbench.attacking import AttackRequest, run_attack

    summary = await session.call("attack", target="builtin:tiny", recipe="deepwordbug", n=40, seed=3, save=False)
    own = run_attack("builtin:tiny", AttackRequest(recipe="deepwordbug", n=40, seed=3, save=False))
    for _ in own.steps():
        pass
    different = {"seconds", "examples_per_second", "queries_per_second", "forward_share", "labels"}
    assert {k: v for k, v in summary.items() if k not in different} == {
        k: v for k, v in own.summary.items() if k not in different
    }


async def test_the_engine_names_its_recipes(session: Session):
    from aat_models.attacks import RECIPES

    found = await session.call("recipes")
    assert [recipe["name"] for recipe in found] == list(RECIPES)
    assert all(recipe["search"] and recipe["paper"] and 0 < recipe["budget"] <= 1 for recipe in found)


async def test_salience_says_by_which_method_it_was_found(session: Session):
    tiny = await session.call("attribute", target="builtin:tiny", text="a great film", by="integrated")
    assert tiny["method"] == "evidence"
    unknown = await session.call("attribute", target="py:engine_victims:noisy", text="a great film")
    assert unknown["method"] == "occlusion"
    assert max(unknown["scores"]) == unknown["scores"][1] > 0
    with pytest.raises(InputError, match="by"):
        await session.call("attribute", target="builtin:tiny", text="a great film", by="guessing")


async def test_two_attacks_run_side_by_side(session: Session):
    texts = ["a great film with good acting"] * 20

    async def attack() -> list[int]:
        stream = session.stream("attack", target="py:engine_victims:slow", texts=texts, recipe="deepwordbug")
        return [event.id async for event in stream if isinstance(event, AttackResult)]

    first, second = await asyncio.gather(attack(), attack())
    assert sorted(first) == sorted(second) == list(range(20))


async def test_closing_a_stream_cancels_the_work(session: Session):
    texts = ["a great film with good acting"] * 400
    stream = session.stream("attack", target="py:engine_victims:slow", texts=texts, recipe="deepwordbug")
    async with stream:
        async for _ in stream:
            break
    state = await asyncio.wait_for(session.call("ping"), 60)
    assert state["working"] == 0
    assert [event async for event in stream] == []


async def test_cancelling_a_task_cancels_the_work_too(session: Session):
    texts = ["a great film with good acting"] * 400
    await session.call("ping")
    call = asyncio.create_task(
        session.call("attack", target="py:engine_victims:slow", texts=texts, recipe="deepwordbug")
    )
    await asyncio.sleep(0.5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await asyncio.wait_for(session.call("ping"), 60))["working"] == 0


async def test_a_start_outlives_the_question_that_caused_it(session: Session):
    first = asyncio.create_task(session.call("ping"))
    await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await session.call("ping"))["pid"] == session.pid == session.hello["pid"]


async def test_a_killed_engine_is_told_and_started_again(place: Path):
    restarts: list[int] = []
    async with Session(log=place / "engine.log", on_restart=lambda: restarts.append(1)) as session:
        await session.call("ping")
        first = session.pid
        assert first is not None and restarts == []
        texts = ["a great film with good acting"] * 400
        stream = session.stream("attack", target="py:engine_victims:slow", texts=texts, recipe="deepwordbug")
        with pytest.raises(EngineError, match="signal 9"):
            async for _ in stream:
                if session.pid is not None:
                    os.kill(session.pid, signal.SIGKILL)
        found = await session.call("predict", target="builtin:tiny", texts=["x"])
        assert found["probabilities"] == [[0.5, 0.5]]
        assert session.pid not in (None, first)
        assert restarts == [1]


async def test_a_victim_that_takes_the_engine_down_is_no_end(session: Session):
    with pytest.raises(EngineError, match="exit code 3"):
        await session.call("predict", target="py:engine_victims:dies", texts=["a", "b"])
    assert (await session.call("ping"))["working"] == 0


async def test_a_failing_victim_is_an_error_of_its_own_kind(session: Session):
    with pytest.raises(VictimError, match="raised RuntimeError: a bug"):
        await session.call("predict", target="py:engine_victims:bug", texts=["a"])
    with pytest.raises(UnknownNameError, match="no run named") as caught:
        await session.call("load", target="sst2-bilstm")
    assert caught.value.hint
    with pytest.raises(InputError, match="has no decoder"):
        await session.call("generate", target="builtin:tiny", prompt="hello")


async def test_an_engine_that_cannot_start_says_so(place: Path):
    async with Session([str(place / "nothing")], log=place / "a.log") as session:
        with pytest.raises(EngineError, match="cannot be started"):
            await session.call("ping")
    async with Session([sys.executable, "-c", "print('hello')"], log=place / "b.log") as session:
        with pytest.raises(EngineError, match="did not start"):
            await session.call("ping")
    other = "import json; print(json.dumps({'hello': {'protocol': 99}})); input()"
    async with Session([sys.executable, "-c", other], log=place / "c.log") as session:
        with pytest.raises(EngineError, match="protocol 99"):
            await session.call("ping")


async def test_a_closed_session_stays_closed(place: Path):
    session = Session(log=place / "engine.log")
    await session.call("ping")
    process = session.pid
    assert process is not None
    await session.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with pytest.raises(EngineError, match="closed"):
        await session.call("ping")
    await session.close()


def test_the_client_imports_no_torch():
    code = (
        "import sys, aat_workbench.session\n"
        "print([m for m in ('torch', 'numpy', 'duckdb', 'nltk', 'textual', 'typer') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=child_environment())
    assert done.stdout.strip() == "[]"


def test_an_engine_that_hears_nothing_for_long_ends(place: Path) -> None:
    environment = child_environment() | {"AAT_PATIENCE": "0.2"}
    process = subprocess.Popen(
        [sys.executable, "-m", "aat_workbench.engine"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=place,
        env=environment,
    )
    with process:
        assert process.wait(60) == 1  # though its input is open
        assert process.stderr is not None and b"nothing was heard for 0.2 s" in process.stderr.read()
