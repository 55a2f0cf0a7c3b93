"""The line above the results: how an attack goes, or what it came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from aat_models.events import AttackResult
from aat_workbench.outcome import reducing, words_left

from ..asking import AttackCount
from ..themes import plain
from ..widgets.painted import clip

__all__ = ["attack_line", "counts_line", "duration", "summary_line"]


def duration(seconds: float) -> str:
    """``5 s``, ``3 m 20 s``, ``2 h 05 m``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} m"


def attack_line(count: AttackCount, width: int, colours: dict[str, str]) -> Text:
    """Progress bar, done of total, share broken, rate, time to go."""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{count.recipe} on {clip(count.target, 32)}  ", style="bold")
    cells = min(max(width - 84, 8), 30)
    share = min(count.done / count.total, 1.0) if count.total else 0.0
    full = round(share * cells)
    text.append("━" * full, style=plain(colours, "primary"))
    text.append("─" * (cells - full), style=plain(colours, "faint"))
    if not count.done:
        text.append(f"  {clip(count.message, 60) or 'the engine loads the model'} · {duration(count.seconds)}")
        return text
    text.append(f"  {count.done}/{count.total or '?'}")
    if count.reduced:
        text.append(f" · reduced to a word {100 * count.reduced_share:.0f} %", style="bold")
    else:
        text.append(f" · broken {100 * count.broken_share:.0f} %", style="bold")
    text.append(f" · {count.rate:.3g}/s")
    if count.eta is not None:
        text.append(f" · {duration(count.eta)} to go")
    text.append(" · x stops", style=plain(colours, "muted"))
    return text


def summary_line(name: str, results: Sequence[AttackResult], colours: dict[str, str]) -> Text:
    """What an attack came to: accuracy before and under attack, cost, size of the edits."""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(name, style="bold")
    if not results:
        return text
    total = len(results)
    right = [result for result in results if result.status != "skipped"]
    text.append("  accuracy ")
    text.append(f"{len(right) / total:.2f}", style="bold")
    if reducing(results):
        return _reduced(text, right)
    broken = [result for result in right if result.status == "success"]
    text.append(" → ")
    shade = plain(colours, "error" if broken else "success")
    text.append(f"{(len(right) - len(broken)) / total:.2f}", style=f"bold {shade}")
    text.append(" under attack")
    if right:
        text.append(f" · {sum(r.queries for r in right) / len(right):.0f} queries")
    if broken:
        words = sum(len(r.edits) for r in broken) / len(broken)
        text.append(f" · broken by {words:.1f} words ({_share(broken):.0f} %)")
    return text


def _reduced(text: Text, right: Sequence[AttackResult]) -> Text:
    """What an input reduction came to: how many words the prediction needs."""
    before = sum(result.text.count(" ") + 1 for result in right) / len(right)
    left = sum(map(words_left, right)) / len(right)
    text.append(f" · {before:.1f} words → ")
    text.append(f"{left:.1f}", style="bold")
    text.append(" with the same prediction")
    text.append(f" · {sum(r.queries for r in right) / len(right):.0f} queries")
    return text


def _share(broken: Sequence[AttackResult]) -> float:
    return 100 * sum(result.edited_share for result in broken) / len(broken)


def counts_line(counts: Mapping[str, int], chosen: str, names: Mapping[str, str]) -> Text:
    """How many results of each status; the one that is shown is bold."""
    text = Text(" ")
    for status, count in counts.items():
        if not count and status not in ("all", chosen):
            continue
        if len(text) > 1:
            text.append(" · ")
        text.append(f"{names.get(status, status)} {count}", style="bold underline" if status == chosen else "")
    text.append(" ")
    return text
