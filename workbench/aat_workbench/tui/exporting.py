"""What a pane shows as a file: results as CSV or JSONL, transcripts as Markdown or JSONL."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

from aat_datasets.errors import InputError
from aat_models.events import AttackResult

from ..durable import replace
from ..terminal import visible
from .widgets.replies import Turn
from .widgets.results import label_name

__all__ = [
    "SUFFIXES",
    "TRANSCRIPT_SUFFIXES",
    "file_name",
    "no_place",
    "write_results",
    "write_text",
    "write_transcript",
]

SUFFIXES = (".csv", ".jsonl")
TRANSCRIPT_SUFFIXES = (".md", ".jsonl")


def file_name(*parts: str) -> str:
    """A file's name from texts of any kind: letters, digits and hyphens."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(part for part in parts if part)).strip("-.")[:80] or "results"


def no_place(typed: str, suffixes: Sequence[str] = ()) -> str:
    """Why nothing can be written to the path that was typed; empty where something can."""
    path = Path(typed).expanduser()
    try:
        if suffixes and path.suffix.lower() not in suffixes:
            return f"the name must end with {' or '.join(suffixes)}"
        if path.exists():
            return f"{path} is there already"
        if not path.parent.is_dir():
            return f"there is no folder {path.parent}"
    except (OSError, ValueError) as error:  # a name of a kilobyte, or with a NUL
        return f"no such place: {error}"
    return ""


def write_results(path: Path, results: Sequence[AttackResult], labels: Sequence[str]) -> None:
    """Write ``results`` in their order; the suffix says how. Raises InputError."""
    rows = [_record(result, labels) for result in results]
    if path.suffix.lower() == ".jsonl":
        # ASCII only, with escapes: whatever a text holds, the file is text.
        content = "".join(json.dumps(row) + "\n" for row in rows)
    else:
        lines = io.StringIO(newline="")
        writer = csv.writer(lines)
        writer.writerow(_COLUMNS)
        writer.writerows([_field(row, name) for name in _COLUMNS] for row in rows)
        content = lines.getvalue()
    write_text(path, content)


def write_transcript(path: Path, turns: Sequence[Turn]) -> None:
    """Write prompts with their replies; the suffix says how. Raises InputError."""
    if path.suffix.lower() == ".jsonl":
        write_text(path, "".join(json.dumps(_turn(turn)) + "\n" for turn in turns))
        return
    from ..report.escaping import markdown

    parts: list[str] = []
    system = ""
    for turn in turns:
        if turn.system != system:
            system = turn.system
            parts.append(f"*system:* {visible(system)}" if system else "*no system text*")
        parts.append(_quoted(turn.prompt))
        for reply in turn.replies:
            parts.append(f"**{reply.side}** {markdown(reply.target)} · {markdown(reply.settings)}")
            parts += [f"*{markdown(told)}*" for told in reply.notices]
            parts.append("    " + visible(reply.problem or reply.text.strip(), lines=True).replace("\n", "\n    "))
    write_text(path, "\n\n".join(parts) + "\n")


def _quoted(text: str) -> str:
    """As a quotation that is read as it is: markup in it, or HTML, is none of the page's."""
    return ">     " + visible(text, lines=True).replace("\n", "\n>     ")


def _turn(turn: Turn) -> dict[str, object]:
    replies = [
        {
            "side": reply.side, "target": reply.target, "settings": reply.settings, "text": reply.text,
            "problem": reply.problem, "notices": reply.notices, "tokens": len(reply.tokens), **reply.summary,
        }
        for reply in turn.replies
    ]  # fmt: skip
    system = {"system": turn.system} if turn.system else {}
    return {**system, "prompt": turn.prompt, "replies": replies}


def write_text(path: Path, content: str) -> None:
    """Write a file in one step. Raises InputError; then there is none."""
    try:
        replace(path, content.encode("utf-8", "backslashreplace"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be written: {error}", "choose another place") from None


_COLUMNS = (
    "id", "status", "label", "prediction", "adversarial_prediction", "p_label_before", "p_label_after", "words",
    "edits", "queries", "edited_share", "similarity", "text", "adversarial",
)  # fmt: skip


def _record(result: AttackResult, labels: Sequence[str]) -> dict[str, object]:
    def p(probabilities: Sequence[float]) -> float | None:
        return probabilities[result.label] if 0 <= result.label < len(probabilities) else None

    return {
        "id": result.id,
        "status": result.status,
        "label": label_name(labels, result.label),
        "prediction": label_name(labels, result.prediction),
        "adversarial_prediction": label_name(labels, result.adversarial_prediction),
        "p_label_before": p(result.probabilities),
        "p_label_after": p(result.adversarial_probabilities),
        "words": result.text.count(" ") + 1,
        "edits": [[edit.position, edit.source, edit.target] for edit in result.edits],
        "queries": result.queries,
        "edited_share": result.edited_share,
        "similarity": result.similarity,
        "text": result.text,
        "adversarial": result.adversarial,
    }


def _field(row: dict[str, object], name: str) -> object:
    """One field of a CSV: a text as it is, but nothing a spreadsheet would calculate."""
    from ..report.escaping import uncalculated

    value = json.dumps(row[name], ensure_ascii=False) if name == "edits" else row[name]
    return uncalculated(value) if isinstance(value, str) else value
