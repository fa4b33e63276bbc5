"""The session's effective settings on the server's side, and what of an update is refused (protocol page, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, cast

from pydantic import ValidationError

from voicepipe.local.openai_ga.events import Refusal
from voicepipe.services.openai.realtime.events import SessionProperties

_DEFAULTS: Mapping[str, Any] = {
    "output_modalities": ["audio"],
    "instructions": "",
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "tracing": None,
    "truncation": "auto",
    "prompt": None,
    "include": None,
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": None,
            "noise_reduction": None,
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
                "idle_timeout_ms": None,
                "create_response": True,
                "interrupt_response": True,
            },
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
    },
}
_SEMANTIC_VAD = {"eagerness": "auto", "create_response": True, "interrupt_response": True}
_NOT_CHECKED = frozenset({"type", "model"})


class SessionSettings:
    """The effective settings of one session.

    Args:
        session_id: Its id.
        model: The model named when connecting.
        expires_at: When the session ends, in seconds since 1970.
    """

    def __init__(self, session_id: str, model: str, expires_at: int) -> None:
        self._fixed = {
            "type": "realtime",
            "object": "realtime.session",
            "id": session_id,
            "model": model,
            "expires_at": expires_at,
        }
        self._values: dict[str, Any] = deepcopy(dict(_DEFAULTS))

    def as_wire(self) -> dict[str, Any]:
        """Return all of it, as `session.created` and `session.updated` carry it."""
        return {**self._fixed, **deepcopy(self._values)}

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    @property
    def audio_input(self) -> dict[str, Any]:
        """`audio.input`."""
        return cast("dict[str, Any]", self._values["audio"]["input"])

    @property
    def audio_output(self) -> dict[str, Any]:
        """`audio.output`."""
        return cast("dict[str, Any]", self._values["audio"]["output"])

    @property
    def turn_detection(self) -> dict[str, Any] | None:
        """The turn detection, or None if turns are the client's."""
        return cast("dict[str, Any] | None", self.audio_input["turn_detection"])

    def update(self, session: Any, *, has_spoken: bool) -> None:
        """Make a change: all of it or nothing.

        Raises:
            Refusal: `session.type` is missing, a name is unknown, a value is not allowed, the model is another one, or the
                voice is to change after sound went out.
        """
        if not isinstance(session, Mapping):
            raise Refusal("missing_required_parameter", "Missing required parameter: 'session'.", "session")
        changes = cast("Mapping[str, Any]", session)
        if changes.get("type") != "realtime":
            raise Refusal(
                "missing_required_parameter", "Missing required parameter: 'session.type'.", "session.type"
            )
        if changes.get("model", self._fixed["model"]) != self._fixed["model"]:
            raise Refusal("invalid_value", "The model of a session cannot be changed.", "session.model")
        values = {name: value for name, value in changes.items() if name not in _NOT_CHECKED}
        _check(values)
        new = _merged(self._values, values)
        voice = new["audio"]["output"]["voice"]
        if has_spoken and voice != self.audio_output["voice"]:
            message = "Cannot update a conversation's voice if assistant audio is present."
            raise Refusal("cannot_update_voice", message, "session.audio.output.voice")
        self._values = new


def _check(values: Mapping[str, Any]) -> None:
    """Let the settings classes of the client's side judge: they know the names, enums and ranges."""
    modalities = values.get("output_modalities")
    if isinstance(modalities, list) and len(cast("list[Any]", modalities)) > 1:
        raise Refusal("invalid_value", "Only one output modality is allowed.", "session.output_modalities")
    try:
        SessionProperties.model_validate(_null_as_false(values))
    except ValidationError as error:
        first = error.errors()[0]
        names = [str(part) for part in first["loc"] if _named(values, str(part)) or isinstance(part, int)]
        param = ".".join(["session", *names])
        if first["type"] == "extra_forbidden":
            raise Refusal("unknown_parameter", f"Unknown parameter: '{param}'.", param) from None
        raise Refusal("invalid_value", f"Invalid value for '{param}': {first['msg']}.", param) from None


def _null_as_false(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with `turn_detection: null` as the client's classes say it."""
    return {
        name: _null_as_false(cast("Mapping[str, Any]", value))
        if isinstance(value, Mapping)
        else (False if name == "turn_detection" and value is None else value)
        for name, value in values.items()
    }


def _named(value: Any, name: str) -> bool:
    if isinstance(value, Mapping):
        mapping = cast("Mapping[str, Any]", value)
        return name in mapping or any(_named(item, name) for item in mapping.values())
    return False


def _merged(current: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge an update as the server does: `audio`, `input` and `output` field by field, all else as a whole."""
    result = dict(current)
    for name, value in changes.items():
        if name in ("audio", "input", "output") and isinstance(value, Mapping):
            result[name] = _merged(result[name], cast("Mapping[str, Any]", value))
        elif name == "turn_detection" and isinstance(value, Mapping):
            result[name] = _with_defaults(cast("Mapping[str, Any]", value))
        else:
            result[name] = deepcopy(value)
    return result


def _with_defaults(turn_detection: Mapping[str, Any]) -> dict[str, Any]:
    semantic = turn_detection.get("type") == "semantic_vad"
    defaults = _SEMANTIC_VAD if semantic else _DEFAULTS["audio"]["input"]["turn_detection"]
    return {**defaults, **{name: value for name, value in turn_detection.items() if value is not None}}
