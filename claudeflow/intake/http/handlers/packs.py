"""The requests about packs, one method each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from claudeflow.intake.desks.packs import PackReport, PacksDesk
from claudeflow.intake.http.queries import Query
from claudeflow.intake.http.responses import json_response


class PackHandlers:
    """Thin: each method reads its parameters, asks the desk, and writes the answer."""

    def __init__(self, desk: PacksDesk) -> None:
        self._desk = desk

    async def report(self, request: Request) -> Response:
        """GET /v1/packs: what packs have done, by prompt version, and what is packed now."""
        Query(request)
        return json_response(packs_to_json(await self._desk.report()))

    async def reset(self, request: Request) -> Response:
        """POST /v1/packs/{name}/reset: forget what canaries have shown of a prompt."""
        Query(request)
        return json_response(packs_to_json(await self._desk.reset(request.path_params["name"])))


def packs_to_json(rows: Iterable[PackReport]) -> dict[str, Any]:
    """Prompt versions with their packs. Shares are 0 to 1."""
    return {"prompts": [{**asdict(row), "disagreement": round(row.disagreement, 4)} for row in rows]}
