"""The rules of the leak lint: what each looks for, what a leak costs, and where the text belongs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

MOST_SHOWN_CHARS = 60
STABLE = "stable"


class Place(Enum):
    """Where a rule's text counts as a leak."""

    ANYWHERE = auto()
    """In definitions as well: nobody writes such a thing into reference data."""
    PROSE = auto()
    """Only outside reference data, which may be full of addresses, names and dates and never changes."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `why` and `move` are sentences for people; `{file}` and `{how}` say where else it fits."""

    name: str
    what: str
    why: str
    move: str
    place: Place = Place.PROSE


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule's match within a line: characters from `start` up to `end`.

    The rule STABLE marks what only looks like a leak, so that no other rule takes a part of it for one.
    """

    rule: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One leak. `line` and `column` count from 1; `text` is what leaked, shortened."""

    file: str
    line: int
    column: int
    rule: str
    text: str
    what: str
    why: str
    move: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.rule}: {self.what} {self.text!r}"


_EACH_JOB = (
    "it differs from job to job, so the prefix differs too: every call pays for writing it, none reads it"
)
_EACH_MOMENT = "it changes with the clock: from then on every cached copy of the prefix is worthless"
_TO_USER = "move it into {file}{how}"
_MESSAGE = {"file": "the message", "how": ""}
_VARIABLES = {"file": "user.md", "how": " as a variable"}

_RULES = (
    Rule("timestamp", "a point in time", _EACH_MOMENT, f"{_TO_USER}, or remove it"),
    Rule("date", "a date", _EACH_MOMENT, f"{_TO_USER}, or remove it"),
    Rule("time", "a time of day", _EACH_MOMENT, f"{_TO_USER}, or remove it"),
    Rule("week", "a week number", _EACH_MOMENT, f"{_TO_USER}, or remove it"),
    Rule("now", "a statement about now", _EACH_MOMENT, f"{_TO_USER}, or remove it", Place.ANYWHERE),
    Rule("epoch", "a point in time as a number", _EACH_MOMENT, f"{_TO_USER}, or remove it"),
    Rule("uuid", "a UUID", _EACH_JOB, f"{_TO_USER}, or remove it", Place.ANYWHERE),
    Rule("ulid", "a ULID", _EACH_JOB, f"{_TO_USER}, or remove it", Place.ANYWHERE),
    Rule("ticket", "a ticket id", _EACH_JOB, _TO_USER),
    Rule("host", "a host name", _EACH_JOB, _TO_USER),
    Rule("ip", "an IP address", _EACH_JOB, _TO_USER),
    Rule("mac", "a MAC address", _EACH_JOB, _TO_USER),
    Rule("email", "an e-mail address", _EACH_JOB, _TO_USER),
    Rule("phone", "a telephone number", _EACH_JOB, _TO_USER),
    Rule("token", "a hash, token or session id", _EACH_JOB, f"{_TO_USER}, or remove it"),
    Rule(
        "variable",
        "a variable marker",
        "once it is filled in, the prefix is another one in each call; and here nothing fills it in: "
        "the stable part is sent as it stands",
        "move the sentence with it into {file}",
        Place.ANYWHERE,
    ),
    Rule(
        "key-order",
        "keys in an order of chance",
        "the API compares bytes: the same object with its keys in another order is another prefix",
        "write all objects of a kind in one order, or serialise with sorted keys",
        Place.ANYWHERE,
    ),
)
RULES: Mapping[str, Rule] = {rule.name: rule for rule in _RULES}


def own_rule(name: str) -> Rule:
    """The rule of a pattern that a team has added."""
    return Rule(name, f"what the pattern {name} looks for:", _EACH_JOB, _TO_USER, Place.ANYWHERE)


def finding(file: str, line: int, text: str, hit: Hit) -> Finding:
    """The finding that a hit in a line of text is. What leaked belongs into the message."""
    rule = _rule(hit.rule)
    leaked = shortened(text[hit.start : hit.end])
    move = rule.move.format(**_MESSAGE)
    return Finding(file, line, hit.start + 1, rule.name, leaked, rule.what, rule.why, move)


def of_prompt(found: Finding) -> Finding:
    """The finding in a prompt's folder: what leaked belongs into its user.md."""
    return replace(found, move=_rule(found.rule).move.format(**_VARIABLES))


def _rule(name: str) -> Rule:
    return RULES.get(name) or own_rule(name)


def shortened(text: str) -> str:
    """The text in one line of at most 60 characters."""
    text = " ".join(text.split())
    return text if len(text) <= MOST_SHOWN_CHARS else text[: MOST_SHOWN_CHARS - 1] + "…"
