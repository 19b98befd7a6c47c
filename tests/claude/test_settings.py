"""The settings' constraints, as a validator that honours them sees them."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from claudeflow.claude.settings import ClaudeSettings, is_http_url

SETTINGS = TypeAdapter(ClaudeSettings)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.anthropic.com", True),
        ("http://127.0.0.1:8080/prefix", True),
        ("api.anthropic.com", False),
        ("https://", False),
        ("ftp://api.anthropic.com", False),
        ("", False),
    ],
)
def test_the_address_must_be_absolute(url: str, expected: bool) -> None:
    assert is_http_url(url) is expected


def test_the_defaults_keep_their_own_constraints() -> None:
    defaults = {name: getattr(ClaudeSettings(), name) for name in ClaudeSettings.__slots__}
    assert SETTINGS.validate_python(defaults) == ClaudeSettings()


@pytest.mark.parametrize(
    "change",
    [{"base_url": "localhost"}, {"attempt_timeout_s": 0}, {"content_timeout_s": -1}, {"max_connections": 0}],
)
def test_what_cannot_work_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SETTINGS.validate_python(change)
