"""What becomes of one request of a batch."""

from __future__ import annotations

from typing import Any

import orjson

from claudeflow.twin.batches.batch import ERRORED, EXPIRED, SUCCEEDED, Batch, Work
from claudeflow.twin.billing import COMPLETE, About, InvoiceLine, Tokens
from claudeflow.twin.cache import CachePlan, PromptCache
from claudeflow.twin.chance import Chance
from claudeflow.twin.errors import ApiError
from claudeflow.twin.generation import bill_nanousd
from claudeflow.twin.message import Written
from claudeflow.twin.organization import Organization, weigh
from claudeflow.twin.prefix import Prefix
from claudeflow.twin.replies import chance_of
from claudeflow.twin.request import DEFAULT_WORKSPACE, MessageRequest, read_request
from claudeflow.twin.settings import TwinSettings

SERVICE_TIER = "batch"
_NOT_IN_BATCHES = ("speed", "fallbacks", "cache_hint", "context_hint")
_SCRIPTED = {
    "overloaded_error": "Overloaded",
    "api_error": "Internal server error",
    "invalid_request_error": "This request was made to fail.",
}


class Answerer:
    """Answers the requests of batches. Their prompts have a cache of their own."""

    def __init__(self, settings: TwinSettings, organization: Organization) -> None:
        self.cache = PromptCache()
        self._settings = settings
        self._organization = organization

    def answer(self, batch: Batch, index: int, begun_at: float, done_at: float) -> Work:
        """What will have become of a request by `done_at`; its prompt is looked up when it is begun."""
        fault = batch.strike.of_item(self._settings.seed, batch.id, index)
        if fault is not None and fault.kind == "batch_expire":
            return Work(index, EXPIRED)
        if fault is not None:
            request_id = f"workerreq_{batch.item_id(index)}"
            return Work(index, ERRORED, _error(fault.error_type, _SCRIPTED[fault.error_type], request_id))
        try:
            request = _read(batch, index)
            prefix = weigh(request)
        except ApiError as error:
            return Work(index, ERRORED, _error(error.kind, error.message, None))
        plan = self._plan(batch, index, request, prefix, begun_at)
        chance = chance_of(request, self._settings.seed)
        # A message call takes the first number for its estimate; both get the same answer.
        chance.share()
        reply = self._organization.say(request, chance)
        written = Written(f"msg_{batch.item_id(index)}", request, reply, plan.tokens, SERVICE_TIER)
        line = _line(batch, index, written, done_at)
        return Work(index, SUCCEEDED, orjson.dumps(written.json()), plan, line)

    def _plan(
        self, batch: Batch, index: int, request: MessageRequest, prefix: Prefix, now: float
    ) -> CachePlan:
        # A look-up that finds nothing pays as in an empty cache, and writes again what is there.
        cache = self.cache if self._finds(batch, index) else PromptCache()
        return cache.plan(prefix, request.model, now)

    def _finds(self, batch: Batch, index: int) -> bool:
        share, seed = self._settings.batch_cache_hit_share, self._settings.seed
        return share >= 1.0 or Chance(seed, b"look-up %s %d" % (batch.id.encode(), index)).share() < share


def _read(batch: Batch, index: int) -> MessageRequest:
    """Check a request as a message call, and for what batches do not take. Raises ApiError."""
    body: dict[str, Any] = orjson.loads(batch.contents[index])
    if body.get("stream"):
        raise ApiError(400, '"stream=True" is not supported in the Message Batches API')
    if body.get("max_tokens") == 0:
        raise ApiError(400, "max_tokens: must be greater than or equal to 1")
    for name in _NOT_IN_BATCHES:
        if body.get(name) is not None:
            raise ApiError(400, f"{name}: not supported in the Message Batches API")
    return read_request(body, batch.headers)


def _line(batch: Batch, index: int, written: Written, done_at: float) -> InvoiceLine:
    """The bill of one answer. Its request id is that of the message, which the results tell."""
    request, reply, said, created_s = written.request, written.reply, written.tokens, batch.visit.epoch_s
    tokens = Tokens(said.input, said.write_5m, said.write_1h, said.read, reply.tokens, reply.thinking_tokens)
    return InvoiceLine(
        request_id=written.id,
        client_request_id=batch.custom_ids[index],
        model=request.model.id,
        tokens=tokens,
        searches=reply.server_tools.searches,
        cost_nanousd=bill_nanousd(request, reply, tokens, created_s, batch=True),
        ending=COMPLETE,
        at_epoch_s=done_at + batch.visit.offset_s,
        about=About(
            api_key_id=request.api_key_id,
            workspace_id=request.workspace or DEFAULT_WORKSPACE,
            service_tier=SERVICE_TIER,
            speed="standard",
            geo=request.geo,
            priced_at_epoch_s=created_s,
        ),
    )


def _error(kind: str, message: str, request_id: str | None) -> bytes:
    """The envelope of an item's error; before a request is begun there is no id of it."""
    error = {"details": {"error_visibility": "user_facing"}, "type": kind, "message": message}
    return orjson.dumps({"type": "error", "error": error, "request_id": request_id})
