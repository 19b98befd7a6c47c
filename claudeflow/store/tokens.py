"""Tokens in the store: made, revoked, and when each was used last."""

from __future__ import annotations

import sqlite3

from claudeflow.domain.errors import Conflict
from claudeflow.domain.token import Token
from claudeflow.store.statements import SQL


def tokens(raw: sqlite3.Connection) -> list[Token]:
    """Every token ever made, the newest first."""
    return [Token(*row) for row in raw.execute(SQL.tokens)]


def add(raw: sqlite3.Connection, token: Token) -> Token:
    """Keep a new token; the token with its id. Raises Conflict when one of this name is in force."""
    values = {
        "name": token.name,
        "hash": token.hash,
        "allows": token.allows,
        "created_ms": token.created_ms,
        "created_by": token.created_by,
        "expires_ms": token.expires_ms,
    }
    row = raw.execute(SQL.add_token, values).fetchone()
    if row is None:
        raise Conflict(f"there is a token {token.name} already: revoke it first, or choose another name")
    return Token(*row)


def revoke(raw: sqlite3.Connection, name: str, now_ms: int, who: str) -> Token | None:
    """The token of this name is in force no more; None when none was."""
    row = raw.execute(SQL.revoke_token, {"name": name, "now_ms": now_ms, "who": who}).fetchone()
    return None if row is None else Token(*row)


def used(raw: sqlite3.Connection, token_id: int, at_ms: int) -> None:
    """The token was used."""
    raw.execute(SQL.token_was_used, {"id": token_id, "at_ms": at_ms})
