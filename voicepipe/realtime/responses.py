"""At most one response at a time: which one runs, which are wanted, and which were cut."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SOME_RESPONSE = "?"
"""A response that stands in the way though nobody saw it begin; whichever ends next, that is the time to ask again."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A response that somebody wants.

    Parameters:
        event_id: The id its request carries on the wire, by which a refusal is recognised.
        fields: What is special about it. A wish without any only means "speak to what is in the conversation".
    """

    event_id: str
    fields: Mapping[str, Any]


class Responses:
    """The state of the default conversation's responses. Every wish is granted once, when its turn comes (P-5)."""

    def __init__(self) -> None:
        self.active: str | None = None
        """The id of the response that runs."""
        self.asked: Wish | None = None
        """The wish that was sent and has not begun."""
        self.cut: set[str] = set()
        """Responses that were interrupted and have not ended: what still arrives of them is not for anybody (P-18)."""
        self._wanted: deque[Wish] = deque()
        self._cancel_at_start = False
        self._server_turn = False

    @property
    def is_busy(self) -> bool:
        """Whether a response runs or is about to."""
        return self.active is not None or self.asked is not None

    def want(self, wish: Wish) -> Wish | None:
        """Take a wish; returns the one to send now, if any."""
        if wish.fields or not any(not waiting.fields for waiting in self._wanted):
            self._wanted.append(wish)
        return self.next()

    def next(self) -> Wish | None:
        """Return the next wish if nothing stands in its way; it counts as sent."""
        if self.is_busy or self._server_turn or not self._wanted:
            return None
        self.asked = self._wanted.popleft()
        return self.asked

    def server_turn(self, begun: bool) -> None:
        """Hold wishes back while the user speaks and until the server has begun to answer the user itself."""
        self._server_turn = begun

    def started(self, response_id: str, *, covers_wishes: bool) -> bool:
        """Take note that a response began.

        Args:
            response_id: The response.
            covers_wishes: Whether it has seen all that was put into the conversation, so that nobody needs another one
                for that.

        Returns:
            Whether it must be cancelled at once, because it was interrupted before it began.
        """
        ours, self.asked = self.asked, None
        self.active = response_id
        self._server_turn = False
        if ours is None and covers_wishes:
            self._wanted = deque(wish for wish in self._wanted if wish.fields)
        cancel, self._cancel_at_start = self._cancel_at_start and ours is not None, False
        if cancel:
            self.cut.add(response_id)
        return cancel

    def hears(self, response_id: str) -> bool:
        """Whether what arrives of this response is for the listener."""
        return response_id == self.active and response_id not in self.cut

    def cut_active(self) -> str | None:
        """Take note of an interruption; returns the response to cancel. A response only asked for is cancelled later."""
        if self.active is None:
            self._cancel_at_start = self.asked is not None
            return None
        if self.active in self.cut:
            return None
        self.cut.add(self.active)
        return self.active

    def finished(self, response_id: str) -> bool:
        """Take note that a response ended; False if it was not one that was seen to begin."""
        self.cut.discard(response_id)
        if self.active not in (response_id, _SOME_RESPONSE):
            return False
        known = self.active == response_id
        self.active = None
        return known

    def refused(self, event_id: str, *, busy: bool) -> None:
        """Take note that the server refused a wish.

        Args:
            event_id: The id the request carried.
            busy: Whether the reason was that another response runs; the wish then waits for its end.
        """
        if self.asked is None or self.asked.event_id != event_id:
            return
        wish, self.asked = self.asked, None
        self._cancel_at_start = False
        if busy:
            self._wanted.appendleft(wish)
            self.active = self.active or _SOME_RESPONSE

    def forget(self) -> str | None:
        """Forget everything, the socket being gone; returns the response that ran."""
        active = self.active
        self.__init__()
        return None if active == _SOME_RESPONSE else active
