"""Markers of variables that somebody means to fill in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from claudeflow.prompts.lint.rules import Hit

_TEMPLATE = re.compile(r"\{\{[^{}\n]{1,120}\}\}|\{%-?[^%\n]{1,160}%\}|<%=?[^%\n]{1,120}%>")
_PERCENT = re.compile(
    r"(?<![\w%:/-])%(?:\(\w[\w.]{0,60}\)[-+0#]*\d{0,3}(?:\.\d{1,2})?[sdrfix]|[-+0#]*\d{0,3}(?:\.\d{1,2})?[sdrf])(?![\w%:/-])"
)
_SHELL = re.compile(
    r"(?<![\w$\\])\$(?:\{[A-Za-z_][\w.:-]{0,60}\}|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b|[a-z]+(?:_[a-z0-9]+)+\b)"
)
_FORMAT = re.compile(
    r"(?<![\w{$\\/<])\{[a-z_][a-zA-Z0-9_]{0,40}(?:[.\[][\w.\]]{1,40})?(?:![rsa])?"
    r"(?::[^{}\s\"',]{1,12})?\}(?![}/\w])"
)
_NUMBERED = re.compile(r"(?<![\w{$\\/<\])}.*+?^>])\{\d{1,2}(?:![rsa])?(?::[^{}\s\"',]{1,12})?\}(?!\})")
_NAME = re.compile(r"(?<![\w$\\{\"'/&?])\$(?P<name>[a-z][A-Za-z0-9]{2,40})(?![\w$(\[:=-])")
_NAMES_OF_FORMATS = frozenset(
    """
    schema defs ref anchor vocab comment filter select top skip expand orderby count search format
    match group project sort limit lookup unwind set unset push pull and nor not exists regex
    """.split()  # noqa: SIM905 (as words it can be read)
)
"""Words that begin with a dollar in JSON Schema, OData and MongoDB: nobody fills them in."""
_FILL_IN = re.compile(
    r"(?<!\w)[<\[](?:PLACEHOLDER|INSERT|FILL IN|TODO|YOUR)(?:[ _-][\w -]{1,40})?[>\]]"
    r"|<<\w{2,40}>>|\[\[\w{2,40}\]\]"
)
_CODE = re.compile(r"(?<!`)(`+)(?!`)[^`\n]+\1(?!`)|<code>.*?</code>|<pre>.*?</pre>")
_PATTERNS = (_TEMPLATE, _PERCENT, _SHELL, _FORMAT, _NUMBERED, _NAME, _FILL_IN)


def markers(line: str) -> Iterator[Hit]:
    """Every variable marker of a line that does not stand in a code span."""
    code = [found.span() for found in _CODE.finditer(line)]
    for pattern in _PATTERNS:
        for found in pattern.finditer(line):
            if found.groupdict().get("name") in _NAMES_OF_FORMATS:
                continue
            if not any(start <= found.start() and found.end() <= end for start, end in code):
                yield Hit("variable", *found.span())
