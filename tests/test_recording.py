"""docs/demo.cast is a recording of a minute or less that plays, and shows a sentence typed and broken."""

from __future__ import annotations

import json
from pathlib import Path

import pyte

CAST = Path(__file__).resolve().parents[1] / "docs" / "demo.cast"


def test_the_recording_plays() -> None:
    header, *events = [json.loads(line) for line in CAST.read_text(encoding="utf-8").splitlines()]
    assert header["version"] == 2 and CAST.stat().st_size < 300_000
    times = [when for when, _, _ in events]
    assert times == sorted(times) and 30 < times[-1] < 65
    screen = pyte.Screen(header["width"], header["height"])
    stream = pyte.Stream(screen)
    shown: set[str] = set()
    for _, kind, text in events:
        assert kind == "o"
        stream.feed(text)
        page = " ".join(" ".join(screen.display).split())
        shown |= {word for word in ("1 Datasets", "says positive", "breaks with", "under attack") if word in page}
    assert len(shown) == 4, shown
