"""``aat-workbench generate``: text from a model's decoder."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from aat_models.events import Token
from aat_workbench.cli.output import Json, Quiet, emit, say
from aat_workbench.cli.probe import given_texts
from aat_workbench.terminal import visible

__all__ = ["generate"]


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
) -> None:
    """Write text from the fixed-length vector of a prompt; one object a prompt with --json."""
    from aat_models.sampling import Sampling
    from aat_workbench.engine import generate as generating
    from aat_workbench.targets import open_target
    from aat_workbench.threads import thread_settings

    prompts = given_texts([prompt] if prompt is not None else None)
    os.environ.update(thread_settings())
    opened = open_target(target)
    drawn = any(setting is not None for setting in (temperature, top_k, top_p, seed))
    sampling = Sampling(
        greedy=not drawn if greedy is None else greedy,
        temperature=1.0 if temperature is None else temperature,
        top_k=top_k or 0,
        top_p=1.0 if top_p is None else top_p,
        max_tokens=max_tokens,
        seed=seed or 0,
    )
    for text in prompts:
        work = generating(opened, text, sampling)
        summary: dict[str, Any] = {}
        while True:
            try:
                events = next(work)
            except StopIteration as end:
                summary = end.value
                break
            if stream and not json:
                for event in events:
                    assert isinstance(event, Token)
                    sys.stdout.write(visible(event.text, lines=True))
                sys.stdout.flush()
        if json:
            emit(summary)
            continue
        print("" if stream else visible(summary["text"].strip(), lines=True), flush=True)
        say(f"{summary['tokens']} tokens, {summary['tokens_per_second']:.0f} a second", quiet=quiet)
