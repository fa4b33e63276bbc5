"""The API's side: the GA wire, reduced to what bots need, with prepared answers that have marks in them.

It answers as soon as a session has its settings, with sound of two seconds each, at its own speed; every other answer is
interrupted. What was heard and said when is printed as JSON once standard input ends.
"""

from __future__ import annotations

import asyncio
import sys
import time
from base64 import b64decode, b64encode
from itertools import count
from typing import Any

import orjson

from tests.benchmarks.peers.light_socket import Socket
from tests.benchmarks.peers.marks import NUMBERS, Finder, mark
from voicepipe.audio.g711 import ulaw_decode, ulaw_encode

DELTA_MS = 100
_DELTAS = 20
_BARGE_IN_AFTER = 14
_PAUSE_MS = 500
_CANCELLED_AFTER_MS = 30


def now_ms() -> float:
    """Return the time on the machine's monotonic clock, in milliseconds."""
    return time.perf_counter() * 1000


def _prepared(sample_rate: int) -> list[bytes]:
    """Return deltas in base64, one for each mark; the last one is silent."""
    sounds = [mark(number, sample_rate, DELTA_MS)[0].tobytes() for number in range(NUMBERS)]
    sounds.append(bytes(sample_rate * DELTA_MS // 1000 * 2))
    return [b64encode(ulaw_encode(sound) if sample_rate == 8000 else sound) for sound in sounds]


_DELTAS_AT = {24000: _prepared(24000), 8000: _prepared(8000)}
_OFFSET_MS = [mark(number, 24000, DELTA_MS)[1] for number in range(NUMBERS)]


class Conversation:
    """One connection of a bot's."""

    def __init__(self, number: int) -> None:
        self.heard: list[tuple[int, float, float]] = []
        """Marks of the caller's: number, when the message came, how much sound followed in it."""
        self.said: list[tuple[int, float]] = []
        """Marks of ours: number, when it would be heard if nothing were between us and the listener."""
        self.barge_ins: list[float] = []
        self.late_ms: list[float] = []
        self.appends = 0
        self._number = number
        self._events = count(1)
        self._items = count(1)
        self._marks = count(0)
        self._session: dict[str, Any] = {"id": f"sess_{number}", "object": "realtime.session"}
        self._rate_in = self._rate_out = 24000
        self._finder = Finder(24000)
        self._plays_until_ms = 0.0
        self._answering: asyncio.Task[None] | None = None

    def opened(self, socket: Socket) -> None:
        self._socket = socket
        self._say("session.created", session={**self._session, "type": "realtime", "model": "gpt-realtime"})

    def closed(self, _socket: Socket) -> None:
        if self._answering is not None:
            self._answering.cancel()

    def received(self, _socket: Socket, message: bytes) -> None:
        event = orjson.loads(message)
        if event["type"] == "input_audio_buffer.append":
            self.appends += 1
            sound = b64decode(event["audio"])
            pcm = ulaw_decode(sound) if self._rate_in == 8000 else sound
            self.heard += [
                (found.number, found.at_ms, found.rest_ms) for found in self._finder.take(pcm, now_ms())
            ]
        elif event["type"] == "session.update":
            self._settle(event["session"])
        elif event["type"] == "conversation.item.create":
            item = {"id": f"item_c{next(self._items)}_{self._number}", "status": "completed", **event["item"]}
            self._say("conversation.item.added", previous_item_id=None, item=item)
            self._say("conversation.item.done", previous_item_id=None, item=item)
        elif event["type"] == "conversation.item.truncate":
            fields = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
            self._say("conversation.item.truncated", **fields)

    def _settle(self, wanted: dict[str, Any]) -> None:
        self._session |= wanted
        audio = self._session.get("audio") or {}
        forms = [(audio.get(side) or {}).get("format") for side in ("input", "output")]
        if "output_audio_format" in self._session:
            forms = [self._session.get("input_audio_format"), self._session["output_audio_format"]]
        self._rate_in, self._rate_out = (
            8000 if "pcmu" in str(f) or "ulaw" in str(f) else 24000 for f in forms
        )
        self._finder = Finder(self._rate_in)
        self._say("session.updated", session=self._session)
        if self._answering is None:
            self._answering = asyncio.get_running_loop().create_task(self._answer())

    async def _answer(self) -> None:
        self._next_ms = now_ms()
        for number in count(1):
            await self._one_answer(f"resp_{self._number}_{number}", interrupted=number % 2 == 0)
            await self._wait(_PAUSE_MS)

    async def _one_answer(self, response_id: str, *, interrupted: bool) -> None:
        item_id = f"item_{response_id}"
        ids = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
        item = {"id": item_id, "object": "realtime.item", "type": "message", "role": "assistant"}
        response = {
            "id": response_id,
            "object": "realtime.response",
            "conversation_id": f"conv_{self._number}",
        }
        response |= {"status_details": None, "output_modalities": ["audio"], "metadata": None, "usage": None}
        begun = {**item, "status": "in_progress", "content": []}
        self._say("response.created", response={**response, "status": "in_progress", "output": []})
        self._say("response.output_item.added", response_id=response_id, output_index=0, item=begun)
        self._say("conversation.item.added", previous_item_id=None, item=begun)
        self._say("response.content_part.added", **ids, part={"type": "audio", "transcript": ""})
        for number in range(_BARGE_IN_AFTER if interrupted else _DELTAS):
            self._delta(response_id, item_id, with_mark=number % 2 == 0)
            await self._wait(DELTA_MS)
        if interrupted:
            await self._interrupt(response_id)
            response["status_details"] = {"type": "cancelled", "reason": "turn_detected"}
        else:
            self._say("response.output_audio.done", **ids)
            self._say("response.output_audio_transcript.done", **ids, transcript="")
            self._say("response.content_part.done", **ids, part={"type": "audio", "transcript": ""})
        status = "incomplete" if interrupted else "completed"
        done = {**item, "status": status, "content": [{"type": "output_audio", "transcript": ""}]}
        self._say("response.output_item.done", response_id=response_id, output_index=0, item=done)
        self._say("conversation.item.done", previous_item_id=None, item=done)
        ended = {**response, "status": "cancelled" if interrupted else "completed", "output": [done]}
        self._say("response.done", response=ended)
        if interrupted:
            await self._wait(_PAUSE_MS)
            self._stop_speaking(f"item_user_{response_id}")

    async def _interrupt(self, response_id: str) -> None:
        # In the middle of the delta that was sent last but one: there is sound to throw away.
        self._delta(response_id, f"item_{response_id}", with_mark=False)
        await self._wait(DELTA_MS / 2)
        self.barge_ins.append(now_ms())
        self._say("input_audio_buffer.speech_started", item_id=f"item_user_{response_id}", audio_start_ms=0)
        self._plays_until_ms = 0.0
        await self._wait(_CANCELLED_AFTER_MS)

    def _stop_speaking(self, item_id: str) -> None:
        self._say("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=0)
        self._say("input_audio_buffer.committed", item_id=item_id, previous_item_id=None)
        content = [{"type": "input_audio", "transcript": None}]
        item = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "role": "user",
            "content": content,
        }
        self._say("conversation.item.added", previous_item_id=None, item={**item, "status": "completed"})

    def _delta(self, response_id: str, item_id: str, *, with_mark: bool) -> None:
        number = next(self._marks) % NUMBERS if with_mark else NUMBERS
        now = now_ms()
        begins_ms = max(now, self._plays_until_ms)
        self._plays_until_ms = begins_ms + DELTA_MS
        if with_mark:
            self.said.append((number, begins_ms + _OFFSET_MS[number]))
        self._socket.send(
            b'{"type":"response.output_audio.delta","event_id":"event_%d_%d","response_id":"%s","item_id":"%s",'
            b'"output_index":0,"content_index":0,"delta":"%s"}'
            % (
                self._number,
                next(self._events),
                response_id.encode(),
                item_id.encode(),
                _DELTAS_AT[self._rate_out][number],
            )
        )

    async def _wait(self, ms: float) -> None:
        self._next_ms += ms
        await asyncio.sleep(max(0.0, self._next_ms - now_ms()) / 1000)
        self.late_ms.append(now_ms() - self._next_ms)

    def _say(self, type_: str, **fields: object) -> None:
        event_id = f"event_{self._number}_{next(self._events)}"
        self._socket.send(orjson.dumps({"type": type_, "event_id": event_id, **fields}))


async def _serve() -> None:
    conversations: list[Conversation] = []
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def accept() -> Socket:
        conversation = Conversation(len(conversations))
        conversations.append(conversation)
        return Socket(
            on_open=conversation.opened, on_message=conversation.received, on_close=conversation.closed
        )

    server = await loop.create_server(accept, "127.0.0.1", 0)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    loop.add_reader(sys.stdin.fileno(), over.set)
    await over.wait()
    server.close()
    told = [
        {
            "heard": c.heard,
            "said": c.said,
            "barge_ins": c.barge_ins,
            "late_ms": c.late_ms,
            "appends": c.appends,
        }
        for c in conversations
    ]
    sys.stdout.buffer.write(orjson.dumps(told) + b"\n")


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve())
