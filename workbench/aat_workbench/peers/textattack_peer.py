# pyright: basic, reportMissingImports=false
"""TextAttack's side of ``bench attack``, run by the Python of its own environment.

``python -m aat_workbench.peers.textattack_peer`` answers the requests of ``peers.wire``: open, attack. The victim is the
same checkpoint, loaded by our own packages; texts come as the victim's words with spaces between.
"""

from __future__ import annotations

import functools
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from aat_workbench.peers.wire import serve


def _offline() -> None:
    """NLTK's data from the mirror, and nothing is fetched: TextAttack tries to at import and in constructors."""
    import nltk
    import nltk.tag

    from aat_models.attacks.tagging import coarse

    mirror = os.environ.get("AAT_MIRROR", "")
    if mirror:
        nltk.data.path.insert(0, str(Path(mirror) / "nltk_data"))
    nltk.download = lambda *_, **__: False
    # NLTK reads the tagger's 6 MB anew at every call; once is kinder to TextAttack, and what is compared is TextAttack.
    nltk.tag._get_tagger = functools.lru_cache(nltk.tag._get_tagger)
    # The universal tag set needs data that the mirror does not have: the map our own recipe has, in its names.
    nltk.tag.map_tag = lambda source, target, tag: coarse(tag).upper()


def _wrapper(predictor: Any) -> Any:
    import numpy as np
    from textattack.models.wrappers import ModelWrapper

    class Wrapper(ModelWrapper):
        """Texts → probabilities: split at spaces, number, pad, ask."""

        model = None
        seconds = 0.0
        rows = 0

        def __call__(self, texts: list[str]) -> Any:
            pieces = [predictor.intern(text.split() or ["[UNK]"]) for text in texts]
            lengths = np.array([len(piece) for piece in pieces])
            ids = np.zeros((len(pieces), int(lengths.max())), np.int32)
            for row, piece in enumerate(pieces):
                ids[row, : len(piece)] = piece
            began = time.perf_counter()
            probabilities = predictor.score(ids, lengths)
            self.seconds += time.perf_counter() - began
            self.rows += len(texts)
            return probabilities

    return Wrapper()


def _textfooler(wrapper: Any) -> Any:
    """TextFooler's parts, with the substitutes of our own table instead of vectors that cannot be had."""
    from textattack import Attack
    from textattack.constraints.grammaticality import PartOfSpeech
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.goal_functions import UntargetedClassification
    from textattack.search_methods import GreedyWordSwapWIR
    from textattack.transformations.word_swaps import WordSwap

    from aat_models.attacks.constraints import STOP_WORDS
    from aat_models.attacks.recipes.sources import counterfitted

    table = counterfitted()

    class TableSwap(WordSwap):
        def _get_replacement_words(self, word: str) -> list[str]:
            return list(table(word))

    constraints = [
        RepeatModification(),
        StopwordModification(stopwords=set(STOP_WORDS)),
        PartOfSpeech(allow_verb_noun_swap=True),
    ]
    return Attack(UntargetedClassification(wrapper), constraints, TableSwap(), GreedyWordSwapWIR(wir_method="delete"))


def _build(recipe: str, wrapper: Any) -> Any:
    from textattack.attack_recipes import DeepWordBugGao2018, PWWSRen2019

    if recipe == "textfooler-cf":
        return _textfooler(wrapper)
    return {"deepwordbug": DeepWordBugGao2018, "pwws": PWWSRen2019, "pwws-reask": PWWSRen2019}[recipe].build(wrapper)


class Peer:
    """A victim and the texts it is attacked on."""

    def open(self, folder: str, texts: list[tuple[int, str, int]]) -> dict[str, Any]:
        import torch
        from nltk.corpus import wordnet

        from aat_models.predictor import Predictor

        torch.set_num_threads(1)
        self._predictor = Predictor.load(Path(folder))
        self._texts = texts
        wordnet.ensure_loaded()  # ten seconds that no attack is charged for
        wordnet.synsets("good")
        return {"textattack": version("textattack"), "torch": torch.__version__}

    def attack(self, recipe: str, seed: int, limit: int = 0) -> dict[str, Any]:
        import numpy as np

        random.seed(seed)
        np.random.seed(seed)
        wrapper = _wrapper(self._predictor)
        attack = _build(recipe, wrapper)
        statuses: dict[str, str] = {}
        queries = 0
        wall, cpu = time.perf_counter(), time.process_time()
        for row, text, label in self._texts[: limit or None]:
            result = attack.attack(text, label)
            queries += result.num_queries
            statuses[str(row)] = _STATUS[type(result).__name__]
        times = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        return {
            **times,
            "forward": wrapper.seconds,
            "rows": wrapper.rows,
            "queries": queries,
            "statuses": statuses,
        }


_STATUS = {
    "SuccessfulAttackResult": "success",
    "FailedAttackResult": "failed",
    "SkippedAttackResult": "skipped",
    "MaximizedAttackResult": "failed",
}


def version(package: str) -> str:
    from importlib.metadata import version as installed

    return installed(package)


def main() -> None:
    """Serves one benchmark."""
    _offline()
    peer = Peer()
    serve({"open": peer.open, "attack": peer.attack})


if __name__ == "__main__":
    sys.exit(main())
