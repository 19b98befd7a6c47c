"""Enquiries: requests to the API that cost nothing and are no jobs; and answers as HTTP has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from claudeflow.domain.job import Dialect


@dataclass(frozen=True, slots=True)
class Enquiry:
    """A request that is handed on as it is; without a `body` it is a GET. `path` begins with a slash."""

    path: str
    dialect: Dialect
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
