"""Text → findings."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from claudeflow.prompts.lint.context import Context, contexts
from claudeflow.prompts.lint.ids import ids
from claudeflow.prompts.lint.key_order import Disorder, disorder_within
from claudeflow.prompts.lint.markers import markers
from claudeflow.prompts.lint.moments import moments
from claudeflow.prompts.lint.patterns import Patterns
from claudeflow.prompts.lint.places import places
from claudeflow.prompts.lint.rules import RULES, STABLE, Finding, Hit, Place, finding

LONGEST_PIECE = 20_000
"""Longer lines, mostly data, are looked at in pieces of so many characters ..."""
SHARED_CHARS = 1_000
"""... of which two neighbours share so many: what stands in the middle of these is whole in both."""

_LOOKS: tuple[Callable[[str], Iterator[Hit]], ...] = (moments, places, ids, markers)
KEY_ORDER = "key-order"
_NEW_LINE = re.compile(r"\n")
_LINE_END = re.compile(r"\r?\n")
_IGNORE = re.compile(r"(?:<!--|#|//)\s*lint:\s*ignore(?:\[(?P<rules>[\w, -]*)\])?\s*(?:-->)?\s*$")
_NONE: frozenset[str] = frozenset()
_RANK = {
    name: rank
    for rank, name in enumerate(("uuid", "now", "timestamp", "ticket", "token", "mac", "ip", "email"))
}


@dataclass(frozen=True, slots=True)
class LintSettings:
    """What a team has decided: rules not to apply, texts that are stable, patterns of its own."""

    ignore: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()
    patterns: Patterns = field(default_factory=lambda: Patterns({}))


def lint_text(text: str, file: str = "text", settings: LintSettings | None = None) -> list[Finding]:
    """The leaks in a text that is meant to be stable, from top to bottom."""
    settings = settings or LintSettings()
    lines = _LINE_END.split(text)
    ignored = _ignored(lines)
    found: list[Finding] = []
    known: dict[tuple[str, Context, frozenset[str]], list[Hit]] = {}
    for number, (line, context) in enumerate(zip(lines, contexts(lines), strict=True)):
        if not line or line.isspace():
            continue
        skip = settings.ignore | ignored.get(number, _NONE)
        if "*" in skip:
            continue
        if (same := (line, context, skip)) not in known:
            known[same] = line_hits(line, context, settings, skip)
        found += [finding(file, number + 1, line, hit) for hit in known[same]]
    positions = Positions(text)
    orders = [
        one
        for one in disorder_within(text)
        if not ignored.get(positions.of(one.at)[0] - 1, _NONE) & {"*", KEY_ORDER}
    ]
    found += order_findings(positions, file, orders, settings)
    return sorted(found, key=lambda one: (one.line, one.column))


class Positions:
    """Where the characters of a text stand."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in _NEW_LINE.finditer(text))]

    def of(self, at: int) -> tuple[int, int]:
        """Line and column of a character, both from 1."""
        line = bisect_right(self._starts, at)
        return line, at - self._starts[line - 1] + 1


def order_findings(
    positions: Positions, file: str, orders: Iterable[Disorder], settings: LintSettings
) -> Iterator[Finding]:
    """Objects with their keys in an order of chance, as findings."""
    if KEY_ORDER in settings.ignore:
        return
    for one in orders:
        keys = ", ".join(one.keys)
        line, column = positions.of(one.at)
        yield replace(finding(file, line, keys, Hit(KEY_ORDER, 0, len(keys))), column=column)


def line_hits(line: str, context: Context, settings: LintSettings, skip: Collection[str] = ()) -> list[Hit]:
    """The leaks of one line, none over another, from left to right."""
    if len(line) <= LONGEST_PIECE:
        return _piece_hits(line, context, settings, skip)
    found: list[Hit] = []
    for start in range(0, len(line) - SHARED_CHARS, LONGEST_PIECE - SHARED_CHARS):
        end = start + LONGEST_PIECE
        own_start = start + SHARED_CHARS // 2 if start else 0
        own_end = end - SHARED_CHARS // 2 if end < len(line) else len(line)
        for hit in _piece_hits(line[start:end], context, settings, skip):
            moved = replace(hit, start=hit.start + start, end=hit.end + start)
            after = found[-1].end if found else 0
            if max(own_start, after) <= moved.start < own_end:
                found.append(moved)
    return found


def _piece_hits(line: str, context: Context, settings: LintSettings, skip: Collection[str]) -> list[Hit]:
    hits = [hit for look in _LOOKS for hit in look(line)]
    counted = [hit for hit in _apart(hits) if _counts(hit, context)]
    apart = _apart([*counted, *settings.patterns.hits(line)])
    return [hit for hit in apart if hit.rule not in skip and line[hit.start : hit.end] not in settings.allow]


def _counts(hit: Hit, context: Context) -> bool:
    """Code blocks of a named language may show markers; reference data may hold what its rules allow."""
    if hit.rule == STABLE or (hit.rule == "variable" and context.fence):
        return False
    return not (context.is_reference and RULES[hit.rule].place is Place.PROSE)


def _apart(hits: Iterable[Hit]) -> list[Hit]:
    """Of hits that overlap the longest stays; among equals, the one that says more."""
    chosen: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: (hit.start - hit.end, _RANK.get(hit.rule, 99), hit.start)):
        if all(hit.end <= other.start or other.end <= hit.start for other in chosen):
            chosen.append(hit)
    return sorted(chosen, key=lambda hit: hit.start)


def _ignored(lines: list[str]) -> dict[int, frozenset[str]]:
    """The rules that a comment switches off, by line: its own, or that below a line of nothing else."""
    found: dict[int, frozenset[str]] = {}
    for number, line in enumerate(lines):
        if (comment := _IGNORE.search(line)) is None:
            continue
        names = {name.strip() for name in (comment["rules"] or "*").split(",")}
        alone = not line[: comment.start()].strip()
        place = number + 1 if alone else number
        found[place] = found.get(place, _NONE) | names
    return found
