"""Frames: several texts in one message, so that no text can end its own frame or begin another's.

    <<item k3f9 0a1b2c3d4e5f>>
    {text}
    <<end k3f9 0a1b2c3d4e5f seal 7b2a91>>

The nonce, the same in all lines of a message, occurs in none of the texts: whatever a text holds, it
is no line of ours. Which slots are used, and by which item, is left to chance: no text can name its
own id or another's. A seal is known from the end of its own frame alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from claudeflow.domain.prompt import Verify

SLOT_CHARS = 4
NONCE_CHARS = 12
SEAL_CHARS = 6
LARGEST_CHARS = 16**SEAL_CHARS // 2
"""Of all texts together. Longer ones could hold most of the seals there are."""

_LETTERS = "bcdfghjkmnpqrstvwxyz23456789"
"""No vowels, so that ids are no words, and no characters that look alike."""
_NEAREST = 2
BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class Seat:
    """Where an item stands in a pack: its id, and the seal that its answer must repeat (or nothing)."""

    slot: str
    seal: str


@dataclass(frozen=True, slots=True)
class Seating:
    """The text of a packed message, and the seats of its items in the order of their texts."""

    text: str
    seats: tuple[Seat, ...]


@lru_cache(maxsize=256)
def slot_ids(version: str, max_items: int) -> tuple[str, ...]:
    """The ids that packs of a prompt version may use: the same always, and a larger number only adds.

    Any two differ in two places at least: no slip of one character makes another item's id.
    """
    found: list[str] = []
    number = 0
    while len(found) < max_items:
        digest = hashlib.sha256(f"{version}/{number}".encode()).digest()
        slot = "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:SLOT_CHARS])
        if all(_distance(slot, other) >= _NEAREST for other in found):
            found.append(slot)
        number += 1
    return tuple(found)


def seat(
    texts: Sequence[str], slots: Sequence[str], draw: Callable[[], float], verify: Verify = Verify.SEAL
) -> Seating:
    """Give each text a slot and a frame. `draw` gives numbers in [0, 1).

    Raises ValueError for more texts than slots, and for texts longer than LARGEST_CHARS together.
    """
    if len(texts) > len(slots):
        raise ValueError(f"{len(texts)} items do not fit {len(slots)} slots; pack fewer")
    if sum(map(len, texts)) > LARGEST_CHARS:
        raise ValueError(f"the items have more than {LARGEST_CHARS:,} characters together; pack fewer")
    taken = "\n".join((*texts, *slots))
    nonce = _unseen(NONCE_CHARS, taken, draw)
    seats: list[Seat] = []
    for slot in _some(slots, len(texts), draw):
        taken_now = (taken, nonce, *(other.seal for other in seats))
        seal = _unseen(SEAL_CHARS, "\n".join(taken_now), draw) if verify is Verify.SEAL else ""
        seats.append(Seat(slot, seal))
    framed = (frame(text, one, nonce) for text, one in zip(texts, seats, strict=True))
    return Seating(BETWEEN.join(framed), tuple(seats))


def frame(text: str, one: Seat, nonce: str) -> str:
    """One item between its two lines."""
    seal = f" seal {one.seal}" if one.seal else ""
    return f"<<item {one.slot} {nonce}>>\n{text}\n<<end {one.slot} {nonce}{seal}>>"


def _some(slots: Sequence[str], number: int, draw: Callable[[], float]) -> list[str]:
    """So many of the slots, in an order of chance."""
    pool = list(slots)
    for place in range(number):
        other = place + int(draw() * (len(pool) - place))
        pool[place], pool[other] = pool[other], pool[place]
    return pool[:number]


def _unseen(chars: int, taken: str, draw: Callable[[], float]) -> str:
    """Hex digits of chance that do not occur in `taken`.

    They are drawn again as long as they do, each time one further, so that a poor chance ends as well.
    """
    size = 16**chars
    drawn, further = draw(), 0
    while (found := f"{(int(drawn * size) + further) % size:0{chars}x}") in taken:
        drawn, further = draw(), further + 1
    return found


def _distance(one: str, other: str) -> int:
    return sum(mine != theirs for mine, theirs in zip(one, other, strict=True))
