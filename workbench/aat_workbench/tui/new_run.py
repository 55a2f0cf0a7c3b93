"""The form for a new training: the few choices that matter, any other key by name, checked while they are typed."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Select, Static

from aat_datasets.errors import AatError, ConfigError, InputError, UnknownNameError
from aat_models import config as configs
from aat_models.config import ADVERSARIES, ENCODERS, Config

from ..runs import RunFolder
from ..terminal import visible
from .chrome import colour

__all__ = ["NewRun", "form_config"]


class Field(NamedTuple):
    """One line of the form; ``choices`` makes it a list, and without them it is typed."""

    key: str
    label: str
    choices: tuple[str, ...] = ()
    hint: str = ""


FIELDS = (
    Field("data.dataset", "dataset"),
    Field("model.encoder", "encoder", ENCODERS, "what turns words into the vector"),
    Field("model.decoder", "decoder", ("none", "lstm"), "lstm: the model can also write text"),
    Field("adversary.name", "adversary", ADVERSARIES, "what perturbs the texts in training"),
    Field("train.epochs", "epochs", (), "passes over the data, each stage"),
    Field("seed", "seed"),
    Field("run", "run name", (), "empty: made from the choices"),
    Field("more", "more keys", (), "KEY=VALUE …, for example train.lr=1e-3 adversary.beta=2"),
)


def form_config(values: dict[str, str], datasets: Iterable[str], root: Path) -> Config:
    """The config that the form's texts say, all else at its default.

    Raises ConfigError, UnknownNameError or InputError, naming the key.
    """
    settings = {key: value.strip() for key, value in values.items() if key != "more" and value.strip()}
    for part in values.get("more", "").split():
        key, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(f"more keys: expected KEY=VALUE, got {part!r}", "for example: train.lr=1e-3")
        settings[key] = value
    known = list(datasets)
    dataset = settings.get("data.dataset", "")
    if not dataset:
        raise ConfigError("data.dataset: empty", "name a dataset")
    if known and dataset not in known:
        raise UnknownNameError("dataset", dataset, known)
    if settings.get("model.decoder", "none") != "none":
        settings.setdefault("train.stages", "encoder, decoder")
    name = settings.get("run", "")
    if name and RunFolder(root / name).exists():
        raise InputError(f"run {name} exists already", "choose another name, or leave it empty")
    return configs.apply(Config(), settings)


class NewRun(ModalScreen[Config | None]):
    """See the module. Ends with the config, or ``None`` where it was left.

    Args:
        root: the runs folder, for names that are taken.
        dataset: filled in first.
        datasets: the names that exist; none: any name is taken.
    """

    DEFAULT_CSS = """
    NewRun { align: center middle; }
    NewRun > Vertical {
        width: 84; max-width: 96%; height: auto; max-height: 96%; padding: 1 2; background: $surface;
        border: round $border; border-title-color: $foreground;
        border-subtitle-color: $muted;
    }
    NewRun Horizontal { height: 1; width: 1fr; }
    NewRun .label { width: 12; color: $muted; }
    NewRun .hint { width: 1fr; color: $faint; padding-left: 1; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    NewRun Input { width: 30; height: 1; border: none; padding: 0 1; background: $panel; }
    NewRun Input:focus { border: none; background: $block-cursor-blurred-background; }
    NewRun #field-more { width: 1fr; }
    NewRun Select { width: 30; height: 1; }
    NewRun Select.-textual-compact > SelectCurrent { background: $panel; padding: 0 1; }
    NewRun Select.-textual-compact:focus > SelectCurrent { background: $block-cursor-blurred-background; }
    NewRun #verdict { height: 2; margin-top: 1; width: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,f2", "start", "start", key_display="^s"),
        Binding("escape", "leave", "leave", key_display="esc"),
    ]

    def __init__(self, root: Path, dataset: str = "", datasets: Iterable[str] = ()) -> None:
        super().__init__()
        self._root = root
        self._datasets = list(datasets)
        default = Config()
        self._values = {
            "data.dataset": dataset or default.data.dataset,
            "model.encoder": default.model.encoder,
            "model.decoder": default.model.decoder,
            "adversary.name": "aat",
            "train.epochs": f"{default.train.epochs:g}",
            "seed": str(default.seed),
        }

    def compose(self) -> ComposeResult:
        keys = configs.keys()
        with Vertical() as box:
            box.border_title = " New run "
            box.border_subtitle = " tab next · ^s start · esc leave "
            for field in FIELDS:
                with Horizontal():
                    yield Static(field.label, classes="label", markup=False)
                    yield self._entry(field)
                    if field.key != "more":
                        hint = field.hint or keys[field.key][2]
                        yield Static(hint, classes="hint", markup=False)
            yield Static("", id="verdict", markup=False)

    def _entry(self, field: Field) -> Input | Select[str]:
        id = "field-" + field.key.replace(".", "-")
        value = self._values.get(field.key, "")
        if field.choices:
            options = [(choice, choice) for choice in field.choices]
            return Select(options, value=value, allow_blank=False, compact=True, id=id)
        suggester = SuggestFromList(self._datasets) if field.key == "data.dataset" else None
        return Input(
            value,
            placeholder=field.hint if field.key == "more" else "",
            suggester=suggester,
            id=id,
            select_on_focus=False,
        )

    def on_mount(self) -> None:
        self._judge()

    def values(self) -> dict[str, str]:
        """The form's texts by config key."""
        found: dict[str, str] = {}
        for field in FIELDS:
            id = "#field-" + field.key.replace(".", "-")
            if field.choices:
                found[field.key] = str(self.query_one(id, Select).value)
            else:
                found[field.key] = self.query_one(id, Input).value
        return found

    def _judge(self) -> Config | None:
        """Say what is wrong, or what will be started."""
        verdict = self.query_one("#verdict", Static)
        text = Text(no_wrap=False)
        try:
            config = form_config(self.values(), self._datasets, self._root)
        except AatError as error:
            text.append("✗ ", colour(self, "error"))
            text.append(visible(error.message), colour(self, "foreground"))
            if error.hint:
                text.append("\n  " + visible(error.hint), colour(self, "muted"))
            verdict.update(text)
            return None
        parts = [config.data.dataset, config.model.encoder, config.adversary.name]
        name = config.run or "-".join(parts) + "-…"
        text.append("✓ ", colour(self, "success"))
        text.append(
            f"{name}: {' → '.join(config.train.stages)}, {config.train.epochs:g} epochs", colour(self, "foreground")
        )
        text.append("\n  ^s or enter starts it; it goes on when this app is closed", colour(self, "muted"))
        verdict.update(text)
        return config

    def on_input_changed(self) -> None:
        self._judge()

    def on_select_changed(self) -> None:
        self._judge()

    def on_input_submitted(self) -> None:
        self.action_start()

    def action_start(self) -> None:
        config = self._judge()
        if config is not None:
            self.dismiss(config)

    def action_leave(self) -> None:
        self.dismiss(None)
