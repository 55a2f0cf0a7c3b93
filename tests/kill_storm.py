"""Real commands killed with -9 at random moments, resumed until they are done, and compared with the uninterrupted result.

    python tests/kill_storm.py --kills 100 --seed 0

Ingest, the three stages of a training, an attack and a sweep, all on tiny data. A kill goes to the command's whole
process group (of a sweep: to its driver, a training it began, or both) at a moment drawn with the seed between its start
and its end, importing included; the kills of a stage fall into that stage. What is compared is what is documented as
exact: a data set's rows, the last and the best checkpoint's bytes, a run's records and an attack's results without the
times they were written.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SHARES = {"ingest": 28, "encoder": 12, "decoder": 12, "joint": 12, "attack": 24, "sweep": 12}
A_ROUND = 8  # kills, then the command may end
TINY = {
    "data.limit": 64, "train.batch_size": 8, "train.epochs": 8, "train.decoder_epochs": 8, "train.threads": 1,
    "train.evaluate_every": 16, "train.evaluate_limit": 8, "train.log_every": 1, "train.checkpoint_every": 8,
    "surface.source": "dataset", "model.embedding": 16, "model.hidden": 32, "model.latent": 16, "model.buckets": 100,
    "adversary.name": "aat",
}  # fmt: skip
STAGED = {
    "train.stages": "encoder,decoder,joint", "model.decoder": "lstm", "model.decoder_hidden": 32,
    "model.decoder_embedding": 16,
}  # fmt: skip
CLOCKED = ("time", "seconds", "examples_per_second", "step_seconds", "step_time_ratio", "seconds_total")
ROWS = 400_000


class Place:
    """A folder with data and runs of its own, in which commands are started, killed and let end."""

    def __init__(self, folder: Path, data: Path | None = None) -> None:
        self.folder = folder
        self.data = data or folder / "data"
        self.runs = folder / "runs"
        folder.mkdir(parents=True, exist_ok=True)
        packages = [str(ROOT / name) for name in ("datasets", "models", "workbench")]
        self.environment = {
            **os.environ, "PYTHONPATH": os.pathsep.join(packages), "AAT_DATA": str(self.data), "AAT_RUNS": str(self.runs),
            "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        self.environment.pop("AAT_MIRROR", None)

    def start(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / "said").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "aat_workbench.cli.start", *arguments],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=self.environment, cwd=self.folder,
                start_new_session=True,
            )  # fmt: skip

    def finish(self, arguments: list[str]) -> None:
        """Let a command end well. Raises AssertionError with what it said."""
        code = self.start(arguments).wait(300)
        said = (self.folder / "said").read_text(encoding="utf-8", errors="replace")
        assert code == 0, f"{' '.join(arguments)} ended with {code}:\n{said[-3000:]}"

    def kill(self, process: subprocess.Popen[bytes]) -> bool:
        """Kill its group; whether it was still at work."""
        if process.poll() is not None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.wait(60) == -signal.SIGKILL


def rest(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait so long, or until the process ends by itself."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


class Storm:
    """What all parts share: where, the dice, the uninterrupted results and how long they took."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.dice = random.Random(seed)
        self.whole = Place(folder / "whole")
        self.rounds = 0

    def place(self) -> Place:
        """An empty one that reads the same data."""
        self.rounds += 1
        return Place(self.folder / f"round-{self.rounds}", self.whole.data)

    def timed(self, arguments: list[str]) -> float:
        begun = time.monotonic()
        self.whole.finish(arguments)
        return time.monotonic() - begun

    def struck(self, kills: int, part: Callable[[int], int]) -> None:
        """Rounds of a few kills until there were so many."""
        while kills > 0:
            kills -= part(min(A_ROUND, kills))

    # Ingest

    def ingest(self, kills: int) -> None:
        file = self.folder / "rows.csv"
        with file.open("w", encoding="utf-8") as out:
            out.write("text,label\n")
            out.writelines(f"text number {i} that is read,{('no', 'yes')[i % 2]}\n" for i in range(ROWS))
        self.whole.finish(["data", "list"])
        seconds = self.timed(["data", "add", "rows", str(file), "--quiet"])
        expected = dataset(self.whole.data / "rows")
        assert expected, "nothing was ingested"

        def part(most: int) -> int:
            place, hit = Place(self.folder / f"ingest-{self.dice.getrandbits(30)}"), 0
            for _ in range(20):
                process = place.start(["data", "add", "rows", str(file), "--quiet", *replacing(place)])
                rest(process, self.dice.uniform(0.1, seconds))
                hit += place.kill(process)
                if hit == most:
                    break
            assert not (place.data / "rows").exists() or dataset(place.data / "rows") == expected, "half a dataset"
            place.finish(["data", "add", "rows", str(file), "--quiet", *replacing(place)])
            assert dataset(place.data / "rows") == expected, f"ingest in {place.folder}"
            shutil.rmtree(place.folder)
            return hit

        self.struck(kills, part)

    # Training

    def train(self, stage: str, kills: int) -> None:
        begin = ["train", "--run", "one", "--quiet", *settings({**TINY, **STAGED})]
        reference = self.whole.runs / "one"
        if not reference.exists():
            self.whole.finish(begin)
        expected, spans = trained(reference), stage_seconds(reference)
        opening = opening_seconds(reference)

        def part(most: int) -> int:
            place, hit = self.place(), 0
            run = place.runs / "one"
            for _ in range(20):
                there = stage_of(run) == stage
                process = place.start(["train", "--run", "one", "--quiet", "--resume"] if run.exists() else begin)
                while process.poll() is None and stage_of(run) != stage:
                    time.sleep(0.01)
                rest(process, self.dice.uniform(0, spans[stage] + opening * there))
                in_stage = stage_of(run) == stage
                if not place.kill(process):
                    break
                hit += in_stage
                if hit == most or not in_stage:
                    break
            if state(run) != "done":
                place.finish(["train", "--run", "one", "--quiet", "--resume"] if run.exists() else begin)
            same(trained(run), expected, f"{stage} in {place.folder}")
            shutil.rmtree(place.folder)
            return hit

        self.struck(kills, part)

    # Attack

    def attack(self, kills: int) -> None:
        victim = ["train", "--run", "victim", "--quiet", *settings(TINY)]
        self.whole.finish(victim)
        command = ["attack", "victim", "--recipe", "genetic", "-n", "120", "--surface", "all", "--quiet"]
        seconds = self.timed(command)
        expected = attacked(self.whole.runs / "victim")

        def part(most: int) -> int:
            place, hit = self.place(), 0
            shutil.copytree(self.whole.runs / "victim", place.runs / "victim", ignore=shutil.ignore_patterns("attacks"))
            for _ in range(20):
                process = place.start([*command, *resuming(place)])
                rest(process, self.dice.uniform(0.1, seconds))
                struck = place.kill(process)
                hit += struck
                if hit == most or not struck:
                    break
            place.finish([*command, *resuming(place)])
            same(attacked(place.runs / "victim"), expected, f"attack in {place.folder}")
            shutil.rmtree(place.folder)
            return hit

        self.struck(kills, part)

    # Sweep

    def sweep(self, kills: int) -> None:
        file = self.folder / "sweep.toml"
        base = "\n".join(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in TINY.items())
        file.write_text(f'name = "s"\nparallel = 2\n[base]\n{base}\n[grid]\n"model.encoder" = ["bow", "cnn"]\n')
        command = ["train", "--sweep", str(file), "--quiet"]
        seconds = self.timed(command)
        names = sorted(path.name for path in self.whole.runs.glob("s-*"))
        assert len(names) == 2
        expected = {name: trained(self.whole.runs / name) for name in names}

        def part(most: int) -> int:
            place, hit = self.place(), 0
            for _ in range(20):
                process = place.start(command)
                rest(process, self.dice.uniform(0.1, seconds))
                aim = self.dice.choice(["driver", "training", "both"])
                struck = aim != "driver" and kill_one(place.runs, self.dice)
                if aim != "training" or not struck:
                    struck = place.kill(process) or struck
                else:
                    process.wait(300)  # the driver sees its training go, and leaves it to the next call
                hit += struck
                if hit == most or not struck:
                    break
            for _ in range(3):  # a training that was killed is taken up by the call after the one that saw it
                place.finish(command)
                if all(state(place.runs / name) == "done" for name in names):
                    break
            same({name: trained(place.runs / name) for name in names}, expected, f"sweep in {place.folder}")
            shutil.rmtree(place.folder)
            return hit

        self.struck(kills, part)


# What is looked at


def settings(values: dict[str, Any]) -> list[str]:
    return [part for key, value in values.items() for part in ("--set", f"{key}={value}")]


def replacing(place: Place) -> list[str]:
    return ["--replace"] if (place.data / "cards" / "rows.toml").exists() else []


def resuming(place: Place) -> list[str]:
    return ["--resume"] if any(place.runs.glob("victim/attacks/*/config.toml")) else []


def dataset(folder: Path) -> dict[str, str]:
    """A digest of every split's rows, in their order, and what else the folder is made of."""
    import duckdb

    found = {path.name: "" for path in folder.iterdir() if path.suffix != ".parquet"} if folder.exists() else {}
    for path in sorted(folder.glob("*.parquet")):
        rows = duckdb.execute(f"SELECT * FROM read_parquet('{path}') ORDER BY 1").fetchall()
        found[path.name] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return found


def lines(path: Path) -> list[dict[str, Any]]:
    """The whole records of a file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def unclocked(record: Any) -> Any:
    """A record without what tells of the machine."""
    if isinstance(record, dict):
        return {key: unclocked(value) for key, value in record.items() if key not in CLOCKED}
    return record


def records(run: Path) -> list[Any]:
    """What a run says in the end, but for each process's first word; what a resumption took back is no part of it."""
    import msgspec

    from aat_models.events import Resumed, Started
    from aat_workbench.runs import RunFolder

    kept = [event for event in RunFolder(run).history() if not isinstance(event, Started | Resumed)]
    return [unclocked(msgspec.to_builtins(event)) for event in kept]


def trained(run: Path) -> dict[str, Any]:
    """The bytes of the last and the best checkpoint, as digests, and the records."""
    found: dict[str, Any] = {"records": records(run)}
    for name in ("latest", "best"):
        folder = run / "checkpoints" / (run / "checkpoints" / name).read_text().strip()
        for path in sorted(folder.glob("*.safetensors")):
            found[f"{name} {folder.name} {path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def attacked(run: Path) -> list[str]:
    [results] = run.glob("attacks/*/results.jsonl")
    return sorted(json.dumps(unclocked(row), sort_keys=True) for row in lines(results))


def state(run: Path) -> str:
    try:
        return json.loads((run / "status.json").read_bytes())["state"]
    except OSError:
        return "missing"


def stage_of(run: Path) -> str:
    """The stage of the last step that a run recorded; nothing before the first."""
    stages = [record["stage"] for record in tail(run / "events.jsonl") if record["type"] == "step"]
    return stages[-1] if stages else ""


def tail(path: Path) -> list[dict[str, Any]]:
    """The last few whole records of a file that grows."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4000))
        found: list[dict[str, Any]] = []
        for line in file.read().split(b"\n")[:-1]:
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found
    return []


def stage_seconds(run: Path) -> dict[str, float]:
    """How long each stage of a training took."""
    times: dict[str, list[float]] = {}
    for record in lines(run / "events.jsonl"):
        if record["type"] == "step":
            times.setdefault(record["stage"], []).append(record["time"])
    return {stage: max(0.2, seen[-1] - seen[0]) for stage, seen in times.items()}


def opening_seconds(run: Path) -> float:
    """How long a training took from its process's announcement to its first step."""
    first = next(record["time"] for record in lines(run / "events.jsonl") if record["type"] == "step")
    return first - json.loads((run / "status.json").read_bytes())["started"]


def kill_one(runs: Path, dice: random.Random) -> bool:
    """Kill the group of one training at work, if there is one."""
    statuses = [json.loads(path.read_bytes()) for path in sorted(runs.glob("s-*/status.json"))]
    pids = [status["pid"] for status in statuses if status["state"] == "running" and status["pid"]]
    with contextlib.suppress(ProcessLookupError):
        if pids:
            os.killpg(dice.choice(pids), signal.SIGKILL)
            return True
    return False


def same(found: Any, expected: Any, what: str) -> None:
    """Raises AssertionError that names the first difference."""
    if found == expected:
        return
    if isinstance(found, dict) and isinstance(expected, dict):
        assert found.keys() == expected.keys(), f"{what}: {sorted(found.keys() ^ expected.keys())}"
        for key in found:
            same(found[key], expected[key], f"{what}, {key}")
    if isinstance(found, list) and isinstance(expected, list):
        for place, (one, other) in enumerate(zip(found, expected, strict=False)):
            same(one, other, f"{what}, record {place}")
        raise AssertionError(f"{what}: {len(found)} records, expected {len(expected)}")
    raise AssertionError(f"{what}: {found!r}, expected {expected!r}")


def run(kills: int, seed: int, folder: Path, parts: list[str], tell: Callable[[str], None] = print) -> str:
    """So many kills, shared out over ``parts``; returns the summary line. Raises AssertionError where a result differs."""
    storm = Storm(folder, seed)
    whole = sum(SHARES[part] for part in parts)
    counts = {part: max(1, round(kills * SHARES[part] / whole)) for part in parts}
    counts[parts[0]] += kills - sum(counts.values())
    for part, count in counts.items():
        if part in ("encoder", "decoder", "joint"):
            storm.train(part, count)
        else:
            getattr(storm, part)(count)
        tell(f"{part}: {count} kills, all equal")
    said = ", ".join(f"{part} {count}" for part, count in counts.items())
    return f"{kills} kills: {said}: all equal"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", default=",".join(SHARES), help="which, by commas")
    parser.add_argument("--folder", type=Path, help="where to work; kept")
    asked = parser.parse_args()
    for name in ("datasets", "models", "workbench"):
        sys.path.insert(0, str(ROOT / name))
    with contextlib.ExitStack() as stack:
        folder = asked.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kill-storm-")))
        print(
            run(asked.kills, asked.seed, folder.resolve(), asked.parts.split(","), lambda line: print(line, flush=True))
        )


if __name__ == "__main__":
    main()
