"""The Generate pane with a stand-in for the engine: send, stream, stop, alternatives, history, two models."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from textual.events import Paste
from textual.screen import Screen
from textual.widgets import Input, Select

from aat_datasets.errors import EngineError
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.exporting import write_transcript
from aat_workbench.tui.messages import GenerateFrom
from aat_workbench.tui.screens.adversarial import AdversarialPane
from aat_workbench.tui.screens.generate import GeneratePane
from aat_workbench.tui.widgets.field import Choice
from aat_workbench.tui.widgets.latent import LatentBox, Slider
from aat_workbench.tui.widgets.sampling import BRIEF

from ..fixed_run import make_runs
from .pane_session import REPLY, FakeSession
from .shell_support import check_cells, screen_text, sees, until
from .test_adversarial_pane import SIZE


def app_on(tmp_path: Path, session: FakeSession) -> WorkbenchApp:
    return WorkbenchApp(tmp_path, session, start_pane="generate")


async def send(pilot, text: str) -> GeneratePane:
    await pilot.pause()
    pane = pilot.app.query_one(GeneratePane)
    pane.prompt.put(text)
    pane.prompt.focus()
    await pilot.press("enter")
    return pane


async def test_a_reply_streams_with_figures_and_token_probabilities(tmp_path):
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        pane = await send(pilot, "my parcel is late")
        await sees(pilot, "42 tokens/s")
        await sees(pilot, "› my parcel is late", "11 tokens", "log p -6.5", "temp 0.8, seed 1", ".95 .87")
        shown = screen_text(pilot.app)
        assert "we can send the parcel again or refund the order." in shown
        assert not pane.writing and session.streams[0].closed
    (asked,) = session.asked("generate")
    assert asked == {
        "target": "builtin:tiny", "prompt": "my parcel is late", "history": [], "greedy": False, "beams": 1,
        "temperature": 0.8, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "typical": 1.0, "repetition_penalty": 1.0,
        "max_tokens": 64, "seed": 1,
    }  # fmt: skip


async def test_the_cursor_shows_what_else_could_have_stood_there(tmp_path):
    async with app_on(tmp_path, FakeSession()).run_test(size=SIZE) as pilot:
        pane = await send(pilot, "hello")
        await until(pilot, lambda: not pane.writing and bool(pane.tokens.words))
        await pilot.press("escape", "right", "right")
        await pilot.pause()
        await sees(pilot, "token 3 of 11: send .79, among", "offer", "sorry")


async def test_escape_stops_a_reply_at_once_and_keeps_what_was_written(tmp_path):
    session = FakeSession()
    session.hold = 3
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        pane = await send(pilot, "hello")
        await sees(pilot, "we can send")
        await pilot.press("escape")
        await until(pilot, lambda: not pane.writing)
        assert session.streams[0].closed
        await sees(pilot, "stopped · 3 tokens")


async def test_one_reply_at_a_time(tmp_path):
    session = FakeSession()
    session.hold = 2
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        await send(pilot, "one")
        await sees(pilot, "we can")
        await send(pilot, "two")
        await pilot.pause(0.1)
        assert len(session.asked("generate")) == 1


async def test_a_model_without_a_decoder_says_so(tmp_path):
    session = FakeSession()
    session.decoder = False
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        await send(pilot, "hello")
        await sees(pilot, "builtin:tiny has no decoder")
        assert session.asked("generate") == []


async def test_an_engine_that_went_away_is_told_of(tmp_path):
    session = FakeSession()
    session.fail = EngineError("the engine ended [/b]", "it starts again with the next question")
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        pane = await send(pilot, "hello")
        await sees(pilot, "the engine ended [/b]: it starts again")
        assert not pane.writing


async def test_both_models_write_side_by_side_and_either_s_tokens_can_be_shown(tmp_path):
    make_runs(tmp_path)
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        await pilot.pause()
        pilot.app.query_one("#other Select", Select).value = "builtin:tiny"
        pane = await send(pilot, "hello")
        await until(pilot, lambda: screen_text(pilot.app).count("42 tokens/s") == 2)
        assert not pane.writing and len(session.asked("generate")) == 2
        await sees(pilot, "Tokens · A sst2-bilstm-none-1")
        await pilot.press("escape", "r")
        await pilot.pause()
        await sees(pilot, "Tokens · B builtin:tiny")


async def test_prompts_sent_before_come_back(tmp_path):
    async with app_on(tmp_path, FakeSession()).run_test(size=SIZE) as pilot:
        pane = await send(pilot, "first")
        await until(pilot, lambda: not pane.writing)
        pane = await send(pilot, "second")
        await until(pilot, lambda: not pane.writing)
        assert pane.prompt.text == ""
        await pilot.press("up")
        assert pane.prompt.text == "second"
        await pilot.press("up", "up")
        assert pane.prompt.text == "first"
        await pilot.press("down", "down")
        assert pane.prompt.text == ""


async def test_a_reply_can_be_probed(tmp_path):
    async with app_on(tmp_path, FakeSession()).run_test(size=SIZE) as pilot:
        pane = await send(pilot, "hello")
        await until(pilot, lambda: not pane.writing and bool(pane.tokens.words))
        await pilot.press("escape", "p")
        await until(pilot, lambda: bool(pilot.app.query(AdversarialPane)))
        probe = pilot.app.query_one(AdversarialPane).probe
        await until(pilot, lambda: probe.text == "".join(REPLY))


async def test_greedy_is_passed_on(tmp_path):
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        await pilot.pause()
        pilot.app.query_one("#decoding Select", Select).value = "greedy"
        pane = await send(pilot, "hello")
        await until(pilot, lambda: not pane.writing and bool(session.asked("generate")))
        assert session.asked("generate")[0]["greedy"] is True
        await sees(pilot, "greedy")


async def test_another_pane_can_bring_model_and_prompt(tmp_path):
    async with app_on(tmp_path, FakeSession()).run_test(size=SIZE) as pilot:
        await pilot.pause()
        pilot.app.post_message(GenerateFrom("some-run", "a \x1b prompt"))
        pane = pilot.app.query_one(GeneratePane)
        await until(pilot, lambda: pane.prompt.has_focus and pane.controls.target == "some-run")
        assert pane.prompt.value == "a ␛ prompt"
        assert pane.prompt.text == "a \x1b prompt"  # what is sent is what was given


async def test_a_slider_walks_from_the_prompt_the_way_that_hurts_and_to_another_text(tmp_path):
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        pane = pilot.app.query_one(GeneratePane)
        await pilot.press("escape", "l")
        await sees(pilot, "type a prompt first: i")
        await pilot.press("i", *"order", "escape", "l", "l")
        await sees(
            pilot, "written at 0.00", "from  order", "refund_status"
        )  # its own vector is where it stands at first
        await pilot.press("home")
        await sees(pilot, "written at -1.00")
        await pilot.press("end")
        await sees(pilot, "written at 3.00", "at 3.00 · distance 3.00", "positive  .75")
        await pilot.press("left")
        await sees(pilot, "written at 2.75")
        pane.query_one(LatentBox).to.focus()
        await pilot.press(*"cancel", "enter")
        await sees(pilot, "written at 0.00", "from ●")
        await pilot.press("end")
        await sees(pilot, "written at 1.00", "● to")
        assert [call["other"] for call in session.asked("latent")] == ["", "cancel"]
        check_cells(pilot.app)
        await pilot.press("l")
        await until(pilot, lambda: not pane.has_class("-latent"))
        assert pane.tokens.has_focus


async def test_both_models_are_walked_side_by_side(tmp_path):
    make_runs(tmp_path)
    async with app_on(tmp_path, FakeSession()).run_test(size=(160, 45)) as pilot:
        pane = pilot.app.query_one(GeneratePane)
        pane.query_one("#other", Choice).set("builtin:tiny")
        pane.prompt.put("order")
        pane.action_latent()
        await until(pilot, lambda: screen_text(pilot.app).count("written at 0.00") == 2)


@pytest.mark.parametrize("size", [(80, 24), (200, 50), (60, 16)])
async def test_no_size_breaks_the_vector(tmp_path, size):
    async with app_on(tmp_path, FakeSession()).run_test(size=size) as pilot:
        pane = pilot.app.query_one(GeneratePane)
        pane.prompt.put("where is [b]it[/b]\x1b[2J")
        pane.action_latent()
        await until(pilot, lambda: len(pane.query_one(Slider).places) > 1)
        await pilot.press("right")
        check_cells(pilot.app)


async def test_a_preset_sets_what_it_speaks_of_and_the_rest_to_nothing(tmp_path):
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        pane = pilot.app.query_one(GeneratePane)
        pane.query_one("#preset", Choice).set("lively")
        await pilot.pause()
        await send(pilot, "hello")
        await sees(pilot, "temp 1.2, min-p 0.1, seed 1")
        pane.query_one("#preset", Choice).set("search")
        await pilot.pause()
        await until(pilot, lambda: not pane.writing)
        await send(pilot, "again")
        await until(pilot, lambda: len(session.asked("generate")) == 2)
    lively, search = session.asked("generate")
    assert (lively["temperature"], lively["min_p"], lively["beams"]) == (1.2, 0.1, 1)
    assert (search["temperature"], search["min_p"], search["beams"], search["greedy"]) == (0.8, 0.0, 4, False)


async def test_a_chat_remembers_the_turns_from_where_it_began(tmp_path):
    session = FakeSession()
    session.remembers = True
    written = "".join(REPLY).strip()
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        pane = await send(pilot, "before the chat")
        await until(pilot, lambda: not pane.writing)
        await pilot.press("escape", "c")
        await sees(pilot, "the turns from here on are remembered")
        for count, text in enumerate(("one", "two", "three"), 2):
            await send(pilot, text)
            await until(pilot, lambda count=count: not pane.writing and len(session.asked("generate")) == count)
        await pilot.press("escape", "c")
        await send(pilot, "after")
        await until(pilot, lambda: len(session.asked("generate")) == 5)
    assert [call["history"] for call in session.asked("generate")] == [
        [], [], ["one", written], ["one", written, "two", written], [],
    ]  # fmt: skip


async def test_a_chat_has_a_system_text_where_the_model_takes_one(tmp_path):
    session = FakeSession()
    session.remembers = session.instructed = True
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        pane = await said(pilot, ["before the chat"])
        await pilot.press("escape", "s")
        await sees(pilot, "the turns from here on are remembered", "what the model is told before")
        await pilot.press(*"be [b]", "enter")
        assert pane.prompt.has_focus
        await said(pilot, ["one"])
        pane.query_one("#preset", Choice).set("brief")
        await sees(pilot, BRIEF)
        await said(pilot, ["two"])
        session.instructed = False
        pane.query_one("#target", Choice).set("")
        pane.receive(GenerateFrom("another"))
        await said(pilot, ["three"])
        await sees(pilot, "takes no system text")
        check_cells(pilot.app)
        await pilot.press("escape", "c")
        await said(pilot, ["after"])
        for name in ("talk.md", "talk.jsonl"):
            write_transcript(tmp_path / name, pane.transcript.turns)
    assert [call.get("system") for call in session.asked("generate")] == [None, "be [b]", BRIEF, None, None]
    turns = [json.loads(line) for line in (tmp_path / "talk.jsonl").read_text().splitlines()]
    assert [turn.get("system") for turn in turns] == [None, "be [b]", BRIEF, BRIEF, None]
    plain = (tmp_path / "talk.md").read_text()
    assert plain.count("*system:* ") == 2 and plain.index("be [b]") < plain.index(">     one")
    assert plain.index("*no system text*") < plain.index(">     after")


async def test_a_model_that_reads_one_text_is_told_the_last_turn_alone(tmp_path):
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        pane = pilot.app.query_one(GeneratePane)
        pane.action_chat()
        for count, text in enumerate(("one", "two"), 1):
            await send(pilot, text)
            await until(pilot, lambda count=count: not pane.writing and len(session.asked("generate")) == count)
        await sees(pilot, "reads this turn alone")
    assert [call["history"] for call in session.asked("generate")] == [[], []]


async def test_a_long_paste_is_kept_whole_and_said_to_be_long(tmp_path):
    session = FakeSession()
    session.told = ["the prompt is too long [/b] for the model\x1b[2J"]
    text = "where is\nmy parcel " * 2_632  # 50,008 characters, over several lines
    async with app_on(tmp_path, session).run_test(size=SIZE, notifications=True) as pilot:
        pane = await send(pilot, "before")
        await until(pilot, lambda: not pane.writing)
        pane.prompt.post_message(Paste(text))
        await sees(pilot, "The prompt has 50,008 characters.")
        await pilot.press("enter")
        await until(pilot, lambda: not pane.writing and len(session.asked("generate")) == 2)
        await sees(pilot, "… and 49,008 more", "the prompt is too long [/b] for the model␛[2J")
        check_cells(pilot.app)
        pane.prompt.post_message(Paste("a line\nand another"))
        await until(pilot, lambda: pane.prompt.text == "a line\nand another")
        await pilot.press("left", "left", "x")
        assert pane.prompt.text == "a line and anothxer"
    assert session.asked("generate")[1]["prompt"] == text


async def test_a_transcript_is_written_to_a_file(tmp_path):
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("escape", "e")
        await sees(pilot, "There is nothing to export yet")
        pane = await send(pilot, "where is [b]it[/b] now\x1b[2J")
        await until(pilot, lambda: not pane.writing and bool(session.asked("generate")))
        for name in ("talk.md", "talk.jsonl"):
            pane.action_export()
            await sees(pilot, "Export the transcript to")
            pilot.app.screen.query_one(Input).value = str(tmp_path / name)
            await pilot.press("enter")
            await until(pilot, lambda path=tmp_path / name: path.is_file())
            await until(pilot, lambda: len(pilot.app.screen_stack) == 1)
    plain = (tmp_path / "talk.md").read_text()
    assert plain.startswith(">     where is [b]it[/b]") and "\x1b" not in plain and "".join(REPLY).strip() in plain
    (turn,) = [json.loads(line) for line in (tmp_path / "talk.jsonl").read_text().splitlines()]
    assert turn["prompt"].startswith("where is [b]it[/b]") and turn["replies"][0]["text"] == "".join(REPLY)
    assert turn["replies"][0]["tokens_per_second"] == 42.0


async def said(pilot, texts: list[str]) -> GeneratePane:
    """The pane after these turns were sent and answered."""
    pane = pilot.app.query_one(GeneratePane)
    for count, text in enumerate(texts, len(pane.transcript.turns) + 1):
        await send(pilot, text)
        await until(pilot, lambda count=count: not pane.writing and len(pane.transcript.turns) == count)
    return pane


async def test_a_turn_has_nothing_laid_out_anew_however_long_the_chat(tmp_path, monkeypatch):
    laid: list[object] = []
    lay = Screen._refresh_layout

    def count(self: Screen, *args: object, **named: object) -> None:
        laid.append(self)
        lay(self, *args, **named)  # pyright: ignore[reportArgumentType]

    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        pane = await said(pilot, [f"turn {number}" for number in range(12)])
        assert pane.transcript.max_scroll_y > 0
        monkeypatch.setattr(Screen, "_refresh_layout", count)
        await send(pilot, "another")
        await until(pilot, lambda: not pane.writing and len(pane.transcript.turns) == 13)
        await sees(pilot, "› another", "Tokens · A builtin:tiny")
        assert laid == []


async def test_a_stop_is_on_the_screen_before_the_engine_has_heard_of_it(tmp_path):
    session = FakeSession()
    session.hold = 3
    heard = asyncio.Event()
    async with app_on(tmp_path, session).run_test(size=SIZE) as pilot:
        pane = await send(pilot, "hello")
        await sees(pilot, "we can send")
        close = session.streams[0].aclose

        async def slow() -> None:
            await heard.wait()
            await close()

        session.streams[0].aclose = slow
        await pilot.press("escape")
        await sees(pilot, "stopped · 3 tokens")
        assert not session.streams[0].closed and not pane.writing
        heard.set()
        await until(pilot, lambda: session.streams[0].closed)


async def test_the_transcript_goes_along_with_a_reply_unless_it_was_scrolled_away(tmp_path):
    session = FakeSession()
    async with app_on(tmp_path, session).run_test(size=(80, 24)) as pilot:
        pane = await said(pilot, [f"turn {number} " + "where is my parcel " * 8 for number in range(6)])
        transcript = pane.transcript
        assert transcript.scroll_y == transcript.max_scroll_y > 0
        session.hold = 3
        await send(pilot, "last")
        await sees(pilot, "we can send▌")
        transcript.scroll_to(y=0, animate=False)
        await pilot.press("escape")
        await until(pilot, lambda: not pane.writing)
        assert transcript.scroll_y == 0
        await sees(pilot, "› turn 0")
        transcript.scroll_end(animate=False, immediate=True)
        for size in ((200, 50), (60, 16), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert transcript.scroll_y == transcript.max_scroll_y
            await sees(pilot, "    we can send  ")
            check_cells(pilot.app)
