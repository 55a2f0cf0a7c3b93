"""``aat-workbench probe``: what a model says to a text, why, and the nearest edit on which it fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import typer

from aat_datasets.errors import InputError
from aat_models.events import AttackResult
from aat_workbench.attack_request import AttackRequest, SurfaceKind
from aat_workbench.cli.diff import diff, print_text
from aat_workbench.cli.hosting import OnHost
from aat_workbench.cli.output import Json, Quiet, emit, print_line, print_table, say

if TYPE_CHECKING:
    from aat_workbench.targets import Target

__all__ = ["given_texts", "probe"]


def probe(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="a run, a run's folder, py:module:function or builtin:tiny")
    ],
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT]…", help="texts; none: a line each of stdin")
    ] = None,
    surface: Annotated[
        SurfaceKind, typer.Option("--surface", help="substitutes: synonyms, misspellings, both")
    ] = "all",
    budget: Annotated[
        float | None, typer.Option("--budget", help="share of the words that may be edited; default: the recipe's")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="seed of the attack's choices")] = 0,
    json: Json = False,
    quiet: Quiet = False,
    host: OnHost = "",
) -> None:
    """Prediction, probabilities, salience of each word, and the nearest failing edit, for typed texts."""
    wanted = given_texts(texts)
    found: list[dict[str, Any]] = []
    with _prober(host, target, quiet=quiet) as ask:
        for text in wanted:
            request = AttackRequest(texts=[text], surface=surface, budget=budget, seed=seed, save=False)
            probed = ask(text, request)
            answer = _answer(text, probed)
            if json:
                broken = probed.result.status == "success"
                found.append(answer | {"failing_edit": msgspec.to_builtins(probed.result) if broken else None})
            else:
                _print(answer, probed.result, probed.labels, quiet=quiet)
    if json:
        emit(found)


class Probed(NamedTuple):
    """What a model says to a text, what speaks for it, and the attack on it."""

    labels: list[str]
    probabilities: list[float]
    words: list[str]
    scores: list[float]
    result: AttackResult


@contextmanager
def _prober(host: str, target: str, *, quiet: bool) -> Generator[Callable[[str, AttackRequest], Probed], None, None]:
    """Asks the target, here or on another host."""
    if host:
        from aat_workbench.cli.hosting import there
        from aat_workbench.cli.there import probing

        with there(host, quiet=quiet) as connection:
            yield lambda text, request: Probed(**probing(connection, target, text, request))
        return
    from aat_workbench.targets import open_target
    from aat_workbench.threads import thread_settings

    os.environ.update(thread_settings())
    opened = open_target(target)
    yield lambda text, request: _probed(opened, text, request)


def given_texts(texts: list[str] | None) -> list[str]:
    """The texts of the command line, else the lines of stdin. Raises InputError where there are none."""
    lines = texts or ([] if sys.stdin.isatty() else [line.rstrip("\n") for line in sys.stdin])
    if any(not line.strip() for line in texts or []):
        raise InputError("the text is empty", "give at least one word")
    found = [line for line in lines if line.strip()]
    if not found:
        raise InputError("no text", "give one in quotes, or lines on stdin")
    return found


def _probed(target: Target, text: str, request: AttackRequest) -> Probed:
    probabilities = target.predict([text])[0]
    words, scores = target.attribute(text)
    return Probed(target.labels, probabilities, words, scores, _nearest(target, request))


def _answer(text: str, probed: Probed) -> dict[str, Any]:
    probabilities = probed.probabilities
    return {
        "text": text,
        "prediction": probed.labels[probabilities.index(max(probabilities))],
        "probabilities": dict(zip(probed.labels, (round(p, 6) for p in probabilities), strict=True)),
        "words": probed.words,
        # Six digits that count: of a model that is sure of itself all are small. + 0.0: no negative zero.
        "salience": [float(f"{score:.6g}") + 0.0 for score in probed.scores],
    }


def _nearest(target: Target, request: AttackRequest) -> AttackResult:
    from aat_workbench.attacking import AttackRun

    run = AttackRun(target, request)
    for _ in run.steps():
        pass
    return run.results[0]


def _print(answer: dict[str, Any], result: AttackResult, labels: list[str], *, quiet: bool) -> None:
    print_line(f"{answer['prediction']}  {answer['probabilities'][answer['prediction']]:.3f}  {answer['text']}")
    ranked = sorted(answer["probabilities"].items(), key=lambda pair: -pair[1])
    print_table(["label", "probability"], ranked[:5])
    sizes = [abs(score) for score in answer["salience"]]
    strongest, total = max(sizes, default=0.0) or 1.0, sum(sizes) or 1.0
    rows = [
        (word, f"{100 * score / total:+.0f} %", ("+" if score > 0 else "-") * round(10 * abs(score) / strongest) or "·")
        for word, score in zip(answer["words"], answer["salience"], strict=True)
    ]
    print_table(["word", "share", ""], rows)
    if result.status == "success":
        print_text(diff(result, labels))
    else:
        say(f"no failing edit found with {result.queries} queries ({result.status})", quiet=quiet)
