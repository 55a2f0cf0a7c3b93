"""Settings changed while a training runs: which they are, what is refused, and that they resume to the bit."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import msgspec
import pytest
from toy import config, data

from aat_datasets.errors import ConfigError, UnknownNameError
from aat_models import adversaries, live
from aat_models.config import ADVERSARIES, AdversaryConfig
from aat_models.events import Step
from aat_models.training import CheckpointDue, Training


class Noting:
    """A config that notes which of its fields are read."""

    def __init__(self, config: AdversaryConfig) -> None:
        self.inner = config
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return getattr(self.inner, name)


@pytest.mark.parametrize("name", ADVERSARIES)
def test_what_may_change_is_what_the_adversary_reads_at_its_steps(name: str) -> None:
    families = ["word", "char", "hull", "ball"]
    more = {"adversary__families": families, "adversary__mixing": "average", "adversary__second_step": 0.2}
    more |= {"adversary__probe": True, "adversary__reference": 0.1, "adversary__rho_floor": True}
    more |= {"adversary__adaptive": True, "adversary__cache": True}
    chosen = config(adversary__name=name, model__encoder="bow", train__epochs=5.0 if name == "aat" else 1.0, **more)
    training = Training(chosen, data())
    noting = Noting(chosen.adversary)
    training.setting = training.setting._replace(config=noting)  # type: ignore[arg-type]
    training.adversary = adversaries.build(training.setting)
    for event in training.events():
        if isinstance(event, Step) and event.step >= event.total:
            break
    allowed = {key.removeprefix("adversary.") for key in live.keys(chosen)} - {"train.lr"}
    assert allowed <= noting.read
    at_the_start = {"name", "rho_start", "families", "box"}
    fixed = at_the_start | ({"steps"} if name == "free" else set())
    assert noting.read - fixed == allowed


def test_a_change_is_of_the_keys_own_type_and_bounds() -> None:
    chosen = config(adversary__name="aat")
    changed, what = live.change(chosen, "beta=2")
    assert (what.key, what.old, what.new, what.text) == ("adversary.beta", 0.75, 2.0, "adversary.beta=2.0")
    assert live.differences(chosen, changed) == {"adversary.beta": 2.0} and chosen.adversary.beta == 0.75
    assert live.change(changed, "adversary.cache = true")[1].text == "adversary.cache=true"
    refused = {
        "beta=-1": "adversary.beta",
        "beta=inf": "finite",
        "budget=1.5": "adversary.budget",
        "mixing=worst": "adversary.mixing",
        "rho_floor=3": "adversary.rho_floor: expected bool",
        "families=word": "adversary.families: cannot be changed while training",
        "model.hidden=3": "model.hidden: cannot be changed while training",
        "kappa=0.1": "adversary.kappa: adversary aat does not use it",
        "lr=nan": "train.lr",
        "lr=fast": "train.lr: expected float",
    }
    for assignment, message in refused.items():
        with pytest.raises(ConfigError, match=message):
            live.change(chosen, assignment)
    with pytest.raises(UnknownNameError, match=r"adversary\.betta"):
        live.change(chosen, "adversary.betta=1")


def test_a_decoders_adversary_may_change_too() -> None:
    chosen = config(adversary__name="pgd", adversary__stages="decoder", model__decoder="lstm")
    assert live.keys(chosen) == ["train.lr", "adversary.epsilon", "adversary.steps", "adversary.beta"]


def train(chosen: Any, folder: Path, changes: dict[int, str], until: int = 0, resume: Path | None = None) -> list[Any]:
    """Trains with ``changes`` made at the records of their steps, a checkpoint at every one that falls due."""
    training = Training(chosen, data(), resume)
    seen: list[Any] = []
    waiting = dict(changes)
    for event in training.events():
        seen.append(event)
        if isinstance(event, Step) and event.step in waiting:
            training.change(waiting.pop(event.step))
        if isinstance(event, CheckpointDue):
            (folder / str(event.step)).mkdir(parents=True)
            training.save(folder / str(event.step))
            if event.step == until:
                break
    return seen


@pytest.mark.parametrize(
    ("name", "settings"),
    [("aat", ("beta=3", "budget=0.1")), ("smart", ("proximal=0.2", "steps=3")), ("free", ("epsilon=0.4", "lr=0.001"))],
)
def test_changes_resume_to_the_bit_and_matter(name: str, settings: tuple[str, str], tmp_path: Path) -> None:
    chosen = config(
        adversary__name=name, adversary__gamma=0.1, train__epochs=4.0, train__lr=0.02, train__checkpoint_every=10,
        train__evaluate_every=20, model__encoder="bow",
    )  # fmt: skip
    changes = {15: settings[0], 25: settings[1]}
    whole = train(chosen, tmp_path / "whole", changes)
    last = max(event.step for event in whole if isinstance(event, Step))
    train(chosen, tmp_path / "parts", {15: settings[0]}, until=20)
    train(chosen, tmp_path / "parts", {25: settings[1]}, resume=tmp_path / "parts" / "20")
    train(chosen, tmp_path / "plain", {})
    for file in ("model.safetensors", "state.safetensors", "state.json"):
        one, two, plain = (tmp_path / way / str(last) / file for way in ("whole", "parts", "plain"))
        if file == "state.json":
            mine, other = (msgspec.json.decode(path.read_bytes()) for path in (one, two))
            assert mine["live"] == other["live"] and len(mine["live"]) == 2
        else:
            assert one.read_bytes() == two.read_bytes() != plain.read_bytes(), file


def test_a_checkpoint_of_before_goes_on_at_its_rate(tmp_path: Path) -> None:
    chosen = config(train__checkpoint_every=5, model__encoder="bow")
    train(chosen, tmp_path, {}, until=5)
    path = tmp_path / "5" / "state.json"
    values = msgspec.json.decode(path.read_bytes())
    del values["live"]
    path.write_bytes(msgspec.json.encode({**values, "lr": 0.5}))
    training = Training(chosen, data(), tmp_path / "5")
    assert training.live.train.lr == 0.5
    resumed = functools.partial(next, (event for event in training.events() if isinstance(event, Step)))
    assert resumed().metrics["lr"] > 0.1
