"""The jobs of one workflow, in the form in which a producer submits them."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from claudeflow.simulation.sizes import AsTrace, Size
from claudeflow.simulation.texts import answer_mark, own_text, sized_text
from claudeflow.simulation.traces import TraceRow
from claudeflow.simulation.workflow import TEXT, Workflow

DEFAULT_MAX_TOKENS = 4_096
_NO_ROW = TraceRow(0.0)

Job = Mapping[str, Any]


class JobMaker:
    """Makes one job after another; equal seeds make equal jobs."""

    def __init__(self, workflow: Workflow, seed: int) -> None:
        self._workflow = workflow
        self._chance = Random(f"{seed}/{workflow.name}/jobs")  # noqa: S311 - repeatable on purpose
        self._made = 0
        self._request = {} if workflow.prompt else _request(workflow)

    def make(self, row: TraceRow | None = None) -> Job:
        """The next job, with the sizes of `row` where the trace decides them."""
        self._made += 1
        text = self._text(row or self._any_row())
        job: dict[str, Any] = {"workflow": self._workflow.name, "lane": self._workflow.lane}
        settings = self._workflow.settings
        if self._workflow.prompt:
            job["prompt"] = self._workflow.prompt
            job["input"] = {
                name: text if value == TEXT else value for name, value in self._workflow.variables.items()
            }
        else:
            job["request"] = {**self._request, "messages": [{"role": "user", "content": text}]}
        if settings.priority and self._hits(settings.priority_share):
            job["priority"] = settings.priority
        if settings.deadline and self._hits(settings.deadline_share):
            job["deadline"] = f"+{max(1, round(settings.deadline))}s"
        return job

    def _text(self, row: TraceRow) -> str:
        workflow = self._workflow
        own_tokens = max(1, row.input_tokens - workflow.system_tokens)
        answer_tokens = self._draw(workflow.output_size, row.output_tokens)
        if workflow.texts:
            text = workflow.texts[(self._made - 1) % len(workflow.texts)]
            return f"{text}\n\n{answer_mark(answer_tokens)}".rstrip()
        tokens = self._draw(workflow.input_size, own_tokens) or 1
        return own_text(self._made, tokens, workflow.model, answer_tokens)

    def _any_row(self) -> TraceRow:
        """A row for jobs that no row of the trace brought."""
        trace = self._workflow.trace
        return self._chance.choice(trace.rows) if trace else _NO_ROW

    def _draw(self, size: Size | None, traced: int) -> int | None:
        if size is None:
            return None
        return traced if isinstance(size, AsTrace) else size.draw(self._chance)

    def _hits(self, share: float) -> bool:
        return share >= 1.0 or self._chance.random() < share


def _request(workflow: Workflow) -> dict[str, Any]:
    """What the requests of all jobs have in common."""
    request: dict[str, Any] = {
        "model": workflow.model.id,
        "max_tokens": workflow.settings.max_tokens or DEFAULT_MAX_TOKENS,
    }
    if workflow.system_tokens:
        system = sized_text(f"You work for {workflow.name}.", workflow.system_tokens, workflow.model)
        request["system"] = [{"type": "text", "text": system}]
    return request
