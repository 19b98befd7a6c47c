"""What the SDK sends beside a body: the headers and the query of the caller's dialect."""

from __future__ import annotations

from urllib.parse import parse_qsl

from anthropic._types import RequestOptions

from claudeflow.domain.job import Dialect

NO_KEY: RequestOptions = {"idempotency_key": "unused"}
"""The SDK draws a random key for each call and then sends none: the Messages API knows no such header."""


def call_options(dialect: Dialect | None) -> RequestOptions:
    """The options of one call; without a dialect all is as the SDK has it."""
    if dialect is None:
        return NO_KEY
    options: RequestOptions = {**NO_KEY, "headers": dict(dialect.headers)}
    if dialect.query:
        options["params"] = dict(parse_qsl(dialect.query, keep_blank_values=True))
    return options
