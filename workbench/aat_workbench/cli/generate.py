"""``aat-workbench generate``: text from a model's decoder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aat_models.events import Event, Token
from aat_workbench.cli.hosting import OnHost
from aat_workbench.cli.output import Json, Quiet, emit, say
from aat_workbench.cli.probe import given_texts
from aat_workbench.terminal import visible

if TYPE_CHECKING:
    from aat_models.sampling import Sampling

__all__ = ["generate"]

Writing = Generator[list[Event], None, Any]


def generate(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="a run or a run's folder, trained with a decoder")],
    prompt: Annotated[
        str | None, typer.Option("--prompt", help="the text to answer; none: a line each of stdin")
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="print each token as it comes")] = False,
    greedy: Annotated[
        bool | None,
        typer.Option(
            "--greedy/--sample", help="likeliest token, or drawn; default: drawn where a setting below is given"
        ),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="below 1: likelier tokens; default 1")
    ] = None,
    top_k: Annotated[int | None, typer.Option("--top-k", help="draw from this many likeliest tokens; 0: all")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="draw from this share of probability; 1: all")] = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="stop after this many tokens")] = 60,
    seed: Annotated[int | None, typer.Option("--seed", help="seed of the draws; default 0")] = None,
    json: Json = False,
    quiet: Quiet = False,
    host: OnHost = "",
) -> None:
    """Write text from the fixed-length vector of a prompt; one object a prompt with --json."""
    from aat_models.sampling import Sampling

    prompts = given_texts([prompt] if prompt is not None else None)
    drawn = any(setting is not None for setting in (temperature, top_k, top_p, seed))
    sampling = Sampling(
        greedy=not drawn if greedy is None else greedy,
        temperature=1.0 if temperature is None else temperature,
        top_k=top_k or 0,
        top_p=1.0 if top_p is None else top_p,
        max_tokens=max_tokens,
        seed=seed or 0,
    )
    with _writer(host, target, sampling, quiet=quiet) as write:
        for text in prompts:
            summary = _written(write(text), stream=stream and not json)
            if json:
                emit(summary)
                continue
            print("" if stream else visible(summary["text"].strip(), lines=True), flush=True)
            say(f"{summary['tokens']} tokens, {summary['tokens_per_second']:.0f} a second", quiet=quiet)


@contextmanager
def _writer(
    host: str, target: str, sampling: Sampling, *, quiet: bool
) -> Generator[Callable[[str], Writing], None, None]:
    """Writes from a prompt, here or on another host."""
    if host:
        from aat_workbench.cli.hosting import there
        from aat_workbench.cli.there import generating as writing

        with there(host, quiet=quiet) as connection:
            yield lambda prompt: writing(connection, target, prompt, sampling)
        return
    from aat_workbench.engine import generate as generating
    from aat_workbench.targets import open_target
    from aat_workbench.threads import thread_settings

    os.environ.update(thread_settings())
    opened = open_target(target)
    yield lambda prompt: generating(opened, prompt, sampling)


def _written(work: Writing, *, stream: bool) -> dict[str, Any]:
    """The summary of a reply; with ``stream`` its tokens are printed as they come."""
    while True:
        try:
            events = next(work)
        except StopIteration as end:
            return end.value
        if stream:
            for event in events:
                assert isinstance(event, Token)
                sys.stdout.write(visible(event.text, lines=True))
            sys.stdout.flush()
