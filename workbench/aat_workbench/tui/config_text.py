"""The whole config of a new run as TOML, checked while it is edited."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from aat_datasets.errors import AatError
from aat_models import config as configs
from aat_models.config import Config

from ..terminal import visible
from .chrome import colour
from .widgets.page import Page

__all__ = ["ConfigText"]


class ConfigText(ModalScreen[Config | None]):
    """Ends with the config, or ``None`` where it was left.

    Args:
        config: what is edited.
        check: raises AatError where a config cannot be trained.
    """

    DEFAULT_CSS = """
    ConfigText { align: center middle; }
    ConfigText > Vertical {
        width: 100; max-width: 98%; height: 96%; padding: 0 1; background: $surface; border: round $border;
        border-title-color: $foreground; border-subtitle-color: $muted;
    }
    ConfigText TextArea { height: 1fr; border: none; padding: 0; background: $surface; }
    ConfigText TextArea:focus { border: none; }
    ConfigText Static { height: 2; width: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,f2", "start", "start", key_display="^s", priority=True),
        Binding("escape", "leave", "back to the form", key_display="esc", priority=True),
    ]

    def __init__(self, config: Config, check: Callable[[Config], object]) -> None:
        super().__init__()
        self._text = configs.dump(config)
        self._check = check

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = " Config as TOML "
            box.border_subtitle = " ^s start · esc back to the form "
            yield Page(visible(self._text, lines=True), show_line_numbers=True, soft_wrap=False, tab_behavior="focus")
            yield Static("", markup=False)

    def on_mount(self) -> None:
        self.query_one(TextArea).focus()
        self._judge()

    def _judge(self) -> Config | None:
        """The config, or what is wrong with it on the line below."""
        said = self.query_one(Static)
        try:
            config = configs.from_toml(self.query_one(TextArea).text)
            self._check(config)
        except AatError as error:
            text = Text(f"✗ {visible(error.message)}", colour(self, "error"))
            said.update(text.append("\n  " + visible(error.hint), colour(self, "muted")) if error.hint else text)
            return None
        said.update(Text("✓ every key fits; one that is left out is as by default", colour(self, "muted")))
        return config

    def on_text_area_changed(self) -> None:
        self._judge()

    def action_start(self) -> None:
        config = self._judge()
        if config is not None:
            self.dismiss(config)

    def action_leave(self) -> None:
        self.dismiss(None)
