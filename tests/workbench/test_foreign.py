"""Reading what other tools write: event files byte by byte and by TensorBoard's own writers, tables, folders."""

from __future__ import annotations

import json
import math
import os
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aat_datasets.errors import InputError
from aat_workbench.cli.main import main
from aat_workbench.cli.watch import follow_paths
from aat_workbench.foreign import crc32c, tfevents
from aat_workbench.foreign.event_folder import EventFolder
from aat_workbench.foreign.points import Point, Reader
from aat_workbench.foreign.sources import Sources, find
from aat_workbench.foreign.tables import TableTail, counting
from aat_workbench.foreign.tfrecords import RecordTail, framed


def written(path: Path, *events: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(framed(event) for event in (tfevents.encode_version(1.0), *events)))
    return path


def scalar(step: int, value: float, tag: str = "loss") -> bytes:
    return tfevents.encode(100.0 + step, step, {tag: value})


def points(reader: Reader, limit: int = 1 << 18) -> list[Point]:
    found = reader.poll(limit)
    while reader.behind:
        found += reader.poll(limit)
    return found


# Framing


def test_checksums_are_those_of_the_standard() -> None:
    def unmasked(data: bytes) -> int:
        value = (crc32c.masked(data) - 0xA282EAD8) & 0xFFFFFFFF
        return (value >> 17 | value << 15) & 0xFFFFFFFF

    assert unmasked(b"123456789") == 0xE3069283  # RFC 3720
    assert unmasked(b"\0" * 32) == 0x8A9136AA
    assert unmasked(b"\xff" * 32) == 0x62A8AB43


def test_many_checksums_at_once_are_those_one_by_one() -> None:
    block = os.urandom(crc32c.MANY + 4000)
    places = [(at, 40) for at in range(0, crc32c.MANY, 40)] + [(crc32c.MANY, 7), (crc32c.MANY + 9, 0)]
    assert crc32c.masked_all(block, places) == [crc32c.masked(block[a : a + n]) for a, n in places]


@given(st.lists(st.binary(max_size=300), max_size=12), st.integers(1, 700))
def test_records_come_back_whatever_the_reads(tmp_path_factory: pytest.TempPathFactory, data: list[bytes], limit: int):
    path = tmp_path_factory.mktemp("records") / "x"
    path.write_bytes(b"".join(map(framed, data)))
    tail = RecordTail(path)
    found = tail.poll(limit)
    while tail.behind:
        found += tail.poll(limit)
    assert found == data
    assert tail.skipped == 0


def test_a_torn_record_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "x"
    whole = framed(b"first") + framed(b"second")
    tail = RecordTail(path)
    found: list[bytes] = []
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        found += tail.poll()
        assert not tail.behind
    assert found == [b"first", b"second"]
    assert (tail.skipped, tail.resets) == (0, 0)


def test_a_record_that_was_changed_is_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "x"
    changed = bytearray(framed(b"second"))
    changed[14] ^= 1
    path.write_bytes(framed(b"first") + bytes(changed) + framed(b"third"))
    tail = RecordTail(path)
    assert tail.poll() == [b"first", b"third"]
    assert tail.skipped == 1


@pytest.mark.parametrize("rubbish", [b"\xff" * 50, b"\0" * 50, os.urandom(997), framed(b"lost")[1:]])
def test_reading_goes_on_behind_what_is_no_record(tmp_path: Path, rubbish: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(framed(b"first") + rubbish + framed(b"second"))
    tail = RecordTail(path)
    assert tail.poll() == [b"first", b"second"]
    assert tail.skipped == 1
    with path.open("ab") as file:
        file.write(rubbish)
    assert tail.poll() == []
    with path.open("ab") as file:
        file.write(framed(b"third"))
    assert tail.poll() == [b"third"]
    assert tail.skipped == 2


def test_a_file_that_shrank_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(framed(b"first") + framed(b"second"))
    tail = RecordTail(path)
    assert len(tail.poll()) == 2
    path.write_bytes(framed(b"other"))
    assert tail.poll() == [b"other"]
    assert tail.resets == 1
    path.unlink()
    assert tail.poll() == []


# Messages


def field(number: int, wire: int, content: bytes) -> bytes:
    length = bytes([len(content)]) if wire == 2 else b""
    return bytes([number << 3 | wire]) + length + content


def tensor_event(tensor: bytes, plugin: bytes = b"scalars") -> bytes:
    metadata = field(9, 2, field(1, 2, field(1, 2, plugin)))
    value = field(1, 2, b"tag") + metadata + field(8, 2, tensor)
    return field(1, 1, struct.pack("<d", 5.5)) + field(2, 0, b"\x07") + field(5, 2, field(1, 2, value))


@pytest.mark.parametrize(
    ("tensor", "value"),
    [
        (field(1, 0, b"\x01") + field(5, 2, struct.pack("<f", 0.25)), 0.25),  # float_val, packed
        (field(1, 0, b"\x01") + field(5, 5, struct.pack("<f", 0.25)), 0.25),  # and not packed
        (field(1, 0, b"\x02") + field(6, 2, struct.pack("<d", 0.1)), 0.1),
        (field(1, 0, b"\x01") + field(4, 2, struct.pack("<f", -2.0)), -2.0),  # tensor_content
        (field(1, 0, b"\x02") + field(4, 2, struct.pack("<d", 1e300)), 1e300),
        (field(1, 0, b"\x03") + field(4, 2, struct.pack("<i", -3)), -3.0),
        (field(1, 0, b"\x09") + field(10, 2, b"\xff" * 9 + b"\x01"), -1.0),  # int64_val
        (field(1, 0, b"\x13") + field(4, 2, struct.pack("<e", 1.5)), 1.5),
        (field(1, 0, b"\x13") + field(13, 2, b"\x80\x7c"), 1.5),  # half_val: the bits 0x3e00
        (field(1, 0, b"\x0e") + field(4, 2, struct.pack("<f", 1.5)[2:]), 1.5),  # bfloat16
        (field(1, 0, b"\x01") + field(2, 2, field(2, 2, field(1, 0, b"\x02"))) + field(5, 2, b"\0" * 8), None),
        (field(1, 0, b"\x07") + field(8, 2, b"text"), None),
    ],
)
def test_scalars_in_tensors_of_every_kind(tensor: bytes, value: float | None) -> None:
    logged = tfevents.decode(tensor_event(tensor))
    assert (logged.time, logged.step) == (5.5, 7)
    assert logged.values == ([] if value is None else [("tag", value)])


def test_tensors_of_other_plugins_are_no_curves() -> None:
    tensor = field(1, 0, b"\x01") + field(5, 2, struct.pack("<f", 0.25))
    assert tfevents.decode(tensor_event(tensor, b"hparams")).values == []
    assert tfevents.decode(tensor_event(tensor, b"")).values == [("tag", 0.25)]


def test_golden_bytes_of_an_event() -> None:
    golden = bytes.fromhex("09000000000000164010ac022a0d0a0b0a046c6f7373150000803e")
    assert tfevents.encode(5.5, 300, {"loss": 0.25}) == golden
    assert tfevents.decode(golden) == tfevents.Logged(5.5, 300, [("loss", 0.25)])


@given(st.floats(0, 1e10), st.integers(-(2**63), 2**63 - 1), st.dictionaries(st.text(max_size=8), st.floats(width=32)))
def test_events_come_back_as_they_were_written(time: float, step: int, values: dict[str, float]) -> None:
    logged = tfevents.decode(tfevents.encode(time, step, values))
    assert (logged.time, logged.step) == (time, step)
    assert repr(logged.values) == repr(list(values.items()))


@given(st.binary(max_size=60))
def test_no_bytes_do_worse_than_be_refused(data: bytes) -> None:
    try:
        assert isinstance(tfevents.decode(data).values, list)
    except ValueError as error:
        assert str(error)


# A folder of event files


def test_a_run_is_read_over_its_files_and_followed(tmp_path: Path) -> None:
    first = written(tmp_path / "events.out.tfevents.1.a", *(scalar(step, step / 4) for step in range(1, 5)))
    reader = EventFolder(tmp_path)
    assert points(reader) == [Point(step, 100.0 + step, [("loss", step / 4)]) for step in range(1, 5)]
    with first.open("ab") as file:
        file.write(framed(scalar(5, 1.0)) + framed(b"\xff\xff"))
    second = written(tmp_path / "events.out.tfevents.2.a", tfevents.encode_restart(200.0, 3), scalar(3, 9.0))
    assert [(point.x, point.restart) for point in points(reader)] == [(5, False), (3, True), (3, False)]
    assert reader.skipped == 1
    second.unlink()
    assert [point.x for point in points(reader)] == [1, 2, 3, 4, 5]
    assert reader.resets == 1
    assert points(EventFolder(tmp_path), limit=1)[-1].x == 5


def test_what_torch_writes_is_read(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the writer comes with tensorboard, an extra")
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    with tensorboard.SummaryWriter(str(tmp_path)) as writer:
        for step in range(300):
            writer.add_scalar("loss/train", 1 / (step + 1), step, walltime=1000.5 + step)
        writer.add_scalar("new", 0.25, 5, new_style=True)
        writer.add_scalar("double", 0.1, 7, new_style=True, double_precision=True)
        writer.add_scalar("odd", math.nan, 8)
        writer.add_text("text", "not a curve", 1)
    with tensorboard.SummaryWriter(str(tmp_path), purge_step=200, filename_suffix=".later") as writer:
        writer.add_scalar("loss/train", 0.5, 200)
    reader = EventFolder(tmp_path)
    found = points(reader)
    losses = [point for point in found if point.values and point.values[0][0] == "loss/train"]
    assert [point.x for point in losses] == [*range(300), 200]
    assert losses[7].time == 1007.5
    assert losses[7].values[0][1] == struct.unpack("<f", struct.pack("<f", 1 / 8))[0]
    others = {name: value for point in found for name, value in point.values}
    assert (others["new"], others["double"]) == (0.25, 0.1)
    assert math.isnan(others["odd"])
    assert "text" not in others
    assert [point.x for point in found if point.restart] == [200]
    assert reader.skipped == 0


# Tables


def test_the_column_that_counts_is_guessed() -> None:
    assert counting(["loss", "step", "epoch"]) == ("step", "")
    assert counting(["trainer/global_step", "epoch", "_timestamp"]) == ("trainer/global_step", "_timestamp")
    assert counting(["Epoch", "Time", "acc"]) == ("Epoch", "Time")
    assert counting(["wall time", "acc"]) == ("wall time", "wall time")
    assert counting(["a", "b"]) == ("", "")


@pytest.mark.parametrize(
    ("name", "text", "unit", "expected"),
    [
        ("a.csv", "epoch,train_loss,val_acc,note\n1,0.5,,x\n2,0.25,0.75,y\n", "epoch",
         [(1, {"train_loss": 0.5}), (2, {"train_loss": 0.25, "val_acc": 0.75})]),
        ("a.csv", "step;loss;time\n10;nan;1700000000\n20;inf;1700000001\n", "step",
         [(10, {"loss": math.nan}), (20, {"loss": math.inf})]),
        ("a.tsv", "date\tloss\n2024-01-01T00:00:00\t1\n2024-01-01T00:01:00\t2\n", "date", [(0, {"loss": 1}), (60, {"loss": 2})]),
        ("a.csv", "1,2\n3,4\n", "line", [(0, {"column 1": 1, "column 2": 2}), (1, {"column 1": 3, "column 2": 4})]),
        ("a.csv", "step,loss\n1,0.5\nstep,loss\n2,0.25,9,9\n3,0.125\n", "step", [(1, {"loss": 0.5}), (3, {"loss": 0.125})]),
        ("a.jsonl", '{"step": 1, "train": {"loss": 0.5}, "done": true}\nnot json\n[1]\n{"step": 2, "train": {"loss": NaN}}\n',
         "step", [(1, {"train.loss": 0.5}), (2, {"train.loss": math.nan})]),
        ("a.jsonl", '{"loss": 1}\n{"loss": 2}\n', "line", [(0, {"loss": 1}), (1, {"loss": 2})]),
    ],
)  # fmt: skip
def test_tables_become_points(tmp_path: Path, name: str, text: str, unit: str, expected: list[Any]) -> None:
    path = tmp_path / name
    path.write_text(text)
    tail = TableTail(path)
    assert repr([(point.x, dict(point.values)) for point in points(tail)]) == repr(
        [(float(x), {key: float(value) for key, value in values.items()}) for x, values in expected]
    )
    assert tail.unit == unit
    assert tail.skipped == text.count("not json") + text.count("[1]") + text.count(",9,9")


def test_a_table_is_followed_and_read_anew_where_it_was_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,loss\n1,0.5\n2,0.")
    tail = TableTail(path)
    assert [point.x for point in points(tail)] == [1]
    with path.open("a") as file:
        file.write("25\n")
    assert points(tail) == [Point(2.0, 0.0, [("loss", 0.25)])]
    path.write_text("step,loss,acc\n1,0.5,0.1\n2,0.25,0.2\n3,0.1,0.3\n")  # as Lightning does when a column comes
    assert [dict(point.values)["acc"] for point in points(tail)] == [0.1, 0.2, 0.3]
    assert tail.resets == 1


# Folders


def test_every_folder_with_curves_is_a_run(tmp_path: Path) -> None:
    written(tmp_path / "logs" / "events.out.tfevents.1", scalar(1, 1.0))
    written(tmp_path / "logs" / "a" / "train" / "events.out.tfevents.1", scalar(1, 1.0))
    written(tmp_path / "logs" / ".hidden" / "events.out.tfevents.1", scalar(1, 1.0))
    (tmp_path / "logs" / "a" / "metrics.csv").write_text("step,loss\n1,2\n")
    (tmp_path / "logs" / "a" / "texts.csv").write_text("text,label\ngood,1\n")
    (tmp_path / "logs" / "a" / "prices.csv").write_text("price\n1\n")
    assert [source.name for source in find(tmp_path / "logs")] == ["a/metrics", "a/train", "logs"]
    sources = Sources([tmp_path / "logs", tmp_path / "logs" / "a"])
    assert [source.name for source in sources.look()] == [
        *("a/metrics", "a/train", "logs", "metrics", "train"),
    ]
    written(tmp_path / "logs" / "b" / "events.out.tfevents.1", scalar(1, 1.0))
    assert "b" in [source.name for source in sources.look()]


def test_what_holds_no_curves_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("x")
    for path, message in (
        (tmp_path, "no curves in it"),
        (tmp_path / "x.txt", "no file of curves"),
        (tmp_path / "y", "no such"),
    ):
        with pytest.raises(InputError, match=message):
            Sources([path])


# The command


def command(*words: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(list(words))
    assert end.value.code == 0


def test_points_are_printed_until_the_training_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AAT_RUNS", str(tmp_path / "runs"))
    path = written(tmp_path / "logs" / "one" / "events.out.tfevents.1", scalar(3, 0.5), scalar(4, math.inf, "\x1b[2J"))
    os.utime(path, (1.0, 1.0))
    command("watch", str(tmp_path / "logs"), "--json")
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {"run": "one", "type": "point", "x": 3.0, "time": 103.0, "values": {"loss": 0.5}}
    assert list(second["values"].values()) == [None]
    command("watch", str(tmp_path / "logs"), "--plain")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("one  3  loss 0.500")
    assert "\x1b" not in lines[1]


def test_following_waits_for_what_is_written_meanwhile(tmp_path: Path) -> None:
    path = written(tmp_path / "events.out.tfevents.1", scalar(1, 0.5))
    seen: list[float] = []
    for _, point in follow_paths([tmp_path], quiet_after=0.5, seconds=0.01):
        seen.append(point.x)
        if point.x < 3:
            with path.open("ab") as file:
                file.write(framed(scalar(int(point.x) + 1, 0.5)))
    assert seen == [1, 2, 3]
    assert time.time() - path.stat().st_mtime >= 0.5
