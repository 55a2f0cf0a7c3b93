"""What a built wheel holds: ``python tests/check_wheel.py dist/*.whl``; exit 1 and the reasons where it is wrong."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

PACKAGES = {"datasets": "aat_datasets", "models": "aat_models", "workbench": "aat_workbench"}


def expected(top: Path) -> set[str]:
    """Every file of the three packages, as the wheel should name it."""
    return {
        path.relative_to(top / folder).as_posix()
        for folder, package in PACKAGES.items()
        for path in (top / folder / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def problems(names: set[str], wanted: set[str]) -> list[str]:
    """What is wrong with a wheel that holds ``names``, in words."""
    files = {name for name in names if ".dist-info/" not in name and not name.endswith("/")}
    found = [f"missing: {name}" for name in sorted(wanted - files)]
    found += [f"should not be there: {name}" for name in sorted(files - wanted)]
    if not any(name.endswith("dist-info/entry_points.txt") for name in names):
        found.append("missing: the console script")
    found += [
        f"missing: {text}" for text in ("LICENSE", "NOTICE") if not any(f"/licenses/{text}" in name for name in names)
    ]
    if not any(name.startswith("aat_datasets/cards/") and name.endswith(".toml") for name in files):
        found.append("missing: dataset cards")
    return found


def main(paths: list[str]) -> int:
    if len(paths) != 1:
        print(f"expected one wheel, got {len(paths)}", file=sys.stderr)
        return 2
    with zipfile.ZipFile(paths[0]) as wheel:
        names = set(wheel.namelist())
    found = problems(names, expected(Path(__file__).resolve().parents[1]))
    for line in found:
        print(line, file=sys.stderr)
    print(f"{paths[0]}: {len(names)} files, {'wrong' if found else 'as it should be'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
