"""How far `explain` is off is measured against what then happened."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.flow.loads import Work, always, backlog, lived
from claudeflow.domain.job import JobId
from claudeflow.simulation.estimates import EstimateBook
from claudeflow.simulation.result import Estimates
from claudeflow.twin.settings import TwinSettings
from tests.observe.happenings import a_call


def _book(*told: tuple[float, float, float]) -> EstimateBook:
    """Jobs asked about at one moment, expected at another, begun at a third."""
    book = EstimateBook()
    for number, (asked_s, expected_s, begun_s) in enumerate(told, start=1):
        book.expected(JobId(number), asked_s, expected_s)
        call = replace(a_call(), job_id=JobId(number), duration_s=2.0)
        book.called(call, begun_s + 2.0)
    return book


def test_an_estimate_is_off_by_its_share_of_the_true_wait() -> None:
    assert _book((100.0, 150.0, 140.0)).result() == Estimates(1, 0.25, 0.25)


def test_too_early_and_too_late_count_alike() -> None:
    found = _book((0.0, 50.0, 100.0), (0.0, 150.0, 100.0), (0.0, 100.0, 100.0)).result()
    assert (found.jobs, found.median_error) == (3, 0.5)


def test_a_job_that_goes_soon_says_nothing() -> None:
    assert _book((0.0, 5.0, 9.0)).result() == Estimates()


def test_only_the_first_answer_about_a_job_counts() -> None:
    book = EstimateBook()
    book.expected(JobId(1), 0.0, 100.0)
    book.expected(JobId(1), 90.0, 91.0)
    book.called(replace(a_call(), job_id=JobId(1), duration_s=0.0), 50.0)
    assert book.result().median_error == pytest.approx(1.0)


def test_explain_foretells_within_a_fifth_when_a_queue_is_worked_off() -> None:
    twin = TwinSettings(rpm=60, itpm=10_000_000, otpm=1_000_000, ttft_s=1.0, tokens_per_s=80.0)
    witness = lived(twin, backlog(Work(always(300, 100)), 600, 1), 480.0, 1)
    found = witness.estimates.result()
    assert found.jobs >= 20
    assert found.median_error is not None
    assert found.median_error <= 0.2
