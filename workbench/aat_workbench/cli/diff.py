"""Adversarial examples as coloured diffs on a terminal: an edit is marked ``[old→new]``, never by colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aat_datasets.chinese import spaced
from aat_models.events import AttackResult
from aat_workbench.terminal import shortened

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["diff", "print_text"]

_LONGEST_WORD = 4_000  # characters
_LONGEST_OUTPUT = 20_000  # characters of what a model wrote


def diff(result: AttackResult, labels: Sequence[str]) -> Text:
    """``positive 0.93 → negative 0.61``, below it the text with its edits marked, and what a model that writes made of it."""
    from rich.text import Text

    text = Text()
    text.append(_answer(labels, result.prediction, result.probabilities), "bold")
    text.append(" → ")
    text.append(_answer(labels, result.adversarial_prediction, result.adversarial_probabilities), "bold")
    text.append("\n  ")
    edits = {edit.position: edit for edit in result.edits}
    words = result.text.split(" ")
    for position, (word, gap) in enumerate(zip(words, spaced(words), strict=True)):
        if gap:
            text.append(" ")
        edit = edits.get(position)
        if edit is None:
            text.append(shortened(word, _LONGEST_WORD))
            continue
        text.append("[")
        text.append(shortened(edit.source, _LONGEST_WORD), "red strike")
        text.append("→")
        text.append(shortened(edit.target, _LONGEST_WORD), "green bold")
        text.append("]")
    if result.written is not None:
        told = (
            ("wanted", result.written.reference),
            ("wrote", result.written.before),
            ("writes", result.written.after),
        )
        for name, output in told:
            text.append(f"\n  {name:<6} ", "dim")
            text.append(shortened(output, _LONGEST_OUTPUT))
    return text


def _answer(labels: Sequence[str], prediction: int, probabilities: Sequence[float]) -> str:
    name = labels[prediction] if prediction < len(labels) else str(prediction)
    return f"{shortened(name, _LONGEST_WORD)} {probabilities[prediction]:.2f}"


def print_text(text: Text) -> None:
    """On stdout: coloured on a terminal that wants colours, wrapped there; plain and unwrapped elsewhere."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(text, soft_wrap=not console.is_terminal)
