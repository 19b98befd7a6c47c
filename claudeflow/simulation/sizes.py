"""Sizes: how many tokens the inputs and outputs of a workflow's jobs have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from random import Random
from typing import Any

from claudeflow.config.checks import shown

FROM_TRACE = "trace"
_FORMS = 'a number, {from = 200, to = 900}, {median = 400, sigma = 0.6} or "trace"'
_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Uniform:
    """Any whole number of tokens from `low` to `high`; always the same one when they are equal."""

    low: int
    high: int

    def draw(self, chance: Random) -> int:
        """One size."""
        return self.low if self.low == self.high else chance.randint(self.low, self.high)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Tokens whose logarithm is normally distributed around `median`, at most `most`."""

    median: float
    sigma: float
    most: int = _MOST

    def draw(self, chance: Random) -> int:
        """One size."""
        return min(self.most, max(1, round(chance.lognormvariate(log(self.median), self.sigma))))


@dataclass(frozen=True, slots=True)
class AsTrace:
    """The size that the trace tells."""


Size = Uniform | LogNormal | AsTrace


def read_size(value: Any) -> Size:
    """A size as the scenario writes it. Raises ValueError naming what is allowed."""
    if value == FROM_TRACE:
        return AsTrace()
    if isinstance(value, Mapping):
        keys = set(value)
        if keys == {"from", "to"}:
            low, high = _tokens("from", value["from"]), _tokens("to", value["to"])
            if low > high:
                raise ValueError(f"`from` must not be above `to`; found {low} and {high}")
            return Uniform(low, high)
        if {"median", "sigma"} <= keys <= {"median", "sigma", "most"}:
            return _log_normal(value)
        raise ValueError(f"must be {_FORMS}; found a table with {', '.join(sorted(keys)) or 'no keys'}")
    if isinstance(value, int) and not isinstance(value, bool):
        return Uniform(_tokens("it", value), value)
    raise ValueError(f"must be {_FORMS}; found {shown(value)}")


def read_shared_size(value: Any) -> int | AsTrace:
    """How many tokens all inputs share. Raises ValueError naming what is allowed."""
    if value == FROM_TRACE:
        return AsTrace()
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST:
        return value
    raise ValueError(
        f'must be a whole number of tokens from 0 to {_MOST:,}, or "trace"; found {shown(value)}'
    )


def _log_normal(value: Mapping[str, Any]) -> LogNormal:
    sigma = value["sigma"]
    if not isinstance(sigma, int | float) or isinstance(sigma, bool) or not 0 <= sigma <= 5:
        raise ValueError(f"`sigma` must be a number from 0 to 5; found {shown(sigma)}")
    return LogNormal(
        _tokens("median", value["median"]), float(sigma), _tokens("most", value.get("most", _MOST))
    )


def _tokens(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST:
        return value
    raise ValueError(f"`{name}` must be a whole number of tokens from 1 to {_MOST:,}; found {shown(value)}")
