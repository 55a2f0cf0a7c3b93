"""How fast attacks are: against the same victim asked the same questions without an attack, and against another framework.

Each side runs in a process of its own with one thread; rounds go A B A B, so that both see the same machine.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from aat_datasets.errors import InputError
from aat_workbench.peers import environment
from aat_workbench.peers.wire import Side, one_thread, our_packages

__all__ = ["BATCHES", "DIFFERENCES", "PEERS", "TRAINED", "bench_attack", "side_command", "summary"]

TRAINED = ("bilstm", "mean")  # victims the bench trains itself
TINY = "builtin:tiny"
BATCHES = (32, 64, 128, 256, 512)  # tried to find the limit; a checkpoint cuts what is larger
PEERS = {"textattack": "aat_workbench.peers.textattack_peer"}
_WARM = 5  # texts of an uncounted attack before the first round

DIFFERENCES = {
    "": "the same weights, texts (the victim's words with spaces between) and process settings; the other side's victim "
    "reads every text whole; no query budget on either side; time of the attack alone, without loading; random edits differ "
    "from round to round on both sides",
    "deepwordbug": "TextAttack's DeepWordBugGao2018 as it is; its stop words are NLTK's, ours have the clitics 's, n't … "
    "besides",
    "pwws": "TextAttack's PWWSRen2019 as it is. Ours follows the paper: each word's substitute is chosen once, on the "
    "original text, and has the word's part of speech; TextAttack checks none and asks all substitutes again at every step",
    "pwws-reask": "our parts searching as TextAttack's PWWSRen2019 does, without parts of speech; synonyms from one "
    "WordNet, ours from a table made of it with rules for base forms, TextAttack's through NLTK",
    "textfooler-cf": "TextAttack's parts of TextFoolerJin2019 without the sentence encoder and the vectors, which cannot be "
    "had: both sides take substitutes from the table of Jia et al. 2019 and our stop words; TextAttack tags a word with 4 "
    "words before and 3 after, ours with the whole text; NLTK's tagger is read once, not at every call as NLTK does",
    "textbugger-cf": "TextAttack's parts of TextBuggerLi2018 without the sentence encoder and the vectors: both sides take 5 "
    "substitutes from the table of Jia et al. 2019, our stop words, and one character that looks alike (TextAttack's own "
    "recipe tries every one); TextAttack draws that character among all, ours among those that have a lookalike",
    "genetic-cf": "TextAttack's parts of FasterGeneticAlgorithmJia2019 without the language model and the vectors: both "
    "sides take the table of Jia et al. 2019 and our stop words. Where the best substitute of a member's word does not help, "
    "TextAttack tries another word, ours goes on; after crossing TextAttack leaves changes beyond the cap, ours undoes them",
    "a2t-cf": "TextAttack's parts of A2TYoo2021 without the sentence encoder and the vectors: both sides take the table of "
    "Jia et al. 2019 and our stop words; TextAttack tags a word with 4 words before and 3 after, ours with the whole text; "
    "ours counts a gradient as a query",
}
"""What is not the same on both sides, by recipe; ``""`` is for all."""


def bench_attack(
    recipes: Sequence[str], *, against: str = "", count: int = 200, victim: str = "bilstm",
    dataset: str = "sst2-sentences", rounds: int = 5, sharing: bool = True,
) -> Iterator[str | dict[str, Any]]:  # fmt: skip
    """Lines of narration, and last the figures. Times are in seconds.

    ``sharing`` False: our side reads every candidate whole, too (``Predictor.sharing``).

    Raises InputError where a recipe cannot be compared, DataError where the texts are not there, and EngineError where a
    side fails or the peer's environment cannot be made.
    """
    if against:
        _comparable(recipes, against, victim)
        yield from environment.make(against)
    texts = _texts(victim, dataset, count)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aat-bench-")))
        settings = one_thread(our_packages(folder))
        ours = stack.enter_context(
            Side("our side", [sys.executable, "-m", "aat_workbench.attack_bench_side"], settings)
        )
        yield f"preparing the victim {victim}"
        place = _victim(ours, victim, dataset)
        opened = ours.ask("open", folder=place, texts=texts, sharing=sharing)
        told: dict[str, Any] = {}
        peer = None
        if against:
            yield f"starting {against}"
            read = [
                (row, " ".join(words), label) for (row, _, label), words in zip(texts, opened["words"], strict=True)
            ]
            peer = stack.enter_context(Side(against, side_command(against), settings))
            told = peer.ask("open", folder=place, texts=read)
        figures: dict[str, Any] = {}
        for recipe in recipes:
            figures[recipe] = yield from _measure(recipe, ours, peer, rounds)
    notes = {name: text for name, text in DIFFERENCES.items() if against and name in ("", *recipes)}
    yield {
        "victim": victim, "dataset": dataset, "texts": len(texts), "rounds": rounds, "against": against,
        "sharing": sharing, "peer": told, "recipes": figures, "differences": notes,
    }  # fmt: skip


def side_command(peer: str) -> list[str]:
    """What starts a peer's process: its own Python, our script. Raises InputError before its environment is made."""
    python = environment.python_of(peer)
    if python is None:
        raise InputError(f"the environment of {peer} is not there", f"aat-workbench bench attack --against {peer}")
    return [str(python), "-W", "ignore", "-m", PEERS[peer]]


def _comparable(recipes: Sequence[str], against: str, victim: str) -> None:
    if against not in PEERS:
        raise InputError(f"--against: no peer named {against!r}", f"known: {', '.join(PEERS)}")
    for recipe in recipes:
        if recipe not in DIFFERENCES or not recipe:
            known = ", ".join(name for name in DIFFERENCES if name)
            raise InputError(f"--recipes: {recipe} cannot be compared with {against}", f"known: {known}")
    if victim == TINY:
        raise InputError(f"--victim: {TINY} has no weights to give to {against}", "take bilstm, mean or a run")


def _texts(victim: str, dataset: str, count: int) -> list[tuple[int, str, int]]:
    """Rows, texts and labels of the test split."""
    if victim == TINY:
        from aat_models.attacks import tiny

        found = tiny.examples(limit=count)
    else:
        from aat_datasets.catalog import open_dataset

        found = open_dataset(dataset).examples("test", limit=count)
    return [(example.row, example.text, example.label) for example in found if example.label is not None]


def _victim(ours: Side, victim: str, dataset: str) -> str:
    """The checkpoint folder of a victim, trained where that is to be done."""
    if victim == TINY:
        return TINY
    if victim in TRAINED:
        cache = environment.peers_root().parent / "bench"
        return str(ours.ask("prepare", victim=victim, dataset=dataset, cache=str(cache))["folder"])
    from aat_workbench.runs import resolve_target

    return str(resolve_target(victim).resolve())


def _measure(recipe: str, ours: Side, peer: Side | None, rounds: int) -> Generator[str, None, dict[str, Any]]:
    sides = {"ours": ours} | ({"peer": peer} if peer is not None else {})
    for side in sides.values():
        side.ask("attack", recipe=recipe, seed=0, limit=_WARM)
    tried = {batch: ours.ask("replay", recipe=recipe, seed=0, batch=batch) for batch in BATCHES}
    best = min(tried, key=lambda batch: tried[batch]["cpu"])
    seen: dict[str, list[dict[str, Any]]] = {name: [] for name in (*sides, "limit")}
    for number in range(rounds):
        for name, side in sides.items():
            seen[name].append(side.ask("attack", recipe=recipe, seed=number))
        # The limit is of this round's own queries: the same seed as the attack before it.
        seen["limit"].append(ours.ask("replay", recipe=recipe, seed=number, batch=best))
        yield f"{recipe}, round {number + 1} of {rounds}"
    return summary(seen, best)


def summary(seen: dict[str, list[dict[str, Any]]], batch: int) -> dict[str, Any]:
    """The figures of one recipe from what each round of each side said: medians, ratios round by round."""
    sides = {name: _side(answers) for name, answers in seen.items() if name != "limit" and answers}
    own = seen["ours"]
    found: dict[str, Any] = dict(sides)
    limit = seen["limit"]
    found["limit"] = {
        "batch": batch,
        "cpu": _median([answer["cpu"] for answer in limit]),
        "wall": _median([answer["wall"] for answer in limit]),
        "share": _median([a["cpu"] / b["cpu"] for a, b in zip(limit, own, strict=True)]),
    }
    if "peer" in sides:
        pairs = list(zip(seen["peer"], own, strict=True))
        found["factor_cpu"] = _median([theirs["cpu"] / mine["cpu"] for theirs, mine in pairs])
        found["factor_wall"] = _median([theirs["wall"] / mine["wall"] for theirs, mine in pairs])
        after = sides["ours"]["accuracy_under_attack"] - sides["peer"]["accuracy_under_attack"]
        found["difference_points"] = round(100 * after, 2)
    return found


def _side(answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    shares = {
        status: [sum(s == status for s in a["statuses"].values()) / len(a["statuses"]) for a in answers]
        for status in ("skipped", "success")
    }
    clean, reached = 1 - statistics.mean(shares["skipped"]), statistics.mean(shares["success"])
    return {
        "cpu": _median([answer["cpu"] for answer in answers]),
        "wall": _median([answer["wall"] for answer in answers]),
        "cpu_rounds": [round(answer["cpu"], 4) for answer in answers],
        "forward_share": _median([answer["forward"] / answer["wall"] for answer in answers]),
        "queries": round(statistics.mean(answer["queries"] for answer in answers)),
        "rows": round(statistics.mean(answer["rows"] for answer in answers)),
        "accuracy": round(clean, 4),
        "accuracy_under_attack": round(clean - reached, 4),
    }


def _median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 4)
