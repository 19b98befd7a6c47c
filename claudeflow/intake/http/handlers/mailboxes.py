"""The requests about mailboxes, one method each."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.intake.desks.mailboxes import MailboxDesk, MailboxReport
from claudeflow.intake.http.queries import Query
from claudeflow.intake.http.responses import json_response
from claudeflow.intake.times import write_time


class MailboxHandlers:
    """Thin: each method asks the desk, and writes the answer."""

    def __init__(self, desk: MailboxDesk) -> None:
        self._desk = desk

    async def report(self, request: Request) -> Response:
        """GET /v1/mailboxes: every mailbox, by name."""
        Query(request)
        rows = await self._desk.report()
        return json_response({"mailboxes": [mailbox_to_json(row) for row in rows]})

    async def one(self, request: Request) -> Response:
        """GET /v1/mailboxes/{name}: one mailbox."""
        Query(request)
        return json_response(mailbox_to_json(await self._desk.one(request.path_params["name"])))


def mailbox_to_json(row: MailboxReport) -> dict[str, Any]:
    """How a mailbox stands. What only a description tells is null where that is wrong."""
    mailbox = row.mailbox
    return {
        "name": row.name,
        "state": row.state,
        "waiting": row.waiting,
        "owed": row.owed,
        "last_transfer_at": write_time(row.last_transfer_ms),
        "code": row.code,
        "problem": row.problem,
        "remedy": row.remedy,
        "owner": mailbox.owner if mailbox else None,
        "group": mailbox.group if mailbox else None,
        "workflow": mailbox.workflow if mailbox else None,
        "lanes": list(mailbox.lanes) if mailbox else None,
        "max_row_bytes": mailbox.max_row_bytes if mailbox else None,
        "keep_days": mailbox.keep_days if mailbox else None,
    }
