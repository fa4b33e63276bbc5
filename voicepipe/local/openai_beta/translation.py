"""The tables between the two wires, as a server needs them (protocol page of the beta wire, section 7).

They are deliberately not the ones of voicepipe's own client, so that one side's mistake shows on the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from voicepipe.local.openai_ga.events import Event

_FORMATS: Final[Mapping[str, dict[str, Any]]] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
_FORMAT_NAMES: Final = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}

_OF_INPUT: Final = {
    "input_audio_format": "format",
    "input_audio_transcription": "transcription",
    "input_audio_noise_reduction": "noise_reduction",
    "turn_detection": "turn_detection",
}
_OF_OUTPUT: Final = {"output_audio_format": "format", "voice": "voice", "speed": "speed"}

_EVENT_NAMES: Final[Mapping[str, str]] = {
    "conversation.item.added": "conversation.item.created",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}
_UNKNOWN_TO_THE_BETA: Final = frozenset({"conversation.item.done", "input_audio_buffer.timeout_triggered"})
_PARTS: Final = {"output_text": "text", "output_audio": "audio"}


# From the client.


def ga_event(event: Event) -> Event:
    """Return a client's event, whose shape is right, as the GA wire has it."""
    if event["type"] == "session.update":
        return {**event, "session": {"type": "realtime", **_ga_settings(event["session"])}}
    if event["type"] == "conversation.item.create":
        return {**event, "item": _ga_item(event["item"])}
    if event["type"] == "response.create" and event.get("response"):
        return {**event, "response": _ga_response(event["response"])}
    return event


def _ga_settings(settings: Event) -> Event:
    result: Event = {}
    sides: dict[str, Event] = {"input": {}, "output": {}}
    for name, value in settings.items():
        if name in _OF_INPUT or name in _OF_OUTPUT:
            side, names = ("input", _OF_INPUT) if name in _OF_INPUT else ("output", _OF_OUTPUT)
            sides[side][names[name]] = _nested(names[name], value)
        elif name == "modalities":
            result["output_modalities"] = ["audio"] if "audio" in value else ["text"]
        elif name == "max_response_output_tokens":
            result["max_output_tokens"] = value
        elif name != "temperature":
            result[name] = value
    audio = {side: fields for side, fields in sides.items() if fields}
    return {**result, "audio": audio} if audio else result


def _nested(field: str, value: Any) -> Any:
    if field == "format":
        return _FORMATS[value]
    return {"model": "whisper-1", **value} if field == "transcription" and value is not None else value


def _ga_response(response: Event) -> Event:
    result = _ga_settings(response)
    if result.get("input") is not None:
        result["input"] = [_ga_item(item) for item in result["input"]]
    return result


def _ga_item(item: Event) -> Event:
    if item.get("role") != "assistant":
        return item
    return {**item, "content": [{**part, "type": "output_text"} for part in item["content"]]}


# To the client.


def beta_events(event: Event, temperature: float) -> list[Event]:
    """Return what the beta wire has for a server's event of the GA wire: the same in other words, or nothing.

    Args:
        event: The event.
        temperature: Of the session, which the GA wire does not have.
    """
    type_ = event["type"]
    if type_ in _UNKNOWN_TO_THE_BETA:
        return []
    told = {**event, "type": _EVENT_NAMES.get(type_, type_)}
    if "session" in event:
        told["session"] = _beta_session(event["session"], temperature)
    if "item" in event:
        told["item"] = _beta_item(event["item"])
    if "response" in event:
        told["response"] = _beta_response(event["response"], temperature)
    if "error" in event:
        error: Event = event["error"]
        told["error"] = {**error, "param": _beta_param(error["param"])}
    if type_ == "response.function_call_arguments.done":
        # The older schema has no name here; the item has it.
        told.pop("name")
    return [told]


def _beta_session(session: Event, temperature: float) -> Event:
    sound_in, sound_out = session["audio"]["input"], session["audio"]["output"]
    kept = ("id", "object", "model", "expires_at", "instructions", "tools", "tool_choice")
    return {
        **{name: session[name] for name in kept},
        "modalities": ["audio", "text"] if session["output_modalities"] == ["audio"] else ["text"],
        **{name: _flat(sound_in, field) for name, field in _OF_INPUT.items()},
        **{name: _flat(sound_out, field) for name, field in _OF_OUTPUT.items()},
        "temperature": temperature,
        "max_response_output_tokens": session["max_output_tokens"],
        **{name: session[name] for name in ("tracing", "prompt", "include")},
    }


def _beta_response(response: Event, temperature: float) -> Event:
    told = {name: value for name, value in response.items() if name not in ("audio", "output_modalities")}
    sound = response["audio"]["output"]
    return {
        **told,
        "modalities": ["audio", "text"] if response["output_modalities"] == ["audio"] else ["text"],
        "output": [_beta_item(item) for item in response["output"]],
        "usage": _without_images(response["usage"]),
        "voice": sound["voice"],
        "output_audio_format": _FORMAT_NAMES[sound["format"]["type"]],
        "temperature": temperature,
    }


def _without_images(usage: Any) -> Any:
    if not isinstance(usage, dict):
        return usage
    counts = cast("dict[str, Any]", usage)
    return {name: _without_images(value) for name, value in counts.items() if name != "image_tokens"}


def _beta_item(item: Event) -> Event:
    if "content" not in item:
        return item
    content = [{**part, "type": _PARTS.get(part["type"], part["type"])} for part in item["content"]]
    return {**item, "content": content}


def _flat(side: Event, field: str) -> Any:
    value: Any = side[field]
    if value is None:
        return None
    if field == "transcription":
        return {"model": value["model"], "language": value.get("language"), "prompt": value.get("prompt", "")}
    if field == "noise_reduction":
        return {"type": value["type"]}
    return _FORMAT_NAMES[value["type"]] if field == "format" else value


def _beta_param(param: str | None) -> str | None:
    """Return what an error is about, in the words that the client used."""
    if param is None:
        return None
    for side, names in (("input", _OF_INPUT), ("output", _OF_OUTPUT)):
        for flat, field in names.items():
            param = param.replace(f".audio.{side}.{field}", f".{flat}")
    return param
