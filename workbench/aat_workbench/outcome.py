"""What became of an attacked text: broken, or only shortened. Input reduction keeps the prediction, and breaks nothing."""

from __future__ import annotations

from collections.abc import Sequence

from aat_datasets.chinese import has_han, join_words
from aat_models.events import AttackResult

__all__ = ["broken", "reduced", "reducing", "words_left", "written"]


def broken(result: AttackResult) -> bool:
    """Whether the attack reached its goal by another prediction."""
    return result.status == "success" and result.adversarial_prediction != result.prediction


def reduced(result: AttackResult) -> bool:
    """Whether all the attack did was to leave words out while the prediction stayed, down to one word or not."""
    kept = result.adversarial_prediction == result.prediction
    return kept and (
        result.status == "success" or (bool(result.edits) and not any(edit.target for edit in result.edits))
    )


def reducing(results: Sequence[AttackResult]) -> bool:
    """Whether these are the results of an input reduction, as far as they tell: some were reduced, none broken."""
    return any(map(reduced, results)) and not any(map(broken, results))


def words_left(result: AttackResult) -> int:
    """Words of the text after the attack."""
    return len(result.adversarial.split(" ")) if result.adversarial else 0


def written(result: AttackResult) -> tuple[str, str]:
    """The text before and after the attack as one writes it: its words with blanks only where the language has them."""
    if not has_han(result.text):
        return result.text, result.adversarial
    words = result.text.split(" ")
    changed = list(words)
    for edit in result.edits:
        if edit.position < len(words):
            changed[edit.position] = edit.target
    return join_words(words), join_words(changed)
