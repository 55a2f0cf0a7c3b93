"""The doctor finds what is amiss, and says how to mend it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aat_workbench import doctor
from aat_workbench.cli.main import main


def named(name: str) -> doctor.Finding:
    return next(finding for finding in doctor.examine() if finding.name == name)


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)


def test_a_sound_machine(capsys: pytest.CaptureFixture[str]) -> None:
    findings = {finding.name: finding for finding in doctor.examine()}
    for name in ("python", "torch", "device", "threads", "data", "runs", "duckdb"):
        assert findings[name].state == "ok", findings[name]
    with pytest.raises(SystemExit) as caught:
        main(["doctor", "--json"])
    assert caught.value.code in (0, None)
    assert {entry["name"] for entry in json.loads(capsys.readouterr().out)} == findings.keys()


def test_what_is_amiss_comes_with_a_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "file" / "runs"))
    assert named("runs").state == "error" and "AAT_RUNS" in named("runs").mend
    monkeypatch.setenv("AAT_MIRROR", str(tmp_path / "nowhere"))
    assert named("mirror").state == "error" and "AAT_MIRROR" in named("mirror").mend
    monkeypatch.setenv("AAT_THREADS", "9999")
    assert named("threads").state == "warning"
    monkeypatch.setenv("AAT_THREADS", "many")
    assert named("threads").state == "error" and "expected a number" in named("threads").found
    monkeypatch.setenv("LC_ALL", "C")
    assert named("glyphs").state == "warning"
    for name, term, colour in (("NO_COLOR", "1", "off"), ("COLORTERM", "truecolor", "16 million")):
        with monkeypatch.context() as patch:
            for other in ("NO_COLOR", "COLORTERM"):
                patch.delenv(other, raising=False)
            patch.setenv(name, term)
            assert colour in named("colour").found


def test_exit_code_says_that_something_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AAT_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(SystemExit) as caught:
        main(["doctor", "--quiet"])
    assert caught.value.code == 1
    out = capsys.readouterr().out
    assert "FAIL" in out and "mirror" in out and "python " not in out
