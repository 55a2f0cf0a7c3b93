"""The figures of ``bench data`` as a table."""

from __future__ import annotations

from typing import Any

__all__ = ["rows_of"]

_MIB = 1 << 20


def rows_of(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """``(what, seen, committed)``."""
    rows = [("rows, bytes of CSV", f"{figures['rows']:,}, {figures['csv_bytes'] / _MIB:,.0f} MiB", "")]
    for name, found in figures.get("ingest", {}).items():
        seen = f"{found['wall']:.1f} s, CPU {found['cpu']:.1f} s, peak {found['peak'] / _MIB:,.0f} MiB"
        rows.append((f"{'DuckDB COPY' if name == 'copy' else 'ingest, ' + name}", seen, ""))
        if "of_copy" in found:
            ratio = found["of_copy"]
            rows.append((f"{name}: speed of COPY", f"{ratio['wall']:.2f} (CPU {ratio['cpu']:.2f})", "≥ 0.6"))
    if found := figures.get("windows"):
        rows.append(("open, first window", f"{found['open_and_first']:.0f} ms", "< 1 s"))
        for name, committed in (("anywhere", "< 50 ms"), ("page_down", "p95 < 50 ms")):
            one = found[name]
            rows.append(
                (f"window, {name.replace('_', ' ')}", f"p50 {one['p50']:.0f}, p95 {one['p95']:.0f} ms", committed)
            )
        for name, one in found.items():
            if name.startswith("filter"):
                pages = f"later pages p95 {one['p95']:.0f} ms, count {one['count']:.0f} ms, {one['rows']:,} rows"
                rows.append((f"{name}: first page", f"{one['first_page']:.0f} ms; {pages}", "< 500 ms"))
        rows.append(("memory growth meanwhile", f"{found['memory_growth'] / _MIB:,.0f} MiB", "< 150 MiB"))
    if found := figures.get("encode"):
        rows.append(("words encoded a second", f"{found['words_per_second']:,.0f}", "≥ 1,000,000"))
        rows.append(("speed over encode_batch", f"{found['ratio']:.2f}", "≥ 0.8"))
    if found := figures.get("stream"):
        seen = f"{found['texts']:,} texts, {found['wall']:.0f} s, peak {found['peak'] / _MIB:,.0f} MiB"
        bound = f"{found['limit'] / _MIB:,.0f} MiB of its own allowed, texts {found['bytes_of_text'] / _MIB:,.0f} MiB"
        rows.append(("encoded and drawn from", seen, bound))
    return rows
