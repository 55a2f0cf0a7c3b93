"""Adversarial: attack a model, see which word broke it and why, and probe it with texts of one's own."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from aat_datasets.chinese import join_words
from aat_models.events import AttackResult
from aat_workbench.outcome import broken, reduced
from aat_workbench.terminal import visible

from ..asking import AttackCount
from ..exporting import file_name
from ..messages import AttackTarget, PaneMessage, ProbeText, RunSelected
from ..pane import PaneCommand
from ..targets import FOREIGN, TINY, run_of, targets
from ..widgets.controls import AttackControls
from ..widgets.finding import FindLine
from ..widgets.painted import clip
from ..widgets.probe import ProbePanel
from ..widgets.results import ResultsTable, label_name
from ..widgets.verdict import METHODS, Verdict
from .adversarial_look import ABOUT, BINDINGS, CSS
from .attacking import Attacking
from .choosing import Choosing
from .explaining import Explaining
from .probing import Probing
from .progress import attack_line, summary_line
from .stored_results import StoredResults
from .taking import Taking

__all__ = ["AdversarialPane"]

EMPTY = """No results yet.

a   attacks model A on its own test texts
p   types a text of your own; enter there asks what would break it"""
NO_VERDICT = "The example under the cursor is told here: which words were changed, and what that did to the model."


class AdversarialPane(StoredResults):
    """Controls, progress, results, the verdict on one example, and the probe."""

    ABOUT = ABOUT
    BINDINGS: ClassVar[list[BindingType]] = BINDINGS
    DEFAULT_CSS = CSS

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._probed = ("", -1)  # a text that was put into the probe, and its true class
        self._to_break = ""  # a text to attack once the probe has it

    def compose(self) -> ComposeResult:
        yield AttackControls(self.workbench.runs_root, id="controls")
        yield Static("", id="progress", markup=False)
        yield Static("", id="remarks", markup=False)
        with Vertical(id="body"):
            with Vertical(id="results-box", classes="box"):
                yield FindLine("contains…   words of either text, or a class", id="find")
                yield ResultsTable(empty=EMPTY, id="results")
            with Vertical(id="telling"):
                with Vertical(id="verdict-box", classes="box"):
                    yield Verdict(empty=NO_VERDICT, id="verdict")
                with Vertical(id="probe-box", classes="box"):
                    yield ProbePanel(id="probe")

    def on_mount(self) -> None:
        self._title_verdict(None)
        self.query_one("#probe-box").border_title = Text(" Probe ")
        self._attacks = Attacking(self, self._set_labels, self._found, self._attack_ended)
        self._taking = Taking(self)
        self._choosing = Choosing(self, self.controls)
        self._explaining = Explaining(self, self.verdict, self._models)
        self._probing = Probing(self, self.probe, self._models, lambda: self._explaining.by, self._found_for_probe)
        chosen = self.workbench.selected_run
        if chosen and any(target.name == chosen for target in targets(self.workbench.runs_root)):
            self.controls.target = chosen
        self._target_chosen()
        self.run_worker(self._choosing.learn(), group="choices")

    def on_resize(self) -> None:
        self.set_class(self.size.width >= 160 and self.size.height >= 30, "-wide")
        self.set_class(self.size.height < 30, "-short")
        self.set_class(self.size.height < 20, "-tiny")

    def on_descendant_focus(self) -> None:
        probing = self.probe.has_focus_within
        self.set_class(probing, "-probing")
        self.set_class(not probing, "-resting")

    # Parts

    @property
    def probe(self) -> ProbePanel:
        return self.query_one(ProbePanel)

    @property
    def resting(self) -> ResultsTable:
        return self.table

    @property
    def attacking(self) -> bool:
        return self._attacks.running

    def _models(self) -> tuple[str, str]:
        return self.controls.target, self.controls.other

    def recoloured(self) -> None:
        self._tell_results()
        self.verdict.set_labels(self._labels)
        self._probing.ask_soon()

    # What the app and other panes ask

    def receive(self, message: PaneMessage) -> None:
        if isinstance(message, ProbeText):
            again = self.probe.text == message.text
            self._to_break = message.text if message.attack else ""
            self.probe.put(message.text)
            if again and message.attack:
                self.on_probe_panel_typed()
        elif isinstance(message, AttackTarget):
            self.controls.target = message.target
            self.focus_on(self.table)

    def commands(self) -> Iterable[PaneCommand]:
        yield PaneCommand("Attack", f"Run the recipe against {visible(self.controls.target)}", self.action_attack)
        yield PaneCommand("Attack any target …", "Type a run's checkpoint, py:…, http://…", self.action_name_target)
        yield PaneCommand("Probe", "Type a text; the models answer as you type", self.action_probe)
        if self.table.results:
            yield PaneCommand("Export the table", "Key e; CSV or JSONL", self.action_export)
            yield from self.order_commands()
        if self.verdict.result is not None:
            yield PaneCommand("Copy the text", "Key y; Y shows it alone, to select", self.action_copy)
        if self.attacking:
            yield PaneCommand("Stop the attack", "What was found is kept", self.action_stop)
        yield PaneCommand("Stored results", "Load an earlier attack on this model", self.action_stored)

    # Models and stored results

    def on_attack_controls_target_chosen(self) -> None:
        self.post_message(RunSelected(run_of(self.controls.target)))
        self._target_chosen()

    def on_attack_controls_name_wanted(self, event: AttackControls.NameWanted) -> None:
        event.stop()
        self.run_worker(self._choosing.name(event.other), group="asking")

    def action_name_target(self) -> None:
        """Type the name of model A."""
        self.run_worker(self._choosing.name(False), group="asking")

    def _target_chosen(self) -> None:
        target = self.controls.target
        self.probe.set_target("a", target)
        self._probing.ask_soon()
        if self.attacking:
            return  # the results that stream in belong to the model the attack began with
        self._load_newest()

    def on_attack_controls_other_chosen(self) -> None:
        self.probe.set_target("b", self.controls.other)
        self._probing.ask_soon()
        self._explaining.explain(self.verdict.result)

    # Attack

    def on_attack_controls_submitted(self) -> None:
        self.action_attack()

    def action_attack(self) -> None:
        """Attack A as the controls say."""
        if self.attacking:
            self.notify("An attack is running; x stops it.", markup=False)
            return
        params = self.wanted()
        if params is None:
            return
        target = self.controls.target
        if target.startswith(FOREIGN) and not self.controls.data:
            self.notify("This model has no texts of its own: choose data to attack it on.", markup=False)
            self.controls.focus_data()
            return
        self._begin(f"{params['recipe']} on {clip(target, 32)}")
        self.focus_on(self.table)
        params["save"] = target != TINY
        self._attacks.start(target, params)
        self.refresh_bindings()
        self._tell_results()

    def _found(self, results: Sequence[AttackResult]) -> None:
        if results:
            self.table.extend(results)
        self._tell_results()

    def _attack_ended(self, count: AttackCount, problem: str) -> None:
        self._warn(count.warnings)
        if problem:
            self._results_name += f": {clip(problem, 300)}"
            self.notify(visible(problem), title="The attack ended", severity="error", markup=False)
        elif count.total and count.done < count.total:
            self._results_name += f", stopped at {count.done} of {count.total}"
        self.call_later(self.refresh_bindings)  # the worker ends after this
        self._tell_results()

    def action_stop(self) -> None:
        """Stop the attack that runs; what was found stays."""
        self._attacks.stop()

    # Telling

    def _tell_results(self) -> None:
        """The progress or summary line, and the counts and order in the results' frame."""
        colours = self.app.theme_variables
        line = self.query_one("#progress", Static)
        if self._attacks.count is not None:
            line.update(attack_line(self._attacks.count, self.size.width - 2, colours))
        else:
            line.update(summary_line(self._results_name, self.table.results, colours))
        self.tell_frame()

    def on_results_table_highlighted(self, event: ResultsTable.Highlighted) -> None:
        event.stop()
        self.verdict.show(event.result, self._labels)
        self._title_verdict(event.result)
        self._explaining.explain(event.result)
        self.refresh_bindings()

    def _title_verdict(self, result: AttackResult | None) -> None:
        title = "What broke it" if result is None or broken(result) else "What was tried"
        if result is not None and result.status != "skipped" and reduced(result):
            title = "What it needs"
        self.query_one("#verdict-box").border_title = Text(f" {title} ")

    def on_results_table_chosen(self, event: ResultsTable.Chosen) -> None:
        event.stop()
        self.action_probe_this("original")

    # Edit by edit

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that act on edits or results are there while there are some."""
        result = self.verdict.result if self.is_mounted else None
        if action in ("step", "undo"):
            # of outputs the engine tells no single edits
            return result is not None and bool(result.edits) and result.written is None
        if action == "stop":
            return self.is_mounted and self.attacking
        if action in ("copy", "show_text", "probe_this"):
            return result is not None
        return action not in ("export", "class", "filter", "find", "sort") or bool(self.table.results)

    def action_step(self, by: int) -> None:
        """Look at the text one edit earlier or later."""
        self._explaining.step(by)

    def action_undo(self) -> None:
        """Leave out one edit, or put it back, and see the prediction."""
        self._explaining.undo()

    def action_salience(self) -> None:
        """The other method of salience."""
        method = self._explaining.change_method()
        self.notify(f"Salience by {METHODS[method]}, where the model has gradients.", markup=False)
        self._probing.ask_soon()

    # Taking out

    def action_copy(self) -> None:
        """Copy the text that is told, with the edits that are looked at."""
        self._taking.copy(self.verdict.text)

    def action_show_text(self) -> None:
        """Show that text alone, to select it."""
        self.run_worker(self._taking.show(self.verdict.text), group="asking")

    def action_export(self) -> None:
        """Write what the table shows to a file."""
        name = file_name(self._results_name.partition(",")[0].replace(" on ", "-"))
        self.run_worker(self._taking.export(self.table.shown, self._labels, name), group="asking")

    def on_probe_panel_keep(self, event: ProbePanel.Keep) -> None:
        """Keep the typed text in a test set; its true class is that of the text it came from, or what A says."""
        event.stop()
        text, label = self._probed
        answer = self._probing.answers.get("a")
        labels = list(answer.labels) if answer is not None else self._labels
        if text == event.text and label >= 0:
            chosen = label_name(self._labels, label)
        else:
            chosen = answer.predicted_label() if answer is not None else ""
        self.run_worker(self._taking.keep(event.text, labels, chosen), group="asking")

    # Probe

    def action_probe(self) -> None:
        """Type a text."""
        self.focus_on(self.probe.input)

    def action_probe_this(self, which: str) -> None:
        """Put a text of the result under the cursor into the probe."""
        result = self.verdict.result
        if result is not None:
            text = join_words((self.verdict.text if which == "adversarial" else result.text).split(" "))
            self._probed = (text, result.label)
            self.probe.put(text)

    def on_probe_panel_typed(self) -> None:
        self._probing.typed()
        if self._to_break:
            text, self._to_break = self._to_break, ""
            self._probing.break_it(text)

    def on_probe_panel_break_it(self, event: ProbePanel.BreakIt) -> None:
        self._probing.break_it(event.text)

    def on_probe_panel_left(self) -> None:
        self.focus_on(self.table)

    def on_field_left(self) -> None:
        self.focus_on(self.table)

    def _found_for_probe(self, result: AttackResult, labels: list[str]) -> None:
        self.verdict.show(result, labels, "your text")
        self._title_verdict(result)
        self._explaining.explain(result)
