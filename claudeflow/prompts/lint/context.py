"""What kind of line a line is: prose, in which a lone address is a leak, or reference data.

Reference data is text that its syntax shows to be a definition: fenced code, a table with several rows,
statements of a policy, a configuration or a settings file, JSON, a list whose items begin with addresses.
There addresses, names and dates are what the model is meant to know, the same in every call. A line
with a word of an incident (ticket, reported, timestamp ...) is never taken for reference data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from claudeflow.prompts.lint.places import is_address

ROWS_OF_A_TABLE = 2
NEAR = 2
"""How many lines away, blank ones and comments not counted, the neighbours of a statement may be."""

_FENCE = re.compile(r"^\s{0,3}(?P<mark>`{3,}|~{3,})\s*(?P<tag>[\w.+-]*)")
_ROW = re.compile(r"^\s*\|.*\|\s*$")
_RULER = re.compile(r"^\s*\|[\s:|-]+\|\s*$")
_INCIDENT = re.compile(
    r"(?i)\b(?:incident|ticket|reported|opened|occurred|time ?stamps?\b(?! (?:debug|log))"
    r"|generated[ _](?:at|on:)"
    r"|now|today|yesterday|current[ _](?:time|date)|last (?:configuration )?(?:change|update)d?|session"
    r"|request[ _-]?id|trace[ _-]?id|correlation|caller|affected|submitted"
    r"|created[_ ](?:at|on)|updated[_ ](?:at|on))(?![\w-])"
)
_SENTENCE = re.compile(
    r"(?i)\s(?:the|is|was|are|were|has|have|been|please|we|you|i|it|this|that|since|at|down|unreachable)\s|\w[.!?]$"
)
_STATEMENTS = (
    r"[\w.-]+::\s+\S",
    r"[\w.\-\"]+\s*=\s*\S",
    r"-{1,2}[A-Z] [A-Z]+\b|:[A-Z]+ [A-Z]+ \[|\*(?:filter|nat|mangle|raw)\s*$|COMMIT\s*$",
    r"(?:term|header|filter|policy|rule|object|zone|table|chain|acl|set)\s+[\w.\"-]*\s*\{",
)
_STATEMENT = re.compile(r"^\s*(?:" + "|".join(_STATEMENTS) + ")")
_JSON = re.compile(r"^\s*(?:\"[^\"]{1,80}\"\s*:\s*\S|\"(?:[^\"\\]|\\.)*\"\s*[,+]?\s*$|[\[{]\s*[\"{\[])")
_COMMENT = re.compile(r"^\s*(?:#|!|//|;|[{}\])]+[,;]?\s*$)")
_DEVICE_WORDS = (
    r"ip|ipv6|neighbor|interface|access-list|access-group|route-map|router|router-id|bgp|ospf|network|permit|deny"
    r"|ntp|logging|aaa|redistribute|snmp-server|object-group|object|nat|static|route|address-family|name-server"
    r"|prefix-list|set|match|passive-interface|area|crypto|tunnel|standby|vrf|tacacs-server|radius-server"
    r"|nameserver|allow|reject|pass|block|iptables|ip6tables|nft|add|edit|config|next"
)
_DEVICE = re.compile(rf"^\s*(?:no\s+)?(?:{_DEVICE_WORDS}|[a-z]+(?:-[a-z]+)+)\s+[\w\"*:.]")
_CONTINUED = re.compile(r"^\s{2,}(?P<value>\S+)(?:\s+\d\S*)?\s*(?:[#;!/].*)?$")
_ITEM = re.compile(
    r"^\s*(?:[-*+]|\d+[.)])\s+[`*]{0,2}(?P<name>[\w.:/-]*\w)[`*]{0,2}\s*(?:[:=(\u2013\u2014-]|->|\u2192)"
)


@dataclass(frozen=True, slots=True)
class Context:
    """How a line is read. `fence` is the tag of the code block it stands in: None outside, "" without tag."""

    is_reference: bool
    fence: str | None = None


@lru_cache(maxsize=256)
def _context(is_reference: bool, fence: str | None) -> Context:
    """Equal lines share one: a text may have a million."""
    return Context(is_reference, fence)


def contexts(lines: Sequence[str]) -> list[Context]:
    """The context of each line of a text."""
    fences = _fences(lines)
    rows = _table_rows(lines)
    items = _address_items(lines)
    statements = _statements(lines)
    return [
        _context(
            (fence is not None or number in rows or number in items or number in statements)
            and _INCIDENT.search(line) is None,
            fence,
        )
        for number, (line, fence) in enumerate(zip(lines, fences, strict=True))
    ]


def _statements(lines: Sequence[str]) -> set[int]:
    """The lines of policies, configurations, settings files and JSON.

    But for JSON, a statement has another one for a neighbour: alone it is a remark.
    """
    found = {number for number, line in enumerate(lines) if _JSON.match(line)}
    said = [(number, _is_statement(line)) for number, line in enumerate(lines) if _says_something(line)]
    for place, (number, statement) in enumerate(said):
        around = said[max(0, place - NEAR) : place] + said[place + 1 : place + 1 + NEAR]
        if statement and any(other for _, other in around):
            found.add(number)
    return found


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not _COMMENT.match(line)


def _is_statement(line: str) -> bool:
    if _STATEMENT.match(line):
        return True
    if continued := _CONTINUED.match(line):
        return is_address(continued["value"])
    return _DEVICE.match(line) is not None and not _SENTENCE.search(line)


def _fences(lines: Sequence[str]) -> list[str | None]:
    """Each line's code block: its tag, or None. A block that is never closed is none."""
    found: list[str | None] = [None] * len(lines)
    start, mark, tag = 0, "", ""
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if fence is None:
            continue
        if not mark:
            start, mark, tag = number, fence["mark"], fence["tag"]
        elif fence["mark"].startswith(mark) and not fence["tag"]:
            found[start : number + 1] = [tag] * (number + 1 - start)
            mark = ""
    return found


def _table_rows(lines: Sequence[str]) -> set[int]:
    """The rows of tables that have a ruler and several rows below it."""
    rows: set[int] = set()
    for number, line in enumerate(lines):
        if not _RULER.match(line):
            continue
        end = number + 1
        while end < len(lines) and _ROW.match(lines[end]):
            end += 1
        if end - number > ROWS_OF_A_TABLE:
            rows.update(range(number + 1, end))
    return rows


def _address_items(lines: Sequence[str]) -> set[int]:
    """Neighbouring list items that each begin with an address: a list of definitions."""
    items = {n for n, line in enumerate(lines) if (item := _ITEM.match(line)) and is_address(item["name"])}
    return {number for number in items if number - 1 in items or number + 1 in items}
