"""The Models API."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from claudeflow.twin.errors import ApiError
from claudeflow.twin.models import LIFECYCLE_DEPRECATED, MODELS, Model, find_model

PATH = "/v1/models"
_DEFAULT_LIMIT = 20
_MAX_LIMIT = 1_000
_MIDNIGHT = "T00:00:00Z"
_SIXTY_DAYS_NOTICE = "2026-09-29"


def document(path: str, query: str) -> dict[str, Any]:
    """The list, or the one model that a path names. Raises ApiError (400, 404)."""
    return page(query) if path == PATH else entry(path.removeprefix(f"{PATH}/"))


def entry(name: str) -> dict[str, Any]:
    """One model by id or alias. Raises ApiError (404)."""
    model = find_model(name)
    if model is None:
        raise ApiError(404, f"model: {name}")
    return _described(model)


def page(query: str) -> dict[str, Any]:
    """A page of the list, newest first. Raises ApiError (400) for a wrong `limit` or cursor."""
    asked = parse_qs(query)
    limit = _limit(asked.get("limit", [str(_DEFAULT_LIMIT)])[0])
    models = list(MODELS)
    if "after_id" in asked:
        models = models[_index(asked["after_id"][0]) + 1 :]
    if "before_id" in asked:
        models = models[: _index(asked["before_id"][0])]
    shown = models[:limit]
    return {
        "data": [_described(model) for model in shown],
        "has_more": len(models) > len(shown),
        "first_id": shown[0].id if shown else None,
        "last_id": shown[-1].id if shown else None,
    }


def _limit(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= _MAX_LIMIT:
        raise ApiError(400, f"limit: Input should be between 1 and {_MAX_LIMIT}")
    return int(text)


def _index(name: str) -> int:
    for index, model in enumerate(MODELS):
        if model.id == name:
            return index
    raise ApiError(400, f"cursor: {name} is not a model")


def _described(model: Model) -> dict[str, Any]:
    deprecated = model.lifecycle == LIFECYCLE_DEPRECATED
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "created_at": model.created + _MIDNIGHT,
        "max_input_tokens": model.context_tokens,
        "max_tokens": model.max_output_tokens,
        "capabilities": None,
        "lifecycle": model.lifecycle,
        "deprecated_at": _SIXTY_DAYS_NOTICE + _MIDNIGHT if deprecated else None,
        "retires_at": model.retires + _MIDNIGHT if model.retires else None,
        "line": model.line,
    }
