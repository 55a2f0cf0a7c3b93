"""A language model from the command that trains it to the text it writes, its folder for others, and its refusals."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from aat_datasets.errors import CheckpointError, DataError, InputError, VictimError
from aat_models.events import Token
from aat_models.sampling import Sampling
from aat_workbench import api
from aat_workbench.cli.main import main
from aat_workbench.session import Session
from aat_workbench.targets import Target, open_target
from aat_workbench.writing_measures import measure

from .places import command, moved_into, sets

SMALL = [
    "language.width=16", "language.layers=1", "language.heads=2", "train.batch_size=8", "train.threads=1",
    "data.limit=200", "train.evaluate_limit=20", "train.lr=0.01",
]  # fmt: skip
VERSE = "two and two is four\n\nthree and one is four\n\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two runs, trained by the command: ``verse`` goes on with texts, ``answers`` answers."""
    folder = tmp_path_factory.mktemp("language")
    with moved_into(folder):
        (folder / "verse.txt").write_text(VERSE.replace("\n\n", "\n") * 50, encoding="utf-8")
        command("data", "add", "verse", "verse.txt", "--quiet")
        train("verse", "verse", "language.context=24", "language.steps=120")
        train(
            "answers",
            "support",
            "language.context=200",
            "language.steps=10",
            "language.tokenizer=bpe",
            "language.vocabulary=400",
        )
        yield folder


def train(run: str, dataset: str, *settings: str) -> None:
    chosen = sets(*SMALL, *settings)
    command("train", "--quiet", "--model", "llama", "--dataset", dataset, "--run", run, *chosen)


def written(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    command("generate", *arguments, "--json")
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_it_goes_on_with_a_text(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = written(capsys, "verse", "--prompt", "two and t", "--max-tokens", "8")
    assert found["text"].startswith("wo is") and found["tokens"] == 8 and found["logprob"] < 0
    (again,) = written(capsys, "verse", "--prompt", "two and t", "--max-tokens", "30", "--stop", "four")
    assert "four" not in again["text"] and again["text"].startswith("wo is")
    options = ["--temperature", "1.5", "--top-k", "9", "--top-p", ".9", "--min-p", ".01", "--typical", ".95"]
    drawn = [written(capsys, "verse", "--prompt", "t", "--seed", seed, *options)[0]["text"] for seed in ("1", "1", "2")]
    assert drawn[0] == drawn[1] != drawn[2]
    (beams,) = written(
        capsys, "verse", "--prompt", "two", "--beams", "3", "--repetition-penalty", "1.1", "--max-tokens", "9"
    )
    assert beams["tokens"] == 9
    command("generate", "verse", "--prompt", "two and t", "--max-tokens", "8", "--stream", "--quiet")
    assert capsys.readouterr().out == found["text"] + "\n"


def test_in_a_chat_it_is_told_what_was_said(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = open_target("answers")
    assert (target.remembers, target.has_decoder, target.has_head, target.labels) == (True, True, False, [])
    sampling = Sampling(max_tokens=12)
    first = "".join(token.text for token in target.generate("hello", sampling))
    second = "".join(token.text for token in target.generate("my parcel", sampling, ["hello", first]))
    alone = sum(token.logprob for token in target.generate("my parcel", sampling))
    monkeypatch.setattr(sys, "stdin", io.StringIO("hello\n\nmy parcel\n"))
    found = written(capsys, "answers", "--chat", "--max-tokens", "12")
    assert [one["text"] for one in found] == [first, second]
    assert abs(found[1]["logprob"] - alone) > 1e-3


def test_what_is_not_read_of_a_prompt_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command("generate", "verse", "--prompt", "two and t" * 5000, "--max-tokens", "5")
    shown = capsys.readouterr()
    assert "too long for the model: its first 44,976 tokens are left out, the last 24 are read" in shown.err
    assert len(shown.out.strip()) == 5
    said = open_target("answers").left_out("my parcel", ["hello", "good day to you"] * 40)
    assert (
        len(said) == 1
        and said[0].startswith("the model reads the last ")
        and said[0].endswith("of the 80 turns before")
    )


def test_what_does_not_remember_says_so(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("two\ntwo\n"))
    command("generate", "verse", "--chat", "--max-tokens", "5")
    shown = capsys.readouterr()
    one, other = shown.out.splitlines()
    assert one == other and "answers each line by itself" in shown.err
    with pytest.raises(InputError, match="cannot be told what was said before"):
        list(open_target("verse").generate("two", Sampling(), ["one", "two"]))


@pytest.mark.parametrize("run", ["answers", "verse"])
def test_a_run_refuses_a_system_text(place: Path, run: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["generate", run, "--prompt", "two", "--system", "be brief", "--max-tokens", "3"])
    assert ended.value.code == 2 and f"{run} takes no system text" in capsys.readouterr().err


def test_it_writes_and_does_nothing_else(place: Path) -> None:
    target = open_target("verse")
    with pytest.raises(VictimError, match="no label head"):
        target.predict(["two"])
    with pytest.raises(VictimError, match="does not classify"):
        target.words("two")
    with pytest.raises(CheckpointError, match="load_language_model"):
        api.load("verse")
    model = api.load_language_model("verse")
    assert model.perplexity([VERSE]) < 4
    assert "".join(token.text for token in api.generate(model, "two and t", max_tokens=5)) == "wo is"


async def test_the_engine_streams_it_token_by_token(place: Path) -> None:
    async with Session() as session:
        loaded = await session.call("load", target="answers")
        assert (loaded["has_decoder"], loaded["remembers"]) == (True, True)
        request = {"target": "answers", "prompt": "hello", "history": ["a", "b"], "max_tokens": 6, "stop": ["zzz"]}
        events = [event async for event in session.stream("generate", **request)]
    tokens = [event for event in events if isinstance(event, Token)]
    wanted = list(open_target("answers").generate("hello", Sampling(max_tokens=6), ["a", "b"]))
    assert [token.text for token in tokens] == [token.text for token in wanted]
    assert all(len(token.alternatives) == 5 and token.logprob < 0 for token in tokens)


@pytest.mark.parametrize("run", ["verse", "answers"])
def test_an_exported_folder_is_the_model(
    run: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    command("export", run, "--to", "hf", str(tmp_path / "out"), "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["texts"] == 100 and found["max_difference"] < 1e-4
    own, other = open_target(run), open_target(f"hf:{tmp_path / 'out'}")
    assert own.remembers == other.remembers
    texts = ["".join(token.text for token in target.generate("two", Sampling(max_tokens=9))) for target in (own, other)]
    assert texts[0] == texts[1]
    with pytest.raises(InputError, match="is there already"):
        from aat_models.exporting import export_language_model

        export_language_model(api.load_language_model(run), tmp_path / "out")


def test_other_models_of_hugging_face_write_too(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
    import torch

    from aat_datasets.subwords import TextTokenizer

    tokenizer = TextTokenizer.train("characters", ["the quick brown fox"])
    words = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.tokenizer, eos_token="[EOS]", pad_token="[PAD]"
    )
    torch.manual_seed(0)
    size, ends = tokenizer.size, {"eos_token_id": 3, "pad_token_id": 0, "bos_token_id": 2}
    causal = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=size, n_embd=16, n_layer=2, n_head=2, n_positions=64, initializer_range=1.0, **ends
        )
    )
    reading = transformers.BartForConditionalGeneration(
        transformers.BartConfig(
            vocab_size=size, d_model=16, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
            decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=64, init_std=1.0,
            decoder_start_token_id=2, forced_eos_token_id=None, **ends,
        )
    )  # fmt: skip
    for name, model in (("causal", causal), ("reading", reading)):
        model.eval().save_pretrained(tmp_path / name)
        words.save_pretrained(tmp_path / name)
        target = open_target(f"hf:{tmp_path / name}")
        ids = torch.tensor([tokenizer.encode("the fox")])
        for beams in (1, 3):
            answer = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, num_beams=beams, max_new_tokens=8
            )
            wanted = tokenizer.decode(answer[0, ids.shape[1] if name == "causal" else 0 :].tolist())
            text = "".join(token.text for token in target.generate("the fox", Sampling(max_tokens=8, beams=beams)))
            assert text == wanted, (name, beams)
        target.write_on("cpu", "bfloat16")
        half = model.to(torch.bfloat16).generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=8
        )
        wanted = tokenizer.decode(half[0, ids.shape[1] if name == "causal" else 0 :].tolist())
        assert "".join(token.text for token in target.generate("the fox", Sampling(max_tokens=8))) == wanted


TEMPLATE = (
    "{% for m in messages %}{{ m['role'][0] }}: {{ m['content'] }}[EOS]{% endfor %}"
    "{% if add_generation_prompt %}a: {% endif %}"
)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_chat_is_told_as_the_tokenizer_s_own_template_has_it(kind: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
    import torch

    from aat_datasets.subwords import TextTokenizer

    tokenizer = TextTokenizer.train("characters", ["the quick brown fox: a"])
    words = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.tokenizer, eos_token="[EOS]", pad_token="[PAD]", chat_template=TEMPLATE
    )
    torch.manual_seed(0)
    ends = {"eos_token_id": 3, "pad_token_id": 0, "bos_token_id": 2, "vocab_size": tokenizer.size}
    if kind == "gpt2":
        shape = transformers.GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=128, initializer_range=1.0, **ends)
        model = transformers.GPT2LMHeadModel(shape)
    else:
        shape = transformers.LlamaConfig(
            hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, initializer_range=1.0,
            max_position_embeddings=128, **ends,
        )  # fmt: skip
        model = transformers.LlamaForCausalLM(shape)
    model.eval().save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    target = open_target(f"hf:{tmp_path}")
    assert target.remembers and target.left_out("fox", ["the", "quick"]) == []
    wanted = "u: the[EOS]a: quick[EOS]u: fox[EOS]a: "
    ids = torch.tensor([words(wanted, add_special_tokens=False)["input_ids"]])
    assert int((ids == 3).sum()) == 3
    answer = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=8)
    text = "".join(token.text for token in target.generate("fox", Sampling(max_tokens=8), ["the", "quick"]))
    assert text == tokenizer.decode(answer[0, ids.shape[1] :].tolist())
    told = "".join(token.text for token in target.generate("fox", Sampling(max_tokens=8), system="the fox"))
    ids = torch.tensor([words("s: the fox[EOS]u: fox[EOS]a: ", add_special_tokens=False)["input_ids"]])
    answer = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=8)
    assert target.instructed and told == tokenizer.decode(answer[0, ids.shape[1] :].tolist())
    (told,) = target.left_out("fox", ["the quick", "brown fox"] * 9)
    assert told.startswith("the model reads the last ") and told.endswith("of the 18 turns before")
    none, cut = target.left_out("fox" * 16_666, ["the", "quick"])
    assert none == "the model reads none of the 2 turns before" and "too long for the model" in cut
    assert len(list(target.generate("fox" * 16_666, Sampling(max_tokens=3), ["the", "quick"]))) <= 3
    (tmp_path / "chat_template.jinja").write_text("{{ raise_exception('no [/b] turns') }}")
    with pytest.raises(VictimError, match=r"chat template refuses these turns: no \[/b\] turns"):
        list(open_target(f"hf:{tmp_path}").generate("fox", Sampling(max_tokens=3)))


def test_answers_are_measured_by_those_of_the_dataset(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    command("generate", "answers", "--measure", "5", "--max-tokens", "8", "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["dataset"], found["split"], found["texts"], found["mean_tokens"] <= 8) == ("support", "test", 5, True)
    assert 0 <= found["bleu"] < 1 and 0 < found["chrf"] < 1 and found["exact"] == 0
    with pytest.raises(DataError, match="no output texts"):
        list(measure(open_target("verse"), Sampling(), split="train"))
    with pytest.raises(SystemExit) as caught:
        main(["generate", "answers", "--measure", "5", "--prompt", "hello"])
    assert caught.value.code == 2

    class Parrot(Target):
        """Knows the dataset's own answers."""

        def generate(self, prompt: str, sampling: Sampling, history: Any = ()) -> Any:
            yield Token(index=0, text=answers[prompt], probability=1.0)

    answers = {one.text: one.target or "" for one in api.load_dataset("support").examples("test")}
    *_, right = measure(
        Parrot("parrot", "", place / "parrot", open_target("verse").victim), Sampling(), dataset="support", n=40
    )
    assert isinstance(right, dict)
    assert (right["bleu"], right["chrf"], right["exact"], right["texts"]) == (1.0, 1.0, 1.0, 40)
    assert right["intent"] == right["intent_of_references"] > 0.95 and "label" not in right
    assert 0 <= found["intent"] < 0.9


def test_what_is_no_language_model_is_not_exported(place: Path, tmp_path: Path) -> None:
    chosen = sets("model.encoder=bow", "train.epochs=0.1", *SMALL[3:6])
    command("train", "--quiet", "--dataset", "support", "--run", "plain", *chosen)
    with pytest.raises(SystemExit) as caught:
        main(["export", "plain", str(tmp_path / "out")])
    assert caught.value.code == 2 and not (tmp_path / "out").exists()
