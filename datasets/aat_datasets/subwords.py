"""Tokens of a language model: characters, or byte-level pieces learnt from texts (BPE); and tokenizers made elsewhere.

A tokenizer is one ``tokenizers`` file. Ours begin with PAD, UNK, BOS, EOS; a dialogue's also have USER and ASSISTANT, which open
a turn. Texts are taken as they are: case, blanks and line ends are tokens like others.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aat_datasets.errors import CheckpointError, DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["ASSISTANT", "BOS", "EOS", "PAD", "UNK", "USER", "Spelling", "TextTokenizer"]

PAD, UNK, BOS, EOS, USER, ASSISTANT = "[PAD]", "[UNK]", "[BOS]", "[EOS]", "[USER]", "[ASSISTANT]"
_BROKEN = "\ufffd"  # what the decoder gives for bytes that are no character yet
_LATER = 12  # tokens after which such bytes will not become one


class TextTokenizer:
    """Text ↔ token ids.

    Args:
        tokenizer: of ``tokenizers``.

    Attributes:
        size: of the vocabulary.
        dialogue: whether it has tokens that open turns, so that a model over it answers.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.size: int = tokenizer.get_vocab_size(with_added_tokens=True)
        self.dialogue = self.number(USER) is not None and self.number(ASSISTANT) is not None

    @classmethod
    def train(
        cls, kind: Literal["characters", "bpe"], texts: Iterable[str], vocabulary: int = 4096, *, dialogue: bool = False
    ) -> TextTokenizer:
        """A tokenizer learnt from texts; ``vocabulary`` is the number of pieces of ``bpe``. Raises DataError without text."""
        special = [PAD, UNK, BOS, EOS, *([USER, ASSISTANT] if dialogue else [])]
        made = _characters(texts, special) if kind == "characters" else _pieces(texts, special, vocabulary)
        return cls(made)

    def number(self, token: str) -> int | None:
        """The id of a token; None where there is no such one."""
        return self.tokenizer.token_to_id(token)

    @functools.cached_property
    def special(self) -> frozenset[int]:
        """The ids that stand for no text."""
        return frozenset(number for number, token in self.tokenizer.get_added_tokens_decoder().items() if token.special)

    def encode(self, text: str, *, whole: bool = False) -> list[int]:
        """The ids of a text; ``whole``: with what the tokenizer puts around one, for those made elsewhere.

        What looks like a special token in the text of a user is text.
        """
        if not whole:
            self.tokenizer.encode_special_tokens = True
        try:
            return self.tokenizer.encode(text, add_special_tokens=whole).ids
        finally:
            self.tokenizer.encode_special_tokens = False

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; special ones are left out."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=True)

    def turns(self, turns: Sequence[str]) -> list[int]:
        """A dialogue up to where the model answers: turns of the user and the model, the user's last, the model's opened."""
        opens = (self._known(USER), self._known(ASSISTANT))
        ids = [self._known(BOS)]
        for place, turn in enumerate(turns):
            # the last turn is always the user's
            ids += [opens[(len(turns) - 1 - place) % 2], *self.encode(turn)]
        return [*ids, opens[1]]

    def _known(self, token: str) -> int:
        number = self.number(token)
        assert number is not None, token
        return number

    def save(self, path: Path) -> None:
        self.tokenizer.save(str(path))

    @classmethod
    def of(cls, content: str, where: str = "tokenizer") -> TextTokenizer:
        """From a file's content. Raises CheckpointError."""
        from tokenizers import Tokenizer

        try:
            return cls(Tokenizer.from_str(content))
        except Exception as error:  # tokenizers raises bare Exception
            raise CheckpointError(f"{where}: not a tokenizer: {error}") from None

    @classmethod
    def load(cls, path: Path) -> TextTokenizer:
        """Raises CheckpointError."""
        try:
            return cls.of(path.read_text(encoding="utf-8"), str(path))
        except OSError as error:
            raise CheckpointError(f"{path}: {error.strerror}", "a language model needs its tokenizer.json") from None


class Spelling:
    """One text as its tokens come: what each of them adds.

    A character may be several tokens, and a piece may look otherwise at a text's beginning: each token is decoded beside those
    before it, and one that leaves a character unfinished adds nothing until it is whole.
    """

    def __init__(self, tokenizer: TextTokenizer, before: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._ids = list(before)[-_LATER:]
        self._from = 0  # tokens before this one no longer matter
        self._told = len(self._ids)  # tokens whose text was given

    def add(self, number: int) -> str:
        """The text that a token completes."""
        self._ids.append(number)
        before = self._tokenizer.decode(self._ids[self._from : self._told])
        text = self._tokenizer.decode(self._ids[self._from :])
        if text.endswith(_BROKEN) and len(self._ids) - self._told < _LATER:
            return ""
        self._from, self._told = self._told, len(self._ids)
        return text[len(before) :]

    def rest(self) -> str:
        """What was held back, at the end."""
        before = self._tokenizer.decode(self._ids[self._from : self._told])
        return self._tokenizer.decode(self._ids[self._from :])[len(before) :]


def _characters(texts: Iterable[str], special: list[str]) -> Tokenizer:
    from tokenizers import Regex, Tokenizer
    from tokenizers.decoders import Fuse
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split

    found: set[str] = set()
    for text in texts:
        found.update(text)
    found = {character for character in found if not 0xD800 <= ord(character) < 0xE000}
    if not found:
        raise DataError("there is no text to learn characters from")
    tokenizer = Tokenizer(WordLevel({token: n for n, token in enumerate([*special, *sorted(found)])}, unk_token=UNK))
    tokenizer.pre_tokenizer = Split(Regex(r"[\s\S]"), "isolated")  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.decoder = Fuse()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.add_special_tokens(special)  # pyright: ignore[reportUnknownMemberType]
    return tokenizer


def _pieces(texts: Iterable[str], special: list[str], vocabulary: int) -> Tokenizer:
    """Byte-level BPE (Radford et al. 2019): every text can be written, whatever its characters."""
    from tokenizers import Tokenizer
    from tokenizers.decoders import ByteLevel
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel as Bytes
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = Bytes(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.decoder = ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = BpeTrainer(
        vocab_size=vocabulary, special_tokens=special, initial_alphabet=Bytes.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(_whole(texts), trainer)
    return tokenizer


def _whole(texts: Iterable[str]) -> Iterator[str]:
    """Texts without what UTF-8 has no bytes for."""
    for text in texts:
        yield text.encode("utf-8", "replace").decode("utf-8")
