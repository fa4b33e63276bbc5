"""The session of an engine, and what it says first."""

from __future__ import annotations

from typing import Any

import orjson

from voicepipe.phone.engines.engine import Brief
from voicepipe.realtime.events import Send

BRIEF = Brief("", "", ())


def service_of(engine: Any, brief: Brief = BRIEF) -> Any:
    [service] = engine.bot(brief).mouth
    return service


def on_the_wire(engine: Any, brief: Brief = BRIEF) -> dict[str, Any]:
    """The first `session.update` of an engine's session."""
    session = service_of(engine, brief).session
    opening = [*session.open(), *session.receive(b'{"type": "session.created", "session": {"id": "s"}}')]
    messages = [orjson.loads(output.message) for output in opening if isinstance(output, Send)]
    [update] = [message for message in messages if message["type"] == "session.update"]
    return update["session"]
