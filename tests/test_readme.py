"""The README keeps its word: every command in it is one, its Python runs, what it links to is there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer

from aat_workbench.cli.main import app

TOP = Path(__file__).resolve().parents[1]
PAGES = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def commands() -> list[str]:
    found: list[str] = []
    for page in PAGES:
        for block in blocks(page, "console"):
            lines = block.replace("\\\n", " ").splitlines()
            found += [line[2:].partition(" # ")[0].strip() for line in lines if line.startswith("$ ")]
    return sorted({re.sub(r"^(\.venv/bin/|[A-Z_]+=\S+ )*", "", line) for line in found})


def parse(group: click.Command, words: list[str]) -> None:
    """Parse a command line as the program would, down to the last subcommand, running nothing."""
    parent: click.Context | None = None
    while True:
        subcommands = getattr(group, "commands", {})
        name = next((word for word in words if word in subcommands), None) if subcommands else None
        if name is None:
            group.make_context(group.name, list(words), parent=parent)
            return
        place = words.index(name)
        parent = click.Context(group, info_name=group.name, parent=parent)
        group, words = subcommands[name], words[place + 1 :]


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("aat-workbench ")])
def test_every_command_line_parses(line: str) -> None:
    words = shlex.split(line.split("|")[0].split(">")[0])[1:]
    parse(typer.main.get_command(app), words)


def test_a_wrong_line_would_be_noticed() -> None:
    with pytest.raises(Exception, match="--datset"):
        parse(typer.main.get_command(app), ["train", "--datset", "support"])


def test_the_two_commands_of_the_first_minute_are_make_targets() -> None:
    makefile = (TOP / "Makefile").read_text(encoding="utf-8")
    named = [line.split()[1] for line in commands() if line.startswith("make ")]
    assert {"demo", "test"} <= set(named)
    assert all(re.search(rf"^{name}:", makefile, re.MULTILINE) for name in named)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    (code,) = blocks(TOP / "README.md", "python")
    paths = os.pathsep.join(str(TOP / name) for name in ("datasets", "models", "workbench"))
    environment = {
        **os.environ,
        "PYTHONPATH": paths,
        "AAT_DATA": str(tmp_path / "data"),
        "AAT_RUNS": str(tmp_path / "runs"),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr
    assert "Done(" in done.stdout
    assert re.search(r"^(success|failed|skipped)", done.stdout, re.MULTILINE)
