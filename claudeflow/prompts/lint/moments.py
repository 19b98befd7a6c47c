"""Dates, times and everything else that changes with the clock."""

from __future__ import annotations

import re
from collections.abc import Iterator

from claudeflow.prompts.lint.rules import STABLE, Hit

HISTORY_BEFORE = 2020
"""Dates before this year are history, such as that of a law or of a release: they will not change."""

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)(?:\.(?=\s\d))?"
)
_WEEKDAY = r"(?:(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs?)?|Fri|Sat(?:ur)?|Sun)(?:day)?)\.?"
_YEAR = r"(?:19|20)\d\d"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_MON = r"(?:0?[1-9]|1[0-2])"
_TWO_DIGIT_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_TWO_DIGIT_MON = r"(?:0[1-9]|1[0-2])"
_NTH = rf"{_DAY}(?:st|nd|rd|th)?"
_ZONE = r"(?:\s?(?:Z\b|UTC|GMT|CES?T|[ECMP][SD]T|BST|[+-]\d\d:?\d\d))?"
_CLOCK = rf"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?:\s?[ap]\.?m\.?(?!\w))?{_ZONE}"
_AND_CLOCK = rf"(?:(?:,|\s+at|\s+um|T)?\s*{_CLOCK})"
_BEFORE_DAY = rf"(?:{_WEEKDAY},?\s+(?:the\s+)?)?"
_JOINT = r"(?:T|\s|,\s|\sat\s)?"

_ISO = rf"{_YEAR}([-/.])(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
_COMPACT = r"20[2-9]\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_DATES = (
    rf"{_BEFORE_DAY}{_NTH}\.?(?:\s+of)?[\s-]{_MONTH}(?:,?[\s-](?P<y1>{_YEAR}))?",
    rf"{_BEFORE_DAY}{_MONTH}\s{_NTH},?\s(?P<y2>{_YEAR})",
    rf"{_WEEKDAY},?\s+{_MONTH}\s+{_NTH}(?!\d)(?:\s+{_CLOCK})?(?:,?\s+(?P<y3>{_YEAR}))?",
    rf"(?!May\b)(?:{_MONTH})\s{_NTH}(?![\d.]\d|\s?%)",
    rf"(?:(?<=on )|(?<=by )|(?<=until )|(?<=since ))May\s{_NTH}",
    rf"{_WEEKDAY},?\s+(?:the\s+)?{_DAY}(?:st|nd|rd|th)",
    rf"(?P<y4>{_YEAR})[-/.](?:0[1-9]|1[0-2])[-/.](?:0[1-9]|[12]\d|3[01])(?![-\d])",
    rf"{_BEFORE_DAY}{_DAY}\.\s?{_MON}\.\s?(?P<y5>{_YEAR})",
    rf"{_BEFORE_DAY}{_DAY}/{_MON}/(?P<y6>(?:{_YEAR}|[2-9]\d))",
    rf"{_BEFORE_DAY}{_MON}/{_DAY}/(?P<y7>(?:{_YEAR}|[2-9]\d))",
    rf"{_DAY}-{_MON}-(?P<y8>{_YEAR})",
    rf"{_BEFORE_DAY}{_DAY}\.{_MON}\.(?=\s+(?:um|at)\b)",
    rf"{_BEFORE_DAY}{_TWO_DIGIT_DAY}\.{_TWO_DIGIT_MON}\.[23]\d(?!\.\d)",
    rf"{_WEEKDAY},?\s+(?:the\s+)?{_DAY}\.\s?{_MON}\.(?!\d)",
    _COMPACT,
)
_DATE = re.compile(
    r"(?<![\w./:-])(?:" + "|".join(_DATES) + rf")(?![\w/])(?P<clock>{_AND_CLOCK})?|(?<![\w./:-])(?P<iso>"
    rf"(?P<y9>{_YEAR})-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])T[0-2]\d:?[0-5]\d(?::?[0-5]\d)?"
    rf"(?:[.,]\d+)?{_ZONE})"
)
_CLOCK_THEN_DATE = re.compile(
    rf"(?<![\w.:/-]){_CLOCK}(?:,|\s+on|\s+of)?\s+(?={_BEFORE_DAY}{_DAY}|{_MONTH}\s)"
)
_FILE_STAMP = re.compile(
    rf"(?<!\d)20[2-9]\d-?{_TWO_DIGIT_MON}-?{_TWO_DIGIT_DAY}[_T-][0-2]\d[-_.:]?[0-5]\d(?:[-_.:]?[0-5]\d)?(?!\d)"
)
_STABLE_BEFORE = re.compile(
    r"(?:version|revision|edition|effective(?: from| since)?|in force(?: from| since)?|copyright|©|\(c\)"
    r"|directive|regulation|act of|api[- ]version)\W{0,3}$",
    re.IGNORECASE,
)

_TIME = re.compile(
    rf"(?<![\w.:/-])(?P<h>[01]?\d|2[0-3]):(?P<m>[0-5]\d)(?P<s>:[0-5]\d)?(?:[.,]\d+)?{_ZONE}(?![:\w])"
)
_SPOKEN_TIME = re.compile(
    r"(?<![\w.:/-])(?:0?\d|1[0-2])(?:[:.][0-5]\d)\s?[ap]\.?m\b\.?|(?<![\w.:])(?:[01]\d|2[0-3])h[0-5]\d\b"
)
_RANGE = re.compile(
    r"(?:[01]?\d|2[0-4])[:.][0-5]\d(?:\s?[ap]m)?\s?(?:-|\u2013|to|until|and|through)\s?"
    r"(?:[01]?\d|2[0-4])[:.][0-5]\d"
)
_RATIO = re.compile(r"\b(?:ratio|aspect|scale|odds|port|verse|chapter)\b", re.IGNORECASE)
_NOW_WORDS = re.compile(
    r"\b(?:now|today|current(?:ly)?|reported|occurred|opened|started|began|since|last|alert(?:ed)?|logged|received)\b",
    re.IGNORECASE,
)

_WEEK = re.compile(
    rf"\b{_YEAR}-?W[0-5]\d(?:-[1-7])?\b|\b(?:calendar week|week (?:no\.?|number)|CW|KW)\s?[0-5]?\d\b"
    rf"|\b[Ww]eek [0-5]?\d(?:,? (?:of )?{_YEAR}\b)|\b[Ww]eek [1-5]\d\b"
)
_SAID = (
    rf"(?:{_WEEKDAY}(?!\w)|{_MONTH}\s|{_NTH}\s(?:of\s)?{_MONTH}|{_ISO.replace(chr(92) + '1', '[-/.]')}|\d)"
)
_NOW = re.compile(
    r"\b(?:today(?:'s date)? is|today:|today's date:|(?:it|the time) is (?:now|currently)"
    r"|the (?:date|time) is|current(?:ly)?[ _](?:date|time|day|datetime|timestamp)(?: and time)?(?: is|:| =)"
    r"|now is|now:|right now it is)"
    rf"\s*(?=(?:the\s)?{_SAID})",
    re.IGNORECASE,
)
_EPOCH = re.compile(r"(?<![\w.,:/+-])1[5-9]\d{8}(?:\d{3}|\d{6}|\d{9}|\.\d{1,9})?(?![\w,/-]|\.\d)")
_REST = re.compile(r"[^.;|]{0,60}")


def moments(line: str) -> Iterator[Hit]:
    """Every date, time of day, week number and epoch number of a line."""
    yield from _now(line)
    yield from _dates(line)
    yield from (Hit("timestamp", *found.span()) for found in _FILE_STAMP.finditer(line))
    yield from _times(line)
    yield from (Hit("week", *found.span()) for found in _WEEK.finditer(line))
    for found in _EPOCH.finditer(line):
        if not found.group().endswith("0" * 7):
            yield Hit("epoch", *found.span())


def _now(line: str) -> Iterator[Hit]:
    for found in _NOW.finditer(line):
        rest = _REST.match(line, found.end())
        yield Hit("now", found.start(), rest.end() if rest else found.end())


def _dates(line: str) -> Iterator[Hit]:
    for found in _DATE.finditer(line):
        year = next((text for name, text in found.groupdict().items() if name[0] == "y" and text), None)
        if year and len(year) == 4 and int(year) < HISTORY_BEFORE:
            yield Hit(STABLE, *found.span())
            continue
        start = found.start()
        for clock in _CLOCK_THEN_DATE.finditer(line, 0, found.end()):
            if clock.end() == start:
                start = clock.start()
        timed = found["clock"] or found["iso"] or start < found.start() or ":" in found.group()
        is_stable = not timed and _STABLE_BEFORE.search(line[:start]) is not None
        yield Hit(STABLE if is_stable else "timestamp" if timed else "date", start, found.end())


def _times(line: str) -> Iterator[Hit]:
    if _RATIO.search(line):
        return
    ranges = [found.span() for found in _RANGE.finditer(line)]
    said = _NOW_WORDS.search(line) is not None
    for found in _TIME.finditer(line):
        if any(start <= found.start() < end for start, end in ranges):
            continue
        if found["s"] or said or int(found["m"]) % 15:
            yield Hit("time", *found.span())
    for found in _SPOKEN_TIME.finditer(line):
        if not any(start <= found.start() < end for start, end in ranges):
            yield Hit("time", *found.span())
