"""Connections of a call's services as they come and go: which was lost, which came after it. Found by their frames.

Whoever observes a pipeline is not told which services are in it, but each of them sends frames from its start on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from pipecat.processors.frame_processor import FrameProcessor

from voicepipe.realtime.link import WireWay
from voicepipe.realtime.service import RealtimeService

Fate: TypeAlias = Literal["lost", "resumed", "renewed"]
"""`lost`: the server or the network ended a connection; `resumed`: another one took its place; `renewed`: a good one was
replaced because its session came to its end."""

_RENEWED = "1000 renewed"


@dataclass(frozen=True, slots=True)
class LinkFate:
    """What became of a service's connection.

    Parameters:
        service: The service's name.
        fate: What.
        detail: Of a lost one, the close code, a blank and the reason.
    """

    service: str
    fate: Fate
    detail: str = ""


class LinkWatch:
    """Taps the links of services.

    Args:
        tell: Called with each change; returns at once.
    """

    def __init__(self, tell: Callable[[LinkFate], None]) -> None:
        self._tell = tell
        self._seen: set[int] = set()
        self._closed: dict[str, str] = {}

    def saw(self, source: FrameProcessor) -> bool:
        """Take a processor that sent a frame; a service is tapped the first time. Returns whether it is."""
        if id(source) in self._seen:
            return False
        self._seen.add(id(source))
        if isinstance(source, RealtimeService):
            source.wire_link.taps.append(partial(self._tapped, source.name))
        return True

    def _tapped(self, service: str, way: WireWay, message: bytes) -> None:
        if way == "closed":
            self._closed[service] = detail = message.decode(errors="replace")
            if detail != _RENEWED:
                self._tell(LinkFate(service, "lost", detail))
        elif way == "opened" and service in self._closed:
            was_renewed = self._closed.pop(service) == _RENEWED
            self._tell(LinkFate(service, "renewed" if was_renewed else "resumed"))
