"""Studies of robustness: what a file asks for, cells measured and kept, and the tables made of them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from aat_datasets.errors import ConfigError, InputError, UnknownNameError
from aat_workbench import robustness_cells
from aat_workbench import robustness_study as studies
from aat_workbench.cli.main import main
from aat_workbench.robustness_study import Row
from aat_workbench.robustness_tables import tables

STUDY = """
name = "tiny"
n = 12
[attacks.words]
recipe = "greedy"
budget = 0.3
[attacks.typos]
recipe = "deepwordbug"
[attacks.ball]
recipe = "ball"
epsilon = 0.5
[unions]
both = ["words", "ball"]
[methods.none]
[methods.aat]
"adversary.name" = "aat"
[[blocks]]
dataset = "support"
encoders = ["bow"]
methods = ["none", "aat"]
attacks = ["words", "typos", "ball"]
seeds = [0, 1]
[blocks.settings]
"data.limit" = 120
"surface.source" = "dataset"
"model.embedding" = 8
"model.latent" = 8
"model.buckets" = 100
"train.epochs" = 1.0
"train.evaluate_limit" = 20
"""


def write(folder: Path, text: str = STUDY) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def row(method: str, seed: int, clean: str, attacked: str, **more: object) -> Row:
    """A row of 8 texts from two strings of 0 and 1."""
    right = {"clean": f"{int(clean, 2):x}", "words": f"{int(attacked, 2):x}"}
    fixed = {"cell": f"{method}{seed}", "key": "", "dataset": "d", "encoder": "e", "n": 8, "seconds": 1.0, "date": "-"}
    return msgspec.convert(fixed | {"method": method, "seed": seed, "right": right} | more, Row)


def test_a_study_is_every_method_encoder_and_seed_of_its_blocks(tmp_path: Path) -> None:
    study = studies.read(write(tmp_path))
    assert list(study.cells) == [f"tiny-support-bow-{method}-{seed}" for method in ("none", "aat") for seed in (0, 1)]
    cell = study.cells["tiny-support-bow-aat-1"]
    assert (cell.config.adversary.name, cell.config.seed, cell.config.train.threads) == ("aat", 1, 1)
    more = studies.read(write(tmp_path, STUDY.replace("n = 12", "n = 13")))
    assert all(more.cells[name].key != study.cells[name].key for name in study.cells)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('methods = ["none", "aat"]', 'methods = ["nome"]', UnknownNameError),
        ('attacks = ["words", "typos", "ball"]', 'attacks = ["word"]', UnknownNameError),
        ('"adversary.name" = "aat"', '"adversary.nam" = "aat"', UnknownNameError),
        ("seeds = [0, 1]", "seeds = [0, 0]", ConfigError),
        ("budget = 0.3", "budgets = 0.3", ConfigError),
        ("name =", "nome", ConfigError),
    ],
)
def test_a_wrong_study_is_told(tmp_path: Path, old: str, new: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        studies.read(write(tmp_path, STUDY.replace(old, new, 1)))


def test_cells_are_measured_once_kept_and_measured_again_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    path = write(tmp_path)
    told = list(studies.run_study(path, only="-0$", parallel=2))
    assert told[0] == "0 of 2 cells are there"
    assert len(told) == 3 and all("failed" not in line for line in told)
    kept = studies.rows(studies.results_path(path))
    assert set(kept) == {"tiny-support-bow-none-0", "tiny-support-bow-aat-0"}
    for found in kept.values():
        right = {name: studies.unpack(bits, found.n) for name, bits in found.right.items()}
        assert set(right) == {"clean", "words", "certified", "typos", "ball"} and found.n == 12
        assert all(attacked <= clean for attacked, clean in zip(right["ball"], right["clean"], strict=True))
        assert all(attacked <= clean for attacked, clean in zip(right["words"], right["clean"], strict=True))
        assert all(sure <= left for sure, left in zip(right["certified"], right["words"], strict=True))
    content = studies.results_path(path).read_bytes()
    assert list(studies.run_study(path, only="-0$")) == ["2 of 2 cells are there"]
    assert studies.results_path(path).read_bytes() == content
    assert list(studies.run_study(write(tmp_path, STUDY.replace("0.3", "0.4")), only="-0$", minutes=1e-9)) == [
        "0 of 2 cells are there",
        "2 cells are left",
    ]
    write(tmp_path)
    again = list(robustness_cells.check(path, 1, say=lambda line: None))
    assert {line["attack"] for line in again} == {"clean", "words", "certified", "typos", "ball"}
    assert all(line["points"] == 0 for line in again)
    with pytest.raises(SystemExit) as ended:
        main(["bench", "robustness", str(path), "--markdown"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith("## support, bow\n") and "| none | 1 |" in printed and "| both |" in printed


def test_a_union_is_survived_by_who_survives_all_its_attacks() -> None:
    found = row("none", 0, "11111111", "11110000")
    both = msgspec.structs.replace(found, right=found.right | {"ball": f"{0b10101010:x}"})
    assert studies.unpack(studies.joined(both, {"all": ["words", "ball"]}).right["all"], 8) == [
        True, False, True, False, False, False, False, False,
    ]  # fmt: skip
    assert studies.joined(found, {"all": ["words", "ball"]}) == found, "not every attack is there"


def test_a_block_has_its_own_number_of_texts_and_a_note_that_tells_its_cells_apart(tmp_path: Path) -> None:
    more = STUDY + STUDY[STUDY.index("[[blocks]]") :].replace("seeds", 'note = "longer"\nn = 5\nseeds')
    cells = studies.read(write(tmp_path, more)).cells
    assert len(cells) == 8
    assert cells["tiny-support-bow-longer-none-0"].n == 5 and cells["tiny-support-bow-none-0"].n == 12


def test_a_cell_that_fails_is_told_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    path = write(tmp_path, STUDY.replace('dataset = "support"', 'dataset = "suport"'))
    told = list(studies.run_study(path, only="none-0$"))
    assert "failed" in told[1] and "suport" in told[1]
    assert not studies.results_path(path).exists()
    with pytest.raises(InputError, match="no cell is kept"):
        list(robustness_cells.check(path, 1))


def test_tables_hold_means_over_seeds_and_paired_differences_from_the_reference() -> None:
    found = [
        row("aat", 0, "11111111", "11110000", step_time_ratio=2.0),
        row("aat", 1, "11111110", "11000000", step_time_ratio=2.2),
        row("none", 0, "11111111", "10000000"),
        row("none", 1, "11111111", "10000000"),
        row("none", 2, "11111111", "11111111"),  # a seed the reference has not
    ]
    (table,) = tables(found, "aat")
    assert table.title == "d, e"
    lines = {line[0]: dict(zip(table.columns, line, strict=True)) for line in table.lines}
    assert lines["aat"]["words"] == "0.375 ± 0.177" and lines["aat"]["step time"] == "2.10"
    assert lines["none"]["seeds"] == "3"
    # 16 pairs: the first three texts of seed 0 and one of seed 1 are lost, none won
    cells = [cell for column, cell in zip(table.columns, table.lines[1], strict=True) if column == "− aat"]
    assert cells[1].startswith("-25.0 [-")
    assert cells[0].startswith("+6.2 [")
