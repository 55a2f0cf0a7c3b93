"""Datasets by name: what ships, what state each is in, sources in their order, and the real files where they are."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aat_datasets import builtin, catalog, sources
from aat_datasets.card import Card, Columns, File, Reader, Source, dump, parse
from aat_datasets.errors import DataError, UnknownNameError

from .loopback import Answers, serve

CSV = b"text,label\n" + b"".join(b"text number %d,%s\n" % (i, (b"no", b"yes")[i % 2]) for i in range(60))
SMALL = ["ag_news-subset", "banking77", "bitext_cs", "chnsenticorp", "clinc150", "dailydialog", "hate_offensive", "hatecheck",
         "multi30k", "sms_spam", "sst2", "sst2-sentences", "thucnews_titles-subset", "tinyshakespeare"]  # fmt: skip
SHIPPED = [*SMALL, "ag_news", "imdb", "support", "support-zh"]


def digest(data: bytes, tmp_path: Path) -> str:
    path = tmp_path / "digest"
    path.write_bytes(data)
    return sources.sha256_of(path)


def own_card(tmp_path: Path, **file: str) -> Card:
    entry = File(split="train", sha256=digest(CSV, tmp_path), size=len(CSV), **file)
    return Card(
        name="own",
        title="own",
        task="classification",
        language="en",
        labels=["no", "yes"],
        columns=Columns(text=["text"], label="label"),
        sources=[Source(kind="url" if "url" in file else "mirror", reader=Reader(format="csv"), files=[entry])],
        licence="none",
    )


def test_shipped_cards_are_whole(data_home: Path) -> None:
    assert [name for name in SHIPPED if name not in catalog.shipped()] == []
    for name in catalog.shipped():
        card = catalog.card(name)
        assert card.name == name
        assert bool(card.labels) == bool(card.columns.label)
        assert card.licence
        assert card.citation or card.sources[0].kind == "builtin"
        # A full name never stands over a part.
        assert name.endswith("-subset") == ("subset" in " ".join(f.path for s in card.sources for f in s.files))
        assert parse(dump(card), name) == card


def test_states_without_a_mirror(data_home: Path) -> None:
    states = {info.name: info.state for info in catalog.listing()}
    assert states["support"] == "builtin"
    assert states["sst2"] == "missing"


def test_listing_is_light(data_home: Path) -> None:
    code = "import sys; from aat_datasets import catalog; catalog.listing(); print('duckdb' in sys.modules)"
    path = str(Path(catalog.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": path})
    assert done.stdout.strip() == "False", done.stderr


def test_unknown_names_offer_the_nearest(data_home: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean sst2"):
        catalog.open_dataset("sst3")
    with pytest.raises(UnknownNameError):
        catalog.describe("../sst2")


def test_what_is_not_here_says_how_to_get_it(data_home: Path) -> None:
    with pytest.raises(DataError, match="aat-workbench data get sst2"):
        catalog.open_dataset("sst2")
    with pytest.raises(DataError, match=r"no download is known.*AAT_MIRROR.*sst2_glue/train.tsv.gz"):
        catalog.get("sst2")


def test_support_opens_and_is_what_the_corpus_is(data_home: Path) -> None:
    dataset = catalog.open_dataset("support")
    made = builtin.splits("support")
    assert dataset.splits == {split: len(rows) for split, rows in made.items()}
    assert dataset.labels == list(builtin.labels("support"))
    rows, texts, labels, targets = dataset.columns("test")
    assert rows == list(range(len(rows)))
    shown = [
        (text, dataset.labels[label or 0], target) for text, label, target in zip(texts, labels, targets, strict=True)
    ]
    assert shown == [tuple(row) for row in made["test"]]
    assert catalog.describe("support").state == "ready"
    assert catalog.open_dataset("support").fingerprint == dataset.fingerprint


def test_examples_are_drawn_with_the_seed(support_home: Path) -> None:
    dataset = catalog.open_dataset("support")
    drawn = dataset.examples("train", limit=50, seed=1)
    assert drawn == dataset.examples("train", limit=50, seed=1)
    assert drawn != dataset.examples("train", limit=50, seed=2)
    assert [example.row for example in drawn] == sorted({example.row for example in drawn})
    everything = dataset.examples("train")
    assert len(everything) == dataset.splits["train"]
    assert all(everything[example.row] == example for example in drawn)
    with pytest.raises(UnknownNameError, match="split"):
        dataset.examples("tset")


def test_mirror_by_path_then_by_checksum(data_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.write_card(own_card(tmp_path, path="own/all.csv"))
    assert catalog.describe("own").state == "missing"
    mirror = tmp_path / "mirror"
    (mirror / "elsewhere").mkdir(parents=True)
    (mirror / "elsewhere" / "renamed").write_bytes(CSV)
    (mirror / "elsewhere" / "decoy").write_bytes(b"x" * len(CSV))
    monkeypatch.setenv("AAT_MIRROR", str(mirror))
    assert catalog.describe("own").state == "mirror"
    assert catalog.open_dataset("own").splits == {"train": 60}
    assert [file["path"] for file in catalog.get("own")] == [str(mirror / "elsewhere" / "renamed")]


def test_a_changed_mirror_file_is_refused(data_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.write_card(own_card(tmp_path, path="all.csv"))
    mirror = tmp_path / "mirror2"
    mirror.mkdir()
    (mirror / "all.csv").write_bytes(CSV.replace(b"number 7", b"number 8"))
    monkeypatch.setenv("AAT_MIRROR", str(mirror))
    with pytest.raises(DataError, match="sha256 is"):
        catalog.open_dataset("own")
    assert not (data_home / "own").exists()


def test_a_changed_card_is_ingested_anew(data_home: Path, tmp_path: Path) -> None:
    raw = tmp_path / "all.csv"
    raw.write_bytes(CSV)
    card = own_card(tmp_path, path=str(raw))
    catalog.write_card(card)
    assert catalog.open_dataset("own").labels == ["no", "yes"]
    card.labels, card.label_values = ["negative", "positive"], ["no", "yes"]
    catalog.write_card(card)
    assert catalog.open_dataset("own").labels == ["negative", "positive"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not a dataset card"),
        ('name = "x"', "missing required field"),
        (dump(catalog.card("sst2")).replace('name = "sst2"', 'name = "../x"'), "cannot be called"),
        (dump(catalog.card("sst2")).replace('label_values = [\n    "0",', "label_values = ["), "label_values has 1"),
    ],
)
def test_a_broken_card_is_one_line(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse(text, "card x")


def test_a_broken_card_does_not_hide_the_others(data_home: Path) -> None:
    (data_home / "cards").mkdir(parents=True)
    (data_home / "cards" / "broken.toml").write_text("name = ")
    infos = {info.name: info for info in catalog.listing()}
    assert infos["broken"].state == "missing"
    assert "not a dataset card" in infos["broken"].note
    assert "support" in infos


class _Files(Answers):
    """Two versions of a file."""


@pytest.fixture
def host() -> Iterator[str]:
    _Files.answers |= {"/all.csv": CSV, "/other.csv": CSV + b"more,no\n"}
    yield from serve(_Files)


def test_download_only_on_get(data_home: Path, tmp_path: Path, host: str) -> None:
    card = own_card(tmp_path, url=f"{host}/all.csv")
    catalog.write_card(card)
    assert catalog.describe("own").state == "downloadable"
    with pytest.raises(DataError, match="data get own"):
        catalog.open_dataset("own")
    seen: list[tuple[int, int, str]] = []
    [file] = catalog.get("own", lambda *step: seen.append(step))
    assert Path(file["path"]).read_bytes() == CSV
    assert file["sha256"] == card.sources[0].files[0].sha256
    assert any("downloading all.csv" in message for _, _, message in seen)
    assert catalog.describe("own").state == "ready"


@pytest.mark.parametrize(
    ("path", "message"),
    [("/other.csv", "sha256 is .{64}, expected .{64}"), ("/none.csv", "the host answered 404")],
)
def test_downloads_that_go_wrong(data_home: Path, tmp_path: Path, host: str, path: str, message: str) -> None:
    catalog.write_card(own_card(tmp_path, url=host + path))
    with pytest.raises(DataError, match=message):
        catalog.get("own")
    assert not [entry for entry in (data_home / "raw").rglob("*") if entry.is_file()]


def test_a_host_that_is_not_there(data_home: Path, tmp_path: Path) -> None:
    catalog.write_card(own_card(tmp_path, url="http://127.0.0.1:9/all.csv"))
    with pytest.raises(DataError, match="cannot be reached"):
        catalog.get("own")


@pytest.mark.parametrize("name", [*SMALL, pytest.param("imdb", marks=pytest.mark.slow)])
def test_real_files_give_what_the_card_says(mirror: Path, name: str) -> None:
    card = catalog.card(name)
    dataset = catalog.open_dataset(name)
    assert dataset.splits == card.splits
    assert dataset.labels == card.labels
    assert dataset.meta.rejected == 0
    for split in dataset.splits:
        table = dataset.table(split)
        assert min(table.label_counts().values(), default=1) > 0
        assert table.count() == table.query("SELECT count(*) FROM texts")[0][0]


def test_clinc_has_what_is_out_of_scope(mirror: Path) -> None:
    dataset = catalog.open_dataset("clinc150")
    counts = {split: dataset.table(split).label_counts()["oos"] for split in dataset.splits}
    assert counts == {"train": 100, "dev": 100, "test": 1000}


def test_turns_of_dialogues_have_the_next_as_their_reply(mirror: Path) -> None:
    first, second = catalog.open_dataset("dailydialog").table("train").window(0, 2)
    assert first.text == "Say , Jim , how about going for a few beers after dinner ?"
    assert (first.label, first.target) == ("directive", second.text)
    dataset = catalog.open_dataset("dailydialog")
    assert dataset.histories("train", 0, 3, 16)[:2] == [(), (first.text,)]
    assert dataset.histories("train", 2, 3, 1) == [(second.text,)]
    drawn = dataset.examples("test", 50)
    assert [one.history for one in drawn] == [dataset.histories("test", one.row, one.row + 1, 16)[0] for one in drawn]


def test_translations_lie_side_by_side(mirror: Path) -> None:
    [row] = catalog.open_dataset("multi30k").table("test").window(0, 1)
    assert row.text == "A man in an orange hat starring at something."
    assert row.target == "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt."


def test_running_text_is_held_out_from_its_end(mirror: Path) -> None:
    dataset = catalog.open_dataset("tinyshakespeare")
    speeches = [text for split in ("train", "dev") for text in dataset.columns(split)[1]]
    with gzip.open(mirror / "tinyshakespeare" / "input.txt.gz", "rt", encoding="utf-8") as file:
        assert speeches == re.split(r"\n\n+", file.read().strip("\n"))


def test_columns_kept_beside_the_label_can_be_filtered_by(mirror: Path) -> None:
    table = catalog.open_dataset("hatecheck").table("test")
    assert table.count(where="functionality = 'slur_h'") == 144


def test_sst2_is_as_published(mirror: Path) -> None:
    dataset = catalog.open_dataset("sst2")
    [first] = dataset.table("train").window(0, 1)
    assert (first.text, first.label) == ("hide new secretions from the parental units", "negative")
    assert dataset.table("dev").label_counts() == {"negative": 428, "positive": 444}


def test_sms_spam_has_no_text_in_two_splits(mirror: Path) -> None:
    dataset = catalog.open_dataset("sms_spam")
    texts = [set(dataset.columns(split)[1]) for split in ("train", "dev", "test")]
    assert sum(map(len, texts)) == len(set().union(*texts)) == 5171
    assert dataset.meta.duplicates == 403
