"""One attacked example, told: which words were changed, what that did to the model, and why those words."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static

from aat_models.events import AttackResult
from aat_workbench.outcome import broken, reduced, words_left
from aat_workbench.terminal import shortened

from ..themes import plain
from .bars import ProbabilityBars, Trajectory, TrajectoryStep, decimal
from .diff import DiffView, Side, diff_words, edit_kind
from .heat import Word, salience_words
from .painted import clip
from .results import label_name, status_of
from .variation import Variation, applied, named, varied_text

__all__ = ["METHODS", "Salience", "Verdict"]

# The share of a text that is laid out: a screen holds a few hundred words, an attacked text may have a million.
LONGEST = 60_000
LONGEST_OUTPUT = 4_000  # characters of what a model wrote


METHODS = {
    "gradient": "gradient × input",
    "integrated": "integrated gradients",
    "occlusion": "leaving the word out",
    "evidence": "the model's own weights",
}


class Salience:
    """Scores of an attribution for the words of a text, as the engine answered.

    ``note`` says why there are none, ``method`` by which they were found.
    """

    def __init__(
        self, words: Sequence[str] = (), scores: Sequence[float] = (), note: str = "", method: str = ""
    ) -> None:
        self.words = words
        self.scores = scores
        self.note = note
        self.method = method

    def drawn(self) -> list[Word]:
        return salience_words(self.words, self.scores)


class Verdict(VerticalScroll, can_focus=True):
    """Headline, both texts, the fall edit by edit, probabilities before and after."""

    DEFAULT_CSS = """
    Verdict { height: 1fr; scrollbar-size-vertical: 1; padding: 0 1; }
    Verdict > #headline { height: auto; margin-bottom: 1; }
    Verdict > #outputs { height: auto; margin-top: 1; }
    Verdict > #legend { height: auto; color: $muted; margin-top: 0; }
    Verdict > #why { height: auto; margin-top: 1; }
    Verdict > #why > Trajectory { width: 1fr; margin-right: 2; }
    Verdict > #why > ProbabilityBars { width: 1fr; }
    Verdict.-narrow > #why { layout: vertical; }
    Verdict.-narrow > #why > Trajectory { width: 100%; margin-bottom: 1; margin-right: 0; }
    Verdict.-narrow > #why > ProbabilityBars { width: 100%; }
    Verdict > #why.-none { display: none; }
    Verdict.-none > DiffView, Verdict.-none > #outputs, Verdict.-none > #legend, Verdict.-none > #why { display: none; }
    """

    def __init__(self, *, empty: str = "", id: str | None = None) -> None:
        super().__init__(id=id, classes="-none")
        self._empty = empty
        self._result: AttackResult | None = None
        self._labels: Sequence[str] = ()
        self._before = Salience()
        self._after = Salience()
        self._other: Text | None = None
        self._source = ""
        self._variation: Variation | None = None
        self._varied: Sequence[float] = ()
        self._varied_salience = Salience()

    @property
    def result(self) -> AttackResult | None:
        return self._result

    @property
    def variation(self) -> Variation | None:
        """Which edits are looked at; ``None``: all."""
        return self._variation

    @property
    def text(self) -> str:
        """The text on the right: with the edits that are looked at. Empty while there is no result."""
        return varied_text(self._result, self._variation) if self._result is not None else ""

    def compose(self) -> ComposeResult:
        yield Static(Text(self._empty, style="dim"), id="headline")
        yield DiffView()
        yield Static("", markup=False, id="outputs")
        yield Static("", markup=False, id="legend")
        with Horizontal(id="why"):
            yield Trajectory()
            yield ProbabilityBars(most=6)

    def on_resize(self) -> None:
        self.set_class(self.size.width < 84, "-narrow")

    def show(self, result: AttackResult | None, labels: Sequence[str], source: str = "") -> None:
        """Tell of ``result``; salience and the other model's answer come later, by the methods below.

        ``source`` says where the text comes from, in place of its row.
        """
        self._result, self._labels, self._source = result, labels, source
        self._before, self._after, self._other = Salience(), Salience(), None
        self._variation, self._varied, self._varied_salience = None, (), Salience()
        self.set_class(result is None, "-none")
        if result is None:
            self.query_one("#headline", Static).update(Text(self._empty, style="dim"))
            return
        self.scroll_home(animate=False)
        self._tell()

    def set_labels(self, labels: Sequence[str]) -> None:
        self._labels = labels
        if self._result is not None:
            self._tell()

    def set_salience(self, before: Salience, after: Salience) -> None:
        self._before, self._after = before, after
        if self._result is not None:
            self._tell_texts(self._result)
            self._tell_headline(self._result)

    def vary(self, variation: Variation | None) -> None:
        """Look at some of the edits only; the model's answer comes later, by ``set_varied``."""
        self._variation, self._varied, self._varied_salience = variation, (), Salience()
        if self._result is not None:
            self._tell()

    def set_varied(self, variation: Variation, probabilities: Sequence[float], salience: Salience) -> None:
        """The model's answer to the text with those edits."""
        if variation == self._variation:
            self._varied, self._varied_salience = probabilities, salience
            self._tell()

    def set_other(self, told: Text) -> None:
        """A line on what another model makes of the same edit; already made visible."""
        self._other = told
        if self._result is not None:
            self._tell_headline(self._result)

    def _tell(self) -> None:
        result = self._result
        assert result is not None
        self._tell_headline(result)
        self._tell_texts(result)
        self._tell_outputs(result)
        turned = broken(result)
        true = clip(label_name(self._labels, result.label), 24)
        steps, edited, variation = _steps(result), bool(result.edits), self._variation
        trajectory = self.query_one(Trajectory)
        trajectory.show(steps, title=f"p({true}) after each edit", flipped=turned and len(steps) > 1)
        if variation is not None and len(steps) == len(result.edits) + 1:
            after = variation.kind == "after"
            trajectory.point(variation.edit if after else None, 0 if after else variation.edit)
        now = result.adversarial_probabilities if variation is None else self._varied
        when = "after" if variation is None else named(result, variation)
        self.query_one(ProbabilityBars).show(
            self._labels,
            result.probabilities,
            now if edited else (),
            true=result.label,
            title="● predicted  ★ true" + (f"  before → {when}" if edited else ""),
        )
        self.query_one("#why").set_class(not result.probabilities, "-none")
        trajectory.display = edited

    def _tell_headline(self, result: AttackResult) -> None:
        variables = self.app.theme_variables
        sign, word, means = status_of(result)
        colours = {"broken": "error", "held": "success", "gave up": "warning"}
        badge = f"reverse bold {plain(variables, colours.get(word, 'muted'))}"
        text = Text()
        text.append(f" {sign} {word.upper()} ", style=badge)
        text.append("  ")
        text.append_text(self._sentence(result, means))
        facts = self._facts(result)
        if facts:
            text.append("\n" + facts, style=plain(variables, "muted"))
        if self._variation is not None:
            text.append("\n")
            text.append_text(self._varied_sentence(result, self._variation))
        elif self._other is not None:
            text.append("\n")
            text.append_text(self._other)
        self.query_one("#headline", Static).update(text)

    def _varied_sentence(self, result: AttackResult, variation: Variation) -> Text:
        """What the model says with those edits only, and what that means."""
        text = Text.assemble((f"▸ {named(result, variation)}: ", "bold"))
        if not self._varied:
            return text.append("asking …")
        now = max(range(len(self._varied)), key=self._varied.__getitem__)
        text.append("says ").append(self._named(now, self._varied), style="bold")
        whole, right = result.adversarial_prediction, result.prediction
        if variation.kind == "without" and whole != right:
            meaning = "the attack needs this edit" if now == right else "the attack works without this edit"
        elif variation.kind == "after" and now != right:
            meaning = "broken"
        else:
            meaning = "holds" if now == right else "another class"
        return text.append(f"; {meaning}")

    def _named(self, index: int, probabilities: Sequence[float]) -> str:
        p = f" {decimal(probabilities[index])}" if 0 <= index < len(probabilities) else ""
        return clip(label_name(self._labels, index), 30) + p

    def _sentence(self, result: AttackResult, means: str) -> Text:
        before = self._named(result.prediction, result.probabilities)
        if result.status == "skipped":
            true = clip(label_name(self._labels, result.label), 30)
            return Text.assemble("said ", (before, "bold"), ", the true class is ", (true, "bold"), f"; {means}")
        after = self._named(result.adversarial_prediction, result.adversarial_probabilities)
        if reduced(result):
            left = words_left(result)
            words = f"{left} word{'' if left == 1 else 's'}"
            return Text.assemble("still says ", (after, "bold"), " with only ", (words, "bold"), " left")
        if result.status == "success":
            text = Text()
            for number, edit in enumerate(result.edits[:3]):
                text.append(", " if number else "")
                text.append(f"{clip(edit.source, 24)} → {clip(edit.target, 24) or '∅'}", style="bold")
            rest = len(result.edits) - 3
            text.append(f" and {rest} more" if rest > 0 else "")
            text.append(" turns " if len(result.edits) == 1 else " turn ")
            text.append(before, style="bold")
            text.append(" into ")
            text.append(after, style="bold")
            return text
        now = self._named(result.label, result.adversarial_probabilities)
        if not result.edits:
            return Text.assemble("stays ", (before, "bold"), f"; {means}")
        return Text.assemble("stays ", (before, "bold"), ", at worst ", (now, "bold"), f"; {means}")

    def _facts(self, result: AttackResult) -> str:
        words = result.text.count(" ") + 1
        facts = [clip(self._source, 60) or f"row {result.id}"]
        if result.edits:
            facts.append(f"{len(result.edits)} of {words} words changed")
        if len(result.edits) == 1:
            facts.append(edit_kind(result.edits[0].source, result.edits[0].target))
        carried = self._carried(result)
        if carried is not None:
            facts.append(f"{'it' if len(result.edits) == 1 else 'they'} carried {carried:.0f} % of the salience")
        if result.queries:
            facts.append(f"{result.queries} quer{'y' if result.queries == 1 else 'ies'}")
        if result.cache_hits:
            facts.append(f"{result.cache_hits} from cache")
        if result.similarity is not None:
            facts.append(f"similarity {decimal(result.similarity)}")
        if result.seconds:
            facts.append(f"{result.seconds:.2g} s")
        return " · ".join(facts)

    def _tell_outputs(self, result: AttackResult) -> None:
        """The wanted output, and what a model that writes made of the text before and after."""
        outputs, told = self.query_one("#outputs", Static), result.written
        outputs.display = told is not None
        if told is None:
            return
        muted = plain(self.app.theme_variables, "muted")
        lines = (
            ("wanted", told.reference, ""),
            ("wrote", told.before, f"chrF {decimal(told.near_before)}"),
            ("writes", told.after, f"chrF {decimal(told.near_after)}, {told.damage:.0%} lost"),
        )
        text = Text()
        for number, (name, output, figures) in enumerate(lines):
            text.append("\n" if number else "")
            text.append(f"{name:<7}", style=muted)
            text.append(shortened(output, LONGEST_OUTPUT), style="bold" if name == "writes" else "")
            text.append(f"  {figures}" if figures else "", style=muted)
        outputs.update(text)

    def _carried(self, result: AttackResult) -> float | None:
        """The edited words' share of the original's salience, in per cent."""
        scores = [abs(score) for score in self._before.scores]
        total = sum(scores)
        places = {edit.position for edit in result.edits if edit.position < len(scores)}
        if not places or not total > 0 or len(scores) != result.text.count(" ") + 1:
            return None
        return 100 * sum(scores[place] for place in places) / total

    def _tell_texts(self, result: AttackResult) -> None:
        words = result.text[:LONGEST].split(" ")
        edits = [edit for edit in result.edits if edit.position < len(words)]
        variation = self._variation
        drawn = (self._after if variation is None else self._varied_salience).drawn()
        left, right = diff_words(words, edits, self._before.drawn(), drawn, applied(result, variation))
        diff = self.query_one(DiffView)
        before = self._named(result.prediction, result.probabilities)
        after = self._named(result.adversarial_prediction, result.adversarial_probabilities)
        if variation is not None:
            diff.show(Side(f"original · {before}", left), Side(named(result, variation), right))
        elif result.edits:
            diff.show(Side(f"original · {before}", left), Side(f"adversarial · {after}", right))
        else:
            diff.show(Side(f"original · {before}", left), Side("", []))
        diff.set_class(not result.edits, "-single")
        scored = any(word.number for word in left)
        by = f" by {METHODS[self._before.method]}" if self._before.method in METHODS else ""
        note = f"beneath a word: its share in % of the salience{by}; + holds the predicted class up, − pulls it down"
        self.query_one("#legend", Static).update(note if scored else shortened(self._before.note, 400))


def _steps(result: AttackResult) -> list[TrajectoryStep]:
    """The trajectory with its edits, where there is one edit a step; numbered steps where words were edited twice."""
    if not result.trajectory:
        return []
    steps = [TrajectoryStep(0, "", "", "", result.trajectory[0])]
    paired = len(result.edits) == len(result.trajectory) - 1
    for number, p in enumerate(result.trajectory[1:], start=1):
        if paired:
            edit = result.edits[number - 1]
            steps.append(TrajectoryStep(number, edit.source, edit.target, edit_kind(edit.source, edit.target), p))
        else:
            steps.append(TrajectoryStep(number, "step", str(number), "", p))
    return steps
