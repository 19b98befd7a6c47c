"""Requests that last: whether their caller may still ask for them is looked at while they go on.

Tokens are revoked and expire, and grants are taken away, while somebody reads events or waits for a job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from claudeflow.domain.errors import IntakeError

AGAIN = "claudeflow.again"
"""Where a request has what asks anew whether its caller may make it."""
LOOK_EVERY_S = 1.0

T = TypeVar("T")


async def check_again(request: Request) -> None:
    """Whether the caller may still ask. Raises Unauthenticated, Forbidden, JobNotFound."""
    await request.scope[AGAIN]()


async def lapse(request: Request) -> IntakeError:
    """Why the caller may not ask any more, as soon as that is so."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            await check_again(request)
        except IntakeError as refusal:
            return refusal


async def while_allowed(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What comes of the work, if the caller may still ask for it then; given up as soon as it may not.

    Raises Unauthenticated, Forbidden, JobNotFound.
    """
    working, lapsing = asyncio.create_task(work), asyncio.create_task(lapse(request))
    try:
        await asyncio.wait((working, lapsing), return_when=asyncio.FIRST_COMPLETED)
        if lapsing.done():
            raise lapsing.result()
        await check_again(request)
        return working.result()
    finally:
        working.cancel()
        lapsing.cancel()
        await asyncio.gather(working, lapsing, return_exceptions=True)
