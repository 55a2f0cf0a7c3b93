"""Every theme can be read: text stands out from what is behind it, in each pane and in what lies over one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.theme import Theme
from textual.widget import Widget
from textual.widgets import Static

from aat_datasets import adding
from aat_models.config import Config
from aat_workbench.tui.app import WorkbenchApp
from aat_workbench.tui.config_text import ConfigText
from aat_workbench.tui.new_run import NewRun
from aat_workbench.tui.overlays import Ask, Confirm, HelpOverlay
from aat_workbench.tui.screens.adversarial import AdversarialPane
from aat_workbench.tui.themes import THEMES, contrast, plain

from .pane_session import FakeSession
from .shell_support import sees, until
from .test_hostile_widgets import check_screen

ENOUGH = 4.5  # WCAG 2.1, AA
OF_DIM_TEXT = 3.0  # what is said in passing: row numbers, hints, what is behind a line that is typed into
SIZES = [(120, 40), (80, 24), (200, 50)]


def too_faint(app: App[Any], within: Widget) -> list[tuple[str, float]]:
    """Texts on the screen, within a widget, with too little contrast, and how much they have."""
    faint = plain(app.theme_variables, "faint")
    found: list[tuple[str, float]] = []
    region = within.region
    for y, strip in enumerate(app.screen._compositor.render_strips()):
        for text, style, _ in strip.crop(region.x, region.right) if region.y <= y < region.bottom else ():
            if style is None or not any(map(str.isalnum, text)) or style.color is None or style.bgcolor is None:
                continue
            ink, behind = style.color.get_truecolor(), style.bgcolor.get_truecolor(foreground=False)
            seen = contrast(ink, behind)
            if seen < (OF_DIM_TEXT if style.dim or ink.hex == faint else ENOUGH):
                found.append((text, round(seen, 2)))
    return found


async def check(pilot: Pilot[None], within: Widget | None = None, themes: Sequence[Theme] = THEMES) -> None:
    """What is on the screen, in each of these themes."""
    for theme in themes:
        pilot.app.theme = theme.name
        await pilot.pause()  # until it is drawn: what stood there before would pass
        place = within or pilot.app.screen
        # What is drawn off the screen's thread comes a moment after the theme has changed.
        try:
            await until(pilot, lambda place=place: not too_faint(pilot.app, place), 3)
        except AssertionError as late:
            raise AssertionError(f"{theme.name}: {too_faint(pilot.app, place)}") from late
        check_screen(pilot.app)


@pytest.fixture
def small(runs: Path, tmp_path: Path) -> Path:
    """The fixed runs, and a data folder with a dataset of four rows."""
    path = tmp_path / "small.csv"
    path.write_text(
        "label,text\n" + "".join(f"{name},a {name} film with a plot\n" for name in ["good", "bad", "fine", "dull"])
    )
    adding.add("small", [path])
    return runs


async def look_at_forms(pilot: Pilot[None], app: WorkbenchApp) -> None:
    pane = app.pane
    assert pane is not None
    forms = [
        lambda: HelpOverlay(pane),
        lambda: Confirm("Delete it?", "its folder goes"),
        lambda: Ask("Which?", "a name", "x", lambda text: "no such name"),
        lambda: NewRun(app.runs_root),
        lambda: ConfigText(Config(), lambda config: None),
    ]
    for theme, make in product(THEMES, forms):
        app.theme = theme.name
        await pilot.pause()
        form = make()
        await app.push_screen(form)
        await until(pilot, lambda form=form: form.is_current and form.children)
        await check(pilot, form.children[0], [theme])
        app.pop_screen()


@pytest.mark.parametrize(
    "size",
    [None, *(pytest.param(size, marks=pytest.mark.slow) for size in SIZES)],
    ids=lambda size: "forms-left-out" if size is None else f"{size[0]}-{size[1]}",
)
async def test_text_stands_out(small: Path, size: tuple[int, int] | None) -> None:
    app = WorkbenchApp(small, FakeSession(), start_pane="datasets")
    async with app.run_test(size=size or SIZES[0]) as pilot:
        await until(pilot, lambda: "words for the model" in str(app.query_one("#detail", Static).visual))
        await check(pilot)
        await app.open_pane("training")
        await sees(pilot, "sst2-bilstm-none-1")
        await check(pilot)
        if size is not None:
            await look_at_forms(pilot, app)
        await app.open_pane("adversarial")
        shown = app.query_one(AdversarialPane)
        shown.controls.target = "sst2-bilstm-none-1"
        await until(pilot, lambda: len(shown.table.results) == 40)
        shown.probe.put("a funny and warm film with a tired plot")
        await sees(pilot, "says")
        await check(pilot)
        shown.focus_on(shown.table)
        await check(pilot)
        await app.open_pane("generate")
        await check(pilot)


def test_contrast_is_that_of_wcag() -> None:
    grey, white = (119, 119, 119), (255, 255, 255)
    assert contrast((0, 0, 0), white) == pytest.approx(21)
    assert contrast(grey, white) == contrast(white, grey) == pytest.approx(4.48, abs=0.01)
