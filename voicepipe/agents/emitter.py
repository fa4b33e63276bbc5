"""Handlers of a session's events."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, get_args, overload

from loguru import logger

from voicepipe.agents.events import EventName
from voicepipe.errors import SettingsError

Handler: TypeAlias = Callable[..., Any]
EVENTS: Final[tuple[str, ...]] = get_args(EventName)


class Emitter:
    """Calls handlers, in the order in which they were registered; one that raises does not keep the others from it."""

    def __init__(self) -> None:
        self._handlers: Mapping[str, list[Handler]] = {name: [] for name in EVENTS}

    @overload
    def on(self, event: EventName, callback: Handler) -> Handler: ...

    @overload
    def on(self, event: EventName) -> Callable[[Handler], Handler]: ...

    def on(self, event: EventName, callback: Handler | None = None) -> Handler | Callable[[Handler], Handler]:
        """Register a handler, as a decorator or at once.

            @session.on("user_input_transcribed")
            def on_words(event): print(event.transcript)

        Args:
            event: The event's name.
            callback: Called with the event's payload. It must not be `async`: it is called while the conversation goes
                on, and returns at once.

        Raises:
            SettingsError: There is no such event, or the handler is `async`.
        """
        handlers = self._of(event)

        def register(handler: Handler) -> Handler:
            if inspect.iscoroutinefunction(handler):
                raise SettingsError(
                    "callback", f"a handler of {event!r} is not async; it may start a task that you keep"
                )
            handlers.append(handler)
            return handler

        return register if callback is None else register(callback)

    def once(self, event: EventName, callback: Handler) -> Handler:
        """Register a handler that is called once."""

        def call(payload: Any) -> None:
            self.off(event, call)
            callback(payload)

        return self.on(event, call)

    def off(self, event: EventName, callback: Handler) -> None:
        """Call a handler no more.

        Raises:
            SettingsError: There is no such event.
        """
        handlers = self._of(event)
        if callback in handlers:
            handlers.remove(callback)

    def emit(self, event: EventName, payload: Any) -> None:
        """Call an event's handlers."""
        for handler in list(self._of(event)):
            try:
                handler(payload)
            except Exception:  # noqa: BLE001 - what a handler does wrong must not end the conversation
                logger.exception(f"a handler of {event} failed")

    def _of(self, event: str) -> list[Handler]:
        if event not in self._handlers:
            raise SettingsError("event", f"there is no {event!r}; there are {', '.join(EVENTS)}")
        return self._handlers[event]
