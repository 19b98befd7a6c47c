"""What the API says of a cache miss, in words: what to do about it (Cache diagnostics).

The API compares two whole requests. Two jobs of one prompt always differ in their messages, so
`messages_changed` is good news for a prefix of tools and system: these were the same.
"""

from __future__ import annotations

from claudeflow.domain.attempt import CacheMiss

SAME = "none"
FIELD_REFUSED = "field_refused"
NOT_FOUND = "previous_message_not_found"

_GONE = "nothing is wrong with the prompt: the API had dropped the entry before its time; do nothing"
_WAY_OUT = {
    SAME: _GONE,
    "model_changed": "model or speed differ between calls of one prefix: keep to one of each per prompt",
    "tools_changed": "the tools differ between calls: send the same ones in the same order, byte for byte",
    "system_changed": "the system text differs between calls: `claudeflow lint` shows what changes in it",
    NOT_FOUND: "the API kept no record of the earlier call; it keeps one of this call, for the next miss",
    "unavailable": "the API cannot say; look whether thinking, effort or tool_choice differ between calls",
    FIELD_REFUSED: "the API or a gateway refuses to be asked: it is left alone until the next start, "
    "and for good with `[cache] diagnose = 0`",
    "pending": "the API answered before it had compared; the next miss may tell",
}


def way_out(miss: CacheMiss | None, *, stable_messages: bool) -> str:
    """What to do; None is no difference. `stable_messages`: blocks of the messages are in the prefix too."""
    reason = SAME if miss is None else miss.reason
    if reason != "messages_changed":
        return _WAY_OUT.get(
            reason, f"the API says {reason}: its documentation on cache diagnostics says more"
        )
    if stable_messages:
        return "tools and system are the same; look whether the leading blocks of the messages are as well"
    return f"tools and system are the same, and the rest is each job's own: {_GONE}"
