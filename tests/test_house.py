"""Promises the layout makes: where packages lie, what starting costs, what every command says."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

TOP = Path(__file__).resolve().parents[1]
wheel_check = runpy.run_path(str(TOP / "tests" / "check_wheel.py"))
SOURCES = ("datasets", "models", "workbench")
HEAVY = ("torch", "duckdb", "nltk", "numpy", "transformers", "tokenizers")


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a piece of Python in a process of its own, as someone who installed the packages would."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(TOP / name) for name in SOURCES)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, timeout=120
    )


def loaded_after(code: str) -> set[str]:
    """The top-level modules a piece of Python has loaded."""
    tail = "import sys; print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))"
    done = python(f"{code}\n{tail}")
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("LOADED "))
    return set(line.split()[1:])


# layout


def test_no_package_is_called_datasets_models_or_tests() -> None:
    folders = [TOP / name for name in SOURCES] + [TOP / "tests", *(p for p in (TOP / "tests").rglob("*") if p.is_dir())]
    assert [str(folder) for folder in folders if (folder / "__init__.py").exists()] == []


def test_every_package_folder_has_its_init() -> None:
    for folder, package in wheel_check["PACKAGES"].items():
        for path in (TOP / folder / package).rglob("*.py"):
            assert (path.parent / "__init__.py").is_file(), path


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in (TOP / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_no_module_is_imported_in_a_circle_not_even_inside_a_function() -> None:
    """What is imported for its types alone does not count."""
    graph = grimp.build_graph("aat_datasets", "aat_models", "aat_workbench", exclude_type_checking_imports=True)
    assert "aat_models.loop" in graph.find_modules_directly_imported_by("aat_models.training")
    TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}).prepare()


def test_no_source_file_is_longer_than_400_lines() -> None:
    files = [path for folder in SOURCES for path in (TOP / folder).rglob("*.py")]
    assert [str(path) for path in files if len(path.read_text("utf-8").splitlines()) > 400] == []


@pytest.mark.skipif(shutil.which("git") is None or not (TOP / ".git").exists(), reason="not a git checkout")
def test_gitignore_swallows_no_source() -> None:
    paths = [
        path.relative_to(TOP).as_posix()
        for name in (*SOURCES, "tests", "docs")
        for path in (TOP / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    done = subprocess.run(
        ["git", "check-ignore", "--stdin", "--no-index"],
        cwd=TOP,
        input="\n".join(paths),
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout.splitlines() == []
    ignored = subprocess.run(["git", "check-ignore", "-q", "--no-index", "runs/x/events.jsonl"], cwd=TOP)
    assert ignored.returncode == 0


def test_constraints_pin_what_the_project_needs() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pins = dict(line.split("==") for line in (TOP / "constraints.txt").read_text().splitlines() if line[:1] != "#")
    names = {text.replace("<", ">").partition(">")[0].strip() for text in wanted}
    assert names <= pins.keys()
    assert all("+" not in version for version in pins.values())


# the wheel


def test_the_wheel_check_finds_what_is_wrong() -> None:
    problems = wheel_check["problems"]
    wanted = wheel_check["expected"](TOP)
    assert "aat_models/config.py" in wanted and not any(name.startswith("tests") for name in wanted)
    extra = {"x.dist-info/entry_points.txt", "x.dist-info/licenses/LICENSE", "x.dist-info/licenses/NOTICE"}
    assert problems(wanted | extra, wanted) == []
    assert problems((wanted | extra) - {"aat_models/config.py"}, wanted) == ["missing: aat_models/config.py"]
    assert problems(wanted | extra | {"tests/x.py"}, wanted) == ["should not be there: tests/x.py"]
    assert problems(wanted, wanted) == ["missing: the console script", "missing: LICENSE", "missing: NOTICE"]


# what starting costs


@pytest.mark.parametrize(
    "module",
    ["aat_workbench", "aat_workbench.runs", "aat_workbench.jobs", "aat_workbench.session", "aat_workbench.training"],
)
def test_importing_loads_nothing_heavy(module: str) -> None:
    assert loaded_after(f"import {module}") & {*HEAVY, "textual"} == set()


def test_the_app_loads_nothing_heavy() -> None:
    assert loaded_after("import aat_workbench.tui.app") & set(HEAVY) == set()


def test_help_loads_nothing_heavy_and_no_app() -> None:
    code = (
        "import sys\nfrom aat_workbench.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    )
    assert loaded_after(code) & {*HEAVY, "textual", "rich"} == set()


# commands


def commands() -> Iterator[tuple[str, ...]]:
    """Every command and group, as the words that call it."""
    import typer

    from aat_workbench.cli.main import app

    def walk(command: object, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield words
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, (*words, name))

    yield from walk(typer.main.get_command(app), ())


EXPECTED = {
    "attack", "bench", "data", "demo", "doctor", "engine", "evaluate", "export", "generate", "probe", "report", "runs", "train",
    "watch",
}  # fmt: skip


def test_every_command_of_the_design_is_there() -> None:
    assert {words[0] for words in commands() if words} >= EXPECTED


def test_every_command_and_option_has_help() -> None:
    import typer

    from aat_workbench.cli.main import app

    top = typer.main.get_command(app)
    for words in commands():
        command = top
        for word in words:
            command = command.commands[word]  # type: ignore[attr-defined]
        assert (command.help or "").strip(), words
        for parameter in command.params:
            described = getattr(parameter, "help", None) or parameter.param_type_name == "argument"
            assert described, (*words, parameter.name)


def test_every_command_has_the_common_options() -> None:
    import typer

    from aat_workbench.cli.main import app

    top = typer.main.get_command(app)
    for words in commands():
        command = top
        for word in words:
            command = command.commands[word]  # type: ignore[attr-defined]
        if hasattr(command, "commands") or words == ("engine",):
            continue
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--json" in options, words
        assert "--quiet" in options, words
