"""``aat-workbench export``: a trained model for others to load."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aat_datasets.errors import InputError
from aat_workbench.cli.output import Json, Quiet, emit, print_table

__all__ = ["export"]


class Layout(StrEnum):
    hf = "hf"


def export(
    target: Annotated[str, typer.Argument(metavar="RUN", help="a run of a language model, or its folder")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="where to write; a new or empty folder")],
    to: Annotated[Layout, typer.Option("--to", help="hf: Hugging Face's LLaMA layout, for transformers and others")] = (
        Layout.hf
    ),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a language model as others load it, and check it against the original on 100 texts."""
    from aat_models import config as configs
    from aat_workbench.runs import resolve_target
    from aat_workbench.threads import thread_settings

    os.environ.update(thread_settings())
    checkpoint = resolve_target(target)
    if not configs.is_language_model(configs.load(checkpoint / "config.toml")):
        raise InputError(f"{target} is no language model: {to.value} has no layout for it", "train one: --model llama")
    from aat_models.exporting import export_language_model
    from aat_models.language_model import LanguageModel

    found = export_language_model(LanguageModel.load(checkpoint), folder)
    if json:
        emit(found)
    else:
        print_table(["exported", ""], list(found.items()))
