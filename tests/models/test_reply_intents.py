"""The intent of a reply is that of the reference most like it."""

from __future__ import annotations

from aat_models.reply_intents import ReplyIntents

REPLIES = [
    "your order is cancelled", "the order was stopped", "your money is on its way", "we pay you back this week",
    "thank you", "thank you", "thank you",
]  # fmt: skip
FOUND = ReplyIntents([reply.split() for reply in REPLIES], [0, 0, 1, 1, 0, 1, 1])


def test_references_speak_to_their_own_intent() -> None:
    assert [FOUND.of(reply.split()) for reply in REPLIES[:4]] == [0, 0, 1, 1]
    assert FOUND.of(["thank", "you"]) == 1  # two of three


def test_what_is_written_otherwise_is_known_by_what_is_rare_and_by_pairs() -> None:
    assert FOUND.of(["your", "order", "was", "cancelled", "this", "week"]) == 0
    assert FOUND.of(["your", "money", "back"]) == 1
    assert FOUND.of(["the", "is"]) in (0, 1)


def test_what_shares_no_word_speaks_to_none() -> None:
    assert FOUND.of(["nothing"]) == FOUND.of([]) == -1
    assert ReplyIntents([], []).of(["order"]) == -1
