"""Worth: whether a pack is expected to cost less than its items would singly.

A pack pays for its prefix once, and for each item a frame and an entry. With a warm cache a prefix
costs next to nothing, and then the frames may cost more than they save. An item that comes back from
its pack is paid for twice: its part of the pack, and a single call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from claudeflow.domain.money import dollars
from claudeflow.domain.prompt import Verify
from claudeflow.policy.limits.estimate import TOKENS_PER_BYTE
from claudeflow.policy.money.pricing import PICO_PER_NANO, Rates
from claudeflow.policy.packing.frames import BETWEEN, NONCE_CHARS, SEAL_CHARS, SLOT_CHARS, Seat, frame

LARGEST_LOSS = 0.10
"""Of the single cost: what may be paid for fewer requests where jobs wait for these."""

TOKENS_PER_CHANCE_CHAR = 1.0
"""Characters of chance are no words: in the worst case each is a token of its own."""


def _tokens(text: str, chance_chars: int) -> int:
    """Guessed tokens of a text of which so many characters are of chance."""
    return round((len(text) - chance_chars) * TOKENS_PER_BYTE + chance_chars * TOKENS_PER_CHANCE_CHAR)


_SLOT, _SEAL, _NONCE = "k" * SLOT_CHARS, "7" * SEAL_CHARS, "0" * NONCE_CHARS
_LINE_CHANCE = 2 * (SLOT_CHARS + NONCE_CHARS)

FRAME_TOKENS: Mapping[Verify, int] = {
    Verify.SEAL: _tokens(frame("", Seat(_SLOT, _SEAL), _NONCE) + BETWEEN, _LINE_CHANCE + SEAL_CHARS),
    Verify.ID: _tokens(frame("", Seat(_SLOT, ""), _NONCE) + BETWEEN, _LINE_CHANCE),
}
"""What a frame adds to an item's text."""

ENTRY_TOKENS: Mapping[Verify, int] = {
    Verify.SEAL: _tokens(f'{{"id":"{_SLOT}","answer":,"seal":"{_SEAL}"}},', SLOT_CHARS + SEAL_CHARS),
    Verify.ID: _tokens(f'{{"id":"{_SLOT}","answer":}},', SLOT_CHARS),
}
"""What an entry adds to an item's answer."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """What comes before the items' own texts; `is_warm`: it is expected to be read from the cache."""

    tokens: int
    is_warm: bool


@dataclass(frozen=True, slots=True)
class Case:
    """A pack that could go: its items, what each brings and is expected to answer, and the prices.

    The prefix of the packed request is one of its own, with the instructions and another schema.
    `returned_share` of the items are expected to come back and to be asked again singly.
    `requests_are_scarce`: the pool's requests are what jobs wait for.
    """

    items: int
    single: Prefix
    packed: Prefix
    own_input_tokens: float
    answer_tokens: float
    verify: Verify
    rates: Rates
    cache_minimum_tokens: int
    returned_share: float
    requests_are_scarce: bool

    @property
    def saves_requests(self) -> bool:
        """Whether fewer calls are expected than items, those of the returned ones included."""
        return 1 / self.items + self.returned_share < 1


@dataclass(frozen=True, slots=True)
class Worth:
    """Whether to pack, what it saves (negative: loses) on each item, and why in words."""

    pays: bool
    saved_nanousd_per_item: float
    why: str


def judge_worth(case: Case) -> Worth:
    """Compare what an item costs singly and packed."""
    if case.items < 2:
        return Worth(
            pays=False, saved_nanousd_per_item=0.0, why="there is nothing to pack it with: not packed"
        )
    own = case.own_input_tokens * case.rates.input + case.answer_tokens * case.rates.output
    single = (_prefix(case.single, case) + own) / PICO_PER_NANO
    frames = FRAME_TOKENS[case.verify] * case.rates.input + ENTRY_TOKENS[case.verify] * case.rates.output
    in_pack = (_prefix(case.packed, case) / case.items + frames + own) / PICO_PER_NANO
    packed = in_pack + case.returned_share * single
    saved = single - packed
    may_lose = case.requests_are_scarce and case.saves_requests
    pays = saved > 0 or (may_lose and -saved <= LARGEST_LOSS * single)
    cache = "a warm cache" if _is_read(case.single, case) else "no cached prefix"
    why = (
        f"with {cache} a single call costs {dollars(round(single))} an item, "
        f"packed by {case.items} {dollars(round(packed))}{_again(case)}: {_verdict(case, saved, pays=pays)}"
    )
    return Worth(pays, saved, why)


def _prefix(prefix: Prefix, case: Case) -> int:
    """Pico-dollars for one reading of it."""
    return prefix.tokens * (case.rates.read if _is_read(prefix, case) else case.rates.input)


def _is_read(prefix: Prefix, case: Case) -> bool:
    return prefix.is_warm and prefix.tokens >= case.cache_minimum_tokens


def _again(case: Case) -> str:
    return f" with {case.returned_share:.1%} asked again" if case.returned_share else ""


def _verdict(case: Case, saved: float, *, pays: bool) -> str:
    if not case.requests_are_scarce or saved > 0:
        return "packed" if pays else "not packed"
    return "packed all the same, as requests are scarce" if pays else "not packed, though requests are scarce"
