"""The ``data`` commands: JSON alone on stdout, tables that obey nothing in the data, one line for wrong input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aat_datasets.errors import AatError, DataError, InputError, UnknownNameError
from aat_workbench.cli.data import app


def run(*arguments: str | Path) -> tuple[str, str]:
    """``(stdout, stderr)`` of a command that succeeds; what it raises otherwise."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.stderr
    return result.stdout, result.stderr


def as_json(*arguments: str | Path) -> Any:
    out, err = run(*arguments, "--json")
    assert err == ""
    assert out.count("\n") == 1
    return json.loads(out)


@pytest.fixture
def mine(data_home: Path, tmp_path: Path) -> Path:
    path = tmp_path / "mine.jsonl"
    rows = [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(60)]
    rows[0]["text"] = "[red]not red[/red] \x1b[2J\u202ebidi 中文 😀"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "broken\n")
    return path


def test_list(data_home: Path) -> None:
    found = {info["name"]: info for info in as_json("list")}
    assert found["support"]["state"] == "builtin"
    assert set(found["sst2"]) >= {"name", "task", "language", "labels", "splits", "state", "licence"}
    out, err = run("list")
    assert "sst2-sentences" in out
    assert "AAT_MIRROR" in err
    assert run("list", "--quiet")[1] == ""


def test_add_show_stats(mine: Path) -> None:
    report = as_json("add", "mine", mine)
    assert (report["rows"], report["splits"]) == (60, {"train": 48, "dev": 6, "test": 6})
    assert report["rejected"] == [{"file": "mine.jsonl", "line": 61, "reason": "not a JSON object"}]
    shown = as_json("show", "mine", "--rows", "2:5", "--label", "a")
    assert shown["total"] == 24
    assert [row["label"] for row in shown["rows"]] == ["a"] * 3
    found = as_json("stats", "mine")
    assert found["splits"]["train"]["labels"] == {"a": 24, "b": 24}


def test_tables_show_what_is_there_and_obey_nothing(mine: Path) -> None:
    out, err = run("add", "mine", mine)
    assert "1 rejected" in out
    assert "label: label" in err
    for split in ("train", "dev", "test"):
        out, _ = run("show", "mine", "--split", split, "--contains", "not red")
        if "bidi" in out:
            break
    assert "[red]not red[/red] ␛[2J⟨U+202E⟩bidi 中文 😀" in out
    assert "\x1b" not in out
    out, _ = run("stats", "mine")
    assert "repeated texts" in out
    assert "\x1b" not in out


def test_get(support_home: Path) -> None:
    found = as_json("get", "support")
    assert found["name"] == "support"
    assert all(Path(file["path"]).is_file() and len(file["sha256"]) == 64 for file in found["files"])


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["show", "suport"], UnknownNameError, "did you mean support"),
        (["show", "support", "--rows", "x"], InputError, "--rows: expected A:B, got 'x'"),
        (["show", "support", "--rows", "5:2"], InputError, "0 ≤ A ≤ B"),
        (["show", "support", "--split", "tests"], UnknownNameError, "did you mean test"),
        (["show", "support", "--label", "refunds"], UnknownNameError, "no label named"),
        (["show", "support", "--where", "nothing > 1"], DataError, "where: "),
        (["show", "sst2"], DataError, "data get sst2"),
        (["add", "new", "none.csv"], DataError, "none.csv: no such file"),
        (["add", "new", "--split", "test"], InputError, "expected SPLIT=FILE"),
    ],
)
def test_wrong_input(support_home: Path, arguments: list[str], kind: type[AatError], message: str) -> None:
    with pytest.raises(kind, match=message.replace("(", r"\(")) as raised:
        run(*arguments)
    assert raised.value.exit_code == 2
    assert "\n" not in str(raised.value)
