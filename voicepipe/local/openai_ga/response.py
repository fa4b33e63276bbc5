"""One response on its way out: its events in the wire's order (protocol page, sections 10.4, 11.2 to 11.6)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import orjson

from voicepipe.local.openai_ga.conversation import Item
from voicepipe.local.openai_ga.events import Event, Events, Ids
from voicepipe.local.openai_ga.formats import BYTES_PER_MS, encoded
from voicepipe.local.openai_ga.usage import output_tokens, response_usage

Status: TypeAlias = Literal["completed", "cancelled", "failed", "incomplete"]

_LETTERS_A_DELTA: Final = 12
_WORD: Final = re.compile(r"\s*\S+")


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of an answer, and when in its sound it is spoken."""

    text: str
    begins_ms: float
    ends_ms: float


class Response:
    """A response that runs.

    What is to be said is handed over with `say` and goes out with `advance`, a delta at a time, so that whoever drives it
    can keep a pace and can stop between any two.

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
        self._kind: str = effective["audio"]["output"]["format"]["type"]
        self._message: Item | None = None
        self._previous_id: str | None = None
        self._words: list[_Word] = []
        self._sound = b""

    @property
    def speaks(self) -> bool:
        """Whether it answers in sound; else in text."""
        return self.effective["output_modalities"] == ["audio"]

    @property
    def has_more(self) -> bool:
        """Whether something handed over has not gone out yet."""
        return bool(self._words or self._sound) and not self.is_over

    @property
    def is_full(self) -> bool:
        """Whether it has as many tokens as it may have."""
        most: int | Literal["inf"] = self.effective["max_output_tokens"]
        return most != "inf" and output_tokens(self.items) >= most

    @property
    def sound_ms(self) -> float:
        """How much sound of it went out."""
        return sum(item.sound_ms for item in self.items)

    def begin(self) -> list[Event]:
        """Return the event that it began."""
        return [self._events.make("response.created", response=self._wire("in_progress"))]

    def say(self, text: str, pcm: bytes = b"") -> None:
        """Take words to say next.

        Args:
            text: The words.
            pcm: Their sound, s16le mono at 24 kHz; nothing where text is asked for.
        """
        sound = encoded(pcm, self._kind) if self.speaks else b""
        said = self._message.text if self._message else ""
        words: list[str] = _WORD.findall(f" {text}" if said or self._words else text)
        begins_ms = (self._message.sound_ms if self._message else 0.0) + self._waiting_ms
        # As if every character took the same time.
        letter_ms = len(sound) / BYTES_PER_MS[self._kind] / max(1, sum(map(len, words)))
        for word in words:
            ends_ms = begins_ms + len(word) * letter_ms
            self._words.append(_Word(word, begins_ms, ends_ms))
            begins_ms = ends_ms
        self._sound += sound

    def advance(self, delta_ms: int, previous_id: str | None) -> list[Event]:
        """Return the events of the next delta: the words that begin in it, ahead of its sound.

        Args:
            delta_ms: How much sound a delta holds.
            previous_id: The item before the message, should the message begin with this.
        """
        events = self._open_message(previous_id)
        item = self._message
        assert item is not None
        size = delta_ms * BYTES_PER_MS[self._kind]
        piece, self._sound = self._sound[:size], self._sound[size:]
        item.sound += b"" if item.cut else piece
        # Without sound there is nothing to keep time with, so a word goes out at a time.
        count = sum(word.begins_ms < item.sound_ms for word in self._words) if self._sound or piece else 1
        spoken, self._words = self._words[:count], self._words[count:]
        events += [self._delta(self._text_delta, word.text) for word in spoken]
        if not item.cut:
            item.text += "".join(word.text for word in spoken)
            item.words += [(word.ends_ms, word.text) for word in spoken]
        if piece:
            events.append(self._delta("response.output_audio.delta", b64encode(piece).decode()))
        return events

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
        for start in range(0, len(text), _LETTERS_A_DELTA):
            delta = text[start : start + _LETTERS_A_DELTA]
            events.append(self._events.make("response.function_call_arguments.delta", **ids, delta=delta))
        done = self._events.make("response.function_call_arguments.done", **ids, name=name, arguments=text)
        wire["arguments"] = text
        return [*events, done, *self._end_item(item, "completed")]

    def close_message(self, status: Literal["completed", "incomplete"]) -> list[Event]:
        """Return the events that end the message that is open, if one is."""
        item, self._message = self._message, None
        self._words, self._sound = [], b""
        if item is None:
            return []
        ids = {**self._ids_of(item), "content_index": 0}
        if self.speaks:
            events = [
                self._events.make("response.output_audio.done", **ids),
                self._events.make("response.output_audio_transcript.done", **ids, transcript=item.text),
            ]
            part = {"type": "audio", "transcript": item.text}
            content = {"type": "output_audio", "transcript": item.text}
        else:
            events = [self._events.make("response.output_text.done", **ids, text=item.text)]
            part = {"type": "text", "text": item.text}
            content = {"type": "output_text", "text": item.text}
        if item.cut:
            content.pop("transcript", None)
        item.cut = item.cut or status == "incomplete"
        item.wire["content"] = [content]
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

    @property
    def _waiting_ms(self) -> float:
        return len(self._sound) / BYTES_PER_MS[self._kind]

    @property
    def _text_delta(self) -> str:
        return "response.output_audio_transcript.delta" if self.speaks else "response.output_text.delta"

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
        self._message = item = Item(wire, kind=self._kind)
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
        wire, index = item.shown(), self.items.index(item)
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
        voice: Any = output["voice"]
        return {
            "id": self.id,
            "object": "realtime.response",
            "status": status,
            "status_details": None,
            "output": [item.shown() for item in self.items],
            "conversation_id": self.conversation_id,
            "output_modalities": self.effective["output_modalities"],
            "max_output_tokens": self.effective["max_output_tokens"],
            "audio": {
                "output": {
                    "format": output["format"],
                    "voice": voice["id"] if isinstance(voice, Mapping) else voice,
                }
            },
            "usage": None,
            "metadata": self._metadata,
        }
