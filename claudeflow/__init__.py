"""claudeflow: a daemon that holds, paces, caches and books a team's Claude API calls."""

from __future__ import annotations

__version__ = "0.1.0"

_HOMES = {
    "Claudeflow": "claudeflow.client",
    "AsyncClaudeflow": "claudeflow.client",
    "anthropic_client": "claudeflow.client.sdk",
    "async_anthropic_client": "claudeflow.client.sdk",
}
"""What a program may import from here, and the module that is imported then: see __init__.pyi."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
