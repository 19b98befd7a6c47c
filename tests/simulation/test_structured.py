"""Workflows with structured answers, simulated: real prompts, packs and batches, the same on every run."""

from __future__ import annotations

from pathlib import Path

import pytest

from claudeflow.simulation.result import Result, Work
from claudeflow.simulation.trial import Trial, run_trial

pytestmark = pytest.mark.timeout(120)

SCENARIO = """
name = "structured"
starts = "2026-11-17T08:00"
zone = "Europe/Berlin"
duration = "40m"

[api]
rpm = 30
ttft_s = 1.0
tokens_per_s = 80
batch_start_s = 60
batch_item_s = 30
batch_concurrency = 10
batch_cache_hit_share = 0.7

[config.lanes.standard]
weight = 3

[config.lanes.bulk]
batch = "always"

[[workflow]]
name = "triage"
lane = "standard"
model = "claude-haiku-5-5"
burst = [{at = "08:01", jobs = 100, within_s = 60}]
system_tokens = 6000
input_tokens = {median = 90, sigma = 0.4}
output_tokens = 70
max_tokens = 400
schema = {type = "object", properties = {why = {type = "string"}}, additionalProperties = false}
pack = {max_items = 10, max_wait_s = 20}

[[workflow]]
name = "archive"
lane = "bulk"
model = "claude-haiku-5-5"
backlog = 40
system_tokens = 3000
input_tokens = 300
output_tokens = 120
max_tokens = 400
"""


def lived(folder: Path, events: str, config: str = "") -> Result:
    """The scenario, with another configuration when one is given."""
    path = folder / "structured.toml"
    path.write_text(SCENARIO)
    other = None
    if config:
        other = folder / "other.toml"
        other.write_text(config)
    return run_trial(Trial(path, "own", other), lambda _: None, folder / events)


def the(name: str, result: Result) -> Work:
    return next(work for work in result.workflows if work.name == name)


def test_structured_jobs_share_calls_and_bulk_jobs_go_by_batches(tmp_path: Path) -> None:
    result = lived(tmp_path, "events.jsonl")
    triage, archive = the("triage", result), the("archive", result)
    assert triage.succeeded == triage.carried == 100
    assert triage.packs >= 5
    assert triage.calls <= 50
    assert triage.batched == 0
    assert archive.batched == archive.calls == archive.succeeded == 40
    assert archive.unbatched_nanousd == 2 * archive.cost_nanousd
    assert result.witness is not None
    assert result.witness.invoice_nanousd == result.totals.cost_nanousd


def test_alone_each_answer_has_the_length_that_was_asked_for(tmp_path: Path) -> None:
    without = "[packs]\nenabled = false\n[lanes.standard]\n[lanes.bulk]\n"
    result = lived(tmp_path, "events.jsonl", without)
    triage = the("triage", result)
    assert triage.packs == result.totals.batched == 0
    assert (triage.calls, triage.output_tokens) == (100, 7_000)
    assert the("archive", result).output_tokens == 40 * 120


def test_packs_and_batches_are_the_same_on_every_run(tmp_path: Path) -> None:
    first, second = lived(tmp_path, "1.jsonl"), lived(tmp_path, "2.jsonl")
    assert first.to_json() == second.to_json()
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()
