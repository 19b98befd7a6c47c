"""Who asks, and whether it may: looked at once for every request, before its handler."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request

from claudeflow.domain.caller import Caller
from claudeflow.domain.errors import IntakeError, JobNotFound
from claudeflow.domain.job import JobId
from claudeflow.domain.token import BEGINS
from claudeflow.intake.desks.desk import Desk
from claudeflow.intake.http.door.hosts import LOOPBACK, check_host, check_origin
from claudeflow.intake.http.door.peers import overflow_uid
from claudeflow.intake.http.lapse import AGAIN
from claudeflow.intake.http.needs import need_of
from claudeflow.intake.http.queries import job_id
from claudeflow.intake.http.refusals import ROUTE, STANDING, peer_of_request, tell_refusal
from claudeflow.policy.access.admission import admission, permission
from claudeflow.policy.access.errors import Forbidden, Unauthenticated
from claudeflow.policy.access.grants import Standing
from claudeflow.policy.access.roles import Need, Role, only_own

_OWN = "claudeflow.own"


class Guard:
    """Lets requests through to the routes that their callers may use."""

    def __init__(self, desk: Desk, hosts: frozenset[str] = LOOPBACK) -> None:
        """`hosts` are the names by which requests over TCP may come."""
        self._desk = desk
        self._hosts = hosts

    async def check(self, request: Request, method: str, path: str) -> None:
        """Find out who asks, and let it pass. Raises Unauthenticated, Forbidden, JobNotFound, and
        ForeignOrigin, WrongHost for what no program of ours would send.

        `path` is the route's, with its parameters in braces.
        """
        request.scope[ROUTE] = f"{method} {path}"
        if peer_of_request(request) is None:
            check_host(request.headers, self._hosts)
        check_origin(request.headers)
        need = need_of(method, path)
        if need is Need.NOTHING:
            return
        request.scope[AGAIN] = partial(self._admit, request, need)
        await self._admit(request, need)

    async def _admit(self, request: Request, need: Need) -> None:
        """Let the caller pass, as it stands now. Raises Unauthenticated, Forbidden, JobNotFound."""
        standing = request.scope[STANDING] = await self._standing(request)
        refusal = permission(standing, need, request.scope[ROUTE])
        if refusal is not None:
            raise refusal
        if only_own(need, standing.roles) and _OWN not in request.scope:
            if "job_id" in request.path_params:
                await self._check_own(request, standing)
            request.scope[_OWN] = standing.caller.name

    def refused(self, request: Request, error: IntakeError) -> None:
        """Tell of an error that turns a caller away."""
        tell_refusal(self._desk.access, request, error)

    async def _standing(self, request: Request) -> Standing:
        """Where the caller stands: by its token when it shows one, else as the Unix user that it is."""
        text = shown_token(request)
        if text is not None:
            return await self._desk.access.standing_of_token(text)
        return self._desk.access.standing(_caller(request))

    async def _check_own(self, request: Request, standing: Standing) -> None:
        """Jobs of others are not there, unless one may read them. Raises JobNotFound, Forbidden."""
        number, caller = job_id(request), standing.caller
        missing = JobNotFound(
            f"no job of {caller} has the id {number}; those of others are seen with the role read, "
            "and cancelled with the role operate"
        )
        try:
            record = await self._desk.job(number)
        except JobNotFound:
            raise missing from None
        if record.submitted_by != caller.name and Role.READ in standing.roles:
            raise Forbidden(f"job {number} is not of {caller}; jobs of others need the role operate")
        if record.submitted_by != caller.name:
            raise missing


def standing_of(request: Request) -> Standing:
    """The caller of a request that a guard let through, and what it may do."""
    standing: Standing = request.scope[STANDING]
    return standing


def who(request: Request) -> str:
    """The name of whoever asks: a login name as the kernel knows it, or `token:NAME`."""
    return standing_of(request).caller.name


def limited_to(request: Request, submitter: str | None) -> str | None:
    """Whose jobs may be listed; None: everybody's. `submitter` is whose are wanted. Raises Forbidden."""
    own: str | None = request.scope.get(_OWN)
    if own is not None and submitter not in (None, own):
        raise Forbidden(
            f"{standing_of(request).caller} may list its own jobs only; others need the role read"
        )
    return own or submitter


def shown_token(request: Request) -> str | None:
    """The token that the request shows, as `Authorization: Bearer` or `x-api-key`; None without one.

    Whatever else stands there is no token: an API key is the daemon's business alone, and SDKs send one
    always. Raises Unauthenticated when two tokens are shown.
    """
    headers = request.headers
    shown = {value.strip() for value in headers.getlist("x-api-key")}
    for value in headers.getlist("authorization"):
        scheme, _, text = value.strip().partition(" ")
        if scheme.lower() == "bearer":
            shown.add(text.strip())
    tokens = [text for text in shown if text.startswith(BEGINS)]
    if len(tokens) > 1:
        raise Unauthenticated("two tokens are shown, in x-api-key and authorization; show one")
    return tokens[0] if tokens else None


def _caller(request: Request) -> Caller:
    peer = peer_of_request(request)
    if peer is None:
        raise Unauthenticated(
            "nobody knows who calls: over TCP show a token, as `authorization: Bearer cf_…` or as "
            "`x-api-key`; `claudeflow token create` makes one"
        )
    if peer.uid == overflow_uid():
        raise Unauthenticated(
            f"the kernel shows the user behind this connection as uid {peer.uid}: it has no id on this side, "
            "as in a container or user namespace of its own, or is nobody; connect as one that has, or show "
            "a token"
        )
    return peer


async def check_target(desk: Desk, standing: Standing, which: JobId, lane: str | None) -> None:
    """Whether the caller may move the job to where it is to be. Raises JobNotFound, Forbidden."""
    record = await desk.job(which)
    refusal = admission(standing, lane or record.lane, record.workflow, Role.OPERATE)
    if refusal is not None:
        raise refusal
