"""``aat-workbench generate``: text from a model's decoder, or a language model's answers in a dialogue."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aat_datasets.errors import InputError
from aat_models.events import Event, Notice, Token
from aat_workbench.cli.hosting import OnHost
from aat_workbench.cli.output import Device, Json, Quiet, emit, print_table, say
from aat_workbench.cli.probe import given_texts
from aat_workbench.terminal import visible

if TYPE_CHECKING:
    from aat_models.sampling import Sampling

__all__ = ["generate"]

Writing = Generator[list[Event], None, Any]


def generate(
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="a run or its folder, with a decoder or a language model; hf:FOLDER"),
    ],
    prompt: Annotated[
        str | None, typer.Option("--prompt", help="the text to answer or go on with; none: a line each of stdin")
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="print each token as it comes")] = False,
    greedy: Annotated[
        bool | None,
        typer.Option(
            "--greedy/--sample", help="likeliest token, or drawn; default: drawn where a setting that draws is given"
        ),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="below 1: likelier tokens; default 1")
    ] = None,
    top_k: Annotated[int | None, typer.Option("--top-k", help="draw from this many likeliest tokens; 0: all")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="draw from this share of probability; 1: all")] = None,
    min_p: Annotated[
        float | None, typer.Option("--min-p", help="draw tokens at least this share as likely as the likeliest; 0: all")
    ] = None,
    typical: Annotated[
        float | None, typer.Option("--typical", help="draw from this share of the most typical tokens; 1: all")
    ] = None,
    repetition_penalty: Annotated[
        float, typer.Option("--repetition-penalty", help="above 1: tokens the text holds already are less likely")
    ] = 1.0,
    beams: Annotated[
        int, typer.Option("--beams", min=1, help="texts written side by side, of which the likeliest is kept")
    ] = 1,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="stop after this many tokens")] = 60,
    stop: Annotated[list[str] | None, typer.Option("--stop", help="stop before this text; may be repeated")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="seed of the draws; default 0")] = None,
    chat: Annotated[
        bool, typer.Option("--chat", help="each line is a turn, answered at once; a language model reads those before")
    ] = False,
    system: Annotated[
        str, typer.Option("--system", help="the system text, for a model whose chat template has a place for one")
    ] = "",
    measured: Annotated[
        int, typer.Option("--measure", min=0, help="answer this many texts of a dataset, and compare: BLEU, chrF")
    ] = 0,
    dataset: Annotated[str, typer.Option("--dataset", help="with --measure; default: what it was trained on")] = "",
    split: Annotated[str, typer.Option("--split", help="with --measure")] = "test",
    device: Device = "cpu",
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option("--dtype", help="type of a language model's weights")
    ] = "float32",
    json: Json = False,
    quiet: Quiet = False,
    host: OnHost = "",
) -> None:
    """Write text: a decoder from a prompt's vector, a language model after it; one object a prompt with --json."""
    from aat_models.sampling import Sampling

    if measured and (prompt is not None or chat or stream):
        raise InputError("--measure answers a dataset's texts", "leave out --prompt, --chat and --stream")
    if measured and system:
        raise InputError("--measure tells no system text", "leave out --system")
    prompts = _turns(prompt) if chat or measured else given_texts([prompt] if prompt is not None else None)
    drawn = any(setting is not None for setting in (temperature, top_k, top_p, min_p, typical, seed))
    sampling = Sampling(
        greedy=not drawn if greedy is None else greedy,
        temperature=1.0 if temperature is None else temperature,
        top_k=top_k or 0,
        top_p=1.0 if top_p is None else top_p,
        min_p=min_p or 0.0,
        typical=1.0 if typical is None else typical,
        repetition_penalty=repetition_penalty,
        beams=beams,
        max_tokens=max_tokens,
        stop=stop or [],
        seed=seed or 0,
    ).check()
    if host and (device, dtype) != ("cpu", "float32"):
        raise InputError("--device and --dtype are not to be had with --host", "the engine there writes from its CPU")
    if measured:
        if host:
            raise InputError("--measure is not to be had with --host", "run it there")
        _measure(target, sampling, (device, dtype), dataset, split, measured, json=json, quiet=quiet)
        return
    with _writer(host, target, sampling, (device, dtype), quiet=quiet) as (write, remembers):
        if chat and not remembers:
            say(f"{target} answers each line by itself: it does not read what was said before", quiet=quiet)
        history: list[str] = []
        for text in prompts:
            summary = _written(write(text, history, system), stream=(stream or chat) and not json, quiet=quiet)
            if chat and remembers:
                history += [text, summary["text"]]
            if json:
                emit(summary)
                continue
            print("" if stream or chat else visible(summary["text"].strip(), lines=True), flush=True)
            say(f"{summary['tokens']} tokens, {summary['tokens_per_second']:.0f} a second", quiet=quiet or chat)


@contextmanager
def _writer(
    host: str, target: str, sampling: Sampling, where: tuple[str, str], *, quiet: bool
) -> Generator[tuple[Callable[[str, Sequence[str], str], Writing], bool], None, None]:
    """Writes from a prompt and the turns before it, here or on another host; and whether it reads those turns.

    ``where``: device and type of the weights, see ``Target.write_on``.
    """
    if host:
        from aat_workbench.cli.hosting import there
        from aat_workbench.cli.there import generating as writing

        with there(host, quiet=quiet) as connection:
            remembers = bool(connection.call("load", target=target).get("remembers"))
            yield (
                lambda prompt, history, system: writing(connection, target, prompt, sampling, history, system),
                remembers,
            )
        return
    from aat_workbench.engine import generate as generating
    from aat_workbench.targets import open_target
    from aat_workbench.threads import thread_settings

    os.environ.update(thread_settings())
    opened = open_target(target)
    opened.write_on(*where)
    yield lambda prompt, history, system: generating(opened, prompt, sampling, history, system), opened.remembers


def _measure(
    target: str,
    sampling: Sampling,
    where: tuple[str, str],
    dataset: str,
    split: str,
    n: int,
    *,
    json: bool,
    quiet: bool,
) -> None:
    from aat_workbench.targets import open_target
    from aat_workbench.threads import thread_settings
    from aat_workbench.writing_measures import measure

    os.environ.update(thread_settings())
    opened = open_target(target)
    opened.write_on(*where)
    for found in measure(opened, sampling, dataset=dataset, split=split, n=n, seed=sampling.seed):
        if isinstance(found, tuple):
            say(f"answered {found[0]} of {found[1]}", quiet=quiet or json)
        elif json:
            emit(found)
        else:
            print_table(["measured", ""], list(found.items()))


def _written(work: Writing, *, stream: bool, quiet: bool) -> dict[str, Any]:
    """The summary of a reply; with ``stream`` its tokens are printed as they come. Notices are told on stderr."""
    while True:
        try:
            events = next(work)
        except StopIteration as end:
            return end.value
        for event in events:
            if isinstance(event, Notice):
                say(event.message, quiet=quiet)
            elif stream and isinstance(event, Token):
                sys.stdout.write(visible(event.text, lines=True))
                sys.stdout.flush()


def _turns(prompt: str | None) -> Iterator[str]:
    """The user's turns as they come: ``prompt`` alone, else line by line."""
    if prompt is not None:
        yield from given_texts([prompt])
        return
    asked = sys.stdin.isatty()
    while True:
        if asked:
            print("> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.rstrip("\n")
