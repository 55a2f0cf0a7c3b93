"""Generate: prompts to one or two models, their replies token by token, with probabilities and alternatives."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from ..asking_pane import AskingPane
from ..messages import GenerateFrom, PaneMessage, ProbeText
from ..pane import PaneCommand
from ..widgets.bars import ProbabilityBars, decimal
from ..widgets.entry import TextInput
from ..widgets.heat import TokenFlow
from ..widgets.latent import LatentBox, Slider
from ..widgets.painted import clip
from ..widgets.prompt import PromptInput
from ..widgets.replies import Reply, Turn, shown
from ..widgets.sampling import SamplingControls
from ..widgets.transcript import Transcript
from .latent_looking import LatentLooking
from .taking import Taking
from .writing import Writing

__all__ = ["GeneratePane"]

EMPTY = "Type a prompt below; enter sends it to model A, and to B where one is chosen."
NO_TOKENS = "The tokens of a reply stand here, each with its probability."


class GeneratePane(AskingPane):
    """Sampling controls, transcript, the tokens of one reply, the prompt."""

    ABOUT = (
        "Sends a prompt to one or two models and streams their replies. Every token stands with its probability "
        "beneath: the less likely, the hotter; the cursor shows what else the model could have written there. "
        "A reply can be probed: how does a classifier take it?"
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "prompt", "prompt", id="generate.prompt"),
        Binding("p", "probe", "probe", id="generate.probe", tooltip="put the reply into the probe of Adversarial"),
        Binding("r", "next_reply", "reply", id="generate.reply", tooltip="the tokens of the reply before"),
        Binding("l", "latent", "vector", id="generate.latent", tooltip="what lies around the prompt's vector"),
        Binding("c", "chat", "chat", id="generate.chat", tooltip="each prompt goes on from the turns before"),
        Binding("s", "system", "system", id="generate.system", tooltip="what the model is told before the chat"),
        Binding("e", "export", "export", id="generate.export"),
        Binding("t", "target", "model", id="generate.target", tooltip="choose model A"),
        Binding("ctrl+g,x", "stop", "stop", id="generate.stop", key_display="^g"),
        Binding("escape", "leave", "stop, or leave the line", id="generate.leave", show=False),
    ]
    DEFAULT_CSS = """
    GeneratePane .box {
        border: round $border-blurred; border-title-color: $foreground; border-subtitle-color: $muted;
    }
    GeneratePane .box:focus-within { border: round $border; }
    GeneratePane #transcript-box { height: 1fr; min-height: 5; }
    GeneratePane #tokens-box { height: 40%; min-height: 6; }
    GeneratePane #tokens-box > Horizontal { height: 1fr; }
    GeneratePane #tokens { width: 3fr; height: 1fr; overflow-y: auto; margin: 0 1; }
    GeneratePane #alternatives { width: 2fr; height: 1fr; margin-right: 1; }
    GeneratePane #alternatives-title { height: 1; color: $muted; }
    GeneratePane #alternative-bars { height: 1fr; }
    GeneratePane #prompt-box { height: 3; padding: 0 1; }
    GeneratePane #prompt-box > Horizontal { height: 1; }
    GeneratePane #prompt-box .prompt { width: 2; color: $primary; text-style: bold; }
    GeneratePane #prompt-box Input { width: 1fr; background: transparent; padding: 0; }
    GeneratePane #system-line { display: none; }
    GeneratePane #system-line .name { width: 7; color: $muted; }
    GeneratePane.-chat #system-line { display: block; }
    GeneratePane.-chat #prompt-box { height: 4; }
    GeneratePane #latent-box { height: 60%; min-height: 8; display: none; }
    GeneratePane.-latent #tokens-box { display: none; }
    GeneratePane.-latent #latent-box { display: block; }
    GeneratePane.-wide #middle { layout: horizontal; }
    GeneratePane #middle { height: 1fr; }
    GeneratePane.-wide #transcript-box, GeneratePane.-wide #tokens-box, GeneratePane.-wide #latent-box {
        width: 1fr; height: 1fr;
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: Reply | None = None
        self._writing: Writing | None = None
        self._taking = Taking(self)
        self.chatting = False
        self._begun = 0

    def compose(self) -> ComposeResult:
        yield SamplingControls(self.workbench.runs_root, id="controls")
        with Vertical(id="middle"):
            with Vertical(id="transcript-box", classes="box"):
                yield Transcript(empty=EMPTY, id="transcript")
            with Vertical(id="tokens-box", classes="box"), Horizontal():
                yield TokenFlow(empty=NO_TOKENS, id="tokens")
                with Vertical(id="alternatives"):
                    yield Static("", id="alternatives-title", markup=False)
                    yield ProbabilityBars(most=8, id="alternative-bars")
            with Vertical(id="latent-box", classes="box"):
                yield LatentBox(id="latent")
        with Vertical(id="prompt-box", classes="box"):
            with Horizontal(id="system-line"):
                yield Static("system", classes="name", markup=False)
                yield TextInput(placeholder="what the model is told before the chat: s", id="system")
            with Horizontal():
                yield Static("›", classes="prompt", markup=False)
                yield PromptInput(id="prompt")

    def on_mount(self) -> None:
        self.query_one("#transcript-box").border_title = Text(" Transcript ")
        self.query_one("#tokens-box").border_title = Text(" Tokens ")
        self.query_one("#tokens-box").border_subtitle = Text(" beneath: probability; the hotter, the less likely ")
        self.query_one("#latent-box").border_title = Text(" Vector ")
        self.query_one("#latent-box").border_subtitle = Text(" ← → along the way · enter in 'to' walks there ")
        self.query_one("#prompt-box").border_title = Text(" Prompt ")
        self._latent = LatentLooking(self, self.query_one(LatentBox))
        self._writing = Writing(self, self._drawn)

    def on_resize(self) -> None:
        self.set_class(self.size.width >= 160, "-wide")

    # Parts

    @property
    def controls(self) -> SamplingControls:
        return self.query_one(SamplingControls)

    @property
    def transcript(self) -> Transcript:
        return self.query_one(Transcript)

    @property
    def tokens(self) -> TokenFlow:
        return self.query_one(TokenFlow)

    @property
    def prompt(self) -> PromptInput:
        return self.query_one(PromptInput)

    @property
    def system(self) -> TextInput:
        return self.query_one("#system", TextInput)

    @property
    def resting(self) -> PromptInput:
        return self.prompt

    @property
    def writing(self) -> bool:
        """Whether a reply is on its way."""
        return self._writing is not None and bool(self._writing.live)

    # What the app and other panes ask

    def receive(self, message: PaneMessage) -> None:
        if isinstance(message, GenerateFrom):
            self.controls.target = message.target
            self.prompt.put(message.prompt)
            self.focus_on(self.prompt)

    def commands(self) -> Iterable[PaneCommand]:
        yield PaneCommand("Prompt", "Type a prompt", self.action_prompt)
        yield PaneCommand("Vector", "Walk from the prompt to another text, or the way that hurts", self.action_latent)
        if self.writing:
            yield PaneCommand("Stop", "What was written is kept", self.action_stop)
        yield PaneCommand("System text", "What the model is told before the chat", self.action_system)
        yield PaneCommand("Chat", "Go on from the turns before, or begin anew with every prompt", self.action_chat)
        if self.transcript.replies:
            yield PaneCommand("Export the transcript", "Markdown to read, JSONL for a program", self.action_export)
        if self._shown is not None and self._shown.tokens:
            yield PaneCommand("Probe this text", "Put the reply into the probe", self.action_probe)

    # Sending

    def on_prompt_input_sent(self, event: PromptInput.Sent) -> None:
        event.stop()
        if self.writing:
            self.notify("A reply is on its way; ctrl+g stops it.", markup=False)
            return
        params = self.wanted()
        if params is None:
            return
        models = [("A", self.controls.target), ("B", self.controls.other)]
        told_settings = self.controls.told()
        system = self.system.text.strip() if self.chatting else ""
        histories = {side: self._history(side) for side, _ in models}
        replies = [Reply(side, target, event.text, told_settings) for side, target in models if target]
        self.prompt.remember(event.text)
        self.transcript.add(Turn(event.text, replies, system))
        self._show_reply(replies[0])
        assert self._writing is not None
        self._writing.begin(replies, params, histories, system)

    def action_stop(self) -> None:
        """Stop the replies on their way; what was written stays."""
        if self._writing is not None:
            self._writing.stop()

    def action_leave(self) -> None:
        """Stop the replies on their way; where there are none, leave the line that is typed in."""
        if self.writing:
            self.action_stop()
        elif self.system.has_focus:
            self.focus_on(self.prompt)
        elif self.prompt.has_focus:
            self.focus_on(self.query_one(Slider) if self.has_class("-latent") else self.tokens)

    def _drawn(self, reply: Reply) -> None:
        """A reply has grown or ended."""
        self.transcript.draw(reply)
        if reply is self._shown:
            self._show_reply(reply)

    # Tokens of one reply

    def _show_reply(self, reply: Reply) -> None:
        same = reply is self._shown
        self._shown = reply
        self.tokens.show(reply.words, NO_TOKENS)
        if not same:
            self.tokens.cursor = -1
        elif self.tokens.cursor >= 0:
            self._show_alternatives(self.tokens.cursor)
        if not same:
            title = Text(f" Tokens · {reply.side} {clip(reply.target, 32)} ")
            self.query_one("#tokens-box").border_title = title
        if reply.tokens and reply.state != "writing" and self.tokens.cursor < 0:
            self.tokens.cursor = 0

    def on_token_flow_moved(self, event: TokenFlow.Moved) -> None:
        event.stop()
        self._show_alternatives(event.index)

    def _show_alternatives(self, index: int) -> None:
        title, bars = (
            self.query_one("#alternatives-title", Static),
            self.query_one("#alternative-bars", ProbabilityBars),
        )
        tokens = self._shown.tokens if self._shown is not None else []
        if not 0 <= index < len(tokens):
            title.update("", layout=False)
            bars.clear()
            return
        token = tokens[index]
        name = clip(shown(token.text), 16)
        title.update(f"token {index + 1} of {len(tokens)}: {name} {decimal(token.probability)}, among", layout=False)
        options = {shown(text): p for text, p in token.alternatives}
        options.setdefault(shown(token.text), token.probability)
        bars.show(list(options), list(options.values()), chosen=list(options).index(shown(token.text)))

    def action_next_reply(self) -> None:
        """Show the tokens of the reply before; after the first, the last."""
        replies = self.transcript.replies
        if replies:
            here = replies.index(self._shown) if self._shown in replies else 0
            self._show_reply(replies[(here - 1) % len(replies)])
            self.focus_on(self.tokens)

    def action_prompt(self) -> None:
        """Type a prompt."""
        self.focus_on(self.prompt)

    def action_latent(self) -> None:
        """Show what lies around the vector of the prompt, or the tokens again."""
        self.toggle_class("-latent")
        if not self.has_class("-latent"):
            self.focus_on(self.tokens)
            return
        self._walk(self.query_one(LatentBox).to.value.strip())

    def on_latent_box_asked(self, event: LatentBox.Asked) -> None:
        event.stop()
        self._walk(event.other)

    def _walk(self, other: str) -> None:
        """From the prompt that is typed, else the last one sent."""
        box = self.query_one(LatentBox)
        text = self.prompt.text.strip() or (self._shown.prompt if self._shown is not None else "")
        models = {side: name for side, name in (("A", self.controls.target), ("B", self.controls.other)) if name}
        if text and models:
            self._latent.ask(text, other, models)
        else:
            box.begin("", ["A"])
            box.tell("A", "type a prompt first: i" if models else "no model is chosen: t")
        self.focus_on(box.slider)

    def action_chat(self) -> None:
        """Go on from the turns before, or begin anew with every prompt."""
        self.chatting = not self.chatting
        self.set_class(self.chatting, "-chat")
        self._begun = len(self.transcript.turns)
        self._title_prompt()

    def action_system(self) -> None:
        """Type the system text of a chat; begins one where there is none."""
        if not self.chatting:
            self.action_chat()
        self.focus_on(self.system)

    def on_sampling_controls_system_wanted(self, event: SamplingControls.SystemWanted) -> None:
        event.stop()
        if not self.chatting:
            self.action_chat()
        self.system.put(event.text)

    def _title_prompt(self) -> None:
        title = " Prompt " if not self.chatting else " Chat: the turns from here on are remembered "
        self.query_one("#prompt-box").border_title = Text(title)

    def _history(self, side: str) -> list[str]:
        """What was said in this chat, and what the model of one side answered, the oldest first."""
        if not self.chatting:
            return []
        said: list[str] = []
        for turn in self.transcript.turns[self._begun :]:
            reply = next((reply for reply in turn.replies if reply.side == side and reply.text.strip()), None)
            if reply is not None:
                said += [turn.prompt, reply.text.strip()]
        return said

    def action_export(self) -> None:
        """Write the transcript to a file."""
        if self.transcript.replies:
            self.run_worker(self._taking.export_transcript(self.transcript.turns), group="asking")
        else:
            self.notify("There is nothing to export yet.", markup=False)

    def action_probe(self) -> None:
        """Put the reply whose tokens are shown into the probe."""
        if self._shown is not None and self._shown.text.strip():
            self.post_message(ProbeText(self._shown.text.strip()))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.focus_on(self.prompt)

    def on_prompt_input_left(self, event: PromptInput.Left) -> None:
        event.stop()
        self.action_leave()

    def on_field_left(self) -> None:
        self.focus_on(self.tokens)
