"""Endpoints as victims, on loopback: slow ones, failing ones, wrong ones, and one that dies in the middle."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from aat_datasets.errors import InputError, VictimError
from aat_models.attacks import tiny
from aat_models.attacks.victim import score_texts
from aat_models.events import AttackResult, decode
from aat_workbench.attacking import AttackRequest, AttackRun, run_attack
from aat_workbench.detached import child_environment
from aat_workbench.evaluating import Evaluation, EvaluationRequest
from aat_workbench.http_victim import Endpoint, HttpOptions
from aat_workbench.targets import open_target

Answer = tuple[int, bytes, dict[str, str]]
FAST = HttpOptions(backoff=0.01, timeout=2.0)


def honest(texts: list[str]) -> Answer:
    victim = tiny.TinyVictim()
    body = {"probabilities": score_texts(victim, texts).tolist(), "labels": victim.labels}
    return 200, json.dumps(body).encode(), {}


class Server:
    """A loopback server whose answers a test scripts; ``asked`` holds the texts of every request."""

    def __init__(self) -> None:
        self.answer: Callable[[list[str]], Answer | None] = honest
        self.asked: list[list[str]] = []
        self.headers: list[dict[str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one packet an answer: two would wait for each other's acknowledgement

            def do_POST(self) -> None:
                texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["texts"]
                server.asked.append(texts)
                server.headers.append(dict(self.headers))
                found = server.answer(texts)
                if found is None:  # as a process that was killed: no answer, the connection gone
                    self.close_connection = True
                    return
                status, body, headers = found
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a client that gave up is what some tests are about

        self._http = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/predict?v=1"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("AAT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("AAT_HTTP_TOKEN", raising=False)
    made = Server()
    yield made
    made.stop()


def after(count: int, then: Callable[[list[str]], Answer | None]) -> Callable[[list[str]], Answer | None]:
    """Honest for ``count`` texts, then something else."""
    left = [count]

    def answer(texts: list[str]) -> Answer | None:
        left[0] -= len(texts)
        return honest(texts) if left[0] >= 0 else then(texts)

    return answer


def test_an_endpoint_answers_in_batches_as_the_model_behind_it(server: Server) -> None:
    target = open_target(server.url, http=FAST._replace(batch=3))
    assert target.labels == ["negative", "positive"] and not target.unnamed
    texts = [f"a great film number {i} with \ud800 \x1b dull acting" for i in range(8)]
    assert target.predict(texts) == score_texts(tiny.TinyVictim(), texts).tolist()
    assert [len(texts) for texts in server.asked] == [1, 3, 3, 2]
    assert server.asked[1][0] == texts[0]
    assert "Authorization" not in server.headers[0]


def test_a_token_is_sent_and_kept_nowhere(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AAT_HTTP_TOKEN", "sesame-4711")
    list(run_attack(server.url, AttackRequest(texts=["great"], labels=["positive"], save=True)).steps())
    assert server.headers[0]["Authorization"] == "Bearer sesame-4711"
    kept = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert kept and all(b"sesame" not in path.read_bytes() for path in kept)


def test_what_passes_by_itself_is_tried_again_with_growing_pauses(server: Server) -> None:
    endpoint = Endpoint(server.url, FAST)
    pauses: list[float] = []
    endpoint._sleep = pauses.append
    bad: list[Answer | None] = [
        (500, b"", {}),
        None,
        (503, b"busy", {"Retry-After": "7"}),
        (429, b"", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
    ]
    server.answer = lambda texts: bad.pop(0) if bad else honest(texts)
    assert endpoint(["great"])[0][1] == pytest.approx(0.8808, abs=1e-4)
    assert pauses == [0.01, 0.02, 7.0, 0.08]
    assert endpoint.retried == 4
    endpoint.close()


def test_retries_end(server: Server) -> None:
    endpoint = Endpoint(server.url, FAST._replace(retries=2, backoff=0.0))
    server.answer = lambda texts: (502, b"", {})
    with pytest.raises(VictimError, match=r"does not answer after 3 tries: 502 Bad Gateway \(1 requests were answered"):
        endpoint(["x"])
    assert len(server.asked) == 4


def test_a_slow_endpoint_is_waited_for_so_long_and_no_longer(server: Server) -> None:
    endpoint = Endpoint(server.url, FAST._replace(timeout=1.5, retries=1))
    given_up = threading.Event()

    def late(texts: list[str]) -> Answer:
        time.sleep(0.1)
        return honest(texts)

    def never(texts: list[str]) -> Answer:
        given_up.wait(60)
        return honest(texts)

    server.answer = late
    assert len(endpoint(["great"])) == 1
    server.answer = never
    try:
        with pytest.raises(VictimError, match=r"after 2 tries: no answer in 1\.5 s"):
            endpoint(["great"])
    finally:
        given_up.set()


def body(value: Any) -> Answer:
    return 200, json.dumps(value).encode(), {}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((200, b"<html>hello</html>", {}), "not a JSON object"),
        (body([1, 2]), "not a JSON object"),
        (body({"scores": []}), "probabilities is not a list"),
        (body({"probabilities": [["a"]]}), "probabilities is not a list"),
        (body({"probabilities": [[0.5, 0.5]] * 3}), "2 texts, but probabilities has 3 rows"),
        (body({"probabilities": [[0.5, 0.5], [1.0]]}), r"numbers"),
        (body({"probabilities": [[3.0, -1.0]] * 2}), "negative"),
        (body({"probabilities": [[0.2, 0.2]] * 2}), "sum to 1"),
        (body({"probabilities": [[0.1, 0.1, 0.8]] * 2}), r"shape \(2, 3\)"),
        (body({"probabilities": [[0.1, 0.9]] * 2, "labels": ["positive", "negative"]}), "labels changed"),
        ((404, b"", {}), "answered 404"),
        ((301, b"", {"Location": "http://elsewhere/"}), "it is at http://elsewhere/"),
        ((401, b"", {}), "AAT_HTTP_TOKEN"),
        ((413, b"", {}), "--http-batch"),
    ],
)
def test_a_wrong_answer_is_said_at_once(server: Server, answer: Answer, told: str) -> None:
    target = open_target(server.url, http=FAST)
    server.answer = lambda texts: answer
    with pytest.raises(VictimError, match=told):
        target.predict(["one", "two"])
    assert len(server.asked) == 2  # once to open it, once for the texts: no retry helps


@pytest.mark.parametrize(
    ("labels", "told"),
    [(["a"], "2 probabilities a text"), (["a", "a"], "2 probabilities a text"), ([1, 2], "not a list of texts")],
)
def test_labels_must_fit(server: Server, labels: list[Any], told: str) -> None:
    server.answer = lambda texts: body({"probabilities": [[0.5, 0.5]], "labels": labels})
    with pytest.raises(VictimError, match=told):
        open_target(server.url, http=FAST)


def test_an_endpoint_without_labels_gets_them_from_the_dataset(server: Server) -> None:
    server.answer = lambda texts: body({"probabilities": [[0.5, 0.5]] * len(texts)})
    target = open_target(server.url, http=FAST)
    assert (target.labels, target.unnamed) == (["0", "1"], True)


def test_requests_keep_to_the_rate(server: Server) -> None:
    now = [100.0]
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(round(seconds, 6))
        now[0] += seconds

    endpoint = Endpoint(server.url, FAST._replace(batch=1, rate=4.0), sleep=sleep, clock=lambda: now[0])
    endpoint(["a", "b", "c"])
    assert pauses == [0.25, 0.25, 0.25]
    now[0] += 60
    endpoint(["d"])
    assert len(pauses) == 3  # time that passed unused allows no burst later, and costs nothing now
    endpoint(["e"])
    assert pauses[3:] == [0.25]
    endpoint.close()


def test_nobody_there(server: Server) -> None:
    server.stop()
    with pytest.raises(VictimError, match="does not answer after 2 tries: Connection refused"):
        Endpoint(server.url, FAST)
    server.__init__()  # type: ignore[misc]  # so that the fixture has something to stop


def test_options_are_checked() -> None:
    for wrong in ({"batch": 0}, {"retries": -1}, {"timeout": 0}, {"rate": -1}, {"timeout": float("nan")}):
        with pytest.raises(InputError, match="expected"):
            HttpOptions(**wrong).check()


def lines_of(path: Path) -> list[AttackResult]:
    return [decode(line) for line in (path / "results.jsonl").read_bytes().splitlines()]  # type: ignore[misc]


def films(tmp_path: Path) -> None:
    from aat_datasets import catalog

    for split, count in (("dev", 40), ("test", 120)):
        examples = tiny.examples(split)[:count]
        rows = "".join(f"{'positive' if e.label else 'negative'}\t{e.text} no{e.row}\n" for e in examples)
        (tmp_path / f"{split}.tsv").write_text("label\ttext\n" + rows, encoding="utf-8")
    catalog.add("films", [tmp_path / "dev.tsv", tmp_path / "test.tsv"], text="text", label="label")


def test_an_endpoint_that_dies_midway_leaves_what_was_found_and_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    films(tmp_path)

    def begin(**options: Any) -> AttackRun:
        target = open_target(server.url, http=FAST._replace(retries=1))
        return AttackRun(target, AttackRequest(recipe="deepwordbug", dataset="films", n=0, **options), batch=16)

    whole = begin(save=False)
    list(whole.steps())
    asked = sum(map(len, server.asked))
    assert asked > 1000
    server.answer = after(int(asked * 0.75), lambda texts: None)
    first = begin()
    with pytest.raises(VictimError) as caught:
        list(first.steps())
    assert first.path is not None
    kept = lines_of(first.path)
    assert 0 < len(kept) < 120
    assert len(str(caught.value).splitlines()) == 1
    assert f"{len(kept)} of 120 results are kept in {first.path}; --resume goes on" in str(caught.value)
    assert not (first.path / "summary.json").exists()

    server.answer = honest
    server.asked.clear()
    second = begin(resume=True)
    list(second.steps())
    assert second.path == first.path and second.found_before == len(kept)
    again = {text for texts in server.asked for text in texts}
    assert again and not again & {result.text for result in kept}  # what was attacked is not attacked again

    def told(results: list[AttackResult]) -> list[Any]:
        return sorted((r.id, r.status, r.adversarial, r.queries) for r in results)

    assert told(second.results) == told(whole.results) == told(lines_of(first.path))


def test_the_command_says_it_in_one_line_and_goes_on(server: Server, tmp_path: Path) -> None:
    films(tmp_path)
    options = ["--dataset", "films", "--recipe", "deepwordbug", "-n", "0", "--http-retries", "0", "--json"]
    command = [sys.executable, "-m", "aat_workbench.cli.main", "attack", server.url, *options]

    def call(*more: str) -> subprocess.CompletedProcess[str]:
        environment = child_environment()
        return subprocess.run([*command, *more], capture_output=True, text=True, env=environment, timeout=120)

    server.answer = after(1000, lambda texts: None)
    died = call()
    assert (died.returncode, died.stdout, len(died.stderr.splitlines())) == (2, "", 1)
    assert "does not answer: it closed the connection" in died.stderr and "--resume goes on" in died.stderr
    server.answer = honest
    done = call("--resume")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["examples"] == 120


def test_an_evaluation_of_a_dying_endpoint_goes_on_by_itself(server: Server, tmp_path: Path) -> None:
    films(tmp_path)

    def begin() -> Evaluation:
        targets = [open_target("builtin:tiny"), open_target(server.url, http=FAST._replace(retries=0))]
        return Evaluation(targets, EvaluationRequest(dataset="films", n=0, recipes=["deepwordbug"]))

    server.answer = after(1000, lambda texts: None)
    with pytest.raises(VictimError, match="the same command goes on"):
        list(begin().steps())
    server.answer = honest
    made = begin()
    list(made.steps())
    here, there = made.table["rows"]
    assert (here["reused"], 0 < there["reused"] < 120) == (120, True)
    assert here["accuracy_under_attack"] == there["accuracy_under_attack"]  # the same model behind both
