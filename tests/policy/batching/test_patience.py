"""When a batch, or what it should have brought, is given up."""

from __future__ import annotations

import pytest

from claudeflow.policy.batching.patience import is_gone, never_come
from tests.policy.batching.builders import HOUR_MS, NOW_MS


@pytest.mark.parametrize(
    ("missing_for_ms", "expires_ms", "gone"),
    [
        (HOUR_MS, NOW_MS, True),
        (HOUR_MS, None, True),
        (HOUR_MS - 1, NOW_MS, False),
        (20 * HOUR_MS, NOW_MS + 1, False),
    ],
)
def test_a_batch_is_gone_that_is_missing_for_an_hour_and_has_expired(
    missing_for_ms: int, expires_ms: int | None, gone: bool
) -> None:
    assert is_gone(NOW_MS - missing_for_ms, expires_ms, NOW_MS) is gone


def test_results_that_name_a_request_not_for_a_day_never_will() -> None:
    assert not never_come(NOW_MS, NOW_MS + 24 * HOUR_MS - 1)
    assert never_come(NOW_MS, NOW_MS + 24 * HOUR_MS)
