"""One side of ``bench generate``: a process with one thread that writes tokens, by our own loop or by transformers' ``generate``.

``python -m aat_workbench.generate_bench_side`` answers the requests of ``peers.wire``: see ``Session``.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aat_workbench.peers.wire import serve

__all__ = ["SIZES", "Session"]

SIZES: dict[str, dict[str, int]] = {
    "small": {"vocabulary": 65, "width": 128, "layers": 4, "heads": 4, "key_heads": 4, "inner": 352},
    "medium": {"vocabulary": 4096, "width": 512, "layers": 8, "heads": 8, "key_heads": 4, "inner": 1376},
    "large": {"vocabulary": 32000, "width": 768, "layers": 12, "heads": 12, "key_heads": 12, "inner": 2048},
}
"""Characters of tinyshakespeare as nanoGPT's CPU setting has them; a model of 30 million weights; one of 134 million."""

PROMPT = 16  # tokens


class Session:
    """What is timed. Every timed answer has ``wall`` and ``cpu`` seconds, and the ids that were chosen."""

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)

    def make(self, size: str, folder: str, dtype: str) -> dict[str, Any]:
        """A model of random weights in Hugging Face's layout, without end token, so that every text has its full length."""
        import torch

        from aat_datasets.subwords import TextTokenizer
        from aat_models import llama_layout
        from aat_models.llama import Llama, Shape

        torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
        own = SIZES[size]
        shape = Shape(**own, head=own["width"] // own["heads"], context=512, tied=False)  # pyright: ignore[reportArgumentType]
        model = Llama(shape).to(getattr(torch, dtype))
        llama_layout.save(model, TextTokenizer.train("characters", ["a"]), Path(folder))
        (Path(folder) / "generation_config.json").write_text("{}", encoding="utf-8")
        return {"parameters": sum(parameter.numel() for parameter in model.parameters())}

    def open(self, folder: str, by: str, dtype: str) -> dict[str, Any]:
        """Load it: ``by`` us or transformers."""
        import torch

        kind: torch.dtype = getattr(torch, dtype)
        if by == "us":
            from aat_models import llama_layout

            self.model: Any = llama_layout.load(Path(folder), kind)
            return {"version": torch.__version__}
        import transformers

        library: Any = transformers
        self.model = library.AutoModelForCausalLM.from_pretrained(folder, dtype=kind, local_files_only=True).eval()
        self.model.generation_config.eos_token_id = None
        return {"version": library.__version__}

    def ours(self, batch: int, tokens: int) -> dict[str, Any]:
        """Our loop, tokens alone."""
        from aat_models.generation import draw
        from aat_models.sampling import Sampling
        from aat_models.writers import LlamaWriter

        prompts = self._prompts(batch)

        def run() -> list[list[int]]:
            writer = LlamaWriter(self.model, prompts, frozenset(), room=tokens)
            steps = [drawn.ids for drawn in draw(writer, batch, Sampling(max_tokens=tokens))]
            return [list(row) for row in zip(*steps, strict=True)]

        return _timed(run)

    def told(self, batch: int, tokens: int) -> dict[str, Any]:
        """Our loop as a person sees it: each token with its probability and five others."""
        from aat_models.generation import write
        from aat_models.sampling import Sampling
        from aat_models.writers import LlamaWriter

        prompts = self._prompts(batch)

        def run() -> list[list[int]]:
            writer = LlamaWriter(self.model, prompts, frozenset(), room=tokens)
            rows: list[list[int]] = [[] for _ in prompts]
            for row, token in write(writer, [_Numbers() for _ in prompts], Sampling(max_tokens=tokens)):
                rows[row].append(int(token.text))
            return rows

        return _timed(run)

    def theirs(self, batch: int, tokens: int) -> dict[str, Any]:
        """transformers' loop."""
        import torch

        prompts = torch.tensor(self._prompts(batch))

        def run() -> list[list[int]]:
            found = self.model.generate(
                prompts, attention_mask=torch.ones_like(prompts), do_sample=False, max_new_tokens=tokens, pad_token_id=0
            )
            return found[:, PROMPT:].tolist()

        return _timed(run)

    def _prompts(self, batch: int) -> list[list[int]]:
        return [[4 + (7 * row + 3 * place) % 60 for place in range(PROMPT)] for row in range(batch)]


class _Numbers:
    """Spells a token as its number: text costs both sides the same, and only one of them makes it."""

    def add(self, number: int) -> str:
        return str(number)

    shown = add

    def rest(self) -> str:
        return ""


def _timed(run: Callable[[], list[list[int]]]) -> dict[str, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    ids = run()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "ids": ids}


def main() -> None:
    session = Session()
    parts: list[Callable[..., dict[str, Any]]] = [
        session.make,
        session.open,
        session.ours,
        session.told,
        session.theirs,
    ]
    serve({part.__name__: part for part in parts})


if __name__ == "__main__":
    main()
