"""Tokens in the store."""

from __future__ import annotations

import sqlite3

import pytest

from claudeflow.domain.errors import Conflict
from claudeflow.domain.token import Token, hash_of, token_text
from claudeflow.store import tokens
from tests.store.builders import NOW_MS, value

TEXT = token_text("ci", bytes(range(32)))
CI = Token(0, "ci", hash_of(TEXT), '{"roles":["submit"]}', NOW_MS, "root", NOW_MS + 1)


def test_a_token_is_kept_without_its_secret(raw: sqlite3.Connection) -> None:
    kept = tokens.add(raw, CI)
    assert tokens.tokens(raw) == [kept]
    assert (kept.id, kept.name, kept.hash, kept.expires_ms) == (1, "ci", hash_of(TEXT), NOW_MS + 1)
    assert not any(TEXT[6:] in line for line in raw.iterdump())


def test_one_token_of_a_name_is_in_force(raw: sqlite3.Connection) -> None:
    tokens.add(raw, CI)
    with pytest.raises(Conflict, match="revoke it first"):
        tokens.add(raw, CI)
    revoked = tokens.revoke(raw, "ci", NOW_MS + 5, "maria")
    assert revoked is not None
    assert (revoked.revoked_ms, revoked.revoked_by) == (NOW_MS + 5, "maria")
    assert tokens.revoke(raw, "ci", NOW_MS + 6, "bob") is None
    again = tokens.add(raw, CI)
    assert [token.id for token in tokens.tokens(raw)] == [again.id, revoked.id]


def test_when_a_token_was_used_last_is_kept(raw: sqlite3.Connection) -> None:
    kept = tokens.add(raw, CI)
    tokens.used(raw, kept.id, NOW_MS + 7)
    assert value(raw, "SELECT last_used_ms FROM tokens WHERE id = ?", kept.id) == NOW_MS + 7
