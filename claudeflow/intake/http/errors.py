"""What can be wrong with an HTTP request before any job is looked at."""

from __future__ import annotations

from claudeflow.domain.errors import IntakeError


class InvalidQuery(IntakeError):
    """A query parameter is unknown or has a wrong value."""

    code = "invalid_query"
    http_status = 400


class ForeignOrigin(IntakeError):
    """A page of another origin asks."""

    code = "foreign_origin"
    http_status = 403


class WrongHost(IntakeError):
    """The request names another host."""

    code = "wrong_host"
    http_status = 421


class NotFound(IntakeError):
    """Nothing is served at this path."""

    code = "not_found"
    http_status = 404


class MethodNotAllowed(IntakeError):
    """The path exists, but not with this method."""

    code = "method_not_allowed"
    http_status = 405


class NotAcceptable(IntakeError):
    """The client accepts no JSON, and there is nothing else."""

    code = "not_acceptable"
    http_status = 406


class BodyTooLarge(IntakeError):
    """The body, or one line of it, is larger than is read."""

    code = "body_too_large"
    http_status = 413


class UnsupportedMediaType(IntakeError):
    """The body is neither JSON nor NDJSON, or it is compressed."""

    code = "unsupported_media_type"
    http_status = 415


class ModelNotFound(IntakeError):
    """The model has no price here, so its calls could not be booked."""

    code = "model_not_found"
    http_status = 404


class InternalError(IntakeError):
    """claudeflow failed, not the caller. The log says why; the answer does not."""

    code = "internal_error"
    http_status = 500


class NotReady(IntakeError):
    """The daemon is starting or draining."""

    code = "not_ready"
    http_status = 503


class StoreUnavailable(IntakeError):
    """The store cannot be read or written now: its disk is full, or fails."""

    code = "store_unavailable"
    http_status = 503


class InvalidIdempotencyKey(IntakeError):
    """The header `idempotency-key` is no key."""

    code = "invalid_idempotency_key"
    http_status = 400


class IdempotencyKeyInUse(IntakeError):
    """The first request with this key is still being carried out."""

    code = "idempotency_key_in_use"
    http_status = 409


class IdempotencyKeyReused(IntakeError):
    """This key came with another request before."""

    code = "idempotency_key_reused"
    http_status = 422


class MalformedRequest(IntakeError):
    """What came in is no HTTP request, or one that nobody could answer."""

    code = "malformed_request"
    http_status = 400


class TooSlow(IntakeError):
    """The head or the body of the request took too long, or nobody read the answer."""

    code = "too_slow"
    http_status = 408


class HeadTooLarge(IntakeError):
    """The head of the request is larger than is read."""

    code = "head_too_large"
    http_status = 431


class NoRoom(IntakeError):
    """The bodies of the requests under way fill the memory that is theirs."""

    code = "no_room"
    http_status = 503


class TooManyConnections(IntakeError):
    """As many connections are open as may be, of all or of this user."""

    code = "too_many_connections"
    http_status = 503
