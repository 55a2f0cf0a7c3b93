"""The form for a new training: the few choices that matter, any other key by name, checked while they are typed."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Select, Static

from aat_datasets.errors import AatError, ConfigError, InputError, UnknownNameError
from aat_models import config as configs
from aat_models.config import ADVERSARIES, DECODERS, ENCODERS, LANGUAGE_MODELS, OPEN, Config

from ..runs import RunFolder
from ..terminal import visible
from .chrome import colour
from .widgets.entry import Entry

__all__ = ["NewRun", "Order", "form_config", "presets"]

_NOW, _QUEUED = "at once", "when its turn comes"


class Order(NamedTuple):
    """A training to be started, at once or when its turn comes."""

    config: Config
    queued: bool = False


def presets(selected: Config | None) -> dict[str, Config]:
    """What the form may begin from, by name; ``selected`` is the config of the run under the cursor."""
    aat = configs.apply(Config(), {"adversary.name": "aat"})
    quick = {"model.encoder": "bow", "data.limit": 500, "train.epochs": 1.0}
    found = {"aat": aat, "clean": Config(), "quick look": configs.apply(aat, quick)}
    return found if selected is None else {**found, "as the selected run": configs.apply(selected, {"run": ""})}


class Field(NamedTuple):
    """One line of the form; ``choices`` makes it a list, and without them it is typed."""

    key: str
    label: str
    choices: tuple[str, ...] = ()
    hint: str = ""


FIELDS = (
    Field("preset", "begin from", (), "fills in the fields below"),
    Field("data.dataset", "dataset"),
    Field(
        "model.encoder",
        "encoder",
        (*ENCODERS, *LANGUAGE_MODELS),
        "llama: a language model",
    ),
    Field("model.decoder", "decoder", DECODERS, "writes text from the vector"),
    Field("adversary.name", "adversary", ADVERSARIES, "perturbs texts in training"),
    Field("train.epochs", "epochs", (), "passes over the data"),
    Field("seed", "seed"),
    Field("run", "run name", (), "empty: one is made"),
    Field("when", "start", (_NOW, _QUEUED), "or after those at work"),
    Field("more", "more keys", (), "KEY=VALUE …, for example train.lr=1e-3 adversary.beta=2"),
)


def form_config(values: dict[str, str], datasets: Iterable[str], root: Path, base: Config | None = None) -> Config:
    """The config that the form's texts say, all else as in ``base``, or at its default.

    Raises ConfigError, UnknownNameError or InputError, naming the key.
    """
    others = ("more", "preset", "when")
    settings = {key: value.strip() for key, value in values.items() if key not in others and value.strip()}
    for part in values.get("more", "").split():
        key, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(f"more keys: expected KEY=VALUE, got {part!r}", "for example: train.lr=1e-3")
        settings[key] = value
    if not settings.get("data.dataset"):
        raise ConfigError("data.dataset: empty", "name a dataset")
    base = base or Config()
    if settings.get("model.decoder", "none") != "none" and base.model.decoder == "none":
        settings.setdefault("train.stages", "encoder, decoder")
    config = configs.apply(base, settings)
    check_config(config, datasets, root)
    return config


def check_config(config: Config, datasets: Iterable[str], root: Path) -> None:
    """Raises UnknownNameError where the dataset is not there, InputError where the run's name is taken."""
    known = list(datasets)
    if known and config.data.dataset not in known:
        raise UnknownNameError("dataset", config.data.dataset, known)
    if config.run and RunFolder(root / config.run).exists():
        raise InputError(f"run {config.run} exists already", "choose another name, or leave it empty")


class NewRun(ModalScreen[Order | None]):
    """See the module. Ends with what is to be started, or ``None`` where it was left.

    Args:
        root: the runs folder, for names that are taken.
        dataset: filled in first.
        datasets: the names that exist; none: any name is taken.
        selected: the config of the run under the cursor, to begin from.
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
        Binding("ctrl+e,f4", "edit", "as TOML", key_display="^e", priority=True),
        Binding("escape", "leave", "leave", key_display="esc"),
    ]

    def __init__(
        self, root: Path, dataset: str = "", datasets: Iterable[str] = (), selected: Config | None = None
    ) -> None:
        super().__init__()
        self._root = root
        self._datasets = list(datasets)
        self._dataset = dataset
        self._presets = presets(selected)
        self._base = self._presets["aat"]
        self._values = {"preset": "aat", "when": _NOW, **self._texts(self._base)}

    def _texts(self, config: Config) -> dict[str, str]:
        """The fields' texts for a config."""
        return {
            "data.dataset": self._dataset or config.data.dataset,
            "model.encoder": config.model.encoder,
            "model.decoder": config.model.decoder,
            "adversary.name": config.adversary.name,
            "train.epochs": f"{config.train.epochs:g}",
            "seed": str(config.seed),
        }

    def compose(self) -> ComposeResult:
        keys = configs.keys()
        with Vertical() as box:
            box.border_title = " New run "
            box.border_subtitle = " tab next · ^s start · ^e as TOML · esc leave "
            for field in FIELDS:
                with Horizontal():
                    yield Static(field.label, classes="label", markup=False)
                    yield self._entry(field)
                    if field.key == "preset":
                        yield Static("^e edits all of it as TOML", classes="hint", markup=False)
                    elif field.key != "more":
                        hint = field.hint or keys[field.key][2]
                        yield Static(hint, classes="hint", markup=False)
            yield Static("", id="verdict", markup=False)

    def _entry(self, field: Field) -> Input | Select[str]:
        id = "field-" + field.key.replace(".", "-")
        value = self._values.get(field.key, "")
        choices = tuple(self._presets) if field.key == "preset" else field.choices
        if choices:
            own = [self._texts(preset)[field.key] for preset in self._presets.values() if field.key in OPEN]
            options = [(choice, choice) for choice in dict.fromkeys((*choices, *own))]
            return Select(options, value=value, allow_blank=False, compact=True, id=id)
        suggester = SuggestFromList(self._datasets) if field.key == "data.dataset" else None
        return Entry(
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
            if field.choices or field.key == "preset":
                found[field.key] = str(self.query_one(id, Select).value)
            else:
                found[field.key] = self.query_one(id, Input).value
        return found

    def _judge(self) -> Config | None:
        """Say what is wrong, or what will be started."""
        verdict = self.query_one("#verdict", Static)
        text = Text(no_wrap=False)
        try:
            config = form_config(self.values(), self._datasets, self._root, self._base)
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
        text.append("\n  ^s starts it; it goes on when this app is closed", colour(self, "muted"))
        verdict.update(text)
        return config

    def on_input_changed(self) -> None:
        self._judge()

    def on_select_changed(self, event: Select.Changed) -> None:
        chosen = self._presets[str(event.value)] if event.select.id == "field-preset" else self._base
        if chosen is not self._base:
            self._fill(chosen)
        self._judge()

    def _fill(self, config: Config) -> None:
        """Begin from another config: the fields show it, and what they do not show is as it is there."""
        self._base = config
        texts: Mapping[str, str] = self._texts(config)
        for field in FIELDS:
            if field.key in texts:
                widget = self.query_one("#field-" + field.key.replace(".", "-"))
                assert isinstance(widget, Input | Select)
                widget.value = texts[field.key]

    def on_input_submitted(self) -> None:
        self.action_start()

    def action_start(self) -> None:
        config = self._judge()
        if config is not None:
            self._end(config)

    def _end(self, config: Config) -> None:
        self.dismiss(Order(config, self.values()["when"] == _QUEUED))

    @work
    async def action_edit(self) -> None:
        from .config_text import ConfigText

        def check(config: Config) -> None:
            check_config(config, self._datasets, self._root)

        edited = await self.app.push_screen_wait(ConfigText(self._judge() or self._base, check))
        if edited is not None:
            self._end(edited)

    def action_leave(self) -> None:
        self.dismiss(None)
