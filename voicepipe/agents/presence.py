"""Who is in a room: when the last one has left, the conversation is over.

Pipecat's transports for browsers, sockets, LiveKit and Daily tell of clients that come and go, and go on by themselves when
nobody is there. Those that have one far end, as telephone calls and files, end the pipeline with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from pipecat.transports.base_transport import BaseTransport

_CAME: Final = "on_client_connected"
_LEFT: Final = "on_client_disconnected"


class Presence:
    """Follows the clients of one room.

    Args:
        room: The room; one that does not tell of clients is taken as it is.
        on_empty: Called when the last one has left.
    """

    def __init__(self, room: BaseTransport, on_empty: Callable[[], None]) -> None:
        self.is_left = False
        """Whether somebody was there and nobody is any more."""
        self._room = room
        self._on_empty = on_empty
        self._here: set[object] = set()
        # Pipecat has no other way to ask, and warns of a handler for an event that is not there.
        told = room._event_handlers  # pyright: ignore[reportPrivateUsage]
        self._handlers = {
            event: act for event, act in ((_CAME, self._came), (_LEFT, self._left)) if event in told
        }
        for event, handler in self._handlers.items():
            room.add_event_handler(event, handler)

    def close(self) -> None:
        """Follow nobody any more."""
        for event, handler in self._handlers.items():
            self._room.remove_event_handler(event, handler)

    def _came(self, _room: BaseTransport, client: Any) -> None:
        self._here.add(_key(client))
        self.is_left = False

    def _left(self, _room: BaseTransport, client: Any) -> None:
        self._here.discard(_key(client))
        if not self._here:
            self.is_left = True
            self._on_empty()


def _key(client: Any) -> object:
    """Return what tells a client from others: transports of rooms have ids, the others an object for each."""
    return cast("Mapping[str, object]", client)["id"] if isinstance(client, Mapping) else id(client)
