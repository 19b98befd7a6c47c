"""Whether a 403 speaks of the job that got it, or of the key's right to a model."""

from __future__ import annotations

from claudeflow.domain.job import JobId
from claudeflow.policy.retries.refusals import REMEMBERED_MS, Refusal, Refusals

A, B, C = JobId(1), JobId(2), JobId(3)


def test_the_first_403_of_a_model_is_worth_another_try() -> None:
    assert Refusals().judge("m", A, 0) is Refusal.FIRST


def test_a_403_for_a_second_job_within_minutes_speaks_of_the_model() -> None:
    refusals = Refusals()
    refusals.judge("m", A, 0)
    assert refusals.judge("m", B, REMEMBERED_MS - 1) is Refusal.REPEATED


def test_a_403_for_the_same_job_alone_is_its_own_fault() -> None:
    refusals = Refusals()
    refusals.judge("m", A, 0)
    assert refusals.judge("m", A, 5) is Refusal.OWN


def test_403s_far_apart_or_of_different_models_have_nothing_to_do_with_each_other() -> None:
    refusals = Refusals()
    refusals.judge("m", A, 0)
    assert refusals.judge("n", B, 5) is Refusal.FIRST
    assert refusals.judge("m", B, REMEMBERED_MS) is Refusal.FIRST


def test_a_model_that_answers_somebody_meanwhile_was_not_refused_as_a_whole() -> None:
    refusals = Refusals()
    refusals.served("m")
    refusals.judge("m", A, 0)
    refusals.served("m")
    assert refusals.judge("m", B, 5) is Refusal.FIRST
    assert refusals.judge("m", C, 6) is Refusal.REPEATED
    refusals.served("m")
    assert refusals.judge("m", A, 7) is Refusal.OWN
