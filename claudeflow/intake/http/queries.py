"""Path and query parameters → values. What is unknown or wrong is refused, not ignored."""

from __future__ import annotations

from starlette.requests import Request

from claudeflow.domain.errors import BatchNotFound, JobNotFound
from claudeflow.domain.job import JobId, JobState
from claudeflow.domain.job_filter import Field, Term, Terms, Words
from claudeflow.intake.desks.desk import JobFilter
from claudeflow.intake.filter_text import read_filter
from claudeflow.intake.http.errors import InvalidQuery
from claudeflow.intake.mistakes import did_you_mean, listed, show

LARGEST_ID = 2**63 - 1
"""What the store can count to."""

_LONGEST_WAIT_S = 60.0
_MOST_LISTED = 500


class Query:
    """The query parameters of one request; only `known` ones may be there, each at most once."""

    def __init__(self, request: Request, known: frozenset[str] = frozenset()) -> None:
        self._values: dict[str, str] = {}
        for name, value in request.query_params.multi_items() if request.scope["query_string"] else ():
            if name not in known:
                hint = did_you_mean(name, known)
                raise InvalidQuery(f"{show(name)} is not a parameter here; known are {listed(known)}.{hint}")
            if name in self._values:
                raise InvalidQuery(f"{name} is given twice; give it once")
            self._values[name] = value

    def text(self, name: str) -> str | None:
        """The parameter as it is, None when it is not given."""
        return self._values.get(name)

    def flag(self, name: str, default: bool) -> bool:
        """A parameter that is `true` or `false`."""
        value = self._values.get(name)
        if value is None:
            return default
        if value not in {"true", "false", "1", "0"}:
            raise InvalidQuery(f"{name} must be true or false, found {show(value)}")
        return value in {"true", "1"}

    def integer(self, name: str, least: int, most: int) -> int | None:
        """A whole number within bounds."""
        value = self._values.get(name)
        if value is None:
            return None
        number = _digits(value)
        if number is None or not least <= number <= most:
            raise InvalidQuery(f"{name} must be a whole number from {least} to {most}, found {show(value)}")
        return number

    def wait_s(self) -> float:
        """`wait`: how many seconds the answer may take, 0 to 60."""
        value = self._values.get("wait")
        if value is None:
            return 0.0
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not 0.0 <= seconds <= _LONGEST_WAIT_S:
            raise InvalidQuery(f"wait must be a number of seconds from 0 to 60, found {show(value)}")
        return seconds


_LISTING = frozenset({"filter", "state", "lane", "workflow", "submitted_by", "before", "limit"})


def job_filter(request: Request) -> JobFilter:
    """Which jobs are to be listed."""
    query = Query(request, _LISTING)
    return JobFilter(
        state=_state(query.text("state")),
        lane=query.text("lane"),
        workflow=query.text("workflow"),
        submitted_by=query.text("submitted_by"),
        before_id=query.integer("before", 1, LARGEST_ID),
        limit=query.integer("limit", 1, _MOST_LISTED) or JobFilter().limit,
        terms=read_filter(query.text("filter") or ""),
    )


def terms_of(which: JobFilter) -> Terms:
    """All conditions of a filter as terms."""
    said = (
        (Field.STATE, which.state),
        (Field.LANE, which.lane),
        (Field.WORKFLOW, which.workflow),
        (Field.SUBMITTED_BY, which.submitted_by),
    )
    more = (Term(field, Words((str(value),))) for field, value in said if value is not None)
    return Terms((*which.terms.terms, *more))


def job_id(request: Request) -> JobId:
    """The job that the path names. Raises JobNotFound for what can be no id."""
    text = request.path_params["job_id"]
    number = _digits(text)
    if number is None or not 1 <= number <= LARGEST_ID:
        raise JobNotFound(f"no job has the id {show(text)}; ids are whole numbers from 1")
    return JobId(number)


def batch_id(request: Request) -> int:
    """The batch that the path names. Raises BatchNotFound for what can be no number of one."""
    text = request.path_params["batch_id"]
    number = _digits(text)
    if number is None or not 1 <= number <= LARGEST_ID:
        hint = "; `claudeflow batches list` shows which is which" if text.startswith("msgbatch_") else ""
        raise BatchNotFound(f"no batch has the number {show(text)}; numbers are whole, from 1{hint}")
    return number


def _state(text: str | None) -> JobState | None:
    if text is None:
        return None
    names = [state.value for state in JobState]
    if text not in names:
        raise InvalidQuery(
            f"state: found {show(text)}; states are {listed(names)}.{did_you_mean(text, names)}"
        )
    return JobState(text)


def _digits(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else None
