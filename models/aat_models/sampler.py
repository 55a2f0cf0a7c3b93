"""What a training asks of whatever draws its batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sampler"]


class Sampler(Protocol):
    """Batches of places without end, in an order that can be taken up anywhere.

    ``repeats`` may be set at any time: each batch then comes that often in a row.
    """

    repeats: int

    def __len__(self) -> int:
        """Batches an epoch."""
        ...

    def __iter__(self) -> Iterator[NDArray[np.int64]]: ...

    def state(self) -> dict[str, int]: ...

    def restore(self, state: dict[str, int]) -> None: ...
