"""The form for what may change while a run trains: its values now, each checked as it is typed."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import contextlib
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from aat_datasets.errors import AatError
from aat_models import config as configs
from aat_models import live
from aat_models.config import Config

from ..terminal import visible
from .chrome import colour
from .run_view import RunView
from .widgets.entry import Entry

__all__ = ["LiveForm", "config_now"]


def config_now(view: RunView) -> Config:
    """A run's config with what was changed while it trained. Raises ConfigError where it cannot be read."""
    config = view.folder.config
    for setting in view.settings:
        with contextlib.suppress(AatError):  # a record of another version
            config = live.change(config, f"{setting.key}={setting.value}")[0]
    return config


def _id(key: str) -> str:
    """Of the line for a key."""
    return "live-" + key.replace(".", "-")


class LiveForm(ModalScreen[list[str] | None]):
    """Ends with ``KEY=VALUE`` of every value that was changed, or ``None`` where it was left.

    Args:
        name: of the run.
        config: as it is now.
    """

    DEFAULT_CSS = """
    LiveForm { align: center middle; }
    LiveForm > Vertical {
        width: 92; max-width: 96%; height: auto; max-height: 96%; padding: 1 2; background: $surface;
        border: round $border; border-title-color: $foreground; border-subtitle-color: $muted;
    }
    LiveForm VerticalScroll { height: auto; max-height: 50vh; }
    LiveForm Horizontal { height: 1; width: 1fr; }
    LiveForm .label { width: 12; color: $muted; }
    LiveForm .hint { width: 1fr; color: $faint; padding-left: 1; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    LiveForm Input { width: 18; height: 1; border: none; padding: 0 1; background: $panel; }
    LiveForm Input:focus { border: none; background: $block-cursor-blurred-background; }
    LiveForm #about { height: auto; max-height: 2; margin-top: 1; width: 1fr; color: $muted; }
    LiveForm #verdict { height: 2; margin-top: 1; width: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,f2", "change", "change", key_display="^s"),
        Binding("up", "app.focus_previous", "before", show=False),
        Binding("down", "app.focus_next", "next", show=False),
        Binding("escape", "leave", "leave", key_display="esc"),
    ]

    def __init__(self, name: str, config: Config) -> None:
        super().__init__()
        self._title = visible(name)
        self._config = config
        self._keys = live.keys(config)
        self._before = {key: live.written(live.value_of(config, key)) for key in self._keys}
        known = configs.keys()
        self._hints = {key: known[key][2] for key in self._keys}

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content(f" Change {self._title} ")
            box.border_subtitle = " tab next · ^s change · esc leave "
            with VerticalScroll(can_focus=False):
                for key in self._keys:
                    with Horizontal():
                        yield Static(key.partition(".")[2], classes="label", markup=False)
                        yield Entry(self._before[key], id=_id(key), select_on_focus=False)
                        yield Static(self._hints[key], classes="hint", markup=False)
            yield Static("", id="about", markup=False)
            yield Static("", id="verdict", markup=False)

    def on_mount(self) -> None:
        self._judge()

    def _judge(self) -> list[str] | None:
        """What is to change; ``None`` where a value is unfit, which is said."""
        changed: list[str] = []
        verdict = self.query_one("#verdict", Static)
        for key in self._keys:
            typed = self.query_one(f"#{_id(key)}", Input).value
            if typed == self._before[key]:
                continue  # to check all of them at every key would have keys wait
            try:
                change = live.change(self._config, f"{key}={typed}")[1]
            except AatError as error:
                verdict.update(Text(f"✗ {visible(error.message)}", colour(self, "error")), layout=False)
                return None
            if change.new != change.old:
                changed.append(change.text)
        said = " · ".join(changed) if changed else "nothing is changed yet"
        note = "holds from the next record on; recorded, and kept on resuming"
        verdict.update(
            Text(f"✓ {visible(said)}\n  {note}", colour(self, "foreground" if changed else "muted")), layout=False
        )
        return changed

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Say of the value that is typed in all that its line has no room for."""
        key = next((key for key in self._keys if _id(key) == event.widget.id), "")
        self.query_one("#about", Static).update(f"{key}: {self._hints[key]}" if key else "")

    def on_input_changed(self) -> None:
        self._judge()

    def on_input_submitted(self) -> None:
        self.action_change()

    def action_change(self) -> None:
        changed = self._judge()
        if changed is not None:
            self.dismiss(changed)

    def action_leave(self) -> None:
        self.dismiss(None)
