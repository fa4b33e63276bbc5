"""The forms in which a server says that it does not speak the beta wire (promise P-17).

OpenAI's answers with an error event and close code 4000; gateways refuse the handshake or close without a word; some that
speak the GA wire alone take the connection and refuse the first settings because they have no `type`.
"""

from __future__ import annotations

from typing import Final

from voicepipe.realtime.connection import Closed
from voicepipe.realtime.events import Failure

_SHUT_DOWN: Final = "beta_api_shape_disabled"
_CODES_AT_FIRST: Final = frozenset({_SHUT_DOWN, "invalid_model"})
"""A model of the beta is no model of the GA wire's, so it may be that which is refused."""
_CLOSE_CODE: Final = 4000
_OTHER_STATUSES: Final = frozenset({401, 402, 407, 408, 429})
"""Refusals of the key, the account or the moment, not of the wire."""


def refuses_beta(failure: Failure, *, is_ready: bool) -> bool:
    """Whether a failure is a refusal of the wire.

    Args:
        failure: The failure.
        is_ready: Whether settings were accepted over this connection, after which only the API's own code counts.
    """
    at_first = failure.code in _CODES_AT_FIRST or failure.field == "session.type"
    return failure.code == _SHUT_DOWN or (at_first and not is_ready)


def refuses_beta_when_closing(closed: Closed, *, is_ready: bool) -> bool:
    """Whether a connection's end is a refusal of the wire."""
    return _SHUT_DOWN in closed.reason or (closed.code == _CLOSE_CODE and not is_ready)


def refuses_beta_with_status(status: int | None) -> bool:
    """Whether a handshake that was answered with an HTTP status was refused because of the wire."""
    return status is not None and 400 <= status < 500 and status not in _OTHER_STATUSES
