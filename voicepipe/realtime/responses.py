"""At most one response at a time: which one runs, which are wanted, and which were cut."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SOME_RESPONSE = "?"
"""A response that stands in the way though nobody saw it begin; whichever ends next, that is the time to ask again."""

_REMEMBERED_ENDS = 32
"""Events of a response may be told twice, or late; no further back than this."""


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
        self.granted: Wish | None = None
        """The wish that the response which runs fulfils; None if it is the server's own."""
        self.asked: Wish | None = None
        """The wish that was sent and has not begun."""
        self.cut: set[str] = set()
        """Responses that were interrupted and have not ended: what still arrives of them is not for anybody (P-18)."""
        self._wanted: deque[Wish] = deque()
        self._ended: deque[str] = deque(maxlen=_REMEMBERED_ENDS)
        self._cancel_at_start = False
        self._server_turn = False

    @property
    def is_busy(self) -> bool:
        """Whether a response runs or is about to."""
        return self.active is not None or self.asked is not None

    def want(self, wish: Wish) -> None:
        """Take a wish; `next` says when its time has come."""
        if wish.fields or not any(not waiting.fields for waiting in self._wanted):
            self._wanted.append(wish)

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
        if self.active is not None:
            self.cut.discard(self.active)
            self._ended.append(self.active)
        ours, self.asked = self.asked, None
        self.active, self.granted = response_id, ours
        self._server_turn = False
        if ours is None and covers_wishes:
            self._wanted = deque(wish for wish in self._wanted if wish.fields)
        cancel, self._cancel_at_start = self._cancel_at_start and ours is not None, False
        if cancel:
            self.cut.add(response_id)
        return cancel

    def is_known(self, response_id: str) -> bool:
        """Whether this response has begun before, and runs or has ended."""
        return response_id == self.active or response_id in self._ended

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
        self._ended.append(response_id)
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

    @property
    def running(self) -> str | None:
        """The response that was seen to begin and has not ended, whether or not it was interrupted."""
        return None if self.active == _SOME_RESPONSE else self.active

    @property
    def is_wanted(self) -> bool:
        """Whether a wish waits."""
        return bool(self._wanted)

    def lost(self) -> None:
        """Take note that the connection is gone, and every response with it.

        Wishes stay, also the one that was sent: it is not known whether the server saw it, and the next one has not.
        """
        if self.asked is not None and not self._cancel_at_start:
            self._wanted.appendleft(self.asked)
        self.active = self.asked = None
        self.cut.clear()
        self._cancel_at_start = self._server_turn = False

    def forget(self) -> None:
        """Forget all wishes."""
        self._wanted.clear()
