"""Text of unknown origin made harmless for what it is written into."""

from __future__ import annotations

import html
import re

from aat_workbench.terminal import visible

__all__ = ["cell", "markdown", "markup", "uncalculated"]

_NOT_XML = re.compile("[\ufffe\uffff]")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>])")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def markup(text: str) -> str:
    """For HTML and XML, in an element or a quoted attribute; controls become visible glyphs."""
    return html.escape(_NOT_XML.sub("\ufffd", visible(text)), quote=True)


def markdown(text: str) -> str:
    """For one cell or line of Markdown: no markup of it, or of HTML, is left."""
    return _MARKDOWN.sub(r"\\\1", html.escape(visible(text), quote=False))


def cell(text: str) -> str:
    """For one field of a CSV that a person may open: no control characters, nothing a spreadsheet would calculate."""
    return uncalculated(visible(text))


def uncalculated(text: str) -> str:
    """``text``, with an apostrophe before it where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
