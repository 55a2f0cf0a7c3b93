"""The Adversarial pane's help, keys and layout."""

from __future__ import annotations

from textual.binding import Binding, BindingType

__all__ = ["ABOUT", "BINDINGS", "CSS"]

ABOUT = (
    "Attacks a trained model with small edits that keep the meaning, and shows for every example which words were "
    "changed, how far each change moved the model, and how much each word mattered before. ← and → step through the "
    "edits, u leaves one out. / shows the results that contain what is typed: words of either text, names of classes. "
    "The probe answers a text while you type it; enter there asks what would break it. A second model B answers beside "
    "A. The last of the models opens a line for any target: py:module:function, http://…, RUN@step-1200."
)

BINDINGS: list[BindingType] = [
    Binding("a", "attack", "attack", id="adversarial.attack"),
    Binding("x", "stop", "stop", tooltip="stop the attack", id="adversarial.stop"),
    Binding("p", "probe", "probe", tooltip="type a text", id="adversarial.probe"),
    Binding("left,comma", "step(-1)", show=False, id="adversarial.back"),  # told with the next
    Binding(
        "right,full_stop", "step(1)", "step", key_display="←→", tooltip="step through the edits",
        id="adversarial.step",
    ),
    Binding("u", "undo", "undo edit", tooltip="leave one edit out, or put it back", id="adversarial.undo"),
    Binding("f", "filter", "filter", tooltip="next status", id="adversarial.filter"),
    Binding("slash", "find", "find", key_display="/", tooltip="only results that contain a text", id="adversarial.find"),
    Binding("c", "class", "class", tooltip="only texts of this one's class, or all", id="adversarial.class"),
    Binding("s", "sort", "sort", id="adversarial.sort"),
    Binding("m", "salience", "salience", tooltip="gradient × input, integrated gradients", id="adversarial.salience"),
    Binding("y", "copy", "copy", tooltip="copy the text on the right", id="adversarial.copy"),
    Binding("e", "export", "export", tooltip="write the table to a file", id="adversarial.export"),
    Binding("o", "probe_this('original')", "probe original", id="adversarial.original"),
    Binding("v", "probe_this('adversarial')", "probe adversarial", id="adversarial.adversarial"),
    Binding("l", "stored", "stored results", id="adversarial.stored"),
    Binding("t", "target", "choose model", id="adversarial.target"),
    Binding("T", "name_target", "type a model", tooltip="type any target", id="adversarial.name"),
    Binding("Y", "show_text", "select text", tooltip="the text alone, to select", id="adversarial.select"),
    Binding("escape", "stop", "stop the attack", id="adversarial.escape", show=False),
]  # fmt: skip

CSS = """
AdversarialPane > #progress { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
AdversarialPane > #remarks { height: auto; max-height: 3; padding: 0 1; color: $warning; display: none; }
AdversarialPane.-short > #remarks { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
AdversarialPane > #body { height: 1fr; }
AdversarialPane .box {
    border: round $border-blurred; border-title-color: $foreground; border-subtitle-color: $muted;
}
AdversarialPane .box:focus-within { border: round $border; }
AdversarialPane #results-box { height: 30%; min-height: 6; }
AdversarialPane #telling { height: 1fr; }
AdversarialPane #verdict-box { height: 1fr; min-height: 6; }
AdversarialPane #probe-box { height: auto; max-height: 14; }
AdversarialPane.-wide > #body { layout: horizontal; }
AdversarialPane.-wide #results-box { width: 4fr; height: 1fr; max-height: 100%; }
AdversarialPane.-wide #telling { width: 5fr; }
AdversarialPane.-short #results-box { height: 6; }
AdversarialPane.-short #probe-box { max-height: 10; }
AdversarialPane.-short #probe-sides { margin-top: 0; }
AdversarialPane.-short #headline { margin-bottom: 0; }
AdversarialPane.-short #legend { display: none; }
AdversarialPane.-short #why { margin-top: 0; }
AdversarialPane.-tiny #results-box { height: 4; min-height: 4; }
AdversarialPane.-tiny #verdict-box { min-height: 4; }
AdversarialPane.-tiny #probe-box { max-height: 6; }
AdversarialPane.-short.-probing #results-box { display: none; }
AdversarialPane.-short.-resting #probe-sides { display: none; }
"""
