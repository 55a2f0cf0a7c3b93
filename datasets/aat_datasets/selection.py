"""Which rows of a dataset: by label, by what their text holds, by their length, by an SQL condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from aat_datasets.errors import DataError, UnknownNameError

__all__ = ["CHARACTERS", "Selection", "Unit", "unit_of"]

Unit = Literal["words", "characters"]

# Nearly every text has its words between single spaces, and counting those takes a quarter of a split's time.
_BLANKS = r"[\t\n\f\r]|  |^ | $"
_PARTS = r"len(list_filter(string_split_regex(text, '\s+'), lambda part: part <> ''))"
WORDS = rf"CASE WHEN regexp_matches(text, '{_BLANKS}') THEN {_PARTS} ELSE strlen(text) - strlen(replace(text, ' ', '')) + 1 END"
CHARACTERS = "length(text)"
_UNSPACED = ("zh", "ja", "th", "lo", "km", "my")


def unit_of(language: str) -> Unit:
    """What a text's length is counted in: characters where the language has no spaces between words."""
    return "characters" if language.split("-")[0].lower() in _UNSPACED else "words"


class Selection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A filter over rows; every part that is given must hold.

    Args:
        contains: the text holds this, whatever the case.
        label: the row has this label.
        shortest, longest: bounds of the text's length in ``unit``, both included; 0: none.
        where: an SQL condition over ``row, text, label`` (by name), ``target``, ``text_b``.
    """

    contains: str = ""
    label: str = ""
    shortest: int = 0
    longest: int = 0
    unit: Unit = "words"
    where: str = ""

    @property
    def any(self) -> bool:
        """Whether any row may be left out."""
        return bool(self.contains or self.label or self.where.strip() or self.shortest or self.longest)

    @property
    def measure(self) -> str:
        """SQL of a text's length."""
        return WORDS if self.unit == "words" else CHARACTERS

    def conditions(self, labels: Sequence[str]) -> tuple[str, list[Any]]:
        """An SQL condition over a table's ``texts``, and its parameters. Raises DataError or UnknownNameError."""
        found: list[str] = []
        parameters: list[Any] = []
        check_text("contains", self.contains)
        check_text("where", self.where)
        if self.label:
            if self.label not in labels:
                raise UnknownNameError("label", self.label, labels)
            found.append("code = ?")
            parameters.append(list(labels).index(self.label))
        if self.contains:
            # Twice as fast as searching in the text's lower case, which would have to be made first.
            found.append("regexp_matches(text, '(?is)' || regexp_escape(?))")
            parameters.append(self.contains)
        for bound, sign in ((self.shortest, ">="), (self.longest, "<=")):
            if bound:
                found.append(f"{self.measure} {sign} ?")
                parameters.append(bound)
        if self.where.strip():
            check_condition(self.where)
            # The line break ends a comment that the condition may end with.
            found.append(f"({self.where}\n)")
        return " AND ".join(found) or "true", parameters

    def describe(self) -> str:
        """One line for people; empty where every row passes."""
        parts = [f"label {self.label}"] if self.label else []
        parts += [f"contains {self.contains!r}"] if self.contains else []
        if self.shortest or self.longest:
            low, high = self.shortest or 1, self.longest
            span = f"{low}" if low == high else f"{low}–{high}" if high else f"at least {low}"
            parts.append(f"{span} {self.unit}")
        parts += [f"where {' '.join(self.where.split())}"] if self.where.strip() else []
        return ", ".join(parts)


def check_text(name: str, text: str) -> None:
    """Refuse what no file holds: bytes of an argument that were no UTF-8. Raises DataError."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DataError(f"{name}: {text!r} is no UTF-8", "no text holds that") from None


def check_condition(where: str) -> None:
    """Refuse what is more than one SQL condition. Raises DataError."""
    import duckdb

    try:
        statements = duckdb.extract_statements(f"SELECT 1 FROM texts WHERE ({where}\n)")
    except duckdb.Error as error:
        raise wrong_condition(error) from None
    if len(statements) != 1:
        raise DataError(f"where: more than one statement in {where!r}")


def wrong_condition(error: Exception) -> DataError:
    """What is wrong with a condition, in one line."""
    return DataError(f"where: {str(error).splitlines()[0]}", "an SQL condition over row, text, label, target")
