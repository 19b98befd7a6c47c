"""The text of a filter → `Terms`. Whatever is wrong is told with its place and what is allowed.

    state:failed,expired  lane:bulk  -workflow:ticket-*  age>2h  metadata.team:"net ops"  cost>0.05

Terms stand apart by spaces and must all hold. A term is a field, `:` or a comparison, and values: commas
separate alternatives, quotes keep spaces and commas, `*` stands for any characters. `-` or `not:` before a
term means that it must not hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from claudeflow.domain.errors import IntakeError
from claudeflow.domain.job import JobState
from claudeflow.domain.job_filter import Comparison, Field, Number, Term, Terms, Words
from claudeflow.intake.mistakes import did_you_mean, show

LONGEST_FILTER = 2_000
MOST_TERMS = 20
MOST_VALUES = 50
LARGEST = 2**62

_HEAD = re.compile(r"(?P<not>-|not:)?(?P<name>[A-Za-z_]+)(?:\.(?P<key>[^\s:<>=\"]+))?(?P<how>:|<=|>=|<|>|=)")
_VALUE = re.compile(r'"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]+)')
_AGE = re.compile(r"(\d{1,9})(s|m|h|d|w)", re.ASCII)
_AGE_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_NANO = 1_000_000_000

_WORDS = frozenset(
    {
        Field.STATE,
        Field.LANE,
        Field.WORKFLOW,
        Field.MODEL,
        Field.PROMPT,
        Field.SUBMITTED_BY,
        Field.DEDUPE,
        Field.ERROR,
        Field.STOP,
        Field.METADATA,
    }
)
_FLAGS: Mapping[str, bool] = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class InvalidFilter(IntakeError):
    """A filter cannot be understood, or would mean every job where it must not."""

    code = "invalid_filter"
    http_status = 400


@dataclass(frozen=True, slots=True)
class _Written:
    """A value as it is written: where, and whether `*` is a character like any other in it."""

    text: str
    is_quoted: bool


class _Wrong(Exception):
    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at


def read_filter(text: str) -> Terms:
    """The terms of a filter; none for an empty one. Raises InvalidFilter with every wrong term."""
    if len(text) > LONGEST_FILTER:
        raise InvalidFilter(f"a filter has at most {LONGEST_FILTER:,} characters, this one {len(text):,}")
    terms: list[Term] = []
    wrong: list[str] = []
    at = _skip(text, 0)
    while at < len(text):
        try:
            term, at = _read_term(text, at)
            terms.append(term)
        except _Wrong as mistake:
            wrong.append(f"at {mistake.at + 1}: {mistake}")
            at = _next_term(text, at)
        at = _skip(text, at)
    if wrong:
        raise InvalidFilter("; ".join(wrong[:MOST_TERMS]))
    if len(terms) > MOST_TERMS:
        raise InvalidFilter(f"a filter has at most {MOST_TERMS} terms, this one {len(terms)}")
    return Terms(tuple(terms))


def _read_term(text: str, at: int) -> tuple[Term, int]:
    head = _HEAD.match(text, at)
    if head is None:
        word = text[at : _next_term(text, at)]
        known = [field.value for field in Field]
        hint = did_you_mean(word, known)
        raise _Wrong(at, f"{show(word)} is no term; write field:value, such as state:failed.{hint}")
    field = _field(head, at)
    values, end = _read_values(text, head.end())
    is_not = head["not"] is not None
    how = Comparison.EQUAL if head["how"] in ":=" else Comparison(head["how"])
    return Term(field, _wanted(field, how, values, head.end()), head["key"], is_not), end


def _field(head: re.Match[str], at: int) -> Field:
    name, key = head["name"], head["key"]
    known = [field.value for field in Field]
    if name not in known:
        listed = ", ".join(known[:-1])
        raise _Wrong(
            at, f"{show(name)} is no field; there are {listed} and metadata.KEY.{did_you_mean(name, known)}"
        )
    field = Field(name)
    if (field is Field.METADATA) is not (key is not None):
        way = "write metadata.KEY:value" if key is None else f"write {field}:value, without .{key}"
        raise _Wrong(at, f"{field} {'needs a key' if key is None else 'has no keys'}; {way}")
    return field


def _read_values(text: str, at: int) -> tuple[list[_Written], int]:
    values: list[_Written] = []
    while True:
        found = _VALUE.match(text, at)
        if found is None:
            what = "the quotes are not closed" if text[at : at + 1] == '"' else "a value is missing here"
            raise _Wrong(at, f'{what}; write field:value, or field:"two words"')
        quoted = found["quoted"]
        values.append(
            _Written(found["plain"], is_quoted=False)
            if quoted is None
            else _Written(re.sub(r"\\(.)", r"\1", quoted), is_quoted=True)
        )
        at = found.end()
        if text[at : at + 1] != ",":
            break
        at += 1
    if at < len(text) and not text[at].isspace():
        raise _Wrong(at, f"{show(text[at])} does not belong here; separate terms by a space")
    if len(values) > MOST_VALUES:
        raise _Wrong(at, f"a term has at most {MOST_VALUES} values, this one {len(values)}")
    return values, at


def _wanted(field: Field, how: Comparison, values: list[_Written], at: int) -> Words | Number | bool:
    if field in _WORDS or field is Field.BATCH:
        if how is not Comparison.EQUAL:
            raise _Wrong(at, f"{field} is not compared; write {field}:value")
        return _words(field, values, at) if field in _WORDS else _flag(field, values, at)
    if len(values) > 1:
        raise _Wrong(at, f"{field} takes one value, not alternatives")
    return Number(how, _number(field, values[0].text, at))


def _words(field: Field, values: list[_Written], at: int) -> Words:
    if field is Field.STATE:
        known = [state.value for state in JobState]
        for value in values:
            if value.text not in known:
                hint = did_you_mean(value.text, known)
                raise _Wrong(at, f"{show(value.text)} is no state; states are {', '.join(known)}.{hint}")
        if len({value.text for value in values}) < len(values):
            raise _Wrong(at, "a state is named twice; name it once")
    patterns = tuple(value.text for value in values if "*" in value.text and not value.is_quoted)
    exact = tuple(value.text for value in values if value.is_quoted or "*" not in value.text)
    return Words(exact, patterns)


def _flag(field: Field, values: list[_Written], at: int) -> bool:
    if len(values) != 1 or values[0].text not in _FLAGS:
        raise _Wrong(at, f"{field} is true or false; found {show(values[0].text)}")
    return _FLAGS[values[0].text]


def _number(field: Field, text: str, at: int) -> int:
    if field is Field.AGE:
        age = _AGE.fullmatch(text)
        if age is None:
            raise _Wrong(at, f"age is a time such as 90s, 30m, 2h, 7d or 4w; found {show(text)}")
        return int(age[1]) * _AGE_MS[age[2]]
    try:
        number = Decimal(text) * (_NANO if field is Field.COST else 1)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or number != number.to_integral_value() or abs(number) > LARGEST:
        what = "US dollars such as 0.05, to the billionth" if field is Field.COST else "a whole number"
        raise _Wrong(at, f"{field} is {what}; found {show(text)}")
    return int(number)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _next_term(text: str, at: int) -> int:
    while at < len(text) and not text[at].isspace():
        at += 1
    return at
