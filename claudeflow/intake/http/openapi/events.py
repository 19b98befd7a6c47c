"""The stream of events, as OpenAPI can say it: text, whose frames docs/events.md describes."""

from __future__ import annotations

from claudeflow.domain.event_kinds import KINDS
from claudeflow.intake.http.openapi.operation import Answer, Operation, Parameter
from claudeflow.intake.http.openapi.shapes import ID, TEXT

EVENTS = Operation(
    "follow_events",
    "GET",
    "/v1/events",
    "What happens, as it happens",
    {200: Answer("Server-sent events, until the daemon stops", {"text/event-stream": TEXT})},
    parameters=(
        Parameter("type", TEXT, f"One or several, with commas between them: {', '.join(sorted(KINDS))}"),
        Parameter("job", ID, "Only events that name this job"),
        Parameter("lane", TEXT, "Only events that name this lane"),
        Parameter("workflow", TEXT, "Only events that name this workflow"),
        Parameter("Last-Event-ID", TEXT, "The last id that came: go on after that event", "header"),
    ),
)
