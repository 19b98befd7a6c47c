"""Reading a request that creates a batch: what is refused at once. Params are checked later."""

from __future__ import annotations

import re
from typing import Any

import orjson

from claudeflow.twin.batches.rules import MAX_BODY_BYTES, MAX_REQUESTS
from claudeflow.twin.errors import ApiError

_MOST_ID_CHARS = 64
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PATTERN = "^[a-zA-Z0-9_-]{1,64}$"


def read_creation(raw: bytes) -> tuple[list[str], list[bytes]]:
    """The custom ids, and the params of each as JSON. Raises ApiError: 413 for too much, 400 for the rest."""
    if len(raw) > MAX_BODY_BYTES:
        raise ApiError(413, "Request exceeds the maximum size")
    requests = _requests(raw)
    custom_ids: list[str] = []
    contents: list[bytes] = []
    known: set[str] = set()
    for index, request in enumerate(requests):
        custom_id = _custom_id(index, request)
        if custom_id in known:
            raise ApiError(
                400,
                "requests: custom_id's must be unique within a batch. "
                f"Duplicate custom_id found: {custom_id}",
            )
        known.add(custom_id)
        custom_ids.append(custom_id)
        contents.append(_params(index, request))
        requests[index] = None
    return custom_ids, contents


def _requests(raw: bytes) -> list[Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"The request body is not valid JSON: {error}") from None
    if not isinstance(body, dict) or "requests" not in body:
        raise ApiError(400, "requests: Field required")
    requests = body["requests"]
    if not isinstance(requests, list):
        raise ApiError(400, "requests: Input should be a valid list")
    if not requests:
        raise ApiError(400, "requests: List should have at least 1 item after validation, not 0")
    if len(requests) > MAX_REQUESTS:
        raise ApiError(
            413,
            f"requests: List should have at most {MAX_REQUESTS} items after validation, not {len(requests)}",
        )
    return requests


def _custom_id(index: int, request: Any) -> str:
    where = f"requests.{index}"
    if not isinstance(request, dict):
        raise ApiError(400, f"{where}: Input does not match the expected shape.")
    custom_id = request.get("custom_id")
    if custom_id is None:
        raise ApiError(400, f"{where}.custom_id: Field required")
    if not isinstance(custom_id, str):
        raise ApiError(400, f"{where}.custom_id: Input should be a valid string")
    if len(custom_id) > _MOST_ID_CHARS:
        raise ApiError(400, f"{where}.custom_id: String should have at most {_MOST_ID_CHARS} characters")
    if not _ID.fullmatch(custom_id):
        raise ApiError(400, f"{where}.custom_id: String should match pattern '{_PATTERN}'")
    return custom_id


def _params(index: int, request: dict[str, Any]) -> bytes:
    params = request.get("params")
    if params is None:
        raise ApiError(400, f"requests.{index}.params: Field required")
    if not isinstance(params, dict):
        raise ApiError(400, f"requests.{index}.params: Input should be an object")
    return orjson.dumps(params)
