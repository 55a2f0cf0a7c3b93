"""``latent`` as a command and as the engine's method: a table, an object, progress while texts are read, and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aat_datasets.errors import AatError, InputError
from aat_models import config as configs
from aat_models.config import Config
from aat_models.events import Progress
from aat_workbench.cli.main import main
from aat_workbench.session import Session
from aat_workbench.training import run_training
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.screens.generate import GeneratePane

from .tui.shell_support import check_cells, screen_text, sees, until

SETTINGS = {
    "run": "replies", "data.limit": 200, "model.decoder": "gru", "model.hidden": 16, "model.latent": 16, "model.encoder": "bow",
    "model.decoder_hidden": 16, "train.stages": ["encoder", "decoder"], "train.epochs": 1.0, "train.decoder_epochs": 1.0,
    "train.threads": 1, "train.evaluate_limit": 50,
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AAT_DATA", str(root / "data"))
        patch.delenv("AAT_MIRROR", raising=False)
        for _ in run_training(configs.apply(Config(), SETTINGS), runs_root=root / "runs"):
            pass
    return root / "runs"


@pytest.fixture(autouse=True)
def home(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAT_RUNS", str(runs))
    monkeypatch.setenv("AAT_DATA", str(runs.parent / "data"))
    monkeypatch.delenv("AAT_MIRROR", raising=False)


def output(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert end.value.code == 0
    return capfd.readouterr().out


def test_a_walk_is_a_table_and_an_object(capfd: pytest.CaptureFixture[str]) -> None:
    told = output(capfd, "latent", "replies", "where is my order", "cancel my subscription", "--places", "3")
    lines = told.splitlines()
    assert lines[0].split()[:2] == ["at", "label"] and "nearest training text" in lines[0]
    assert [line.split()[0] for line in lines[-3:]] == ["0.00", "0.50", "1.00"]
    found = json.loads(
        output(capfd, "latent", "replies", "where is my order", "--lengths=0,1", "--nearest", "2", "--json")
    )
    assert found["has_decoder"] and found["indexed"] > 100 and len(found["labels"]) == 16
    assert [point["at"] for point in found["points"]] == [0.0, 1.0]
    assert all(len(point["nearest"]) == 2 and len(point["probabilities"]) == 16 for point in found["points"])
    assert {one["label"] for point in found["points"] for one in point["nearest"]} <= set(found["labels"])


async def test_the_engine_says_what_it_reads_and_reads_it_once(runs: Path) -> None:
    async with Session(runs_root=runs) as session:

        async def look() -> tuple[int, dict[str, object]]:
            stream = session.stream("latent", target="replies", text="where is my order", nearest=1)
            heard = [event async for event in stream]
            assert all(isinstance(event, Progress) for event in heard)
            return len(heard), stream.result

        first, found = await look()
        assert first > 0
        again, same = await look()
        assert (again, same) == (0, found)
        with pytest.raises(AatError, match="has no vectors"):
            async for _ in session.stream("latent", target="builtin:tiny", text="a film"):
                pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["replies", "  "], "the text is empty"),
        (["replies", "hello", "--lengths", "1,two"], "--lengths: expected numbers"),
        (["replies", "hello", "--lengths", "inf"], "lengths: expected numbers"),
        (["builtin:tiny", "hello"], "has no vectors to look into"),
    ],
)
def test_what_cannot_be_walked_is_refused_in_one_line(
    arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["latent", *arguments])
    told = capfd.readouterr().err.strip()
    assert (end.value.code, told.count("\n")) == (InputError.exit_code, 0) and message in told


async def test_the_pane_walks_a_real_models_vectors(runs: Path) -> None:
    app = WorkbenchApp(runs, start_pane="generate")
    async with app.run_test(size=(120, 40)) as pilot:
        pane = app.query_one(GeneratePane)
        await until(pilot, lambda: pane.controls.target == "replies", seconds=30)
        pane.prompt.put("where is my order")
        pane.action_latent()
        await until(pilot, lambda: "· distance 0.00" in screen_text(app), seconds=90)
        await pilot.press("end")
        await sees(pilot, "at 3.00 · distance 3.00", "log p")
        check_cells(app)
