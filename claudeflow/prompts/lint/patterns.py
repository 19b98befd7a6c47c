"""A team's own patterns, in an engine whose time grows with the text and never explodes.

The syntax is that of Rust's `regex`: as usual, without look-around and back-references.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from claudeflow.prompts.lint.rules import RULES, Hit

LONGEST_PATTERN = 1_000
MOST_CHARS = 2_000
"""A longer line is looked at in pieces of this length."""
OVERLAP_CHARS = 200


class Patterns:
    """Compiled patterns by name. Raises ValueError naming each that cannot be used, one per line."""

    def __init__(self, patterns: Mapping[str, object]) -> None:
        self._finders: dict[str, _Finder] = {}
        wrong = []
        for name, pattern in patterns.items():
            try:
                self._finders[name] = _Finder(_checked(name, pattern))
            except ValueError as problem:
                wrong.append(f"patterns.{name}: {problem}")
        if wrong:
            raise ValueError("\n".join(wrong))

    def hits(self, line: str) -> Iterator[Hit]:
        """The first match of each pattern in each piece of a line."""
        for name, finder in self._finders.items():
            for start in range(0, max(1, len(line)), MOST_CHARS - OVERLAP_CHARS):
                if span := finder.span(line[start : start + MOST_CHARS]):
                    yield Hit(name, start + span[0], start + span[1])


def _checked(name: str, pattern: object) -> str:
    if name in RULES:
        raise ValueError("is the name of a rule that exists already; choose another")
    if not isinstance(pattern, str) or not pattern:
        raise ValueError(f"must be a regular expression in quotes; found {pattern!r}")
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"is longer than {LONGEST_PATTERN} characters; split it")
    return pattern


class _Finder:
    """Finds matches with an engine that only says yes or no, by asking it about parts of the text."""

    def __init__(self, pattern: str) -> None:
        self._has_match = _asked(pattern)
        self._is_match = _asked(rf"\A(?:{pattern})\z")
        if self._has_match(""):
            raise ValueError("matches the empty text, so it would match everywhere")

    def span(self, text: str) -> tuple[int, int] | None:
        """The match that ends first, as long as it goes."""
        if not self._has_match(text):
            return None
        end = next((n for n in range(1, len(text) + 1) if self._has_match(text[:n])), len(text))
        start = next((n for n in range(end) if self._is_match(text[n:end])), 0)
        return start, next((n for n in range(len(text), end, -1) if self._is_match(text[start:n])), end)


def _asked(pattern: str) -> Callable[[str], bool]:
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    try:
        return SchemaValidator(
            core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
        ).isinstance_python
    except SchemaError as problem:
        raise ValueError(f"not a regular expression that can be used: {_reason(str(problem))}") from None


def _reason(message: str) -> str:
    """The last line of the engine's message says what is wrong."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "error:" in line), lines[-1]).removeprefix("error: ")
