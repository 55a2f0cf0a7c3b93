"""``aat-workbench latent``: what lies between two texts, or on the way that hurts, in a model's fixed-length vector."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from aat_workbench.cli.output import Json, Quiet, emit, print_table, say

__all__ = ["latent"]


def latent(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="a run, or a run's folder")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="where the way begins")],
    other: Annotated[
        str, typer.Argument(metavar="[OTHER]", help="where it ends; without: the way the loss rises fastest")
    ] = "",
    places: Annotated[int, typer.Option("--places", min=2, max=101, help="vectors between two texts")] = 9,
    lengths: Annotated[
        str, typer.Option("--lengths", help="without OTHER: how far, in lengths of the text's own vector")
    ] = "0,0.25,0.5,0.75,1,1.5,2",
    nearest: Annotated[int, typer.Option("--nearest", min=0, max=20, help="training texts told beside each")] = 1,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="of what the decoder writes")] = 40,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Walk through a model's fixed-length vectors: what the decoder writes there, the label, the nearest training texts."""
    from aat_datasets.errors import InputError
    from aat_workbench.latent_view import look
    from aat_workbench.protocol import Latent
    from aat_workbench.targets import open_target
    from aat_workbench.threads import thread_settings

    try:
        far = [float(length) for length in lengths.split(",")]
    except ValueError:
        raise InputError(f"--lengths: expected numbers, got {lengths!r}", "for example 0,0.5,1") from None
    os.environ.update(thread_settings())
    wanted = Latent(
        target=target, text=text, other=other, places=places, lengths=tuple(far), nearest=nearest, max_tokens=max_tokens
    )
    looking = look(open_target(target), wanted)
    while True:
        try:
            next(looking)
        except StopIteration as end:
            found: dict[str, Any] = end.value
            break
    if json:
        emit(found)
        return
    if nearest and not found["indexed"]:
        say("its training texts are not to be had: none is told", quiet=quiet)
    print_table(*_table(found))


def _table(found: dict[str, Any]) -> tuple[list[str], list[list[object]]]:
    labels, points = found["labels"], found["points"]
    columns = ["at", *(["label", "p"] if labels else []), *(["written"] if found["has_decoder"] else [])]
    near = any(point["nearest"] for point in points)
    rows: list[list[object]] = []
    for point in points:
        row: list[object] = [f"{point['at']:.2f}"]
        if labels:
            best = max(range(len(labels)), key=lambda place: point["probabilities"][place])
            row += [labels[best], point["probabilities"][best]]
        if found["has_decoder"]:
            row.append(point["text"])
        if near:
            row.append(" | ".join(f"{one['similarity']:.2f} {one['text'][:80]}" for one in point["nearest"]))
        rows.append(row)
    return [*columns, *(["nearest training text"] if near else [])], rows
