"""The Training pane's help, keys and layout."""

from __future__ import annotations

from textual.binding import Binding, BindingType

__all__ = ["ABOUT", "BINDINGS", "CSS", "ON_A_RUN", "ON_OUR_RUN"]

ABOUT = (
    "Runs of this folder, newest first. The run under the cursor is charted; space pins it, so that others lie "
    "over it. A colour and a letter belong to a run, a dotted line to the second metric of a chart, ▴ to a setting that "
    "was changed. Tab goes to the charts: ← → read, + − zoom, h l pan there. Trainings are processes of their own: they go "
    "on when this app is closed; those that are queued follow one another."
)

BINDINGS: list[BindingType] = [
    Binding("n", "new_run", "new", tooltip="start a new run", id="training.new"),
    Binding("space", "pin", "overlay", tooltip="lay this run's curves over the others'", id="training.pin"),
    Binding("v", "view", "charts", tooltip="show the next charts", id="training.view"),
    Binding("o", "metrics", "choose", show=False, tooltip="choose which figures are charted", id="training.metrics"),
    Binding("x", "axis", "x axis", show=False, tooltip="curves by step, epoch or time", id="training.axis"),
    Binding(
        "m", "smooth", "smooth", show=False, tooltip="smooth the curves, more, then not at all", id="training.smooth"
    ),
    Binding("p", "pause", "pause", tooltip="pause the run, or go on", id="training.pause"),
    Binding("s", "stop", "stop", tooltip="stop the run; its checkpoint is kept", id="training.stop"),
    Binding(
        "r", "resume", "resume", tooltip="go on from the latest checkpoint; queued: start now", id="training.resume"
    ),
    Binding(
        "e", "change", "change", tooltip="change learning rate and adversary while it trains", id="training.change"
    ),
    Binding("t", "note", "note", show=False, tooltip="note and tags of the run", id="training.note"),
    Binding("k", "checkpoint", "checkpoint", show=False, tooltip="checkpoint now", id="training.checkpoint"),
    Binding("a", "attack", "attack", tooltip="attack this run", id="training.attack"),
    Binding("g", "generate", "generate", tooltip="generate with this run", id="training.generate"),
    Binding("slash", "find", "find", key_display="/", tooltip="find runs by name, tag, dataset …", id="training.find"),
    Binding("d", "delete", "delete", tooltip="delete the run's folder", id="training.delete"),
    Binding("c", "config", "config", show=False, tooltip="config in place of log", id="training.config"),
    Binding("z", "zoom", "zoom", show=False, tooltip="one chart alone, or all again", id="training.zoom"),
]

# Actions that need a run under the cursor.
ON_A_RUN = frozenset(
    (
        "pin", "view", "metrics", "axis", "smooth", "find", "pause", "stop", "resume", "change", "note", "checkpoint",
        "attack", "generate", "delete", "config", "zoom",
    )
)  # fmt: skip

# Of these, the ones that a training that is not ours does not know.
ON_OUR_RUN = frozenset(
    ("pause", "stop", "resume", "checkpoint", "change", "note", "queue", "attack", "generate", "delete")
)

CSS = """
TrainingPane #runs-box { height: 9; }
TrainingPane #charts { height: 4fr; grid-size: 2 2; grid-gutter: 0; }
TrainingPane #below { height: 1fr; max-height: 12; min-height: 7; }
TrainingPane .box { border: round $border-blurred; border-title-color: $muted; border-subtitle-color: $muted; padding: 0; }
TrainingPane .box:focus-within, TrainingPane .box:focus { border: round $border; border-title-color: $foreground; }
TrainingPane #config-box { width: 2fr; }
TrainingPane #log-box { width: 3fr; }
TrainingPane.-narrow #config-box { display: none; }
TrainingPane.-narrow.-config #config-box { display: block; }
TrainingPane.-narrow.-config #log-box { display: none; }
TrainingPane.-short #charts { grid-size: 2 1; }
TrainingPane.-short #below { height: 6; min-height: 3; }
TrainingPane.-tiny #below { display: none; }
TrainingPane.-large #charts { grid-size: 3 2; }
"""
