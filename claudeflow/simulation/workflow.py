"""A workflow of a scenario: when its jobs come, how large they are, what they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le
from pydantic import PlainValidator

from claudeflow.config.checks import shown
from claudeflow.simulation.sizes import AsTrace, Size, read_shared_size, read_size
from claudeflow.simulation.traces import Columns, Trace
from claudeflow.simulation.when import Moment, Window, read_duration, read_moment, read_window
from claudeflow.twin.models import Model

ELSE = "else"
TEXT = "$text"
"""Stands in `variables` where the job's own text goes."""

OWN_TEXT = "text"
"""The variable of a prompt that the simulation writes."""

Duration = Annotated[float, PlainValidator(read_duration)]
Share = Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True, slots=True)
class Rates:
    """Jobs an hour, by the first window that covers the local time."""

    windows: tuple[tuple[Window, float], ...] = ()
    otherwise: float = 0.0

    def at(self, local: datetime) -> float:
        """Jobs an hour at a local time."""
        return next((rate for window, rate in self.windows if window.covers(local)), self.otherwise)

    @property
    def any(self) -> bool:
        """Whether jobs ever come."""
        return self.otherwise > 0 or any(rate > 0 for _, rate in self.windows)


def read_schema(value: Any) -> str | Mapping[str, Any]:
    """A schema as the scenario writes it: a table, or the path of a JSON file. Raises ValueError."""
    if value and isinstance(value, str | Mapping):
        return value
    raise ValueError(f"must be the path of a JSON file, or a table that is a schema; found {shown(value)}")


def read_rates(table: Any) -> Rates:
    """Rates as the scenario writes them. Raises ValueError."""
    if not isinstance(table, Mapping):
        raise ValueError('must be a table such as {"Mon-Fri 08-18" = 120, else = 10}')  # noqa: TRY004
    for key, rate in table.items():
        if not isinstance(rate, int | float) or isinstance(rate, bool) or rate < 0:
            raise ValueError(f'"{key}": jobs an hour must be a number from 0 up; found {shown(rate)}')
    windows = tuple((read_window(key), float(rate)) for key, rate in table.items() if key != ELSE)
    return Rates(windows, float(table.get(ELSE, 0.0)))


@dataclass(frozen=True, slots=True)
class Burst:
    """`jobs` jobs, evenly spread by chance over `within_s` seconds, at a time of some days."""

    at: Annotated[Moment, PlainValidator(read_moment)]
    jobs: Annotated[int, Ge(1)]
    within_s: Annotated[float, Ge(0), Le(43_200)] = 0.0


@dataclass(frozen=True, slots=True)
class Replay:
    """A trace file, `speed` times as fast as it was, `repeat` times, beginning `after` the start.

    `time`, `input` and `output` name the columns of files that are neither Azure's nor Mooncake's;
    `unit` is that of times that are numbers.
    """

    file: str
    speed: Annotated[float, Gt(0)] = 1.0
    repeat: Annotated[int, Ge(1)] = 1
    after: Duration = 0.0
    time: str = ""
    input: str = ""
    output: str = ""
    unit: Literal["s", "ms"] = "s"

    @property
    def columns(self) -> Columns | None:
        """The layout, when it was named."""
        return Columns(self.time, self.input, self.output, unit=self.unit) if self.time else None


@dataclass(frozen=True, slots=True)
class WorkflowSettings:
    """A workflow as the scenario writes it; docs/simulate.md explains each key."""

    name: str
    lane: str = ""
    model: str = ""
    prompt: str = ""
    variables: dict[str, Any] = field(default_factory=dict)
    texts: str = ""
    column: str = "text"
    rates: Annotated[Rates, PlainValidator(read_rates)] = Rates()
    burst: tuple[Burst, ...] = ()
    backlog: Annotated[int, Ge(0)] = 0
    trace: Replay | None = None
    input_tokens: Annotated[Size | None, PlainValidator(read_size)] = None
    output_tokens: Annotated[Size | None, PlainValidator(read_size)] = None
    system_tokens: Annotated[int | AsTrace, PlainValidator(read_shared_size)] = 0
    max_tokens: Annotated[int, Ge(1)] | None = None
    schema: Annotated[str | Mapping[str, Any], PlainValidator(read_schema)] = ""
    pack: dict[str, Any] = field(default_factory=dict)
    priority: Annotated[int, Ge(-100), Le(100)] = 0
    priority_share: Share = 1.0
    deadline: Duration | None = None
    deadline_share: Share = 1.0

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow with all that its jobs are made of. `lane` is never empty; `schema` is its own prompt's."""

    settings: WorkflowSettings
    lane: str
    model: Model
    trace: Trace | None = None
    texts: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """What its jobs carry as `workflow`."""
        return self.settings.name

    @property
    def prompt(self) -> str:
        """The prompt that its jobs name: one that there is, or its own, or none."""
        return self.settings.prompt or ("" if self.schema is None else self.name)

    @property
    def variables(self) -> Mapping[str, Any]:
        """The prompt's variables; `TEXT` stands for the job's own text."""
        return self.settings.variables if self.settings.prompt else {OWN_TEXT: TEXT}

    @property
    def system_tokens(self) -> int:
        """Tokens at the front that all its jobs share."""
        asked = self.settings.system_tokens
        if isinstance(asked, int):
            return asked
        return self.trace.shared_tokens if self.trace else 0

    @property
    def input_size(self) -> Size | None:
        """The size of each job's own text; None when it has given texts."""
        traced = AsTrace() if self.trace and self.trace.tells_sizes and not self.texts else None
        return self.settings.input_tokens or traced

    @property
    def output_size(self) -> Size | None:
        """The size of the answers; None leaves it to the twin."""
        return self.settings.output_tokens or (AsTrace() if self.trace and self.trace.tells_sizes else None)
