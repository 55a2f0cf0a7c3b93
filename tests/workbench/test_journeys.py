"""The six journeys of docs/journeys.md in short form: a new user's commands one after another, tiny models, real processes."""

from __future__ import annotations

import csv
import importlib.util
import json
import random
import re
import runpy
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from aat_workbench import demonstration
from aat_workbench.cli.main import main
from aat_workbench.detached import child_environment
from aat_workbench.pseudo_terminal import PseudoTerminal
from aat_workbench.runs import RunFolder

from .places import sets, until
from .sshd import Sshd

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal"),
]

SMALL = sets(
    "model.encoder=cnn", "model.embedding=16", "model.hidden=16", "model.latent=16", "model.buckets=200",
    "model.decoder_hidden=16", "model.decoder_embedding=16", "train.batch_size=16", "train.lr=1e-2",
    "train.evaluate_limit=50", "train.evaluate_every=30", "train.threads=1",
)  # fmt: skip
GOOD = ["great", "lovely", "excellent", "delicious", "friendly", "wonderful"]
BAD = ["awful", "rude", "bland", "terrible", "dirty", "cold"]
GOOD_ZH = ["好吃", "热情", "干净", "满意", "喜欢", "新鲜"]
BAD_ZH = ["难吃", "冷淡", "很脏", "失望", "讨厌", "太贵"]
MODEL = '''
"""A classifier that was there before: it counts words."""
import json
from http.server import BaseHTTPRequestHandler

GOOD, BAD = {good}, {bad}

def predict(texts):
    found = []
    for text in texts:
        words = [word.strip(".,;") for word in text.lower().split()]
        score = sum(word in GOOD for word in words) - sum(word in BAD for word in words) + 0.1
        p = 1 / (1 + 2.718 ** -score)
        found.append([1 - p, p])
    return found

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["texts"]
        body = json.dumps({{"probabilities": predict(texts), "labels": ["negative", "positive"]}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass
'''


class Outcome(NamedTuple):
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Command = Callable[..., Outcome]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name, folder in {
        "AAT_DATA": "data", "AAT_RUNS": "runs", "XDG_STATE_HOME": "state", "XDG_CACHE_HOME": "cache",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.delenv("AAT_MIRROR", raising=False)
    return tmp_path


@pytest.fixture
def command(place: Path, capfd: pytest.CaptureFixture[str]) -> Command:
    """Types a command line; it must end well."""

    def run(*words: str) -> Outcome:
        capfd.readouterr()
        try:
            main(list(words))
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        outcome = Outcome(*capfd.readouterr())
        assert code == 0, (words, outcome)
        return outcome

    return run


def reviews(path: Path, good: list[str], bad: list[str], template: str, rows: int = 600) -> None:
    """A CSV of made-up reviews, one in twenty under the wrong label, as people's are."""
    draw = random.Random(1)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "review", "mood"])
        for number in range(rows):
            positive = draw.random() < 0.5
            words = draw.sample(good if positive else bad, 2)
            mood = positive if draw.random() < 0.95 else not positive
            table.writerow([number, template.format(*words, number % 50), "positive" if mood else "negative"])


def english(path: Path) -> None:
    reviews(path, GOOD, BAD, "table {2} was ours, the food {0} and the staff {1}")


def test_a_demo_then_a_sentence_is_typed_and_broken(place: Path) -> None:
    small = dict(word.split("=") for word in SMALL if "=" in word)
    settings = {**small, "data.limit": 200, "train.epochs": 2.0, "train.decoder_epochs": 1.0}
    *_, done = demonstration.run_demo(examples=6, root=place / "runs", settings=settings, signals=False)
    assert len(done.summary["models"]) == 2  # type: ignore[union-attr]
    environment = {**child_environment(place / "runs"), "LC_ALL": "C.UTF-8"}
    with PseudoTerminal([sys.executable, "-m", "aat_workbench.cli.start"], environment=environment) as terminal:
        terminal.wait(lambda: "1 Datasets" in " ".join(terminal.text().split()), 60)
        terminal.press(b"3p")
        terminal.wait(lambda: "what would break this?" in terminal.text(), 60)
        terminal.press(b"i want my money back please")
        terminal.wait(lambda: " says " in terminal.text(), 60)
        terminal.press(b"\r")
        found = r"(breaks with .+→.+: now \S+|no edit found that changes the answer: stays \S+).* \d+ queries"
        terminal.wait(lambda: re.search(found, terminal.text()) is not None, 60)
        assert terminal.running


def test_b_own_csv_until_a_report_for_a_colleague(place: Path, command: Command) -> None:
    english(place / "reviews.csv")
    with (place / "reviews.csv").open("a", encoding="utf-8") as file:
        file.write('601,"a quote that never closes\n')
    added = json.loads(command("data", "add", "reviews", "reviews.csv", "--json").out)
    assert (added["rows"], added["labels"], len(added["rejected"])) == (600, ["negative", "positive"], 1)
    assert "texts with two labels" in command("data", "check", "reviews").out
    assert "lovely" in command("data", "show", "reviews", "--contains", "lovely").out
    command("train", "--dataset", "reviews", "--run", "clean", "--epochs", "3", *SMALL, "--quiet")
    command(
        "train", "--dataset", "reviews", "--run", "hardened", "--adversary", "aat", "--epochs", "3", *SMALL, "--quiet"
    )
    assert "adversary.name" in command("runs", "compare", "clean", "hardened").out
    table = json.loads(command("evaluate", "clean", "hardened", "--recipes", "deepwordbug", "-n", "40", "--json").out)
    rows = {row["target"]: row for row in table["rows"]}
    assert rows["clean"]["clean_accuracy"] > 0.8 and rows["clean"]["accuracy_under_attack"] < 0.8
    command("report", "clean", "hardened", "evaluation-1", "--format", "html", "--out", "report.html")
    page = (place / "report.html").read_text(encoding="utf-8")
    assert "deepwordbug" in page and "hardened" in page and "<script" not in page


@pytest.fixture
def served(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """``my_model.py`` in the current folder, and the same behind HTTP."""
    monkeypatch.delitem(sys.modules, "my_model", raising=False)
    (place / "my_model.py").write_text(MODEL.format(good=set(GOOD), bad=set(BAD)), encoding="utf-8")
    server = HTTPServer(("127.0.0.1", 0), runpy.run_path(str(place / "my_model.py"))["Handler"])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/predict"
    server.shutdown()
    thread.join()
    server.server_close()


def test_c_an_existing_classifier_until_a_hardened_dataset(place: Path, command: Command, served: str) -> None:
    english(place / "reviews.csv")
    command("data", "add", "reviews", "reviews.csv", "--quiet")
    text = "the food was great and the staff friendly"
    (probed,) = json.loads(command("probe", "py:my_model:predict", text, "--json").out)
    strongest = max(zip(probed["salience"], probed["words"], strict=True))[1]
    assert strongest in ("great", "friendly")
    how = ["--dataset", "reviews", "--recipe", "deepwordbug", "--json"]
    (function,) = command("attack", "py:my_model:predict", *how, "-n", "30").lines
    (endpoint,) = command("attack", served, *how, "-n", "30").lines
    assert function["accuracy_under_attack"] == endpoint["accuracy_under_attack"] < function["clean_accuracy"]
    command("attack", served, *how, "-n", "200", "--split", "train", "--save-as", "fooled")
    command("data", "export", "fooled", "fooled.csv", "--quiet")
    rows = list(csv.DictReader((place / "fooled.csv").read_text(encoding="utf-8").splitlines()))
    assert rows and {row["label"] for row in rows} <= {"negative", "positive"}
    command(
        "train",
        "--dataset",
        "reviews",
        "--augment-with",
        "fooled",
        "--epochs",
        "1",
        "--run",
        "again",
        *SMALL,
        "--quiet",
    )
    assert RunFolder(place / "runs" / "again").status().state == "done"


def test_d_a_training_elsewhere_is_left_and_found_again(
    place: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    server = Sshd(place / "sshd")
    for name, value in {"AAT_SSH": server.options, "AAT_REMOTE": server.remote()}.items():
        monkeypatch.setenv(name, value)

    def there(*words: str) -> str:
        return command(*words, "--host", server.host).out

    try:
        long = [*SMALL, "--set", "train.epochs=2000", "--set", "data.limit=200"]
        there("train", "--detach", "--dataset", "support", "--adversary", "aat", "--run", "far", *long, "--json")
        folder = RunFolder(server.runs / "far")
        until(lambda: folder.steps())
        server.cut()
        server.stop()  # the laptop is closed
        step = folder.status().step
        until(lambda: folder.status().step > step)
        server.start()
        there("runs", "control", "far", "set", "train.lr=0.001")
        until(lambda: "train.lr=0.001" in folder.events_path.read_text(encoding="utf-8"))
        (probed,) = json.loads(there("probe", "far@latest", "where is my parcel", "--json"))
        assert len(probed["probabilities"]) == 16
        there("runs", "control", "far", "stop")
        until(lambda: not folder.status().active)
    finally:
        server.stop()


def test_e_replies_are_written_spoilt_and_hardened(place: Path, command: Command) -> None:
    how = ["--dataset", "support", *SMALL, "--set", "data.limit=300", "--set", "model.decoder=gru", "--epochs", "1"]
    stages = ["--set", "train.stages=encoder,decoder", "--set", "train.decoder_epochs=1", "--quiet"]
    command("train", *how, *stages, "--run", "clerk")
    hard = ["--adversary", "aat", "--set", "adversary.stages=encoder,decoder"]
    command("train", *how, *stages, *hard, "--run", "steady")
    (written,) = command("generate", "clerk", "--prompt", "where is my parcel", "--json").lines
    assert written["text"] and written["tokens"]
    command("attack", "clerk", "--goal", "meaning", "--recipe", "character-noise", "-n", "8", "--json")
    few = ["--goal", "meaning", "--recipes", "character-noise", "-n", "8", "--json"]
    table = json.loads(command("evaluate", "clerk", "steady", *few).out)
    assert [row["target"] for row in table["rows"]] == ["clerk", "steady"]


@pytest.mark.skipif(importlib.util.find_spec("jieba") is None, reason="needs the extra zh")
def test_f_chinese_reviews(place: Path, command: Command) -> None:
    reviews(place / "reviews.csv", GOOD_ZH, BAD_ZH, "这家店的菜{0}，服务{1}，我们坐在{2}号桌")
    command("data", "add", "dianping", "reviews.csv", "--quiet")
    assert "好吃" in command("data", "show", "dianping", "--contains", "好吃").out
    command("train", "--dataset", "dianping", "--run", "clean", "--epochs", "3", *SMALL, "--quiet")
    command(
        "train", "--dataset", "dianping", "--run", "hardened", "--adversary", "aat", "--epochs", "3", *SMALL, "--quiet"
    )
    (summary,) = command("attack", "clean", "--recipe", "pruthi", "-n", "30", "--json").lines
    assert summary["clean_accuracy"] > 0.8
    (probed,) = json.loads(command("probe", "hardened", "这家店的菜好吃，服务热情", "--json").out)
    assert "好吃" in probed["words"] and probed["prediction"] == "positive"
