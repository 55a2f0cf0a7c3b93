"""Adversarial examples as coloured diffs on a terminal: an edit is marked ``[old→new]``, never by colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aat_datasets.chinese import spaced
from aat_models.events import AttackResult
from aat_workbench.terminal import visible

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["diff", "print_text"]


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
            text.append(visible(word))
            continue
        text.append("[")
        text.append(visible(edit.source), "red strike")
        text.append("→")
        text.append(visible(edit.target), "green bold")
        text.append("]")
    if result.written is not None:
        told = (
            ("wanted", result.written.reference),
            ("wrote", result.written.before),
            ("writes", result.written.after),
        )
        for name, output in told:
            text.append(f"\n  {name:<6} ", "dim")
            text.append(visible(output))
    return text


def _answer(labels: Sequence[str], prediction: int, probabilities: Sequence[float]) -> str:
    name = labels[prediction] if prediction < len(labels) else str(prediction)
    return f"{visible(name)} {probabilities[prediction]:.2f}"


def print_text(text: Text) -> None:
    """On stdout: coloured on a terminal that wants colours, wrapped there; plain and unwrapped elsewhere."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(text, soft_wrap=not console.is_terminal)
