"""Words with a number beneath each and a heat behind it: salience of words, probabilities of tokens."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from rich.cells import cell_len
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from aat_datasets.chinese import spaced
from aat_workbench.terminal import visible

from .painted import Painted, clip, wrapped

__all__ = ["TokenFlow", "Word", "WordFlow", "salience_words", "superscript"]

# What is laid out at most; the rest is counted. A screen holds a few hundred words.
SHOWN_WORDS = 600
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

Part = tuple[str, Style]


def superscript(number: int) -> str:
    return str(number).translate(_RAISED)


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it is drawn.

    ``heat`` is −1 to 1 (the sign chooses the colour), ``number`` what stands beneath, ``edit`` the edit's number when
    the word was changed (0: it was not), ``changed`` the ranges of ``text`` that differ from the other side.
    """

    text: str
    number: str = ""
    heat: float = 0.0
    edit: int = 0
    changed: tuple[tuple[int, int], ...] = ()


def salience_words(words: Sequence[str], scores: Sequence[float]) -> list[Word]:
    """Words with their share of all salience in per cent beneath; the largest has full heat.

    A positive score holds the predicted class up, a negative one pulls it down.
    """
    total = sum(abs(score) for score in scores)
    top = max((abs(score) for score in scores), default=0.0)
    if not total > 0:  # also where a score is not a number
        return [Word(word) for word in words]
    shown: list[Word] = []
    for word, score in zip(words, scores, strict=False):
        share = round(100 * score / total)
        shown.append(Word(word, f"{share:+d}" if share else "·", score / top))
    return shown


class WordFlow(Painted):
    """Words flowing over lines, each above its number.

    A changed word stands in brackets with its edit's number, the characters that differ underlined: it reads without
    any colour.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "heat--for",
        "heat--against",
        "heat--number",
        "heat--edit",
    }
    DEFAULT_CSS = """
    WordFlow { height: auto; }
    WordFlow > .heat--for { color: $primary; }
    WordFlow > .heat--against { color: $warning; }
    WordFlow > .heat--number { color: $text-muted; }
    WordFlow > .heat--edit { color: $text-error; text-style: bold; }
    """

    def __init__(self, *, empty: str = "", id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.empty = empty
        self._words: list[Word] = []
        self._cells: list[tuple[int, int, int, int]] = []  # index, line, first cell, cell after the last

    @property
    def _most_lines(self) -> int:
        """After how many lines nothing more is drawn."""
        return 1 << 30

    @property
    def words(self) -> list[Word]:
        return self._words

    def show(self, words: Sequence[Word], empty: str | None = None) -> None:
        """Draw ``words``; ``empty`` is what stands there when there are none."""
        self._words = list(words)
        if empty is not None:
            self.empty = empty
        self.repaint()

    def paint(self, width: int) -> list[Strip]:
        self._cells = []
        if not self._words:
            return [self.strip([(line, self.ink("heat--number"))]) for line in wrapped(self.empty, width)]
        numbered = any(word.number for word in self._words)
        lines: list[Strip] = []
        for row in self._rows(width):
            above: list[Part] = []
            below: list[Part] = []
            cell = 0
            for index, parts, cells, gap in row:
                self._cells.append((index, len(lines), cell, cell + cells))
                above += [*parts, (" " * gap, Style())]
                number = clip(self._words[index].number, cells)
                below.append((number + " " * (cells - cell_len(number) + gap), self._number_style(index)))
                cell += cells + gap
            lines.append(self.strip(above))
            if numbered:
                lines.append(self.strip(below))
            if len(lines) >= self._most_lines:
                return lines
        hidden = len(self._words) - SHOWN_WORDS
        if hidden > 0:
            lines.append(self.strip([(clip(f"… {hidden} more words", width), self.ink("heat--number"))]))
        return lines

    def _gaps(self, words: Sequence[Word]) -> list[int]:
        """The cells after each word: what running text has there, but always one between words with numbers."""
        if any(word.number for word in words):
            return [1] * len(words)
        return [*(int(gap) for gap in spaced([word.text for word in words])[1:]), 1]

    def _rows(self, width: int) -> Iterator[list[tuple[int, list[Part], int, int]]]:
        """Words by line: index, styled parts, their cells and those after them."""
        row: list[tuple[int, list[Part], int, int]] = []
        used = 0
        shown = self._words[:SHOWN_WORDS]
        for index, (word, gap) in enumerate(zip(shown, self._gaps(shown), strict=True)):
            parts = self._parts(index, word, width)
            own = sum(cell_len(text) for text, _ in parts)
            cells = min(max(own, len(word.number)), width)
            if own < cells:
                parts.append((" " * (cells - own), parts[-1][1]))
            if row and used + cells > width:
                yield row
                row, used = [], 0
            row.append((index, parts, cells, gap))
            used += cells + gap
        if row:
            yield row

    def _parts(self, index: int, word: Word, width: int) -> list[Part]:
        heat = self._heat_style(index, word)
        if not word.edit:
            return [(clip(word.text, width) or "∅", heat)]
        frame = self.badge("heat--edit")
        body = heat + (Style(bold=True) if heat.bgcolor is not None else self.ink("heat--edit"))
        close = "]" + superscript(word.edit)
        room = max(width - 1 - cell_len(close), 1)
        shown = visible(word.text) if len(word.text) <= room else clip(word.text, room)
        whole = word.changed == ((0, len(word.text)),)
        if shown != word.text or not word.changed or whole or cell_len(shown) > room:
            inner: list[Part] = [(clip(word.text, room) or "∅", body + Style(underline=True))]
        else:
            inner = []
            last = 0
            for start, end in word.changed:
                inner.append((shown[last:start], body))
                inner.append((shown[start:end], body + Style(underline=True, reverse=True)))
                last = end
            inner.append((shown[last:], body))
        return [("[", frame), *((text, style) for text, style in inner if text), (close, frame)]

    def _heat_style(self, index: int, word: Word) -> Style:
        if abs(word.heat) < 0.08:
            return Style()
        return self.shade("heat--for" if word.heat > 0 else "heat--against", abs(word.heat))

    def _number_style(self, index: int) -> Style:
        style = self.ink("heat--number")
        return style + Style(bold=True, dim=False) if abs(self._words[index].heat) > 0.6 else style


class TokenFlow(WordFlow, can_focus=True):
    """Tokens with a cursor; ``Moved`` tells where it is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "Token before", show=False),
        Binding("right", "move(1)", "Token after", show=False),
        Binding("home", "move(-1000000)", "First token", show=False),
        Binding("end", "move(1000000)", "Last token", show=False),
    ]

    cursor: reactive[int] = reactive(-1)

    class Moved(Message):
        def __init__(self, flow: TokenFlow, index: int) -> None:
            super().__init__()
            self.flow = flow
            self.index = index

        @property
        def control(self) -> TokenFlow:
            return self.flow

    @property
    def _most_lines(self) -> int:
        """What is below the widget's own lines is not drawn: a text that grows is drawn ten times a second."""
        return max(self.content_size.height, 1)

    def on_resize(self) -> None:
        self.repaint()

    def _gaps(self, words: Sequence[Word]) -> list[int]:
        return [1] * len(words)

    def action_move(self, by: int) -> None:
        if self._words:
            self.cursor = min(max(self.cursor + by, 0), len(self._words) - 1)

    def watch_cursor(self, cursor: int) -> None:
        self.repaint()
        self.post_message(self.Moved(self, cursor))

    def on_click(self, event: Click) -> None:
        step = 2 if any(word.number for word in self._words) else 1
        for index, line, start, end in self._cells:
            if line <= event.y < line + step and start <= event.x <= end:
                self.cursor = index
                return

    def _heat_style(self, index: int, word: Word) -> Style:
        if index == self.cursor:
            return Style(reverse=True, bold=True)
        return super()._heat_style(index, word)

    def _number_style(self, index: int) -> Style:
        style = super()._number_style(index)
        return style + Style(bold=True, underline=True) if index == self.cursor else style


def with_edit(word: Word, edit: int, changed: tuple[tuple[int, int], ...]) -> Word:
    """``word`` marked as changed by edit number ``edit``."""
    return replace(word, edit=edit, changed=changed)
