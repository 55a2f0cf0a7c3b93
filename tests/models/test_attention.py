"""Decoders that attend to the encoder's states: masks, caches, beams, stages, adversaries, and what they learn by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from test_training import run, same_files
from toy import config, data

from aat_datasets.batching import EncodedSplit
from aat_datasets.errors import ConfigError, InputError
from aat_datasets.lexicon import Lexicon
from aat_datasets.vocab import WordTable
from aat_models import decoders, encoders, latent, teacher_forcing
from aat_models.adversaries import Setting
from aat_models.attention import GlobalAttention, Memory, Source
from aat_models.config import DECODERS, ENCODERS, STATEFUL, Config, apply
from aat_models.data import TrainingData, surface_of
from aat_models.encoders.base import HasStates
from aat_models.evaluation import batch_of, decoder_loss, target_batch
from aat_models.events import Evaluation
from aat_models.fluency import DecoderFluency
from aat_models.predictor import Predictor
from aat_models.sampling import Sampling
from aat_models.text_model import TextModel
from aat_models.training import CheckpointDue, Training

KINDS = [name for name in DECODERS if name != "none"]
ATTENDING = {
    "model__decoder": "gru", "model__attention": True, "model__decoder_hidden": 16, "model__decoder_embedding": 8,
}  # fmt: skip


def memory_of(lengths: list[int], width: int, seed: int = 0) -> Memory:
    states = torch.randn(len(lengths), max(lengths), width, generator=torch.Generator().manual_seed(seed))
    return Memory(states, torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None])


def decoder_of(kind: str) -> decoders.Decoder:
    settings = {
        "model.decoder": kind, "model.latent": 6, "model.decoder_hidden": 40, "model.layers": 2, "model.attention": True,
    }  # fmt: skip
    torch.manual_seed(0)
    return decoders.build(9, apply(Config(), settings).model, 5).eval()


# masks, caches, rows ----------------------------------------------------------------------------------------------


def test_global_attention_by_hand() -> None:
    attention = GlobalAttention(2, 3)
    memory = memory_of([2], 3)
    states = torch.randn(1, 1, 2)
    keys = memory.states[0] @ attention.score.weight.T
    shares = torch.softmax(keys @ states[0, 0], 0)
    seen = shares[0] * memory.states[0, 0] + shares[1] * memory.states[0, 1]
    wanted = torch.tanh(attention.join.weight @ torch.cat([seen, states[0, 0]]))
    torch.testing.assert_close(attention(states, attention.ready(memory))[0, 0], wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_at_padding_is_never_seen(kind: str) -> None:
    made, vectors, ids = decoder_of(kind), torch.randn(3, 6), torch.randint(1, 9, (3, 4))
    memory = memory_of([5, 2, 3], 5)
    assert memory.mask is not None
    other = Memory(memory.states.masked_fill(~memory.mask[..., None], 100.0), memory.mask)
    moved = Memory(memory.states + 1.0, memory.mask)
    with torch.no_grad():
        logits, _ = made(vectors, ids, memory=memory)
        torch.testing.assert_close(made(vectors, ids, memory=other)[0], logits)
        assert not torch.allclose(made(vectors, ids, memory=moved)[0], logits, atol=1e-3)
        alone, _ = made(vectors[1:2], ids[1:2], memory=Memory(memory.states[1:2, :2], None))
    torch.testing.assert_close(alone, logits[1:2], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_word_by_word_it_says_what_it_says_of_a_whole_text(kind: str) -> None:
    made, vectors, ids, memory = (
        decoder_of(kind),
        torch.randn(3, 6),
        torch.randint(1, 9, (3, 7)),
        memory_of([4, 1, 3], 5),
    )
    with torch.no_grad():
        whole, _ = made(vectors, ids, memory=memory)
        state, at, parts = made.begin(vectors, memory), None, []
        for place in range(7):
            logits, state = made(vectors, ids[:, place : place + 1], state)
            at = state if place == 3 else at
            parts.append(logits)
        torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-4)
        chosen = torch.tensor([2, 0, 2])
        again, _ = made(vectors[chosen], ids[chosen, 4:], made.rows(at, chosen))
    torch.testing.assert_close(again, whole[chosen, 4:], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_memory_it_does_not_begin(kind: str) -> None:
    with pytest.raises(InputError, match="attends to the encoder's states"):
        decoder_of(kind)(torch.randn(1, 6), torch.tensor([[2]]))


def test_sources_side_by_side_keep_their_masks() -> None:
    short, long = memory_of([2], 3), Memory(torch.randn(1, 4, 3), None)
    together = Source.side_by_side([Source(torch.zeros(1, 2), short), Source(torch.ones(1, 2), long)])
    assert together.vector.tolist() == [[0, 0], [1, 1]]
    assert together.memory is not None and together.memory.mask is not None
    assert together.memory.mask.tolist() == [[True, True, False, False], [True] * 4]
    torch.testing.assert_close(together.memory.states[0, :2], short.states[0])
    assert Memory.side_by_side([long, long]).mask is None
    assert Source.side_by_side([Source(torch.zeros(1, 2), None)] * 2).memory is None


@pytest.mark.parametrize("name", STATEFUL)
def test_an_encoders_states_do_not_depend_on_padding_and_its_vector_is_the_same(name: str) -> None:
    torch.manual_seed(0)
    encoder = encoders.build(config(model__encoder=name).model).eval()
    assert isinstance(encoder, HasStates)
    embedded, lengths = torch.randn(3, 6, 12), torch.tensor([6, 3, 1])
    with torch.no_grad():
        vector, states = encoder.read(embedded, lengths)
        torch.testing.assert_close(vector, encoder(embedded, lengths))
        for row, length in enumerate(lengths.tolist()):
            alone = encoder.read(embedded[row : row + 1, :length], lengths[row : row + 1])[1]
            assert alone.shape == (1, length, encoder.state_width)
            torch.testing.assert_close(states[row, :length], alone[0], atol=1e-5, rtol=1e-4)


def test_the_states_of_a_bilstm_stand_in_the_words_order() -> None:
    """A change of the last word reaches the backward half of the first state, and of the first half only its own."""
    torch.manual_seed(0)
    encoder = encoders.build(config(model__encoder="bilstm").model)
    embedded = torch.randn(1, 4, 12)
    other = embedded.clone()
    other[0, 3] += 1
    assert isinstance(encoder, HasStates)
    with torch.no_grad():
        moved = (encoder.read(embedded, torch.tensor([4]))[1] - encoder.read(other, torch.tensor([4]))[1])[0].abs()
    ahead, back = moved.chunk(2, dim=-1)
    assert [bool(part.any()) for part in ahead] == [False, False, False, True]
    assert back.any(-1).all() and back[3].sum() > back[0].sum()


def test_which_encoders_it_needs() -> None:
    built = {name for name in ENCODERS if isinstance(encoders.build(config(model__encoder=name).model), HasStates)}
    assert built == set(STATEFUL)
    for name in ("bow", "llama"):
        with pytest.raises(ConfigError, match=f"model.attention: the encoder {name} has no state"):
            config(model__encoder=name, **ATTENDING)


# training ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["lstm", "transformer", pytest.param("gru", marks=pytest.mark.slow)])
def test_stage_by_stage_it_learns_saves_and_resumes_to_the_bit(kind: str, tmp_path: Path) -> None:
    chosen = config(
        **{**ATTENDING, "model__decoder": kind}, train__stages="encoder,decoder,joint", train__lr=0.02,
        train__epochs=1.0, train__decoder_epochs=2.0, model__decoder_dropout=0.1, train__smoothing=0.1,
    )  # fmt: skip
    whole = run(chosen, tmp_path / "whole", replies=True)
    losses = [e.metrics["decoder_loss"] for e in whole if isinstance(e, Evaluation) and "decoder_loss" in e.metrics]
    assert losses[-1] < 0.5 * losses[0]
    steps = [e.step for e in whole if isinstance(e, CheckpointDue)]
    halfway = steps[len(steps) // 2]
    run(chosen, tmp_path / "parts", until=halfway, replies=True)
    run(chosen, tmp_path / "parts", resume=tmp_path / "parts" / str(halfway), replies=True)
    names = ["model.safetensors", "state.safetensors"]
    same_files(tmp_path / "whole" / str(steps[-1]), tmp_path / "parts" / str(steps[-1]), names)


def test_the_decoder_stage_leaves_the_encoder_alone_and_an_adversary_moves_what_is_attended_to() -> None:
    torch.manual_seed(3)
    given, chosen = data(replies=True), config(**ATTENDING, adversary__name="hotflip", model__dropout=0.0)
    model = TextModel(chosen.model, given.table, 2, given.output).train()
    index = np.arange(24)
    batch, (seen, wanted) = batch_of(given.splits["train"], index), target_batch(given.splits["train"], index)
    setting = Setting(chosen.adversary, surface_of(given, chosen), torch.zeros(1, dtype=torch.long))
    figures = teacher_forcing.adversarial_step(model, batch, seen, wanted, setting, frozen=True)
    assert figures["vector_shift"] > 0 and figures["loss_adv_decoder"] != figures["loss_decoder"]
    assert all(p.grad is None for part in (model.embedding, model.encoder) for p in part.parameters())
    assert model.decoder is not None
    attention = model.decoder.attention
    assert attention.score.weight.grad.any()
    model.zero_grad()
    teacher_forcing.clean_step(model, batch, seen, wanted, frozen=False)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.encoder.parameters())


def test_smoothing_changes_the_gradient_and_not_what_is_told() -> None:
    given, chosen = data(replies=True), config(**ATTENDING, model__dropout=0.0)
    torch.manual_seed(3)
    model = TextModel(chosen.model, given.table, 2, given.output).train()
    index = np.arange(24)
    batch, (seen, wanted) = batch_of(given.splits["train"], index), target_batch(given.splits["train"], index)
    assert model.decoder is not None
    told, gradients = [], []
    for smoothing in (0.0, 0.2):
        model.zero_grad()
        told.append(
            teacher_forcing.clean_step(model, batch, seen, wanted, frozen=True, smoothing=smoothing)["loss_decoder"]
        )
        gradients.append(model.decoder.out.weight.grad.clone())
    assert told[0] == told[1] and not torch.allclose(gradients[0], gradients[1])
    # by torch's own
    logits = model.write(model.read(model.embedding(batch.ids), batch.lengths), seen)
    model.zero_grad()
    teacher_forcing.entropy(logits, wanted, 0.2).backward()
    torch.testing.assert_close(model.decoder.out.weight.grad, gradients[1], atol=1e-6, rtol=1e-4)


def test_an_encoder_stage_without_labels_is_refused_and_joint_trains_both() -> None:
    with pytest.raises(ConfigError, match="encoder trains on labels"):
        Training(config(**ATTENDING), _sequences(20))
    chosen = config(**ATTENDING, train__stages="joint", adversary__name="aat", surface__characters=0)
    training = Training(chosen, _sequences(200))
    before = {name: tensor.clone() for name, tensor in training.model.state_dict().items()}
    *_, last = [event.metrics for event in training.events() if isinstance(event, Evaluation)]
    # no label head, so no accuracy; an empty surface, so nothing to be robust against
    assert set(last) == {"decoder_loss", "perplexity"}
    assert all(not torch.equal(tensor, before[name]) for name, tensor in training.model.state_dict().items())


# what it is good for ----------------------------------------------------------------------------------------------

WORDS = [f"w{number}" for number in range(12)]


def _sequences(count: int) -> TrainingData:
    """Texts of 5 to 8 words, without labels; the output is the text backwards."""
    rng = np.random.default_rng(0)
    table = WordTable.of(WORDS)
    splits = {}
    for name, size in (("train", count), ("dev", 64)):
        texts = [list(rng.choice(WORDS, rng.integers(5, 9))) for _ in range(size)]
        arrays = [*table.encode([" ".join(text) for text in texts], 64), np.full(size, -1, np.int32), np.arange(size)]
        splits[name] = EncodedSplit(*arrays, *table.encode([" ".join(text[::-1]) for text in texts], 64))
    return TrainingData(splits, [], table, table, Lexicon.empty())


def test_a_decoder_of_pieces_judges_no_words(tmp_path: Path) -> None:
    chosen = config(**ATTENDING, data__output_pieces=20, train__stages="joint", train__epochs=0.1)
    run(chosen, tmp_path, replies=True)
    with pytest.raises(InputError, match="writes pieces of words"):
        DecoderFluency(Predictor.load(next(tmp_path.iterdir())))


def _trained(attention: bool, folder: Path) -> Predictor:
    chosen = config(
        model__encoder="bilstm", model__hidden=24, model__decoder="gru", model__decoder_hidden=48, model__characters=False,
        model__decoder_embedding=16, model__attention=attention, model__dropout=0.0, model__embedding=16, model__latent=16,
        train__stages="joint", train__epochs=12.0, train__lr=0.02, train__evaluate_every=1000, train__batch_size=64,
    )  # fmt: skip
    training = Training(chosen, _sequences(1500))
    for event in training.events():
        if isinstance(event, CheckpointDue):
            folder.mkdir(exist_ok=True)
            training.save(folder)
    return Predictor.load(folder)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Predictor, Predictor]:
    """Trained to write texts backwards, with and without attention, alike otherwise."""
    home = tmp_path_factory.mktemp("backwards")
    return _trained(True, home / "attending"), _trained(False, home / "fixed")


@pytest.mark.slow
def test_with_attention_a_decoder_learns_to_write_backwards_and_from_the_vector_it_does_not(
    both: tuple[Predictor, Predictor],
) -> None:
    dev = _sequences(10).splits["dev"]
    with_it, without = (decoder_loss(predictor.model, dev, 64)["decoder_loss"] for predictor in both)
    assert with_it < 0.3 and without > 1.0


@pytest.mark.slow
@pytest.mark.parametrize("sampling", [Sampling(greedy=True), Sampling(beams=3), Sampling(greedy=False, seed=4)])
def test_texts_side_by_side_are_those_written_alone(both: tuple[Predictor, Predictor], sampling: Sampling) -> None:
    predictor, _ = both
    prompts = ["w1 w2 w3 w4 w5 w6 w7 w8", "w9", "w3 w3 w1 w0 w11", "w5 w4 w10 w2 w7 w7"]
    together = list(predictor.generate_many(prompts, sampling))
    for row, prompt in enumerate(prompts):
        alone = list(predictor.generate(prompt, sampling))
        own = [token for number, token in together if number == row]
        assert [token.text for token in own] == [token.text for token in alone]
        assert [token.probability for token in own] == pytest.approx([token.probability for token in alone], abs=1e-5)
    if not sampling.greedy and sampling.beams == 1:
        return
    assert "".join(token.text for token in predictor.generate(prompts[2], sampling)) == "w11 w0 w1 w3 w3"


@pytest.mark.slow
def test_a_walk_between_vectors_is_refused_and_fluency_reads_the_states(both: tuple[Predictor, Predictor]) -> None:
    attending, fixed = both
    for predictor in both:
        way = latent.between(predictor, "w1 w2 w3", "w5 w6 w7", 3)
        if predictor is fixed:
            assert len(latent.tell(predictor, way, Sampling(greedy=True))) == 3
        else:
            with pytest.raises(InputError, match="a vector alone does not say what it writes"):
                latent.tell(predictor, way, Sampling(greedy=True))
    words = ["w1", "w2", "w3", "w4", "w5"]
    assert DecoderFluency(attending).perplexity([words]) > 1
