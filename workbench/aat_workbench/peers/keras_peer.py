# pyright: basic, reportMissingImports=false
"""The other side of ``bench train --against keras``: the model of a plain Keras script, trained by Keras.

Runs in the peer's own environment; ``KERAS_BACKEND`` says on what. Answers the requests of ``peers.wire``: open, epoch.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from aat_workbench.peers.wire import serve

__all__ = ["Session"]


class Session:
    """Embedding(words, 128), LSTM(128), Dense(1) with a sigmoid, as a script for sentiment would have them."""

    def open(self, texts: str, words: int, width: int, batch: int) -> dict[str, Any]:
        """``texts`` is a file of arrays: ``ids`` (N, T), all padded in front to one length, and ``labels`` (N,)."""
        if os.environ["KERAS_BACKEND"] == "tensorflow":
            import tensorflow

            tensorflow.config.threading.set_intra_op_parallelism_threads(1)
            tensorflow.config.threading.set_inter_op_parallelism_threads(1)
        else:
            import torch

            torch.set_num_threads(1)
        import keras

        with np.load(texts) as arrays:
            self.ids, self.labels = arrays["ids"], arrays["labels"]
        self.batch = batch
        layers = keras.layers
        self.model = keras.Sequential(
            [layers.Embedding(words, width), layers.LSTM(width), layers.Dense(1, activation="sigmoid")]
        )
        self.model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
        few = 4 * batch
        self.model.fit(self.ids[:few], self.labels[:few], batch_size=batch, verbose=0)  # builds and traces
        return {"keras": keras.__version__, "parameters": self.model.count_params(), "padded": self.ids.shape[1]}

    def epoch(self) -> dict[str, Any]:
        wall, cpu = time.perf_counter(), time.process_time()
        history = self.model.fit(self.ids, self.labels, batch_size=self.batch, epochs=1, verbose=0)
        spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        return {**spent, "loss": float(history.history["loss"][-1])}


def main() -> None:
    session = Session()
    serve({"open": session.open, "epoch": session.epoch})


if __name__ == "__main__":
    main()
