"""The words of the beta wire for those of the GA wire, and back (protocol page of the beta wire, section 7).

Tables, and functions that follow them. A name that is in no table is the same on both wires.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from voicepipe.services.openai.realtime.results import mapping, mappings

_PATHS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "modalities": ("output_modalities",),
        "voice": ("audio", "output", "voice"),
        "speed": ("audio", "output", "speed"),
        "input_audio_format": ("audio", "input", "format"),
        "output_audio_format": ("audio", "output", "format"),
        "input_audio_transcription": ("audio", "input", "transcription"),
        "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
        "turn_detection": ("audio", "input", "turn_detection"),
        "max_response_output_tokens": ("max_output_tokens",),
    }
)
_FORMATS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "pcm16": {"type": "audio/pcm", "rate": 24000},
        "g711_ulaw": {"type": "audio/pcmu"},
        "g711_alaw": {"type": "audio/pcma"},
    }
)
_FORMAT_NAMES: Final = {fields["type"]: name for name, fields in _FORMATS.items()}
_PARTS: Final[Mapping[str, str]] = MappingProxyType({"text": "output_text", "audio": "output_audio"})
_OLD_PARTS: Final = {new: old for old, new in _PARTS.items()}


def settings_in_ga_words(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a session or of a response, given as the beta wire has them, in the shape of the GA wire."""
    result: dict[str, Any] = {}
    for name, value in settings.items():
        *parents, last = _PATHS.get(name, (name,))
        owner = result
        for parent in parents:
            owner = owner.setdefault(parent, {})
        owner[last] = _FORMATS.get(value, value) if last == "format" and isinstance(value, str) else value
    return result


def settings_in_beta_words(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings given in the shape of the GA wire as the beta wire has them."""
    result: dict[str, Any] = {}
    for name, value in settings.items():
        if name == "audio":
            result |= _sound_in_beta_words(mapping(value))
        elif name == "output_modalities":
            result["modalities"] = _modalities(value)
        elif name == "max_output_tokens":
            result["max_response_output_tokens"] = value
        elif name != "type":
            result[name] = value
    return result


def _sound_in_beta_words(audio: Mapping[str, Any]) -> dict[str, Any]:
    names = {path: name for name, path in _PATHS.items()}
    result: dict[str, Any] = {}
    for side, fields in audio.items():
        for field, value in mapping(fields).items():
            name = names.get(("audio", side, field), field)
            result[name] = format_name(mapping(value).get("type")) if field == "format" else value
    return result


def _modalities(value: Any) -> Any:
    # Alone it is refused: "Supported combinations are: ['text'] and ['audio', 'text']."
    return ["audio", "text"] if value != ["text"] else value


def format_name(type_: Any) -> str | None:
    """Return the beta's name of a format that the GA wire knows by a `type`."""
    return _FORMAT_NAMES.get(type_)


def format_type(name: Any) -> str:
    """Return the `type` of a format that the beta has a name for; "" if it is not known. Some servers say `pcm`."""
    return str(_FORMATS.get("pcm16" if name == "pcm" else str(name), {}).get("type", ""))


def field_in_ga_words(path: str) -> str:
    """Return a path of names with dots between them, e.g. `turn_detection.threshold`, as the GA wire has it."""
    name, dot, rest = path.removeprefix("session.").partition(".")
    return ".".join(_PATHS.get(name, (name,))) + dot + rest


def field_in_beta_words(path: str) -> str:
    """Return a path of GA names as the beta wire has it."""
    path = path.removeprefix("session.")
    for name, parts in _PATHS.items():
        ga = ".".join(parts)
        if path == ga or path.startswith(f"{ga}."):
            return name + path.removeprefix(ga)
    return path


def response_in_ga_words(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `response.create` in the GA wire's shape, the items of its `input` as well."""
    return _with_items(settings_in_ga_words(fields), _PARTS)


def response_in_beta_words(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `response.create` in the beta wire's shape, the items of its `input` as well."""
    return _with_items(settings_in_beta_words(fields), _OLD_PARTS)


def _with_items(fields: dict[str, Any], parts: Mapping[str, str]) -> dict[str, Any]:
    if isinstance(fields.get("input"), Iterable):
        fields["input"] = [item_with_parts(item, parts) for item in cast("list[Any]", fields["input"])]
    return fields


def item_in_beta_words(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item with the types that the beta's parts of content have."""
    return item_with_parts(item, _OLD_PARTS)


def item_with_parts(item: Mapping[str, Any], parts: Mapping[str, str]) -> dict[str, Any]:
    """Return an item whose parts of content have other types; only what the model says has them."""
    if item.get("role") != "assistant" or not isinstance(item.get("content"), list):
        return dict(item)
    content = [
        {**part, "type": parts.get(str(part.get("type")), part.get("type"))}
        for part in mappings(item["content"])
    ]
    return {**item, "content": content}
