"""The Datasets pane's help, keys and layout."""

from __future__ import annotations

from textual.binding import Binding, BindingType

__all__ = ["ABOUT", "BINDINGS", "CSS"]

ABOUT = (
    "Datasets on the left (● ready, ◆ built in, ◐ raw files here, ○ to download); enter opens one. The filter "
    "finds texts that contain what is typed; after = it is an SQL condition over row, text, label, target. "
    "Enter on a label or on a length keeps only its rows; enter on another length widens the range. A click on a "
    "column's title sorts. Filtered rows are saved as a view, a dataset of its own, when they are trained on."
)

CSS = """
DatasetsPane #across { height: 1fr; }
DatasetsPane #left { width: 34; }
DatasetsPane .box { border: round $border-blurred; border-title-color: $muted; border-subtitle-color: $muted; }
DatasetsPane .box:focus-within { border: round $border; border-title-color: $foreground; }
DatasetsPane #datasets-box { height: 1fr; min-height: 4; }
DatasetsPane #rows-box { width: 2fr; height: 1fr; }
DatasetsPane #detail-box { width: 1fr; height: 1fr; }
DatasetsPane #right { layout: horizontal; width: 1fr; }
DatasetsPane #filter { height: 1; border: none; padding: 0 1; background: $panel; }
DatasetsPane #filter:focus { border: none; background: $block-cursor-blurred-background; }
DatasetsPane #detail { width: 1fr; height: auto; padding: 0 1; }
DatasetsPane.-narrow #left { width: 26; }
DatasetsPane.-narrow #right { layout: vertical; }
DatasetsPane.-narrow #rows-box { width: 1fr; height: 3fr; }
DatasetsPane.-narrow #detail-box { width: 1fr; height: 2fr; }
"""

BINDINGS: list[BindingType] = [
    Binding("c", "cancel", "cancel", tooltip="stop what is being read, downloaded or sorted", id="datasets.cancel"),
    Binding("slash", "filter", "filter", key_display="/", tooltip="find rows by their text", id="datasets.filter"),
    Binding("p", "probe", "probe", tooltip="open the row's text in Adversarial", id="datasets.probe"),
    Binding("a", "attack", "attack", tooltip="look for an edit that breaks a model on it", id="datasets.attack"),
    Binding("t", "train", "train", tooltip="a new run on these rows", id="datasets.train"),
    Binding("n", "add", "add", tooltip="add a file of your own", id="datasets.add"),
    Binding("l", "labels", "labels", tooltip="go to the labels; enter there filters", id="datasets.labels"),
    Binding("w", "lengths", "lengths", tooltip="go to the lengths; enter there filters", id="datasets.lengths"),
    Binding("s", "split", "split", tooltip="next split", id="datasets.split"),
    Binding("o", "order", "order", tooltip="sort by row, length, label, text", id="datasets.order"),
    Binding("g", "jump", "go to", tooltip="go to a row by its number", id="datasets.jump"),
    Binding("x", "clear", "all rows", tooltip="drop the filters", id="datasets.clear"),
    Binding("i", "about", "about", tooltip="what the dataset is; overlap of its splits", id="datasets.about"),
    Binding("escape", "back", "rows", show=False),
]
