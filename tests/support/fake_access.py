"""Access in memory: the second implementation of the `AccessDesk` protocol, for tests of the front doors."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, replace

from claudeflow.daemon.access.tokens import settings_of
from claudeflow.domain.caller import Caller
from claudeflow.domain.door_events import CallerRefused
from claudeflow.domain.errors import Conflict
from claudeflow.domain.job import NewJob
from claudeflow.domain.token import Token, hash_of, token_text
from claudeflow.intake.desks.access import NewToken, SentLately, TokenNotFound
from claudeflow.policy.access.admission import admission
from claudeflow.policy.access.errors import Unauthenticated
from claudeflow.policy.access.grants import AccessBook, Grant, Standing
from claudeflow.policy.access.usage import Used


class FakeAccessDesk:
    """Tests put other grants into `book`. `asked`: so often somebody showed a token."""

    def __init__(self) -> None:
        self.book = AccessBook((), os.geteuid())
        self.asked = 0
        self.made: list[tuple[Token, str]] = []
        self.refusals: list[CallerRefused] = []
        self.lately = SentLately(Used(queued=3, cost_nanousd=5), 7.9)

    def grant(self, *grants: Grant) -> None:
        self.book = AccessBook(grants, own_uid=-1)

    def standing(self, caller: Caller) -> Standing:
        return self.book.standing(caller)

    async def standing_of_token(self, text: str) -> Standing:
        self.asked += 1
        for token, shown in self.made:
            if shown == text and token.revoked_ms is None:
                return self.book.standing(Caller.of_token(token.name), settings_of(token))
        raise Unauthenticated("the token is not valid")

    async def tokens(self) -> list[Token]:
        return [token for token, _ in reversed(self.made)]

    async def create_token(self, wanted: NewToken) -> tuple[Token, str]:
        if any(token.name == wanted.name and token.revoked_ms is None for token, _ in self.made):
            raise Conflict(f"there is a token {wanted.name} already")
        text = token_text(wanted.name, len(self.made).to_bytes(32, "big"))
        allows = json.dumps(asdict(wanted.allows))
        number = len(self.made) + 1
        token = Token(number, wanted.name, hash_of(text), allows, 0, wanted.created_by, wanted.expires_ms)
        self.made.append((token, text))
        return token, text

    async def revoke_token(self, name: str, who: str) -> Token:
        for index, (token, text) in enumerate(self.made):
            if token.name == name and token.revoked_ms is None:
                revoked = replace(token, revoked_ms=5, revoked_by=who)
                self.made[index] = (revoked, text)
                return revoked
        raise TokenNotFound(f"no token in force has the name {name}")

    def refused(self, refusal: CallerRefused) -> None:
        self.refusals.append(refusal)

    async def used(self, standing: Standing) -> SentLately:
        return self.lately

    def check(self, jobs: Sequence[NewJob], by: Standing) -> None:
        for job in jobs:
            refusal = admission(by, job.lane, job.workflow)
            if refusal is not None:
                raise refusal
