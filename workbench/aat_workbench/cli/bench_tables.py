"""What ``bench`` prints: a row for everything measured, with what is committed beside it."""

from __future__ import annotations

from typing import Any

__all__ = [
    "ATTACK_COLUMNS", "WRITING_COLUMNS", "attack_row", "rows_of_app", "rows_of_curves", "rows_of_datasets", "rows_of_live",
    "train_rows", "writing_row",
]  # fmt: skip

WRITING_COLUMNS = [
    "size", "weights", "batch", "tokens/s", "told, tokens/s", "peer, tokens/s", "speed over peer", "CPU over peer",
    "told over peer", "equal",
]  # fmt: skip


def writing_row(row: dict[str, Any]) -> tuple[object, ...]:
    over = row.get("theirs_over_ours", {})
    told = row["theirs"]["wall"] / row["told"]["wall"] if over else None
    return (
        row["size"], row["parameters"], row["batch"], row["ours"]["tokens_per_second"],
        row["told"]["tokens_per_second"], row["theirs"]["tokens_per_second"] if over else None,
        over.get("wall"), over.get("cpu"), told, row.get("equal"),
    )  # fmt: skip


def train_rows(figures: dict[str, Any]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []

    def row(name: str, ratio: dict[str, float], committed: str) -> None:
        rows.append((name, ratio["cpu"], ratio["wall"], committed))

    if "loop" in figures:
        row("speed of the loop over bare PyTorch", figures["loop"]["bare_over_loop"], "≥ 0.95")
        row("time with an average of the weights over without", figures["loop"]["averaged_over_loop"], "")
    if "records" in figures:
        row("time without records, control, checkpoints over with", figures["records"]["off_over_on"], "≥ 0.99")
    for name, found in figures.get("watching", {}).items():
        named = f"{name.replace('_', ' ')} and control, share of the training"
        rows.append((named, found["records_cpu"], found["records_wall"], "< 0.01"))
    for backend in ("tensorflow", "torch"):
        if "keras" in figures:
            row(f"speed over Keras on {backend}", figures["keras"][f"{backend}_over_ours"], "≥ 1.5")
    return rows


ATTACK_COLUMNS = [
    "recipe", "CPU s", "peer CPU s", "factor CPU", "factor wall", "accuracy", "under attack", "peer under attack",
    "points", "queries", "peer queries", "forward share", "share of the limit",
]  # fmt: skip


def attack_row(name: str, found: dict[str, Any]) -> tuple[object, ...]:
    own, peer = found["ours"], found.get("peer", {})
    return (
        name, own["cpu"], peer.get("cpu"), found.get("factor_cpu"), found.get("factor_wall"), own["accuracy"],
        own["accuracy_under_attack"], peer.get("accuracy_under_attack"), found.get("difference_points"), own["queries"],
        peer.get("queries"), own["forward_share"], found["limit"]["share"],
    )  # fmt: skip


def rows_of_datasets(figures: dict[str, Any]) -> list[tuple[str, object, str]]:
    pages, jumps, memory = figures["page_down_ms"], figures["jump_ms"], figures["memory_mib"]
    return [
        ("start of the app to the first page, ms", figures["open_ms"], "< 1000"),
        ("page down, p50, ms", pages["p50"], ""),
        ("page down, p95, ms", pages["p95"], "< 50"),
        ("page down, most, ms", pages["most"], ""),
        ("jump to a row, p50, ms", jumps["p50"], ""),
        *((f"filter, {name}, ms", value, "< 500" if value == figures["first_page_ms"].get("1 of 1 000 rows") else "")
          for name, value in figures["first_page_ms"].items()),
        ("memory without a dataset, MiB", memory["without_dataset"], ""),
        ("memory, peak, MiB", memory["peak"], ""),
        ("memory, growth, MiB", memory["growth"], "< 150"),
    ]  # fmt: skip


def rows_of_curves(figures: dict[str, Any]) -> list[tuple[str, object, str]]:
    first, again, redraw = figures["first_open_ms"], figures["open_ms"], figures["redraw_ms"]
    return [
        ("start of the app to the pane, ms", again["pane"], "< 2000"),
        ("start of the app to the curves, ms", again["curves"], "< 2000"),
        ("processor time of the app until then, ms", again["cpu"], ""),
        ("the same where no run was read before: the pane, ms", first["pane"], ""),
        ("the curves under the cursor, ms", first["curves"], ""),
        ("every run, ms", first["every_run"], ""),
        ("key to all charts redrawn, p50, ms", redraw["p50"], ""),
        ("key to all charts redrawn, p95, ms", redraw["p95"], "< 50"),
        ("key to all charts redrawn, most, ms", redraw["most"], ""),
        ("processor time of a key, mean, ms", redraw["cpu_mean"], ""),
        ("memory, peak, MiB", figures["memory_mib"]["peak"], "< 300"),
    ]


def rows_of_live(figures: dict[str, Any]) -> list[tuple[str, object, str]]:
    paint, memory = figures["key_to_paint_ms"], figures["memory_mib"]
    return [
        ("seconds", figures["seconds"], ""),
        ("events", figures["events"], ""),
        *((f"key to paint, {name.replace('_', ' ')}, {share}, ms", paint[name][share], "< 50" if share == "p95" else "")
          for name in ("first_half", "second_half") for share in ("p50", "p95", "most")),
        ("memory at the start, MiB", memory["each"][0], ""),
        ("memory at the end, MiB", memory["each"][-1], ""),
        ("memory, growth in the second half, MiB", memory["growth_second_half"], "none"),
        ("share of a core", figures["cpu_share"], ""),
        ("bytes a second to the terminal", figures["bytes_a_second"], ""),
    ]  # fmt: skip


def rows_of_app(figures: dict[str, Any]) -> list[tuple[str, object, str]]:
    start, key = figures["cold_start_ms"], figures["key_to_paint_ms"]
    return [
        ("cold start, hello world, ms", start["hello"], ""),
        ("cold start, app, ms", start["app"], ""),
        ("cold start, ratio", start["ratio"], "≤ 1.6"),
        ("key to paint, idle, p50, ms", key["idle"]["p50"], ""),
        ("key to paint, idle, p95, ms", key["idle"]["p95"], ""),
        ("key to paint, training beside, p50, ms", key["training"]["p50"], ""),
        ("key to paint, training beside, p95, ms", key["training"]["p95"], "≤ 100"),
        ("key to paint, p95, ratio", key["ratio_p95"], "≤ 2"),
    ]
