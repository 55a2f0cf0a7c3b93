"""Texts written side by side are those written alone; beams find what is likeliest; a stop string is never told."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from aat_datasets.subwords import TextTokenizer
from aat_datasets.vocab import EOS, WordTable
from aat_models import decoders
from aat_models.config import Config, apply
from aat_models.events import Token
from aat_models.generation import draw, write
from aat_models.language_model import LanguageModel
from aat_models.llama import Llama, Shape
from aat_models.sampling import Sampling
from aat_models.spelling import WordSpeller
from aat_models.writers import DecoderWriter, LlamaWriter

LETTERS = "abcdefghijklmnopqrstuvwxyz ."
SAMPLINGS = {
    "greedy": Sampling(max_tokens=24),
    "drawn": Sampling(greedy=False, max_tokens=24, seed=3),
    "all rules": Sampling(
        greedy=False, max_tokens=24, top_k=9, top_p=0.9, min_p=0.02, typical=0.95, repetition_penalty=1.2
    ),
    "beams": Sampling(beams=3, max_tokens=12),
    "beams, penalty": Sampling(beams=2, max_tokens=12, repetition_penalty=1.4),
}


def model_of(context: int = 64, seed: int = 1, ends: str = "") -> LanguageModel:
    """Random weights in double precision, so that rounding decides nothing; ``ends`` are letters that end a text."""
    tokenizer = TextTokenizer.train("characters", [LETTERS])
    torch.manual_seed(seed)
    shape = Shape(
        vocabulary=tokenizer.size, width=24, layers=2, heads=4, key_heads=2, head=6, inner=32, context=context
    )
    model = Llama(shape).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(6) if parameter.dim() > 1 else None
    end = tokenizer.number("[EOS]")
    assert end is not None
    return LanguageModel(model, tokenizer, [end, *tokenizer.encode(ends)], config=Config())


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return model_of()


def texts_of(found: Sequence[tuple[int, Token]], count: int) -> list[str]:
    return ["".join(token.text for row, token in found if row == n) for n in range(count)]


PROMPTS = ["the quick", "a", "", "some longer text. with two sentences", "zz"]


@pytest.mark.parametrize("kind", SAMPLINGS)
@pytest.mark.parametrize("context", [64, 16])
def test_texts_side_by_side_are_those_written_alone(kind: str, context: int) -> None:
    """With a context of 16, some fill it on the way and go on from their last half."""
    model, sampling = model_of(context, ends="aeiou "), SAMPLINGS[kind]
    together = list(model.generate_many(PROMPTS, sampling))
    for row, prompt in enumerate(PROMPTS):
        alone = list(model.generate(prompt, sampling))
        own = [token for number, token in together if number == row]
        assert [token.text for token in own] == [token.text for token in alone]
        assert [token.probability for token in own] == pytest.approx([token.probability for token in alone], abs=1e-5)
        assert [token.index for token in own] == list(range(len(own)))
    lengths = {sum(number == row for number, _ in together) for row in range(len(PROMPTS))}
    assert len(lengths) > 1 or sampling.beams > 1  # texts end at different times


@pytest.mark.parametrize("kind", SAMPLINGS)
def test_every_tensor_of_writing_is_made_where_the_model_is(kind: str) -> None:
    """A tensor made without a device lands on "meta", which computes nothing and mixes with no other."""
    model, table = model_of(16, ends="aeiou "), WordTable.of(["we", "will", "help"])
    torch.manual_seed(0)
    settings = {"model.decoder": "gru", "model.latent": 6, "model.decoder_hidden": 8, "model.decoder_embedding": 5}
    made, vectors = decoders.build(table.size, apply(Config(), settings).model).eval(), torch.randn(3, 6)

    def told() -> tuple[list[tuple[int, Token]], list[tuple[int, Token]]]:
        with torch.no_grad():
            words = write(DecoderWriter(made, vectors), [WordSpeller(table) for _ in vectors], SAMPLINGS[kind])
            return list(model.generate_many(PROMPTS, SAMPLINGS[kind])), list(words)

    wanted = told()
    with torch.device("meta"):
        assert told() == wanted


@pytest.mark.parametrize("decoder", decoders.DECODERS)
@pytest.mark.parametrize("kind", SAMPLINGS)
def test_decoders_write_the_same_side_by_side(decoder: str, kind: str) -> None:
    table = WordTable.of(["we", "will", "help", "you", ",", "."])
    settings = {"model.decoder": decoder, "model.latent": 6, "model.decoder_hidden": 8, "model.decoder_embedding": 5}
    torch.manual_seed(0)
    made = decoders.build(table.size, apply(Config(), settings).model).double().eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(4)
    vectors = torch.randn(4, 6).double()
    sampling = SAMPLINGS[kind]

    def told(rows: Tensor) -> list[str]:
        with torch.no_grad():
            return texts_of(
                list(write(DecoderWriter(made, rows), [WordSpeller(table) for _ in rows], sampling)), len(rows)
            )

    together = told(vectors)
    assert together == [told(vector[None])[0] for vector in vectors]
    assert len(set(together)) > 1 and not any(word in "".join(together) for word in ("PAD", "BOS", "UNK"))


@pytest.mark.parametrize("decoder", decoders.DECODERS)
def test_a_decoder_word_by_word_says_what_it_says_of_a_whole_text(decoder: str) -> None:
    settings = {"model.decoder": decoder, "model.latent": 6, "model.decoder_hidden": 40, "model.layers": 2}
    torch.manual_seed(0)
    made = decoders.build(9, apply(Config(), settings).model).eval()
    vectors, ids = torch.randn(3, 6), torch.randint(1, 9, (3, 7))
    with torch.no_grad():
        whole, _ = made(vectors, ids)
        state, parts, at = None, [], None
        for place in range(7):
            logits, state = made(vectors, ids[:, place : place + 1], state)
            at = state if place == 3 else at
            parts.append(logits)
        torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-4)
        # an earlier state is still what it was, and its rows go on in any order
        chosen = torch.tensor([2, 0, 2])
        again, _ = made(vectors[chosen], ids[chosen, 4:], made.rows(at, chosen))
        torch.testing.assert_close(again, whole[chosen, 4:], atol=1e-5, rtol=1e-4)


def test_a_token_tells_its_probability_and_the_likeliest_others(model: LanguageModel) -> None:
    with torch.no_grad():
        logits = model.model(torch.tensor([model.prompt("the")]))[0, -1].double()
    logits[list(model.tokenizer.special - model.ends)] = -math.inf
    probabilities = torch.softmax(logits, -1)
    (token,) = model.generate("the", Sampling(max_tokens=1, alternatives=3))
    assert token.probability == pytest.approx(float(probabilities.max()), abs=1e-6)
    assert token.logprob == pytest.approx(math.log(float(probabilities.max())), abs=1e-5)
    assert [p for _, p in token.alternatives] == pytest.approx(probabilities.topk(3).values.tolist(), abs=1e-6)
    assert token.alternatives[0][0] == token.text
    (plain,) = model.generate("the", Sampling(max_tokens=1, alternatives=0))
    assert plain.alternatives == []


def test_what_is_drawn_follows_the_probabilities(model: LanguageModel) -> None:
    (first,) = model.generate("the", Sampling(max_tokens=1, alternatives=40))
    wanted = dict(first.alternatives)
    count = 600
    seen: dict[str, int] = {}
    for seed in range(count):
        for token in model.generate("the", Sampling(greedy=False, max_tokens=1, seed=seed)):
            seen[token.text] = seen.get(token.text, 0) + 1
    best = first.text
    assert seen[best] / count == pytest.approx(wanted[best], abs=4 * math.sqrt(wanted[best] / count))
    cold = Sampling(greedy=False, max_tokens=1, temperature=0.01)
    for seed in range(20):
        cold.seed = seed
        assert [token.text for token in model.generate("the", cold)] == [best]


def test_a_penalty_counts_the_prompt(model: LanguageModel) -> None:
    plain, punished = (list(model.generate("aaaa", Sampling(max_tokens=20, repetition_penalty=p))) for p in (1.0, 50.0))
    letters = [token.text for token in punished]
    # with so large a penalty a letter comes again only where nothing new is left
    assert "a" not in letters and len(set(letters)) == len(letters)
    assert letters != [token.text for token in plain]


# beams --------------------------------------------------------------------------------------------------------------


class Table:
    """A writer over 3 letters and an end, whose logits depend on the letters so far by a fixed rule."""

    def __init__(self, seed: int) -> None:
        self.ends, self.never = frozenset([3]), ()
        self._seed = seed
        self._texts: list[tuple[int, ...]] = [()]

    def logits(self, text: tuple[int, ...]) -> Tensor:
        generator = torch.Generator().manual_seed(hash((self._seed, *text)) % 2**31)
        return 2 * torch.randn(4, generator=generator, dtype=torch.float64)

    def begin(self) -> Tensor:
        return torch.stack([self.logits(text) for text in self._texts])

    def step(self, ids: Tensor) -> Tensor:
        self._texts = [(*text, number) for text, number in zip(self._texts, ids.tolist(), strict=True)]
        return self.begin()

    def keep(self, rows: Sequence[int]) -> None:
        self._texts = [self._texts[row] for row in rows]

    def seen(self) -> list[list[int]]:
        return [[]]

    def mean(self, text: tuple[int, ...]) -> float:
        logs = [float(torch.log_softmax(self.logits(text[:n]), -1)[text[n]]) for n in range(len(text))]
        return sum(logs) / len(logs)


class Plain:
    def add(self, number: int) -> str:
        return "abc⏎"[number]

    shown = add

    def rest(self) -> str:
        return ""


@pytest.mark.parametrize("seed", range(12))
def test_beams_that_hold_everything_find_the_likeliest_text_of_all(seed: int) -> None:
    writer = Table(seed)
    every = [
        (*letters, *end)
        for n in range(5)
        for letters in itertools.product(range(3), repeat=n)
        for end in ([(3,)] if n < 4 else [()])
    ]
    best = max((text for text in every if text), key=writer.mean)
    told = "".join(token.text for _, token in write(Table(seed), [Plain()], Sampling(beams=200, max_tokens=4)))
    assert told == "".join("abc"[n] for n in best if n != 3)


def test_one_beam_is_greedy_and_more_are_never_less_likely(model: LanguageModel) -> None:
    def mean(beams: int) -> float:
        tokens = list(model.generate("some", Sampling(beams=beams, max_tokens=10)))
        return sum(token.logprob for token in tokens) / len(tokens)

    from aat_models.beams import best_of_beams

    prompt = [model.prompt("some")]
    (single,) = best_of_beams(LlamaWriter(model.model, prompt, model.ends), 1, Sampling(beams=1, max_tokens=10))
    greedy = [drawn.ids[0] for drawn in draw(LlamaWriter(model.model, prompt, model.ends), 1, Sampling(max_tokens=10))]
    assert [choice[0] for choice in single] == greedy
    assert mean(4) >= mean(1)


def test_transformers_writes_the_same_greedily_and_with_beams(tmp_path) -> None:  # type: ignore[no-untyped-def]
    transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
    model = model_of()
    model.model.float()
    model.export(tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    end = model.tokenizer.number("[EOS]")
    for prompt in ("the quick", "some longer text"):
        ids = model.prompt(prompt)
        for beams in (1, 3, 5):
            answer = theirs.generate(
                torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), do_sample=False,
                num_beams=beams, max_new_tokens=15, eos_token_id=end, pad_token_id=0,
            )[0, len(ids) :].tolist()  # fmt: skip
            writer = LlamaWriter(model.model, [ids], frozenset([end or 0]))
            tokens = [token.text for _, token in write(writer, [_Shown()], Sampling(beams=beams, max_tokens=15))]
            assert tokens == [str(number) for number in answer if number != end]


class _Shown:
    def add(self, number: int) -> str:
        return str(number)

    shown = add

    def rest(self) -> str:
        return ""


# stop strings -------------------------------------------------------------------------------------------------------


class Dictated:
    """A writer that writes given tokens."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.ends, self.never = frozenset([0]), ()
        self._ids = list(ids)

    def _next(self) -> Tensor:
        logits = torch.zeros(1, 300)
        logits[0, self._ids.pop(0) if self._ids else 0] = 9.0
        return logits

    def begin(self) -> Tensor:
        return self._next()

    def step(self, ids: Tensor) -> Tensor:
        return self._next()

    def keep(self, rows: Sequence[int]) -> None:
        raise AssertionError("there is one text")

    def seen(self) -> list[list[int]]:
        return [[]]


class Pieces:
    def __init__(self, pieces: Sequence[str]) -> None:
        self._pieces = ["", *pieces]

    def add(self, number: int) -> str:
        return self._pieces[number]

    def shown(self, number: int) -> str:
        return str(number)

    def rest(self) -> str:
        return ""


@given(
    st.lists(st.text("ab", max_size=3), min_size=1, max_size=12),
    st.lists(st.text("ab", min_size=1, max_size=4), max_size=3),
)
def test_a_text_ends_before_the_first_stop_string_however_it_is_cut_into_tokens(
    pieces: list[str], stops: list[str]
) -> None:
    writer = Dictated(range(1, len(pieces) + 1))
    tokens = [token for _, token in write(writer, [Pieces(pieces)], Sampling(max_tokens=50, stop=stops))]
    # what a text is cut at is the first stop string seen when a token came, and the earliest of those seen together
    text, wanted = "", None
    for piece in pieces:
        text += piece
        found = [at for stop in stops if (at := text.find(stop)) >= 0]
        if found:
            wanted = text[: min(found)]
            break
    assert "".join(token.text for token in tokens) == (text if wanted is None else wanted)
    assert [token.index for token in tokens] == list(range(len(tokens)))


def test_what_cannot_be_the_beginning_of_a_stop_string_is_told_at_once() -> None:
    pieces = ["ab", "c", "x", "y"]
    told: list[str] = []
    for _, token in write(Dictated([1, 2, 3, 4]), [Pieces(pieces)], Sampling(max_tokens=9, stop=["bcd"])):
        told.append(token.text)
        if len(told) == 3:
            break
    assert told == ["ab", "c", "x"]


@pytest.mark.parametrize("texts", [1, 3])
def test_a_text_that_met_its_stop_string_is_no_longer_computed(model: LanguageModel, texts: int) -> None:
    whole = texts_of(list(model.generate_many(["the quick"] * texts, Sampling(max_tokens=20))), texts)
    stop = whole[0][5:7]
    found = list(model.generate_many(["the quick"] * texts, Sampling(max_tokens=10_000, stop=[stop])))
    assert texts_of(found, texts) == [whole[0][: whole[0].find(stop)]] * texts


# prompts ------------------------------------------------------------------------------------------------------------


def test_a_dialogue_forgets_its_oldest_turns_where_the_context_is_full() -> None:
    tokenizer = TextTokenizer.train("characters", [LETTERS], dialogue=True)
    model = Llama(
        Shape(vocabulary=tokenizer.size, width=8, layers=1, heads=1, key_heads=1, head=8, inner=8, context=40)
    )
    made = LanguageModel(model, tokenizer, [EOS], config=Config())
    assert made.prompt("hello", ["a", "b"]) == tokenizer.turns(["a", "b", "hello"])
    assert made.prompt("hello", ["a long turn", "b", "c", "d"]) == tokenizer.turns(["c", "d", "hello"])
    assert made.reading("hello", ["a long turn", "b", "c", "d"])[1:] == (2, 0)
    long = "a text longer than all of it there is, and more"
    assert made.reading(long, ["c", "d"])[1:] == (2, len(long) + 3 - 20)
    assert made.prompt(long) == [*tokenizer.turns([""])[:2], *tokenizer.encode(long[-17:]), tokenizer.turns([""])[-1]]
    assert list(made.generate(long, Sampling(max_tokens=3)))


def test_of_a_text_longer_than_the_context_the_end_is_read(model: LanguageModel) -> None:
    long = "the quick fox " * 3_571  # 50,000 characters
    read = model.reading(long)
    assert read.ids == model.prompt(long[-200:])[-model.model.shape.context :]
    assert read.tokens == len(model.tokenizer.encode(long)) - model.model.shape.context


def test_running_text_has_no_turns(model: LanguageModel) -> None:
    from aat_datasets.errors import InputError

    with pytest.raises(InputError, match="knows no turns"):
        model.prompt("hello", ["a", "b"])


def test_perplexity_is_that_of_the_whole_text(model: LanguageModel) -> None:
    ids = torch.tensor(model.prompt("the quick fox"))
    with torch.no_grad():
        logs = torch.log_softmax(model.model(ids[None, :-1])[0], -1)
    wanted = math.exp(-float(logs.gather(1, ids[1:, None]).mean()))
    assert model.perplexity(["the quick fox"]) == pytest.approx(wanted, rel=1e-5)
    assert math.isnan(model.perplexity([""]))
