"""The session's effective settings on the server's side, and what of an update is refused (protocol page, section 3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final, cast

from voicepipe.local.openai_ga.events import Refusal
from voicepipe.local.openai_ga.session_shapes import SemanticVad, ServerVad, Session
from voicepipe.local.openai_ga.shapes import ResponseWish

_WITHOUT_REASONING: Final = re.compile(r"gpt-realtime(-mini|-1\.5)?(-20\d\d-\d\d-\d\d)?$|gpt-4o|gpt-audio")
_WHISPER: Final = "gpt-realtime-whisper"
# What the API reports only when it has been set, or of models that have it.
_NOT_REPORTED: Final = {"type", "model", "parallel_tool_calls", "reasoning"}


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
        self._values = Session(type="realtime").model_dump(exclude=_NOT_REPORTED)
        if model.startswith("gpt-realtime-2") and not _WITHOUT_REASONING.match(model):
            self._values["reasoning"] = {"effort": "low"}

    def as_wire(self) -> dict[str, Any]:
        """Return all of it, as `session.created` and `session.updated` carry it."""
        return {**self._fixed, **deepcopy(self._values)}

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

    @property
    def wants_logprobs(self) -> bool:
        """Whether transcripts are to carry the probabilities of their words."""
        return bool(self._values["include"])

    def update(self, session: Session, *, has_spoken: bool, answers: bool) -> None:
        """Make a change: all of it or nothing.

        Args:
            session: The change.
            has_spoken: Whether sound of the model went out.
            answers: Whether a response runs.

        Raises:
            Refusal: Something in it cannot change now, or the model does not have it.
        """
        changes = session.given()
        self._refuse_for_model(changes)
        new = _merged(self._values, {name: v for name, v in changes.items() if name not in ("type", "model")})
        output = new["audio"]["output"]
        if has_spoken and output["voice"] != self.audio_output["voice"]:
            raise voice_refusal("session.audio.output.voice")
        if answers and output["speed"] != self.audio_output["speed"]:
            message = "The speed cannot change while a response is in progress."
            raise Refusal("invalid_value", message, "session.audio.output.speed")
        if self._values["tracing"] is not None and new["tracing"] != self._values["tracing"]:
            message = "Tracing cannot be modified once it is enabled."
            raise Refusal("invalid_value", message, "session.tracing")
        transcription: dict[str, Any] = new["audio"]["input"]["transcription"] or {}
        if transcription.get("model") == _WHISPER and transcription.get("prompt"):
            param = "session.audio.input.transcription.prompt"
            raise Refusal("invalid_value", f"'{_WHISPER}' does not support a prompt.", param)
        self._values = new

    def laid_under(self, wish: ResponseWish) -> dict[str, Any]:
        """Return the settings of one response: the session's, with the response's own in their place.

        Raises:
            Refusal: The model does not have what it asks for.
        """
        given = wish.given()
        self._refuse_reasoning(given, "response.reasoning")
        audio: dict[str, Any] = given.pop("audio", {})
        given = {name: value for name, value in given.items() if value is not None and name in _OVERRIDABLE}
        effective = {**self.as_wire(), **given}
        effective["audio"] = _merged(effective["audio"], audio)
        return effective

    def _refuse_for_model(self, changes: Mapping[str, Any]) -> None:
        model = str(self._fixed["model"])
        if changes.get("model", model) != model:
            raise Refusal("invalid_value", "The model of a session cannot be changed.", "session.model")
        self._refuse_reasoning(changes, "session.reasoning")

    def _refuse_reasoning(self, given: Mapping[str, Any], param: str) -> None:
        model = str(self._fixed["model"])
        if given.get("reasoning") is not None and _WITHOUT_REASONING.match(model):
            raise Refusal("invalid_value", f"Reasoning is not supported by the model '{model}'.", param)


def voice_refusal(param: str) -> Refusal:
    """Return the refusal of another voice after the model has spoken."""
    message = "Cannot update a conversation's voice if assistant audio is present."
    return Refusal("cannot_update_voice", message, param)


_OVERRIDABLE: Final = frozenset(
    {
        "instructions",
        "output_modalities",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "max_output_tokens",
        "reasoning",
    }
)
_MERGED: Final = frozenset({"audio", "input", "output", "turn_detection", "transcription", "noise_reduction"})
_RATES: Final[Mapping[str, Any]] = {"audio/pcm": {"type": "audio/pcm", "rate": 24000}}
_DETECTIONS: Final[Mapping[str, dict[str, Any]]] = {
    "server_vad": ServerVad().model_dump(),
    "semantic_vad": SemanticVad(type="semantic_vad").model_dump(),
}


def _merged(current: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge an update: the parts of `audio` field by field, all else as a whole."""
    result = dict(current)
    for name, value in changes.items():
        if name in _MERGED and isinstance(value, Mapping):
            change = cast("Mapping[str, Any]", value)
            result[name] = _merged(_base(name, result[name], change), change)
        elif name == "format":
            result[name] = {**_RATES.get(value["type"], {}), **value}
        else:
            result[name] = deepcopy(value)
    return result


def _base(name: str, current: Mapping[str, Any] | None, change: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a change of a nested object is laid over."""
    if name == "turn_detection" and (current is None or current["type"] != change["type"]):
        return _DETECTIONS[change["type"]]
    if name == "noise_reduction" and current is None:
        return {"strength": 1.0}
    if name == "transcription" and current is None:
        return {"model": "gpt-4o-transcribe"}
    return current or {}
