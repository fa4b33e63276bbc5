"""Server events as JSON-ready mappings, and the refusals that become `error` events (protocol page, 10.2 and 12)."""

from __future__ import annotations

from itertools import count
from typing import Any

from voicepipe.local.wishes import Event


class Refusal(Exception):
    """A client event that the API would refuse; it becomes one `error` event and changes nothing.

    Args:
        code: The API's word for it.
        message: What a person needs to know.
        param: The field concerned.
    """

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


class Ids:
    """Ids in the API's shapes, counted: the same conversation always has the same ids, and no two sessions share one.

    Args:
        session: The number of the session on its server.
    """

    def __init__(self, session: int = 1) -> None:
        self._session = session
        self._numbers = count(1)
        self._avoided: set[str] = set()

    def new(self, kind: str) -> str:
        """Return a new id of a kind: `event`, `item`, `resp`, `call`, `sess`, `conv`."""
        new = f"{kind}_{self._session:07d}{next(self._numbers):014d}"
        return self.new(kind) if new in self._avoided else new

    def avoid(self, id_: str) -> None:
        """Never give this id: a client has chosen it."""
        self._avoided.add(id_)


class Events:
    """Makes the server events of one session."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids

    def make(self, type_: str, **fields: Any) -> Event:
        """Return a server event."""
        return {"type": type_, "event_id": self._ids.new("event"), **fields}

    def refusal(self, refusal: Refusal, event_id: str | None) -> Event:
        """Return the `error` event for a refusal of the client event `event_id`."""
        return self.error("invalid_request_error", refusal.code, refusal.message, refusal.param, event_id)

    def error(
        self,
        type_: str,
        code: str | None,
        message: str,
        param: str | None = None,
        event_id: str | None = None,
    ) -> Event:
        """Return an `error` event."""
        error = {"type": type_, "code": code, "message": message, "param": param, "event_id": event_id}
        return self.make("error", error=error)
