"""From events of a call to the entries of its recording: masked, with sound put aside into its own file."""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, cast

import orjson

from voicepipe.telemetry.recording.layout import Entry
from voicepipe.telemetry.recording.masking import MASK, Matcher
from voicepipe.telemetry.recording.silencing import BotSilencer, CallerSilencer, Silenced
from voicepipe.telemetry.recording.streams import Streams
from voicepipe.telemetry.recording.writer import Event, Fact, Moment, RecordingFiles, SoundEvent, WireEvent

_SHORTEST_SOUND: Final = 128
"""Shorter texts are ids and words; 10 ms of G.711 are 108 characters of base64, but nobody sends so little at once."""
_GROWS_SECS: Final = 10.0
"""A text to which nothing was added for so long is whole, whether anybody said so or not."""
_MOST_INTERIMS: Final = 200


class CallScribe:
    """Writes one call down; everything that reaches its files is masked.

    Args:
        files: Where to.
        matcher: Finds what is to be masked.
    """

    def __init__(self, files: RecordingFiles, matcher: Matcher) -> None:
        self._files = files
        self._matcher = matcher
        self._streams = Streams(matcher, files.write)
        self._caller = CallerSilencer(files.sound)
        self._bot = BotSilencer(files.sound)
        self._links: dict[int, int] = {}
        self._interims: list[Entry] = []
        self._is_private = False
        self._grew_ms = 0.0

    def take(self, event: Event) -> None:
        """Write an event down."""
        if event.moment.t - self._grew_ms > 1000 * _GROWS_SECS:
            self._streams.end_all()
            self._grew_ms = event.moment.t
        if isinstance(event, WireEvent):
            self._wire(event)
        elif isinstance(event, SoundEvent):
            self._sound(event)
        else:
            self._fact(event)

    def close(self) -> None:
        """Write what was held back."""
        self._streams.end_all()
        self._write_interims(said=False)

    # The wire.

    def _wire(self, event: WireEvent) -> None:
        if event.way == "opened":
            self._links[event.service] = self._links.get(event.service, 0) + 1
        entry = _entry(
            event.moment, "wire", way=event.way, service=event.service, link=self._links.get(event.service, 0)
        )
        if event.way in ("opened", "closed"):
            self._files.write({**entry, "text": self._matcher.text(event.message.decode())})
            return
        try:
            message = orjson.loads(event.message)
        except orjson.JSONDecodeError:
            text = event.message.decode(errors="replace")
            self._files.write({**entry, "text": self._matcher.text(text)})
            return
        message = self._without_sound(message, event)
        if self._is_private and event.way == "received":
            message = _hidden(message)
        piece = _piece_of(message)
        if piece is None:
            entry["message"] = self._matcher.value(message)
            self._files.write(entry)
            return
        text, put = piece
        entry["message"] = message
        key = _text_key(message)
        if self._grow(f"{event.service}:{key}", text, entry, put) and "input" not in key:
            self._silence_bot(event.moment)

    def _without_sound(self, value: Any, event: WireEvent) -> Any:
        """Return a message with its sound replaced by where it is; what was sent is in the caller's own sound."""
        if isinstance(value, str):
            if len(value) < _SHORTEST_SOUND or (sound := _decoded(value)) is None:
                return value
            if event.way == "sent":
                return {"$bytes": len(sound)}
            return {"$sound": self._bot.said(sound, event.moment.t)}
        if isinstance(value, dict):
            items = cast("dict[str, Any]", value).items()
            return {name: self._without_sound(one, event) for name, one in items}
        if isinstance(value, list):
            return [self._without_sound(one, event) for one in cast("list[Any]", value)]
        return value

    def _grow(self, key: str, text: str, entry: Entry, put: Callable[[str], None]) -> bool:
        self._grew_ms = entry["t"]
        return self._streams.add(key, text, entry, put)

    # Sound.

    def _sound(self, event: SoundEvent) -> None:
        take = self._caller.heard if event.who == "caller" else self._bot.said
        span = take(event.pcm, event.moment.t)
        entry = _entry(event.moment, "sound", who=event.who, rate=event.sample_rate, sound=span)
        if event.context_id:
            entry["context"] = event.context_id
        self._files.write(entry)

    def _silence_caller(self, moment: Moment, silenced: Silenced) -> None:
        span = {"from": round(silenced.start_ms, 1), "to": round(silenced.end_ms, 1)}
        self._files.write(_entry(moment, "silenced", who="caller", **span))

    def _silence_bot(self, moment: Moment) -> None:
        if self._bot.silence_answer():
            self._files.write(_entry(moment, "silenced", who="bot"))

    # Frames and the rest.

    def _fact(self, event: Fact) -> None:
        fields: dict[str, Any] = orjson.loads(event.fields)
        entry = _entry(event.moment, event.kind)
        if event.kind == "frame":
            self._frame(event.moment, {**entry, **fields})
            return
        if event.kind == "note" and "private" in fields:
            self._is_private = bool(fields["private"])
            self._caller.private(self._is_private)
        if event.kind == "tool" and self._matcher.is_said_in(str(fields.get("arguments"))):
            # The model heard it, whatever was written down of the words.
            self._caller.doubt_last()
            self._silence_caller(event.moment, self._caller.silence_words(event.moment.t))
        hides = self._is_private and event.kind in ("turn", "tool")
        self._files.write({**entry, **(_hidden(fields) if hides else self._matcher.value(fields))})

    def _frame(self, moment: Moment, entry: Entry) -> None:
        fields: dict[str, Any] = entry["fields"]
        if self._is_private:
            fields = entry["fields"] = _hidden(fields)
        name = entry["frame"]
        if name in ("LLMTextFrame", "TTSTextFrame"):

            def put(text: str) -> None:
                fields["text"] = text

            if self._grow(f"frame:{name}", str(fields["text"]), entry, put):
                self._silence_bot(moment)
            return
        if name == "InterimTranscriptionFrame":
            self._interims.append(entry)
            if len(self._interims) > _MOST_INTERIMS:
                self._interims[0]["fields"]["text"] = MASK
                self._files.write(self._interims.pop(0))
            return
        self._follow(name, moment, fields)
        entry["fields"] = self._matcher.value(fields)
        self._files.write(entry)

    def _follow(self, name: str, moment: Moment, fields: dict[str, Any]) -> None:
        """Keep track of who speaks."""
        if name in ("UserStartedSpeakingFrame", "ProposedUserStartedSpeakingFrame"):
            self._caller.speech_started(moment.t)
        elif name in ("UserStoppedSpeakingFrame", "ProposedUserStoppedSpeakingFrame"):
            self._caller.speech_stopped(moment.t)
        elif name == "TranscriptionFrame":
            said = self._matcher.is_said_in(str(fields["text"]))
            self._write_interims(said=said)
            if said:
                self._silence_caller(moment, self._caller.silence_words(moment.t))
            else:
                self._caller.words_known()
        elif name == "LLMFullResponseStartFrame":
            self._streams.end_all("frame:")
            self._bot.answer_started(moment.t)
        elif name == "LLMFullResponseEndFrame":
            self._streams.end("frame:LLMTextFrame")
        elif name == "InputDTMFFrame" and self._matcher.masks_keys:
            fields["button"] = MASK
            self._silence_caller(moment, self._caller.silence_key(moment.t))

    def _write_interims(self, *, said: bool) -> None:
        for entry in self._interims:
            text = entry["fields"]["text"]
            entry["fields"]["text"] = MASK if said else self._matcher.text(text)
            self._files.write(entry)
        self._interims.clear()


def _entry(moment: Moment, kind: str, **fields: Any) -> Entry:
    return {"n": moment.n, "t": moment.t, "w": moment.w, "k": kind, **fields}


def _decoded(text: str) -> bytes | None:
    try:
        return a2b_base64(text, strict_mode=True)
    except (Base64Error, ValueError):
        return None


def _piece_of(message: Any) -> tuple[str, Callable[[str], None]] | None:
    """Return the piece of a growing text that a message brings, and what puts another one in its place."""
    if not isinstance(message, dict):
        return None
    event = cast("dict[str, Any]", message)
    if isinstance(event.get("delta"), str):
        return event["delta"], lambda text: event.update(delta=text)
    for inner in event.values():
        if (
            isinstance(inner, dict)
            and "text" in inner
            and cast("dict[str, Any]", inner).get("type") == "delta"
        ):
            part = cast("dict[str, Any]", inner)
            return str(part["text"]), partial(_put_text, part)
    return None


def _put_text(part: dict[str, Any], text: str) -> None:
    part["text"] = text


def _text_key(message: Mapping[str, Any]) -> str:
    return ":".join(str(message.get(name, "")) for name in ("type", "response_id", "item_id"))


_KEPT_WHEN_HIDDEN: Final = ("type", "id", "status", "role", "name", "reason", "code", "object")


def _hidden(value: Any, name: str = "") -> Any:
    """Return a JSON value of which only the shape, the ids and the numbers are left."""
    if isinstance(value, str):
        return value if name in _KEPT_WHEN_HIDDEN or name.endswith(("_id", "_ms")) else MASK
    if isinstance(value, dict):
        inner = cast("dict[str, Any]", value)
        if "$sound" in inner or "$bytes" in inner:
            return inner
        return {key: _hidden(one, key) for key, one in inner.items()}
    if isinstance(value, list):
        return [_hidden(one, name) for one in cast("list[Any]", value)]
    return value
