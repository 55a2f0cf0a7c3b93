"""docs/api.md keeps its word: its pieces run one after another, and every public name is on it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import aat_workbench as aat

TOP = Path(__file__).resolve().parents[1]
PAGE = (TOP / "docs" / "api.md").read_text(encoding="utf-8")
PIECES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_every_public_name_is_in_the_table_and_in_an_example_or_described() -> None:
    named = set(re.findall(r"^\| `(\w+)", PAGE, re.MULTILINE))
    assert named == set(aat.__all__)
    shown = set(re.findall(r"\baat\.(\w+)", "".join(PIECES)))
    assert set(aat.__all__) - shown <= {"Config", "load_language_model"}


@pytest.mark.slow
def test_the_pieces_run(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(TOP / name) for name in ("datasets", "models", "workbench")),
        "AAT_DATA": str(tmp_path / "data"),
        "AAT_RUNS": str(tmp_path / "runs"),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-"],
        input="\n".join(PIECES),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    assert "this is a pity" in done.stdout
    assert re.search(r"^hardened deepwordbug [\d.]+ [\d.]+$", done.stdout, re.MULTILINE)
    assert re.search(r"^0\.50 \w+", done.stdout, re.MULTILINE)
