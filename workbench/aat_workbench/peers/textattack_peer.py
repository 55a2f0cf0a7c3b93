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
from collections.abc import Callable
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
    import torch
    from textattack.models.wrappers import ModelWrapper

    def interned(text: str) -> Any:
        return predictor.intern(text.split() or ["[UNK]"])

    class Wrapper(ModelWrapper):
        """Texts → probabilities: split at spaces, number, pad, ask."""

        model = None
        seconds = 0.0
        rows = 0

        def __call__(self, texts: list[str]) -> Any:
            pieces = [interned(text) for text in texts]
            lengths = np.array([len(piece) for piece in pieces])
            ids = np.zeros((len(pieces), int(lengths.max())), np.int32)
            for row, piece in enumerate(pieces):
                ids[row, : len(piece)] = piece
            began = time.perf_counter()
            probabilities = predictor.score(ids, lengths)
            self.seconds += time.perf_counter() - began
            self.rows += len(texts)
            return probabilities

        def tokenize(self, texts: list[str], strip_prefix: bool = False) -> list[list[str]]:
            return [text.split() for text in texts]

        def get_grad(self, text: str) -> dict[str, Any]:
            """The gradient (words, E) of the predicted class's loss, as TextAttack's wrappers of PyTorch models have it."""
            ids = torch.from_numpy(interned(text).astype(np.int64))[None]
            began = time.perf_counter()
            embedded = predictor.model.embedding(ids).detach().requires_grad_()
            logits = predictor.model.classify(embedded, torch.tensor([ids.shape[1]]))
            loss = torch.nn.functional.cross_entropy(logits, logits.argmax(dim=1))
            (gradient,) = torch.autograd.grad(loss, embedded)
            self.seconds += time.perf_counter() - began
            return {"ids": ids[0].tolist(), "gradient": gradient[0].numpy()}

    return Wrapper()


def _table_swap(limit: int | None = None) -> Any:
    """Substitutes of the table that stands in for vectors which cannot be had, at most ``limit`` a word."""
    from textattack.transformations.word_swaps import WordSwap

    from aat_models.attacks.recipes.sources import counterfitted

    table = counterfitted()

    class TableSwap(WordSwap):
        def _get_replacement_words(self, word: str) -> list[str]:
            return list(table(word)[:limit])

    return TableSwap()


def _once() -> list[Any]:
    """Each word once, and no stop words, which are ours."""
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification

    from aat_models.attacks.constraints import STOP_WORDS

    return [RepeatModification(), StopwordModification(stopwords=set(STOP_WORDS))]


def _textfooler(wrapper: Any) -> Any:
    from textattack import Attack
    from textattack.constraints.grammaticality import PartOfSpeech
    from textattack.goal_functions import UntargetedClassification
    from textattack.search_methods import GreedyWordSwapWIR

    constraints = [*_once(), PartOfSpeech(allow_verb_noun_swap=True)]
    search = GreedyWordSwapWIR(wir_method="delete")
    return Attack(UntargetedClassification(wrapper), constraints, _table_swap(), search)


def _textbugger(wrapper: Any) -> Any:
    from textattack import Attack, transformations
    from textattack.goal_functions import UntargetedClassification
    from textattack.search_methods import GreedyWordSwapWIR

    inside: dict[str, Any] = {"random_one": True, "skip_first_char": True, "skip_last_char": True}
    bugs = [
        transformations.WordSwapRandomCharacterInsertion(letters_to_insert=" ", **inside),
        transformations.WordSwapRandomCharacterDeletion(**inside),
        transformations.WordSwapNeighboringCharacterSwap(**inside),
        transformations.WordSwapHomoglyphSwap(random_one=True),
        _table_swap(5),
    ]
    search = GreedyWordSwapWIR(wir_method="delete")
    together = transformations.CompositeTransformation(bugs)
    return Attack(UntargetedClassification(wrapper), _once(), together, search)


def _genetic(wrapper: Any) -> Any:
    from textattack import Attack
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.goal_functions import UntargetedClassification
    from textattack.search_methods import AlzantotGeneticAlgorithm

    constraints = [*_once(), MaxWordsPerturbed(max_percent=0.2)]
    search = AlzantotGeneticAlgorithm(pop_size=60, max_iters=40, post_crossover_check=False)
    return Attack(UntargetedClassification(wrapper), constraints, _table_swap(), search)


def _a2t(wrapper: Any) -> Any:
    from textattack import Attack
    from textattack.constraints.grammaticality import PartOfSpeech
    from textattack.constraints.pre_transformation import MaxModificationRate
    from textattack.goal_functions import UntargetedClassification
    from textattack.search_methods import GreedyWordSwapWIR

    constraints = [
        *_once(),
        PartOfSpeech(allow_verb_noun_swap=False),
        MaxModificationRate(max_rate=0.1, min_threshold=4),
    ]
    search = GreedyWordSwapWIR(wir_method="gradient")
    return Attack(UntargetedClassification(wrapper), constraints, _table_swap(), search)


def _shipped(name: str) -> Callable[[Any], Any]:
    def build(wrapper: Any) -> Any:
        from textattack import attack_recipes

        return getattr(attack_recipes, name).build(wrapper)

    return build


RECIPES: dict[str, Callable[[Any], Any]] = {
    "deepwordbug": _shipped("DeepWordBugGao2018"),
    "pwws": _shipped("PWWSRen2019"),
    "pwws-reask": _shipped("PWWSRen2019"),
    "textfooler-cf": _textfooler,
    "textbugger-cf": _textbugger,
    "genetic-cf": _genetic,
    "a2t-cf": _a2t,
}
"""TextAttack's recipes as they are compared: as they are, or their parts without what cannot be had."""


class Peer:
    """A victim and the texts it is attacked on."""

    def open(self, folder: str, texts: list[tuple[int, str, int]]) -> dict[str, Any]:
        import torch
        from nltk.corpus import wordnet

        from aat_models.predictor import Predictor

        torch.set_num_threads(1)
        self._predictor = Predictor.load(Path(folder))
        self._predictor.sharing = False  # the model's own forward, as another framework finds it
        self._texts = texts
        wordnet.ensure_loaded()  # ten seconds that no attack is charged for
        wordnet.synsets("good")
        return {"textattack": version("textattack"), "torch": torch.__version__}

    def attack(self, recipe: str, seed: int, limit: int = 0) -> dict[str, Any]:
        import numpy as np

        random.seed(seed)
        np.random.seed(seed)
        wrapper = _wrapper(self._predictor)
        attack = RECIPES[recipe](wrapper)
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
