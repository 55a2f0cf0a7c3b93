"""A decoder-only language model in the layout of LLaMA (Touvron et al. 2023), with a cache of keys and values.

Normalisation by the root mean square before each part of a block (Zhang & Sennrich 2019), rotary positions (Su et al. 2021),
a gated network (SwiGLU, Shazeer 2020), keys and values shared by groups of heads (Ainslie et al. 2023), no biases.

Queries, keys and values are one product, and so are the gate and what it gates: on a CPU, where a small model spends its time
between the kernels, half as many calls are half the time. ``aat_models.llama_layout`` takes them apart for others.

Shapes: ``B`` texts, ``T`` tokens, ``L`` tokens the cache has room for, ``W`` width, ``D`` width of a head, ``N`` heads,
``K`` heads of keys and values, ``V`` vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aat_models.config import LanguageConfig
from aat_models.products import Packed, Product, by_columns

__all__ = ["Cache", "Llama", "Scaling", "Shape", "shape_of"]


_POSITIONS = 2048  # whose rotations are made at first; a model may have many more


class Scaling(NamedTuple):
    """How rotary positions are stretched beyond the context a model was first trained on (Llama 3.1)."""

    factor: float
    low: float
    high: float
    original: int


class Shape(NamedTuple):
    """What the weights are like; ``context`` is the number of positions, ``head`` the width of one head."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    key_heads: int
    head: int
    inner: int
    context: int
    tied: bool = True
    theta: float = 10_000.0
    epsilon: float = 1e-5
    dropout: float = 0.0
    scaling: Scaling | None = None


def shape_of(config: LanguageConfig, vocabulary: int) -> Shape:
    """The shape a run's config asks for."""
    inner = config.inner or -(-config.width * 8 // 3 // 32) * 32
    return Shape(
        vocabulary=vocabulary, width=config.width, layers=config.layers, heads=config.heads,
        key_heads=config.key_heads or config.heads, head=config.width // config.heads, inner=inner,
        context=config.context, tied=config.tied, theta=config.theta, dropout=config.dropout,
    )  # fmt: skip


class Cache:
    """Keys and values of the tokens read so far, of every block.

    Args:
        shape: of the model.
        batch: number of texts.
        room: tokens there is room for at first; it doubles when it is full.
        starts: ``(B,)``, the column each text begins at, where texts of unlike length are padded in front; None: none is.
    """

    def __init__(
        self, shape: Shape, batch: int, room: int, *, starts: Tensor | None = None, dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:  # fmt: skip
        size = (batch, shape.key_heads, max(room, 1), shape.head)
        self.keys = [torch.zeros(size, dtype=dtype, device=device) for _ in range(shape.layers)]
        self.values = [torch.zeros(size, dtype=dtype, device=device) for _ in range(shape.layers)]
        self.length = 0
        self.starts = starts

    def reserve(self, tokens: int) -> None:
        """Make room for so many more."""
        room = self.keys[0].shape[2]
        if self.length + tokens <= room:
            return
        more = max(self.length + tokens, 2 * room) - room
        for part in (self.keys, self.values):
            for layer, tensor in enumerate(part):
                part[layer] = F.pad(tensor, (0, 0, 0, more))

    def write(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Takes ``(B, K, T, D)`` of the tokens at hand; returns those of all of them, ``(B, K, length + T, D)``."""
        end = self.length + keys.shape[2]
        self.keys[layer][:, :, self.length : end] = keys
        self.values[layer][:, :, self.length : end] = values
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]

    def keep(self, rows: Tensor) -> None:
        """Go on with the texts at ``rows`` ``(R,)``; one may come several times."""
        for part in (self.keys, self.values):
            for layer, tensor in enumerate(part):
                part[layer] = tensor.index_select(0, rows)
        if self.starts is not None:
            self.starts = self.starts.index_select(0, rows)


class Block(nn.Module):
    """Attention over the tokens before, then a gated network at each token, both residual."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.before_attention = nn.Parameter(torch.ones(shape.width))
        self.look = Product(shape.width, (shape.heads + 2 * shape.key_heads) * shape.head)
        self.join = Product(shape.heads * shape.head, shape.width)
        self.before_network = nn.Parameter(torch.ones(shape.width))
        self.gates = Product(shape.width, 2 * shape.inner)
        self.leave = Product(shape.inner, shape.width)
        self.normal = (shape.width,)
        self.rotated = shape.heads + shape.key_heads

    def forward(
        self,
        states: Tensor,
        turn: Turn,
        cache: Cache | None,
        layer: int,
        look: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """``look`` changes the states between attention and network."""
        shape = self.shape
        batch, tokens, _ = states.shape
        found = self.look(F.rms_norm(states, self.normal, self.before_attention, shape.epsilon))
        found = found.view(batch, tokens, -1, shape.head)  # (B, T, N + 2K, D)
        turned = turn.of(found[:, :, : self.rotated])
        queries = turned[:, :, : shape.heads].transpose(1, 2)  # (B, N, T, D)
        keys = turned[:, :, shape.heads :].transpose(1, 2)  # (B, K, T, D)
        values = found[:, :, self.rotated :].transpose(1, 2)
        if cache is not None:
            keys, values = cache.write(layer, keys, values)
        seen = self._attend(queries, keys, values, turn)
        drop = shape.dropout if self.training else 0.0
        states = states + _dropped(self.join(seen), drop)
        if look is not None:
            states = look(states)
        gate, up = self.gates(F.rms_norm(states, self.normal, self.before_network, shape.epsilon)).chunk(2, dim=-1)
        return states + _dropped(self.leave(F.silu(gate) * up), drop)

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor, turn: Turn) -> Tensor:
        """``(B, T, N · D)``."""
        shape = self.shape
        batch, _, tokens, _ = queries.shape
        if tokens == 1:
            # one token looks at everything there is: the heads that share keys are as good as so many tokens
            grouped = queries.reshape(batch, shape.key_heads, -1, shape.head)
            seen = F.scaled_dot_product_attention(grouped, keys, values, attn_mask=turn.mask)
            return seen.reshape(batch, 1, -1)
        seen = F.scaled_dot_product_attention(
            queries, keys, values, attn_mask=turn.mask, is_causal=turn.mask is None,
            dropout_p=shape.dropout if self.training else 0.0, enable_gqa=shape.key_heads != shape.heads,
        )  # fmt: skip
        return seen.transpose(1, 2).reshape(batch, tokens, -1)


class Turn(NamedTuple):
    """What the tokens at hand need at every block: their positions' rotation, and what each may look at.

    ``cos``, ``sin`` broadcast over ``(B, T, heads, D)``; the first half of ``sin`` is negative. ``mask`` ``(B | 1, 1, T, L)``:
    0, or −inf where a token may not look; None: at all before it.
    """

    cos: Tensor
    sin: Tensor
    half: int
    mask: Tensor | None

    def of(self, parts: Tensor) -> Tensor:
        """Rotated by the position: ``(B, T, heads, D)``; halves belong together, as Hugging Face has it."""
        return torch.addcmul(parts * self.cos, parts.roll(self.half, -1), self.sin)


class Llama(nn.Module):
    """Tokens → the next token's logits.

    Args:
        shape: of the model.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(shape.width))
        self.answer = None if shape.tied else Product(shape.width, shape.vocabulary)
        self._tied: Packed | None = None
        self._blocks: list[Block] = list(self.blocks)  # pyright: ignore[reportAttributeAccessIssue]
        self.cos: Tensor
        self.sin: Tensor
        self.place()
        self._initialise()

    def place(self) -> None:
        """Makes the rotations of the first positions: they are no weights."""
        cos, sin = rotations(self.shape, min(self.shape.context, _POSITIONS))
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def _initialise(self) -> None:
        """Normal, 0.02; what adds to the residual stream smaller by the root of how often that is done (Radford et al. 2019)."""
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                last = name.endswith(("join.weight", "leave.weight"))
                nn.init.normal_(parameter, std=0.02 / (math.sqrt(2 * self.shape.layers) if last else 1.0))

    @property
    def device(self) -> torch.device:
        return self.tokens.weight.device

    def forward(
        self, ids: Tensor, cache: Cache | None = None, *, last: bool = False, added: Tensor | None = None
    ) -> Tensor:
        """Logits ``(B, T, V)`` of the token after each of ``ids`` ``(B, T)``; with ``last`` ``(B, V)``, after the last only.

        With a cache, ``ids`` follow what it holds, and it holds them then too. ``added`` is added to the tokens' vectors.
        """
        states = self.states(ids, cache, last=last, added=added)
        if self.answer is not None:
            return self.answer(states)
        weight = self.tokens.weight
        return F.linear(states, weight) if self._tied is None else self._tied.times(states, weight)

    def lay_out(self, rows: int) -> None:
        """Makes the model fast on a CPU for texts written ``rows`` at a time; its weights are not to change any more.

        Several rows cost a copy of the weights, once.
        """
        for module in self.modules():
            if isinstance(module, Product):
                module.lay_out(rows)
        if self.answer is None and rows == 1:
            by_columns(self.tokens.weight)
        elif self.answer is None:
            self._tied = self._tied or Packed()
            self._tied.prepare(self.tokens.weight, rows)

    def states(
        self, ids: Tensor, cache: Cache | None = None, *, last: bool = False, added: Tensor | None = None,
        looks: Sequence[Callable[[Tensor], Tensor]] = (),
    ) -> Tensor:  # fmt: skip
        """What the logits are made of, ``(B, T, W)`` or ``(B, W)``.

        ``added`` ``(B, 1 | T, W)`` joins the tokens' vectors; ``looks``, one a block, change its states before its network.
        """
        turn = self._turn(ids.shape[1], cache)
        states = F.embedding(ids, self.tokens.weight)
        if added is not None:
            states = states + added
        if self.training and self.shape.dropout:
            states = F.dropout(states, self.shape.dropout)
        if cache is not None:
            cache.reserve(ids.shape[1])
        for layer, block in enumerate(self._blocks):
            states = block(states, turn, cache, layer, looks[layer] if looks else None)
        if cache is not None:
            cache.length += ids.shape[1]
        if last:
            states = states[:, -1]
        return F.rms_norm(states, (self.shape.width,), self.norm, self.shape.epsilon)

    def _turn(self, tokens: int, cache: Cache | None) -> Turn:
        half = self.shape.head // 2
        longest = tokens + (cache.length if cache is not None else 0)
        if longest > len(self.cos):
            cos, sin = rotations(self.shape, 2 * longest)
            self.cos, self.sin = cos.to(self.cos), sin.to(self.sin)
        if cache is None or (not cache.length and cache.starts is None):
            return Turn(self.cos[:tokens, None], self.sin[:tokens, None], half, None)
        start, end = cache.length, cache.length + tokens
        if cache.starts is None:
            mask = None if tokens == 1 else _mask(tokens, start, None, self.cos)
            return Turn(self.cos[start:end, None], self.sin[start:end, None], half, mask)
        places = (torch.arange(start, end, device=self.device)[None] - cache.starts[:, None]).clamp_min(0)  # (B, T)
        mask = _mask(tokens, start, cache.starts, self.cos)
        return Turn(self.cos[places][:, :, None], self.sin[places][:, :, None], half, mask)


def _mask(tokens: int, start: int, starts: Tensor | None, like: Tensor) -> Tensor:
    """Each token looks at itself and what is before it, but not at padding: ``(B | 1, 1, T, L)``."""
    columns = torch.arange(start + tokens, device=like.device)
    own = columns[start:, None]  # (T, 1)
    seen = (columns[None] <= own)[None]  # (1, T, L)
    if starts is not None:
        # what is padding itself looks at itself: a softmax over nothing is no number
        seen = seen & ((columns[None, None] >= starts[:, None, None]) | (columns[None] == own)[None])
    return torch.zeros(seen.shape, dtype=like.dtype, device=like.device).masked_fill_(~seen, -torch.inf)[:, None]


def rotations(shape: Shape, positions: int) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines of the first ``positions``, ``(positions, D)``."""
    half = shape.head // 2
    rates = 1.0 / shape.theta ** (torch.arange(0, shape.head, 2, dtype=torch.float32) / shape.head)
    if shape.scaling is not None:
        rates = _stretched(rates, shape.scaling)
    angles = torch.arange(positions, dtype=torch.float32)[:, None] * rates  # (positions, D / 2)
    angles = torch.cat([angles, angles], dim=-1)
    sign = torch.cat([-torch.ones(half), torch.ones(half)])
    return angles.cos(), angles.sin() * sign


def _stretched(rates: Tensor, scaling: Scaling) -> Tensor:
    """Slow rotations slower, fast ones as they are, those between by degrees (Llama 3.1)."""
    length = 2 * math.pi / rates
    share = (scaling.original / length - scaling.low) / (scaling.high - scaling.low)
    share = share.clamp(0, 1)
    return (1 - share) * rates / scaling.factor + share * rates


def _dropped(states: Tensor, share: float) -> Tensor:
    return F.dropout(states, share) if share else states
