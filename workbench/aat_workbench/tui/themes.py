"""The app's own themes, and the colours its charts and labels take from them.

Series colours follow Okabe and Ito's palette for colour-blind readers, lightened or darkened to the background; no
figure relies on colour alone.
"""

from __future__ import annotations

from textual.theme import Theme

__all__ = ["DARK", "FALLBACKS", "LIGHT", "THEMES", "blend", "contrast", "plain", "plain_cursor", "series_colours"]

_DARK_SERIES = ("#56b4e9", "#e69f00", "#2fbf94", "#d98cb8", "#f0e442", "#e5845c", "#8fa3ff", "#b0b8c0")
_LIGHT_SERIES = ("#0063a3", "#965400", "#00755a", "#9c3f78", "#6e6600", "#a84200", "#3f4fc4", "#555c63")
_CONTRAST_SERIES = ("#5fd7ff", "#ffaf00", "#00ffaf", "#ff87d7", "#ffff5f", "#ff875f", "#afafff", "#ffffff")


def _series(colours: tuple[str, ...]) -> dict[str, str]:
    return {f"series-{number}": colour for number, colour in enumerate(colours, start=1)}


DARK = Theme(
    name="workbench-dark",
    primary="#6cb0f0",
    secondary="#8b98a8",
    accent="#e0af68",
    warning="#e0af68",
    error="#f08581",
    success="#6cc08b",
    foreground="#ced6de",
    background="#0f1317",
    surface="#141a20",
    panel="#1c242c",
    dark=True,
    variables={
        "border": "#6cb0f0",
        "border-blurred": "#2c3742",
        "block-cursor-background": "#1c354b",
        "block-cursor-foreground": "#f2f6fa",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#1f2a34",
        "block-cursor-blurred-foreground": "#ced6de",
        "input-cursor-background": "#ced6de",
        "input-selection-background": "#6cb0f0 30%",
        "scrollbar": "#2c3742",
        "scrollbar-hover": "#3d4b59",
        "scrollbar-active": "#6cb0f0",
        "scrollbar-background": "#12171c",
        "scrollbar-background-hover": "#12171c",
        "scrollbar-background-active": "#12171c",
        "scrollbar-corner-color": "#12171c",
        "muted": "#929fac",
        "faint": "#75818d",
        "grid": "#27313a",
        **_series(_DARK_SERIES),
    },
)

LIGHT = Theme(
    name="workbench-light",
    primary="#1261a8",
    secondary="#5a6672",
    accent="#8a5600",
    warning="#8a5600",
    error="#b3261e",
    success="#176b3b",
    foreground="#22282e",
    background="#fbfaf7",
    surface="#f4f2ed",
    panel="#e9e6df",
    dark=False,
    variables={
        "border": "#1261a8",
        "border-blurred": "#cfcbc1",
        "block-cursor-background": "#d6e7f8",
        "block-cursor-foreground": "#101418",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#e6e9ea",
        "block-cursor-blurred-foreground": "#22282e",
        "input-cursor-background": "#22282e",
        "input-cursor-foreground": "#fbfaf7",
        "input-selection-background": "#1261a8 25%",
        "scrollbar": "#cfcbc1",
        "scrollbar-hover": "#b5b0a4",
        "scrollbar-active": "#1261a8",
        "scrollbar-background": "#f1efe9",
        "scrollbar-background-hover": "#f1efe9",
        "scrollbar-background-active": "#f1efe9",
        "scrollbar-corner-color": "#f1efe9",
        "muted": "#59626b",
        "faint": "#7c7e80",
        "grid": "#dedad0",
        **_series(_LIGHT_SERIES),
    },
)

CONTRAST = Theme(
    name="workbench-contrast",
    primary="#5fd7ff",
    secondary="#d0d0d0",
    accent="#ffd75f",
    warning="#ffd75f",
    error="#ff8787",
    success="#5fff87",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#262626",
    dark=True,
    text_alpha=1.0,
    variables={
        "border": "#ffd75f",
        "border-blurred": "#8a8a8a",
        "block-cursor-background": "#ffd75f",
        "block-cursor-foreground": "#000000",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#3a3a3a",
        "block-cursor-blurred-foreground": "#ffffff",
        "scrollbar": "#8a8a8a",
        "scrollbar-hover": "#b2b2b2",
        "scrollbar-active": "#ffd75f",
        "scrollbar-background": "#1c1c1c",
        "scrollbar-background-hover": "#1c1c1c",
        "scrollbar-background-active": "#1c1c1c",
        "scrollbar-corner-color": "#1c1c1c",
        "muted": "#d0d0d0",
        "faint": "#a8a8a8",
        "grid": "#444444",
        **_series(_CONTRAST_SERIES),
    },
)

THEMES = (DARK, LIGHT, CONTRAST)


# What the app's styles name beyond Textual's own colours, for themes that do not know it: greys and hues that can be
# read on dark and on light.
FALLBACKS = {
    "muted": "#86909a",
    "faint": "#6d7680",
    "grid": "#565e66",
    **_series(("#3d95c9", "#c98500", "#1f9e7a", "#c06f9d", "#a39a1e", "#cf5f33", "#6f7ff0", "#8a939b")),
}


def plain(variables: dict[str, str], name: str) -> str:
    """The colour ``name`` of a theme's CSS variables as Rich takes it; ``default`` where it is no plain colour."""
    value = variables.get(name, "")
    return value[:7] if value.startswith("#") else "default"


def plain_cursor(theme: str) -> bool:
    """Whether the parts of the line under the cursor have no colours of their own: in high contrast it is too bright for them."""
    return theme == CONTRAST.name


def blend(one: str, other: str, share: float) -> str:
    """``one`` moved ``share`` of the way to ``other``; itself where either is no plain colour."""
    if not (one.startswith("#") and other.startswith("#")):
        return one
    pairs = [(int(one[k : k + 2], 16), int(other[k : k + 2], 16)) for k in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """How far two colours, red, green and blue of 255 each, stand out from one another: 1 to 21, as WCAG 2.1 has it."""
    lower, higher = sorted((_luminance(one), _luminance(other)))
    return (higher + 0.05) / (lower + 0.05)


def _luminance(colour: tuple[int, int, int]) -> float:
    parts = [part / 255 for part in colour]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def series_colours(variables: dict[str, str]) -> list[str]:
    """The chart colours of the theme whose CSS variables these are (``app.theme_variables``), in order of use."""
    return [plain(variables, f"series-{number}") for number in range(1, len(_DARK_SERIES) + 1)]
