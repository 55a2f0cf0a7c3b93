"""``aat-workbench doctor``: what this machine has, what is amiss, and how to mend it."""

from __future__ import annotations

import typer

from aat_workbench.cli.output import Json, Quiet, emit, print_table

__all__ = ["doctor"]


def doctor(json: Json = False, quiet: Quiet = False) -> None:
    """Look over Python, torch, threads, terminal, folders and space; exit 1 where something does not work."""
    from aat_workbench.doctor import examine

    findings = list(examine())
    if json:
        emit(findings)
    else:
        marks = {"ok": "ok", "warning": "warn", "error": "FAIL"}
        listed = [finding for finding in findings if not quiet or finding.state != "ok"]
        rows = [(marks[finding.state], finding.name, finding.found, finding.mend) for finding in listed]
        if rows:
            print_table(["", "what", "found", "to mend"], rows)
    if any(finding.state == "error" for finding in findings):
        raise typer.Exit(1)
