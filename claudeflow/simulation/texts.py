"""Texts of a wanted number of tokens: slices of one long text, so that they cost next to nothing."""

from __future__ import annotations

from functools import lru_cache
from random import Random

from claudeflow.twin.models import Model
from claudeflow.twin.tokens import MESSAGE_TOKENS, chars_per_token

_WORDS = (  # plain words of an office
    "the a of and to in is for on with as by at from that this which are was has been will may not or if"
    " ticket report change request access network server account customer answer question policy review"
    " approve update missing between after before during several systems teams service window certificate"
    " backup contract vendor security storage region invoice payment release version support response"
    " please explain whether every other open closed pending urgent weekly office printer mailbox gateway"
)
_WORDS_IN_ALL = 60_000


def sized_text(start: str, tokens: int, model: Model, end: str = "") -> str:
    """Text of about `tokens` tokens from `start` to `end`; never cut shorter than those two."""
    wanted = int(tokens * chars_per_token(model)) - len(start) - len(end) - 2
    return f"{start} {_slice(wanted, start)} {end}".rstrip() if wanted > 0 else f"{start} {end}".rstrip()


def own_text(number: int, tokens: int, model: Model, answer_tokens: int | None) -> str:
    """What one job asks: `number` makes it differ from all others."""
    return sized_text(f"#{number}", tokens - MESSAGE_TOKENS, model, answer_mark(answer_tokens))


def answer_mark(tokens: int | None) -> str:
    """What makes the twin answer with exactly so many tokens; nothing leaves the length to the twin."""
    return "" if tokens is None else f"[[answer {tokens} tokens]]"


def _slice(length: int, start: str) -> str:
    """Characters of the long text, from a place that `start` decides."""
    text = _long_text()
    place = sum(start.encode()) * 7_919 % len(text)
    repeated = text * ((place + length) // len(text) + 1) if place + length > len(text) else text
    return repeated[place : place + length]


@lru_cache(maxsize=1)
def _long_text() -> str:
    return " ".join(Random(0).choices(_WORDS.split(), k=_WORDS_IN_ALL))  # noqa: S311 - words, no secret
