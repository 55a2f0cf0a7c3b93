"""How an endpoint is asked: the options that every command with an ``http://…`` target has."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["HttpBatch", "HttpRate", "HttpRetries", "HttpTimeout"]

HttpBatch = Annotated[int, typer.Option("--http-batch", min=1, help="http targets: texts a request")]
HttpTimeout = Annotated[float, typer.Option("--http-timeout", help="http targets: seconds a request may take")]
HttpRetries = Annotated[
    int, typer.Option("--http-retries", min=0, help="http targets: how often a failed request is made again")
]
HttpRate = Annotated[float, typer.Option("--http-rate", help="http targets: requests a second at most; 0: no limit")]
