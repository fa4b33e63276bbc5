"""One response on its way out: its events in the wire's order (protocol page, sections 10.4, 11.2 to 11.6)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import orjson

from voicepipe.audio.g711 import alaw_encode, ulaw_encode
from voicepipe.audio.resampler import StreamResampler
from voicepipe.local.openai_ga.conversation import Item
from voicepipe.local.openai_ga.events import Event, Events, Ids
from voicepipe.local.openai_ga.usage import response_usage

Status = Literal["completed", "cancelled", "failed", "incomplete"]

_ARGUMENTS_A_DELTA = 12
_WORD = re.compile(r"\s*\S+")


class Response:
    """A response that runs. Its items join the conversation as they begin, unless it is out of band.

    Args:
        ids: Of the session.
        events: Of the session.
        effective: The session's settings with the response's own laid over them, in the wire's shape.
        conversation_id: The conversation it writes to; None if it is out of band.
        metadata: The client's own.
    """

    def __init__(
        self,
        ids: Ids,
        events: Events,
        effective: Mapping[str, Any],
        conversation_id: str | None,
        metadata: Mapping[str, str] | None,
    ) -> None:
        self.id = ids.new("resp")
        self.effective = effective
        self.conversation_id = conversation_id
        self.items: list[Item] = []
        self.is_over = False
        self._ids = ids
        self._events = events
        self._metadata = metadata
        self._message: Item | None = None
        self._previous_id: str | None = None
        self._encode = _Encoder(effective["audio"]["output"]["format"])

    @property
    def speaks(self) -> bool:
        """Whether it answers in sound."""
        return self.effective["output_modalities"] == ["audio"]

    @property
    def has_sound(self) -> bool:
        """Whether sound of it went out."""
        return any(item.sound_ms for item in self.items)

    def begin(self) -> list[Event]:
        """Return the event that it began."""
        return [self._events.make("response.created", response=self._wire("in_progress"))]

    def say(self, text: str, pcm: bytes, delta_ms: int, previous_id: str | None) -> Iterator[list[Event]]:
        """Speak words; yields the events of one piece of sound after the other, words ahead of their sound.

        Args:
            text: The words.
            pcm: Their sound, s16le mono at 24 kHz.
            delta_ms: How much sound a delta holds.
            previous_id: The item before the message, if the message begins with this.
        """
        opening = self._open_message(previous_id)
        item = self._message
        assert item is not None
        waiting = _timed_words(text, item.text, len(pcm) / 48, item.sound_ms)
        item.words += [(ends_ms, word) for _, ends_ms, word in waiting]
        size = 48 * delta_ms
        for start in range(0, len(pcm), size):
            piece = pcm[start : start + size]
            item.sound_ms += len(piece) / 48
            spoken = [word for begins_ms, _, word in waiting if begins_ms < item.sound_ms]
            del waiting[: len(spoken)]
            events = opening + [
                self._delta("response.output_audio_transcript.delta", word) for word in spoken
            ]
            item.text += "".join(spoken)
            sound = b64encode(self._encode(piece)).decode()
            opening = []
            yield [*events, self._delta("response.output_audio.delta", sound)]

    def write(self, text: str, previous_id: str | None) -> list[Event]:
        """Answer in text."""
        events = self._open_message(previous_id)
        assert self._message is not None
        words: list[str] = _WORD.findall(f" {text}" if self._message.text else text)
        self._message.text += "".join(words)
        return events + [self._delta("response.output_text.delta", word) for word in words]

    def call(self, name: str, arguments: Mapping[str, Any], previous_id: str | None) -> list[Event]:
        """Call a function; a message that was open is closed first."""
        events = self.close_message("completed")
        text = orjson.dumps(dict(arguments)).decode()
        wire = {
            "id": self._ids.new("item"),
            "object": "realtime.item",
            "type": "function_call",
            "status": "in_progress",
            "name": name,
            "call_id": self._ids.new("call"),
            "arguments": "",
        }
        item = Item(wire)
        events += self._begin_item(item, previous_id)
        ids = {**self._ids_of(item), "call_id": wire["call_id"]}
        for start in range(0, len(text), _ARGUMENTS_A_DELTA):
            delta = text[start : start + _ARGUMENTS_A_DELTA]
            events.append(self._events.make("response.function_call_arguments.delta", **ids, delta=delta))
        done = self._events.make("response.function_call_arguments.done", **ids, name=name, arguments=text)
        wire["arguments"] = text
        return [*events, done, *self._end_item(item, "completed")]

    def close_message(self, status: Literal["completed", "incomplete"]) -> list[Event]:
        """Return the events that end the message that is open, if one is."""
        item, self._message = self._message, None
        if item is None:
            return []
        ids = {**self._ids_of(item), "content_index": 0}
        if self.speaks:
            tail = b64encode(self._encode.flush()).decode()
            events = [
                *([self._events.make("response.output_audio.delta", **ids, delta=tail)] if tail else []),
                self._events.make("response.output_audio.done", **ids),
                self._events.make("response.output_audio_transcript.done", **ids, transcript=item.text),
            ]
            part = {"type": "audio", "transcript": item.text}
            content = {"type": "output_audio", "transcript": item.text}
        else:
            events = [self._events.make("response.output_text.done", **ids, text=item.text)]
            part = {"type": "text", "text": item.text}
            content = {"type": "output_text", "text": item.text}
        item.wire["content"] = [content]
        item.cut = status == "incomplete"
        events.append(self._events.make("response.content_part.done", **ids, part=part))
        return events + self._end_item(item, status)

    def end(self, status: Status, taken: Sequence[Item], cached_tokens: int, **details: Any) -> list[Event]:
        """Return the events that end it: what is open is closed, then `response.done`.

        Args:
            status: How it ended.
            taken: The items it was made from, for its usage.
            cached_tokens: How many of its input tokens were cached.
            details: For `status_details`: `reason`, `error`.
        """
        self.is_over = True
        events = self.close_message("completed" if status == "completed" else "incomplete")
        wire = self._wire(status)
        wire["usage"] = response_usage(self.effective, taken, self.items, cached_tokens)
        if status != "completed":
            wire["status_details"] = {"type": status, **details}
        return [*events, self._events.make("response.done", response=wire)]

    def _open_message(self, previous_id: str | None) -> list[Event]:
        if self._message is not None:
            return []
        wire: dict[str, Any] = {
            "id": self._ids.new("item"),
            "object": "realtime.item",
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        self._message = item = Item(wire)
        events = self._begin_item(item, previous_id)
        part = {"type": "audio", "transcript": ""} if self.speaks else {"type": "text", "text": ""}
        ids = {**self._ids_of(item), "content_index": 0}
        return [*events, self._events.make("response.content_part.added", **ids, part=part)]

    def _begin_item(self, item: Item, previous_id: str | None) -> list[Event]:
        self.items.append(item)
        self._previous_id = previous_id
        return self._told_twice("response.output_item.added", "conversation.item.added", item)

    def _end_item(self, item: Item, status: str) -> list[Event]:
        item.wire["status"] = status
        return self._told_twice("response.output_item.done", "conversation.item.done", item)[::-1]

    def _told_twice(self, of_response: str, of_conversation: str, item: Item) -> list[Event]:
        wire, index = _copy(item.wire), self.items.index(item)
        events = [self._events.make(of_response, response_id=self.id, output_index=index, item=wire)]
        if self.conversation_id is not None:
            previous = self._previous_id
            events.append(self._events.make(of_conversation, item=wire, previous_item_id=previous))
        return events

    def _delta(self, type_: str, delta: str) -> Event:
        assert self._message is not None
        return self._events.make(type_, **self._ids_of(self._message), content_index=0, delta=delta)

    def _ids_of(self, item: Item) -> dict[str, Any]:
        return {"response_id": self.id, "item_id": item.id, "output_index": self.items.index(item)}

    def _wire(self, status: str) -> dict[str, Any]:
        output = self.effective["audio"]["output"]
        return {
            "id": self.id,
            "object": "realtime.response",
            "status": status,
            "status_details": None,
            "output": [_copy(item.wire) for item in self.items],
            "conversation_id": self.conversation_id,
            "output_modalities": self.effective["output_modalities"],
            "max_output_tokens": self.effective["max_output_tokens"],
            "audio": {"output": {"format": output["format"], "voice": output["voice"]}},
            "usage": None,
            "metadata": self._metadata,
        }


class _Encoder:
    """From s16le at 24 kHz to the session's output format."""

    def __init__(self, format_: Mapping[str, Any]) -> None:
        codes = {"audio/pcmu": ulaw_encode, "audio/pcma": alaw_encode}
        self._code = codes.get(format_["type"])
        self._resampler = StreamResampler(24000, 8000) if self._code else None

    def __call__(self, pcm: bytes) -> bytes:
        if self._code is None or self._resampler is None:
            return pcm
        return self._code(self._resampler.process(pcm))

    def flush(self) -> bytes:
        """Return what the resampler holds back."""
        return self._code(self._resampler.flush()) if self._code and self._resampler else b""


def _timed_words(text: str, before: str, lasts_ms: float, from_ms: float) -> list[tuple[float, float, str]]:
    """Return when each word begins, when it ends, and the word, as if every character took the same time."""
    words: list[str] = _WORD.findall(f" {text}" if before else text)
    ms_a_letter = lasts_ms / (sum(len(word) for word in words) or 1)
    timed: list[tuple[float, float, str]] = []
    at_ms = from_ms
    for word in words:
        timed.append((at_ms, at_ms + len(word) * ms_a_letter, word))
        at_ms = timed[-1][1]
    return timed


def _copy(wire: Mapping[str, Any]) -> dict[str, Any]:
    content: list[dict[str, Any]] | None = wire.get("content")
    return {**wire, "content": [dict(part) for part in content]} if content is not None else dict(wire)
