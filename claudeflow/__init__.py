"""claudeflow: a daemon that holds, paces, caches and books a team's Claude API calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from claudeflow.client import AsyncClaudeflow as AsyncClaudeflow
    from claudeflow.client import Claudeflow as Claudeflow
    from claudeflow.client.sdk import anthropic_client as anthropic_client
    from claudeflow.client.sdk import async_anthropic_client as async_anthropic_client

__version__ = "0.1.0"

_HOMES = {
    "Claudeflow": "claudeflow.client",
    "AsyncClaudeflow": "claudeflow.client",
    "anthropic_client": "claudeflow.client.sdk",
    "async_anthropic_client": "claudeflow.client.sdk",
}
"""What a program may import from here, and the module that is imported then."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
