"""``aat-workbench bench``: measure what the project promises, on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from aat_datasets.errors import InputError, UnknownNameError
from aat_models import config as configs
from aat_workbench.cli.bench_tables import (
    ATTACK_COLUMNS,
    WRITING_COLUMNS,
    attack_row,
    rows_of_app,
    rows_of_curves,
    rows_of_datasets,
    rows_of_live,
    train_rows,
    writing_row,
)
from aat_workbench.cli.output import Json, Quiet, emit, print_table, say

__all__ = ["app"]

app = typer.Typer(help="Measure speed on this machine.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure speed on this machine."""


@app.command("tui")
def tui(
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="cold starts of each program")] = 7,
    keys: Annotated[int, typer.Option("--keys", min=4, help="keys pressed idle, and as many beside a training")] = 120,
    size: Annotated[str, typer.Option("--size", metavar="COLSxLINES", help="size of the terminal")] = "120x40",
    dataset: Annotated[str, typer.Option("--dataset", help="shown in the table, and trained on beside it")] = "support",
    rows: Annotated[int, typer.Option("--rows", min=0, help="measure the Datasets pane on this many rows instead")] = 0,
    curves: Annotated[
        str,
        typer.Option(
            "--curves", metavar="RUNSxPOINTS", help="measure the Training pane on that many long runs instead"
        ),
    ] = "",
    live: Annotated[
        float,
        typer.Option(
            "--live", min=0, metavar="SECONDS", help="measure it on a run that grows by 50 events a second instead"
        ),
    ] = 0,
    generate: Annotated[
        int, typer.Option("--generate", min=0, metavar="ROUNDS", help="measure the Generate pane on replies instead")
    ] = 0,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="folder for --rows, --curves or --generate, kept and used again; default: a temporary one"
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The app in a pseudo-terminal: cold start against a Textual hello world, key to paint idle and beside a training.

    Needs pyte (pip install pyte). Committed: cold start ≤ 1.6 × hello world; key to paint p95 ≤ 100 ms beside a
    training, and ≤ 2 × idle. With ``--rows 10000000``: open < 1 s, page down p95 < 50 ms, first page of a filter < 500 ms,
    memory < 150 MiB more than without a dataset. With ``--curves 20x1000000``: open < 2 s, redraw p95 < 50 ms, memory
    < 300 MiB. With ``--live 600``: key to paint as at the start, no growth. With ``--generate 20``: Enter to the first token
    p95 < 150 ms, stop < 100 ms, a prompt of 50,000 characters cut with a notice.
    """
    from aat_workbench.tui_bench import bench_tui
    from aat_workbench.tui_curves_bench import bench_curves, bench_live
    from aat_workbench.tui_generate_bench import bench_generate_pane, rows_of_replies
    from aat_workbench.tui_rows_bench import bench_rows

    match = re.fullmatch(r"(\d{2,3})x(\d{2,3})", size)
    if match is None:
        raise InputError(f"--size: expected COLSxLINES, got {size!r}", "for example: --size 120x40")
    cells = (int(match[1]), int(match[2]))
    if rows:
        figures, table = _figures(bench_rows(rows, cells, data), quiet), rows_of_datasets
    elif curves:
        counts = re.fullmatch(r"(\d{1,3})x(\d{1,9})", curves)
        if counts is None or int(counts[1]) < 2 or not int(counts[2]):
            raise InputError(f"--curves: expected RUNSxPOINTS, got {curves!r}", "for example: --curves 20x1000000")
        figures = _figures(bench_curves(int(counts[1]), int(counts[2]), cells, data), quiet)
        table = rows_of_curves
    elif generate:
        figures, table = _figures(bench_generate_pane(generate, cells, data), quiet), rows_of_replies
    elif live:
        figures, table = _figures(bench_live(live, cells), quiet), rows_of_live
    else:
        figures, table = _figures(bench_tui(rounds, keys, cells, dataset), quiet), rows_of_app
    if json:
        emit(figures)
    else:
        print_table(["measured", "value", "committed"], table(figures))


@app.command("attack")
def attack(
    against: Annotated[
        str,
        typer.Option(
            "--against", metavar="PEER", help="textattack: in an environment that the bench makes; default none"
        ),
    ] = "",
    recipes: Annotated[
        str, typer.Option("--recipes", metavar="NAME,…", help="recipes, by name")
    ] = "deepwordbug,pwws,pwws-reask,textfooler-cf,textbugger-cf,a2t-cf",
    count: Annotated[int, typer.Option("-n", min=1, help="texts of the test split")] = 200,
    victim: Annotated[
        str, typer.Option("--victim", metavar="RUN|bilstm|mean", help="a run, or what the bench trains itself, once")
    ] = "bilstm",
    dataset: Annotated[
        str, typer.Option("--dataset", help="texts, and what the victim is trained on")
    ] = "sst2-sentences",
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="counted attacks of each side")] = 5,
    sharing: Annotated[
        bool,
        typer.Option("--sharing/--no-sharing", help="our side reads what a batch's texts have in common only once"),
    ] = True,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Attacks on one thread: CPU time against another framework, and against the bare victim asked the same queries.

    Committed: 3.5 × TextAttack's speed for a BiLSTM (genetic-cf: 12, a2t-cf: 6), 10 × for a mean of word vectors; 0.7 of the
    time inside the victim for a BiLSTM; 0.7 of the bare victim's speed; accuracy under attack within 2 points.
    """
    from aat_workbench.attack_bench import bench_attack

    names = _names(recipes)
    if not names:
        raise InputError("--recipes: expected at least one name", "for example: --recipes deepwordbug")
    figures = _figures(
        bench_attack(
            names, against=against, count=count, victim=victim, dataset=dataset, rounds=rounds, sharing=sharing
        ),
        quiet,
    )
    if json:
        emit(figures)
        return
    print_table(ATTACK_COLUMNS, [attack_row(name, found) for name, found in figures["recipes"].items()])
    for name, difference in figures["differences"].items():
        say(f"{name or 'all'}: {difference}", quiet=quiet)


@app.command("robustness")
def robustness(
    study: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="methods, datasets, attacks, seeds")],
    only: Annotated[str, typer.Option("--only", metavar="REGEX", help="cells whose names match")] = "",
    parallel: Annotated[int, typer.Option("--parallel", min=1, help="trainings at once, a thread each")] = 2,
    minutes: Annotated[float, typer.Option("--minutes", min=0, help="begin no further cell after; 0: no end")] = 0,
    gpu: Annotated[bool, typer.Option("--gpu", help="cells take a GPU; else those alone that are for one")] = False,
    check: Annotated[int, typer.Option("--check", min=0, help="measure this many kept cells again, and compare")] = 0,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="print the tables as Markdown and measure nothing")
    ] = False,
    cell: Annotated[str, typer.Option("--cell", hidden=True, help="measure one cell and print its row")] = "",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train and attack many methods alike; what is measured already is kept beside the study and not measured again."""
    from aat_workbench import robustness_cells
    from aat_workbench import robustness_study as studies
    from aat_workbench.robustness_tables import tables

    found = studies.read(study)
    if cell:
        emit(msgspec.to_builtins(robustness_cells.measure(found, found.cells[cell])))
        return
    if check:
        compared = list(robustness_cells.check(study, check, only=only, say=lambda line: say(line, quiet=quiet)))
        if json:
            emit(compared)
        else:
            print_table(["cell", "attack", "kept", "again", "points"], [tuple(line.values()) for line in compared])
        return
    if not markdown:
        for told in studies.run_study(study, only=only, parallel=parallel, minutes=minutes, gpu=gpu):
            say(told, quiet=quiet)
    kept = studies.rows(studies.results_path(study))
    made = tables([studies.joined(kept[name], found.unions) for name in found.cells if name in kept], found.reference)
    if json:
        emit([table._asdict() for table in made])
        return
    for table in made:
        if markdown:
            typer.echo(f"## {table.title}\n")
            for line in (table.columns, ["---"] * len(table.columns), *table.lines):
                typer.echo("| " + " | ".join(line) + " |")
            typer.echo("")
        else:
            say(table.title, quiet=quiet)
            print_table(table.columns, [tuple(line) for line in table.lines])


@app.command("train")
def train(
    parts: Annotated[
        str,
        typer.Option(
            "--parts", metavar="NAME,…", help="what to measure of our own: loop, records, watching, adversaries"
        ),
    ] = "loop,records,watching,adversaries",
    against: Annotated[
        str,
        typer.Option("--against", metavar="PEER", help="keras: in an environment that the bench makes; default none"),
    ] = "",
    dataset: Annotated[str, typer.Option("--dataset", help="texts to train on")] = "sst2-sentences",
    texts: Annotated[int, typer.Option("--texts", min=0, help="how many of them; 0: all")] = 0,
    adversaries: Annotated[str, typer.Option("--adversaries", metavar="NAME,…", help="which; default: all")] = "",
    encoder: Annotated[str, typer.Option("--encoder", help="of the model the adversaries are measured on")] = "lstm",
    device: Annotated[Literal["cpu", "cuda"], typer.Option("--device", help="what our side trains on")] = "cpu",
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="counted rounds of each side")] = 5,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Training on one thread: the loop against bare PyTorch, records and checkpoints, adversaries' steps, and Keras.

    Committed: 0.95 of the speed of bare PyTorch on the same batches; records, control and checkpoints under 1 %, and so
    records and control alone, with and without TensorBoard's; a step with an adversary at most 1.15 × what its passes
    say; 1.5 × the speed of Keras.
    """
    from aat_workbench.train_bench import bench_train

    chosen = _names(parts)
    named = _names(adversaries)
    if unknown := [name for name in named if name not in configs.ADVERSARIES]:
        raise UnknownNameError("adversary", unknown[0], configs.ADVERSARIES)
    figures = _figures(
        bench_train(
            chosen,
            against=against,
            dataset=dataset,
            texts=texts,
            adversaries=named,
            encoder=encoder,
            rounds=rounds,
            device=device,
        ),
        quiet,
    )
    if json:
        emit(figures)
        return
    print_table(["measured", "CPU", "wall", "committed"], train_rows(figures))
    found = [
        (name, one["ratio"], one["analytic"], one["share"]) for name, one in figures.get("adversaries", {}).items()
    ]
    if found:
        print_table(["step over none", "measured", "its passes", "share (≤ 1.15)"], found)


@app.command("data")
def data(
    rows: Annotated[
        int, typer.Option("--rows", min=1000, help="rows that the bench makes, about 150 bytes each")
    ] = 10_000_000,
    parts: Annotated[
        str, typer.Option("--parts", metavar="NAME,…", help="what to measure: ingest, windows, encode, stream")
    ] = "ingest,windows,encode,stream",
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="counted rounds of what is compared")] = 3,
    folder: Annotated[str, typer.Option("--folder", help="where the files lie meanwhile; default: the system's")] = "",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Data at scale: ingest against DuckDB's COPY, windows and filters, encoding, training on more than fits into memory.

    Committed: ingest 0.6 of the speed of COPY in memory that does not grow with the file; a window < 50 ms, the first
    page of a filter < 500 ms; 1,000,000 words encoded a second, and 0.8 of the speed of the bare batches of tokenizers.
    """
    from aat_workbench.data_bench import bench_data

    figures = _figures(bench_data(rows, _names(parts), rounds=rounds, folder=folder), quiet)
    if json:
        emit(figures)
        return
    from aat_workbench.data_bench_table import rows_of

    print_table(["measured", "seen", "committed"], rows_of(figures))


@app.command("generate")
def generate(
    against: Annotated[
        str, typer.Option("--against", metavar="PEER", help="transformers (the extra hf); default none")
    ] = "",
    sizes: Annotated[str, typer.Option("--sizes", metavar="NAME,…", help="of the model: small, medium, large")] = (
        "small,medium,large"
    ),
    batches: Annotated[str, typer.Option("--batches", metavar="N,…", help="texts written side by side")] = "1,16",
    tokens: Annotated[int, typer.Option("--tokens", min=1, max=400, help="tokens of each text")] = 64,
    dtype: Annotated[str, typer.Option("--dtype", help="type of the weights: float32 or bfloat16")] = "float32",
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="counted rounds")] = 5,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Writing text on one thread: our loop on a LLaMA's weights, against transformers' generate on the same ones.

    Committed: at least the speed of transformers, batch 1 and 16; aim: 1.5 times it.
    """
    from aat_workbench.generate_bench import bench_generate

    counts = _names(batches)
    if not counts or not all(count.isdecimal() and int(count) for count in counts):
        raise InputError(f"--batches: expected numbers, got {batches!r}", "for example: --batches 1,16")
    told = bench_generate(
        _names(sizes), against=against, batches=[int(count) for count in counts], tokens=tokens, dtype=dtype,
        rounds=rounds,
    )  # fmt: skip
    figures = _figures(told, quiet)
    if json:
        emit(figures)
    else:
        print_table(WRITING_COLUMNS, [writing_row(row) for row in figures["rows"]])


def _figures(told: Iterable[str | dict[str, Any]], quiet: bool) -> dict[str, Any]:
    """What a bench ends with; what it says on the way is said."""
    figures: dict[str, Any] = {}
    for one in told:
        if isinstance(one, str):
            say(one, quiet=quiet)
        else:
            figures = one
    return figures


def _names(text: str) -> list[str]:
    """``a, b`` → its names."""
    return [name for name in text.replace(" ", "").split(",") if name]
