"""docs/extending.md keeps its word: its files are written, its commands run, and each example stays short."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from aat_datasets.errors import InputError, UnknownNameError
from aat_models.attacks import RECIPES, find
from aat_models.config import Config, ConfigError, apply
from aat_workbench.cli.main import main
from aat_workbench.runs import RunFolder

PAGE = Path(__file__).resolve().parents[1] / "docs" / "extending.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
FILES = {text.split("\n")[0].removeprefix("# "): text for kind, text in BLOCKS if kind != "console"}
COMMANDS = [line[2:] for kind, text in BLOCKS if kind == "console" for line in text.splitlines()]
TICKETS = "".join(
    f"{('billing', 'parcels')[n % 2]};ticket {n};{('thank you', 'this is a shame')[n % 2]} {n};{n % 2}\n"
    for n in range(40)
)
SMALL = {
    "data.limit": 200, "model.embedding": 8, "model.hidden": 8, "model.latent": 8, "model.buckets": 50, "train.epochs": 1,
    "train.evaluate_limit": 20, "train.threads": 1, "surface.source": "dataset",
}  # fmt: skip
MORE = {
    "train": [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")],
    "attack": ["-n", "10"],
    "evaluate": ["-n", "10"],
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's files in it, which the commands are typed in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    for name, text in FILES.items():
        folder = tmp_path / "data" / "cards" if name.endswith(".toml") else tmp_path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
    (tmp_path / "tickets.csv").write_text(TICKETS, encoding="utf-8")
    monkeypatch.setitem(RECIPES, "drawl", None)  # what a test adds is gone after it
    monkeypatch.delitem(RECIPES, "drawl")
    return tmp_path


def run(line: str) -> int:
    """A line of the page, made small: its exit code."""
    words = shlex.split(line)
    words = words[words.index("aat-workbench") + 1 :]
    with pytest.raises(SystemExit) as ended:
        main([*words, *MORE.get(words[0], [])])
    return int(ended.value.code or 0)


def test_each_example_is_short() -> None:
    assert {name: len(text.splitlines()) for name, text in FILES.items() if len(text.splitlines()) > 30} == {}
    assert set(FILES) == {"my_adversary.py", "my_attack.py", "my_encoder.py", "tickets.toml", "my_dataset.py"}


@pytest.mark.slow
def test_the_commands_of_the_page_run(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for line in COMMANDS:
        if line.startswith("AAT_MIRROR=."):
            monkeypatch.setenv("AAT_MIRROR", str(place))
        assert run(line) == 0, (line, capfd.readouterr())
    assert "billing" not in (printed := capfd.readouterr().out) and "thank you" in printed
    assert RunFolder(place / "runs" / "peak").config.model.encoder == "py:my_encoder:Peak"
    stored = sorted(path.name for path in (place / "runs").glob("*/attacks/*"))
    assert stored.count("drawl-1") == 2
    assert '"loss_adv"' in (place / "runs" / "blanks" / "events.jsonl").read_text(encoding="utf-8")


def test_the_dataset_made_in_python(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(FILES["my_dataset.py"], "my_dataset.py", "exec"), {})
    assert capsys.readouterr().out.startswith("['here', 'late'] {'train': ")


def test_a_recipe_is_known_by_its_own_name_once_it_was_named(place: Path) -> None:
    with pytest.raises(UnknownNameError):
        find("drawl")
    assert find("py:my_attack:DRAWL") is find("drawl") is find("py:my_attack:DRAWL")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("OTHER = 3", "py:odd:OTHER is no recipe"),
        ("import my_attack, dataclasses as d\nOTHER = d.replace(my_attack.DRAWL, name='greedy')", "there is a recipe greedy"),
        ("import my_attack, dataclasses as d\nOTHER = d.replace(my_attack.DRAWL, name='../x')", "cannot name a recipe"),
        ("1 / 0", "cannot import odd: ZeroDivisionError"),
        ("ANOTHER = 3", "no recipe in odd named 'OTHER'"),
    ],
)  # fmt: skip
def test_what_is_no_recipe_is_told(place: Path, monkeypatch: pytest.MonkeyPatch, code: str, says: str) -> None:
    monkeypatch.delitem(sys.modules, "odd", raising=False)
    (place / "odd.py").write_text(code, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        find("py:odd:OTHER")


def test_what_is_no_encoder_or_adversary_is_told_in_a_line(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (place / "wrong.py").write_text("class Thing:\n    def __init__(self, given):\n        pass\n", encoding="utf-8")
    for option, says in (
        ("--model", "is no encoder"),
        ("--adversary", "is no adversary: it has no cost, replays, step"),
    ):
        assert run(f"aat-workbench train --run {option[2:]} {option} py:wrong:Thing") == 2
        shown = capfd.readouterr().err
        assert says in shown and "Traceback" not in shown


def test_a_decoder_attends_to_an_encoder_that_has_states_and_to_no_other(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    line = next(line for line in COMMANDS if "model.attention=true" in line)
    assert run(line) == 0, capfd.readouterr()
    assert run("aat-workbench generate peaks --prompt 'where is my parcel' --json") == 0
    code = (place / "my_encoder.py").read_text(encoding="utf-8")
    (place / "plain.py").write_text(code.replace("def read(", "def unread("), encoding="utf-8")
    capfd.readouterr()
    assert run(line.replace("my_encoder", "plain").replace("peaks", "plain")) == 2
    shown = capfd.readouterr().err
    assert "py:plain:Peak has no state for each word to attend to" in shown and "Traceback" not in shown
    assert "state_width and read(embedded, lengths)" in shown


def test_names_of_another_form_are_not_taken() -> None:
    for name in ("py:my_encoder", "py::Peak", "py:a:b:c", "py:my encoder:Peak", "pi:my_encoder:Peak"):
        with pytest.raises(ConfigError, match=r"model\.encoder: unknown .* py:module:Class"):
            apply(Config(), {"model.encoder": name})
