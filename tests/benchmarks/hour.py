"""The memory of a session of an hour: turns of ten seconds, each answered with four seconds of sound and words.

The session is given what the server would say, without a socket, so that the hour takes seconds. What is held is counted
after the fifth minute, when all that is bounded has filled, and after the sixtieth; history, which is text, may grow.
"""

from __future__ import annotations

import gc
import tracemalloc
from base64 import b64encode
from collections.abc import Iterator
from itertools import count
from typing import Any

import orjson
from rich.console import Console

from voicepipe.services.openai.realtime.session import OpenAIRealtimeSession

_TURN_SECS = 10
_MINUTES = 60
_APPEND = bytes(960)
_DELTA = b64encode(bytes(4800)).decode()
_WORDS = "Of course, let me have a look at that for you."


def main() -> None:
    tracemalloc.start()
    session, events = OpenAIRealtimeSession(), _events()
    held: list[float] = []
    for kind in ("session.created", "session.updated"):
        session.receive(orjson.dumps({"type": kind, "session": {"id": "sess_1"}}))
    for minute in range(1, _MINUTES + 1):
        for _ in range(60 // _TURN_SECS):
            for _ in range(_TURN_SECS * 50):
                session.append_audio(_APPEND)
            for message in next(events):
                session.receive(message)
        if minute in (5, _MINUTES):
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0] / 1024)
    turns = _MINUTES * 60 // _TURN_SECS
    Console(width=110).print(
        f"Held after 5 minutes: {held[0]:.0f} kB; after {_MINUTES}: {held[1]:.0f} kB, with the words of {turns} turns "
        f"each way: {(held[1] - held[0]) / (turns * 11 / 12):.2f} kB a turn"
    )


def _events() -> Iterator[list[bytes]]:
    """Yield what the server says in each turn."""
    numbers = count(1)

    def event(type_: str, **fields: Any) -> bytes:
        return orjson.dumps({"type": type_, "event_id": f"event_{next(numbers)}", **fields})

    for turn in count(1):
        user, bot, response = f"user_{turn}", f"bot_{turn}", f"resp_{turn}"
        ids = {"response_id": response, "item_id": bot, "output_index": 0, "content_index": 0}
        item = {"id": bot, "type": "message", "role": "assistant", "content": []}
        yield [
            event("input_audio_buffer.speech_started", item_id=user, audio_start_ms=0),
            event("input_audio_buffer.speech_stopped", item_id=user, audio_end_ms=0),
            event("input_audio_buffer.committed", item_id=user, previous_item_id=None),
            event("conversation.item.added", previous_item_id=None, item={"id": user, "role": "user"}),
            event("response.created", response={"id": response, "conversation_id": "conv_1"}),
            event("response.output_item.added", response_id=response, output_index=0, item=item),
            event("conversation.item.added", previous_item_id=user, item=item),
            *(event("response.output_audio.delta", **ids, delta=_DELTA) for _ in range(40)),
            *(
                event("response.output_audio_transcript.delta", **ids, delta=word + " ")
                for word in _WORDS.split()
            ),
            event("response.output_audio.done", **ids),
            event("conversation.item.input_audio_transcription.completed", item_id=user, transcript=_WORDS),
            event("response.output_item.done", response_id=response, output_index=0, item=item),
            event("conversation.item.done", previous_item_id=user, item=item),
            event("response.done", response={"id": response, "status": "completed", "output": []}),
        ]


if __name__ == "__main__":
    main()
