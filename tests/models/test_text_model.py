"""Word vectors, encoders, the vector, and what hangs on it."""

from __future__ import annotations

import pytest
import torch

from aat_datasets.vocab import PAD, UNK, WordTable
from aat_models import encoders
from aat_models.config import Config, ModelConfig
from aat_models.embeddings import StepVectors, WordEmbedding, ngrams
from aat_models.encoders.recurrent import BiLSTM
from aat_models.text_model import TextModel

TABLE_WORDS = ["terrible", "film", "good"]


def table() -> WordTable:
    return WordTable.of(TABLE_WORDS)


def test_ngrams_of_a_typo_overlap_with_the_words_own() -> None:
    word, typo, other = (set(ngrams(w, 20_000)) for w in ("terrible", "terrble", "landscape"))
    assert len(word & typo) >= len(word) // 2
    assert len(word & other) <= 1


def test_ngrams_are_stable_across_processes_and_capped() -> None:
    assert ngrams("ab", 1000) == ngrams("ab", 1000)
    assert len(ngrams("x" * 100_000, 1000)) == 24
    assert all(1 <= bucket < 1000 for bucket in ngrams("naïve\ud800", 1000))
    assert ngrams("film", 20_000)[:2] == [3506, 14298]  # a published checkpoint relies on these buckets


def test_two_unseen_words_differ_with_characters_and_not_without() -> None:
    words = table()
    ids = torch.from_numpy(words.intern(["zebra", "quartz"])).long()
    spelled = WordEmbedding(words, 8, True, 100)(ids)
    plain = WordEmbedding(words, 8, False, 100)(ids)
    assert not torch.allclose(spelled[0], spelled[1])
    assert torch.equal(plain[0], plain[1])


def test_padding_is_zero() -> None:
    for characters in (True, False):
        assert not WordEmbedding(table(), 8, characters, 100)(torch.tensor([PAD])).any()


def test_step_vectors_carry_the_same_gradient_as_direct_lookups() -> None:
    embedding = WordEmbedding(table(), 8, True, 100)
    ids = torch.tensor([[4, 5, 4], [6, UNK, PAD]])
    weight = torch.randn(2, 3, 8)
    (embedding(ids) * weight).sum().backward()
    direct = [p.grad.clone() for p in embedding.parameters()]
    embedding.zero_grad()
    vectors = StepVectors(embedding, ids)
    (vectors(ids) * weight).sum().backward()  # two passes into the same copy
    (vectors(ids) * weight).sum().backward()
    vectors.backward()
    for one, two in zip(direct, embedding.parameters(), strict=True):
        torch.testing.assert_close(2 * one, two.grad)


@pytest.mark.parametrize("name", sorted(encoders.ENCODERS))
def test_the_vector_does_not_depend_on_padding_or_neighbours(name: str) -> None:
    config = ModelConfig(encoder=name, embedding=6, hidden=5, latent=4)
    encoder = encoders.build(config).eval()
    short, long = torch.randn(1, 3, 6), torch.randn(1, 9, 6)
    both = torch.zeros(2, 12, 6)
    both[0, :3], both[1, :9] = short[0], long[0]
    both[0, 3:] = 7.0  # whatever stands behind the end must not matter
    together = encoder(both, torch.tensor([3, 9]))
    for row, alone in enumerate((short, long)):
        vector = encoder(alone, torch.tensor([alone.shape[1]]))
        torch.testing.assert_close(vector[0], together[row])
    assert together.shape == (2, 4)


def test_bilstm_equals_the_bidirectional_layer_of_torch() -> None:
    config = ModelConfig(encoder="bilstm", embedding=6, hidden=5, latent=4)
    encoder = BiLSTM(config).eval()
    reference = torch.nn.LSTM(6, 5, batch_first=True, bidirectional=True)
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        getattr(reference, name).data.copy_(getattr(encoder.forwards, name))
        getattr(reference, name + "_reverse").data.copy_(getattr(encoder.backwards, name))
    lengths = torch.tensor([4, 7])
    embedded = torch.randn(2, 7, 6)
    packed = torch.nn.utils.rnn.pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
    states, _ = torch.nn.utils.rnn.pad_packed_sequence(reference(packed)[0], batch_first=True, padding_value=-2.0)
    mean = states.masked_fill(states == -2.0, 0.0).sum(1) / lengths[:, None]
    wanted = torch.tanh(encoder.dense(torch.cat([states.amax(1), mean], dim=-1)))
    torch.testing.assert_close(encoder(embedded, lengths), wanted)


def test_the_same_dropout_draw_gives_the_same_answer_twice() -> None:
    model = TextModel(ModelConfig(embedding=6, hidden=5, latent=4), table(), 2).train()
    ids, lengths = torch.tensor([[4, 5, 6]]), torch.tensor([3])
    draw = model.draw_dropout(1)
    embedded = model.embedding(ids)
    assert torch.equal(model.classify(embedded, lengths, draw), model.classify(embedded, lengths, draw))
    assert not torch.equal(
        model.classify(embedded, lengths, draw), model.classify(embedded, lengths, model.draw_dropout(1))
    )
    assert model.eval().draw_dropout(1) is None


def test_defaults_of_the_config_build_a_model() -> None:
    model = TextModel(Config().model, table(), 3)
    assert model(torch.tensor([[4, 5]]), torch.tensor([2])).shape == (1, 3)


@pytest.mark.parametrize(("word", "slip"), [("酒店", "久店"), ("酒店", "店酒"), ("酒店", "酒店店"), ("服务员", "服员")])
def test_a_slip_in_a_chinese_word_shares_ngrams_with_it(word: str, slip: str) -> None:
    first, second = set(ngrams(word, 20_000)), set(ngrams(slip, 20_000))
    assert len(first & second) >= 2
    assert len(ngrams("好", 20_000)) == 4, "itself, and with its marks"
    assert not first & set(ngrams("键盘", 20_000))
