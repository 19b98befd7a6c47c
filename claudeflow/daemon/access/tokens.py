"""Tokens at work: made, shown once, recognised, and revoked."""

from __future__ import annotations

import hmac
import secrets
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import orjson

from claudeflow.daemon.shared import Shared
from claudeflow.domain.caller import Caller
from claudeflow.domain.errors import StoreError
from claudeflow.domain.token import SECRET_BYTES, Token, hash_of, name_in, token_text
from claudeflow.intake.desks.access import NewToken, TokenNotFound
from claudeflow.policy.access.errors import Unauthenticated
from claudeflow.policy.access.settings import GrantSettings
from claudeflow.store import tokens as store

HOUR_MS = 3_600_000
_NO_HASH = bytes(32)


class TokenKeeper:
    """Knows every token in force, so that one revoked is good for nothing from that moment on."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._in_force: dict[str, Token] | None = None

    async def recognised(self, text: str) -> tuple[str, GrantSettings]:
        """The name of the token with this text, and what it allows. Raises Unauthenticated."""
        known, now_ms = await self._known(), self._shared.clock.epoch_ms()
        name = name_in(text)
        token = None if name is None else known.get(name)
        if not hmac.compare_digest(hash_of(text), _NO_HASH if token is None else token.hash) or token is None:
            raise Unauthenticated(
                "the token that was sent is not valid: mistyped, revoked or of another daemon; "
                "`claudeflow token list` shows those in force"
            )
        if token.has_expired(now_ms):
            raise Unauthenticated(
                f"the token {token.name} has expired; revoke it, and make another: `claudeflow token create`",
                Caller.of_token(token.name).name,
            )
        await self._note_use(token, now_ms)
        return token.name, settings_of(token)

    async def tokens(self) -> list[Token]:
        """Every token ever made, the newest first."""
        return await self._shared.store.read(store.tokens)

    async def create(self, wanted: NewToken) -> tuple[Token, str]:
        """A new token, and its text, which is shown this once. Raises Conflict."""
        known, text = await self._known(), token_text(wanted.name, secrets.token_bytes(SECRET_BYTES))
        token = Token(
            id=0,
            name=wanted.name,
            hash=hash_of(text),
            allows=orjson.dumps(asdict(wanted.allows)).decode(),
            created_ms=self._shared.clock.epoch_ms(),
            created_by=wanted.created_by,
            expires_ms=wanted.expires_ms,
        )
        kept = await self._shared.store.write(partial(store.add, token=token))
        known[kept.name] = kept
        return kept, text

    async def revoke(self, name: str, who: str) -> Token:
        """The token of this name is good for nothing any more. Raises TokenNotFound."""
        known = await self._known()
        work = partial(store.revoke, name=name, now_ms=self._shared.clock.epoch_ms(), who=who)
        revoked = await self._shared.store.write(work)
        if revoked is None:
            raise TokenNotFound(f"no token in force has the name {name}; `claudeflow token list` shows them")
        known.pop(name, None)
        return revoked

    async def _known(self) -> dict[str, Token]:
        if self._in_force is None:
            found = await self._shared.store.read(store.tokens)
            if self._in_force is None:  # nobody else was faster
                self._in_force = {token.name: token for token in found if token.revoked_ms is None}
        return self._in_force

    async def _note_use(self, token: Token, now_ms: int) -> None:
        """Keep the hour in which it was used last, though the store is in trouble: one write an hour."""
        hour_ms = now_ms - now_ms % HOUR_MS
        if token.last_used_ms is not None and token.last_used_ms >= hour_ms:
            return
        known = await self._known()
        if known.get(token.name) is token:
            known[token.name] = replace(token, last_used_ms=hour_ms)
            with suppress(StoreError):
                await self._shared.store.write(partial(store.used, token_id=token.id, at_ms=hour_ms))


def settings_of(token: Token) -> GrantSettings:
    """What a token was made with."""
    stored: dict[str, Any] = orjson.loads(token.allows)
    lists = {name: tuple(value) for name, value in stored.items() if isinstance(value, list)}
    return GrantSettings(**(stored | lists))
