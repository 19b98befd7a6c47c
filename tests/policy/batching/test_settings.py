"""What can be set for batches."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from claudeflow.policy.batching.settings import BatchSettings

SETTINGS: TypeAdapter[BatchSettings] = TypeAdapter(BatchSettings)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_requests": 0},
        {"max_requests": 100_001},
        {"max_bytes": 0},
        {"max_bytes": 250_000_001},
        {"max_age_s": -1.0},
        {"poll_s": 0.9},
        {"requests_per_min": 0},
        {"max_queued": 0},
        {"margin": 0.9},
        {"comeback_s": -1.0},
        {"warm_up_patience_s": 3_601.0},
    ],
)
def test_what_no_batch_can_have_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SETTINGS.validate_python(wrong)


def test_the_defaults_and_what_the_api_takes_at_most_are_taken() -> None:
    largest = {"max_requests": 100_000, "max_bytes": 250_000_000}
    assert SETTINGS.validate_python({}) == BatchSettings()
    assert asdict(SETTINGS.validate_python(largest)) == asdict(BatchSettings()) | largest
