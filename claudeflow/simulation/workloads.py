"""From the `[[workflow]]` tables of a scenario to workflows, with every mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from claudeflow.config.checks import did_you_mean, shown
from claudeflow.config.tables import validate
from claudeflow.domain.errors import InvalidJob, Mistake
from claudeflow.intake.catalog import Catalog
from claudeflow.intake.wire import parse_job
from claudeflow.simulation.jobs import JobMaker
from claudeflow.simulation.prompts import prompt_of, read_back
from claudeflow.simulation.sizes import AsTrace
from claudeflow.simulation.traces import Trace, read_texts, read_trace
from claudeflow.simulation.workflow import TEXT, Workflow, WorkflowSettings
from claudeflow.twin.models import MODELS, Model, find_model


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the workflows of a scenario refer to: files beside it, and what the daemon takes."""

    folder: Path
    catalog: Catalog


def read_workflows(tables: Any, around: Surroundings) -> tuple[tuple[Workflow, ...], list[Mistake]]:
    """The workflows that are right, and all that is wrong with the others."""
    if not isinstance(tables, list) or not tables:
        return (), [Mistake("workflow", "must be one or more tables, each under [[workflow]]")]
    workflows: list[Workflow] = []
    mistakes: list[Mistake] = []
    for number, table in enumerate(tables):
        reader = _WorkflowReader(_path_of(number, table), around)
        workflow = reader.read(table)
        if workflow is not None and workflow.name in [earlier.name for earlier in workflows]:
            reader.note("name", "there is a workflow of this name already")
        if workflow is not None:
            workflows.append(workflow)
        mistakes += reader.mistakes
    return tuple(workflows), mistakes


def _path_of(number: int, table: Any) -> str:
    """`workflow.ticket-triage`, or `workflow.0` when it has no name."""
    name = table.get("name") if isinstance(table, Mapping) else None
    return f"workflow.{name if isinstance(name, str) and name else number}"


class _WorkflowReader:
    """Reads one table; what is wrong with it gathers in `mistakes`."""

    def __init__(self, path: str, around: Surroundings) -> None:
        self._path = path
        self._around = around
        self.mistakes: list[Mistake] = []

    def note(self, key: str, message: str) -> None:
        """One more mistake, at a key of this workflow."""
        self.mistakes.append(Mistake(f"{self._path}.{key}" if key else self._path, message))

    def read(self, table: Any) -> Workflow | None:
        """The workflow, or None when there are mistakes."""
        settings = self._settings(table)
        if settings is None:
            return None
        trace, texts, schema = self._trace(settings), self._texts(settings), self._schema(settings)
        model, lane = self._model(settings), self._lane(settings)
        if not self.mistakes:
            for key, message in _contradictions(settings):
                self.note(key, message)
        if self.mistakes or model is None:
            return None
        workflow = Workflow(settings, lane, model, trace, texts, schema)
        self._check_sizes(workflow)
        if not self.mistakes:
            self._try_at_the_door(workflow)
        return None if self.mistakes else workflow

    def _settings(self, table: Any) -> WorkflowSettings | None:
        """The keys of the table; when some are wrong, the others, so that these are judged too."""
        settings, found = validate(WorkflowSettings, table)
        for mistake in found:
            self.note(mistake.field, mistake.message)
        if settings is None and isinstance(table, Mapping):
            wrong = [mistake.field.partition(".")[0] for mistake in found]
            settings, _ = validate(WorkflowSettings, {k: v for k, v in table.items() if k not in wrong})
        return settings

    def _trace(self, settings: WorkflowSettings) -> Trace | None:
        replay = settings.trace
        if replay is None:
            return None
        try:
            return read_trace(self._around.folder / replay.file, replay.columns)
        except (ValueError, OSError) as error:
            self.note("trace.file", _why(error))
            return None

    def _texts(self, settings: WorkflowSettings) -> tuple[str, ...]:
        if not settings.texts:
            return ()
        try:
            return read_texts(self._around.folder / settings.texts, settings.column)
        except (ValueError, OSError) as error:
            self.note("texts", _why(error))
            return ()

    def _model(self, settings: WorkflowSettings) -> Model | None:
        template = self._around.catalog.prompts.get(settings.prompt)
        if settings.prompt and template is None:
            names = ", ".join(sorted(self._around.catalog.prompts)) or "none: set `[config.prompts] folder`"
            self.note("prompt", f"no such prompt; found {shown(settings.prompt)}; prompts are {names}")
            return None
        name = template.model if template else settings.model
        model = find_model(name) if name else None
        if name and model is None:
            known = ", ".join(model.id for model in MODELS)
            self.note("model", f"the twin does not serve {shown(name)}; it serves {known}")
        return model

    def _lane(self, settings: WorkflowSettings) -> str:
        template = self._around.catalog.prompts.get(settings.prompt)
        lane = settings.lane or (template.lane if template else "") or self._around.catalog.default_lane
        lanes = sorted(self._around.catalog.lanes)
        if lane not in lanes:
            hint = did_you_mean(lane, lanes) or f"; lanes are {', '.join(lanes)}"
            self.note("lane", f"no lane has this name{hint}; found {shown(lane)}")
        return lane

    def _check_sizes(self, workflow: Workflow) -> None:
        settings = workflow.settings
        asked = {"input_tokens": settings.input_tokens, "output_tokens": settings.output_tokens}
        for key, size in asked.items():
            if isinstance(size, AsTrace) and not (workflow.trace and workflow.trace.tells_sizes):
                self.note(key, '"trace" needs a trace that tells input and output')
        if isinstance(settings.system_tokens, AsTrace) and not workflow.system_tokens:
            self.note("system_tokens", '"trace" needs a trace whose requests begin with the same `hash_ids`')
        if workflow.input_size is None and not workflow.texts:
            self.note("input_tokens", "is missing: give a size, or `texts`, or a trace that tells sizes")

    def _schema(self, settings: WorkflowSettings) -> Mapping[str, Any] | None:
        """The schema of its structured answers, if they are structured."""
        if not isinstance(settings.schema, str):
            return settings.schema
        if not settings.schema:
            return None
        try:
            schema = orjson.loads((self._around.folder / settings.schema).read_bytes())
        except (ValueError, OSError) as error:
            self.note("schema", _why(error))
            return None
        if not isinstance(schema, dict):
            self.note("schema", f"must be an object; found {type(schema).__name__}")
            return None
        return schema

    def _catalog(self, workflow: Workflow) -> Catalog:
        """What the daemon takes when it has the workflow's own prompt, too."""
        catalog = self._around.catalog
        if workflow.schema is None:
            return catalog
        prompts = dict(catalog.prompts)
        if workflow.name in prompts:
            self.note("name", "a prompt of `[config.prompts] folder` has this name already")
        template, mistakes = read_back(prompt_of(workflow))
        for mistake in mistakes:
            self._note_of_prompt(workflow.name, mistake)
        return replace(catalog, prompts=prompts if template is None else {**prompts, template.name: template})

    def _note_of_prompt(self, name: str, mistake: Mistake) -> None:
        """What the loader says of the workflow's own prompt, at the key that it comes from."""
        file = mistake.field.removeprefix(f"{name}/")
        key, _, message = mistake.message.partition(": ")
        if file == "schema.json":
            self.note("schema", mistake.message)
        elif file == "prompt.toml" and key.startswith("pack"):
            self.note(key, message)
        else:
            self.note("name", mistake.message)

    def _try_at_the_door(self, workflow: Workflow) -> None:
        """What intake would say to the first job."""
        catalog = self._catalog(workflow)
        if self.mistakes:
            return
        job = orjson.dumps(JobMaker(workflow, seed=0).make())
        try:
            parse_job(job, catalog, now_ms=0, submitted_by=None)
        except InvalidJob as refusal:
            for mistake in refusal.mistakes:
                self.note(mistake.field.removeprefix("request."), mistake.message)


def _contradictions(settings: WorkflowSettings) -> Iterator[tuple[str, str]]:
    """What no single key shows, as key and message."""
    if bool(settings.model) == bool(settings.prompt):
        yield "model", "give either `model` or `prompt`"
    if settings.prompt and (settings.system_tokens or settings.max_tokens):
        yield "prompt", "the prompt decides `system_tokens` and `max_tokens`; leave them out"
    if settings.prompt and settings.schema:
        yield "schema", "the prompt has its own schema.json; leave this out, or name a `model` instead"
    if settings.pack and not settings.schema:
        yield "pack", "needs `schema`: only structured answers can share a call"
    if settings.prompt and TEXT not in settings.variables.values():
        yield "variables", f'one variable must be "{TEXT}": there goes what differs from job to job'
    if settings.variables and not settings.prompt:
        yield "variables", "are those of a `prompt`; name it or leave them out"
    if settings.texts and settings.input_tokens:
        yield "input_tokens", "`texts` have their own size; give one of the two"
    if settings.trace and not settings.trace.time and (settings.trace.input or settings.trace.output):
        yield "trace.time", "is missing: own columns need a name for the time, too"
    if not (settings.rates.any or settings.burst or settings.backlog or settings.trace):
        yield "", "its jobs never come; give `rates`, `burst`, `backlog` or `trace`"


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror or 'cannot be read'}; found {error.filename}"
    return str(error)
