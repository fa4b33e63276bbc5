"""The settings of one session on the client's side: what is in force, what is on its way, and what was refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from voicepipe.errors import SettingsError
from voicepipe.realtime.events import Failure, Output
from voicepipe.realtime.settings import SettingsInForce, difference, merged, plain, without
from voicepipe.services.openai.realtime import wire
from voicepipe.services.openai.realtime.dialect import GA, Dialect, Side
from voicepipe.services.openai.realtime.events import (
    AudioFormat,
    AudioInput,
    CustomVoice,
    SessionProperties,
    TurnDetection,
)
from voicepipe.services.openai.realtime.formats import WireFormat, wire_format

_SIDES: tuple[Side, ...] = ("input", "output")
_UPDATE_ID: Final = "vp_set_"
_FIRST: Final = "vp_set_first"
_FIELD_OF_CODE: Final[Mapping[str, str]] = {"cannot_update_voice": "audio.output.voice"}
"""Refusals that do not always name their field."""


class Tuning:
    """Changes are checked as a whole before anything goes out; a refused one takes no other with it.

    Args:
        properties: The settings the session begins with.
        client_interrupts: Whether the server is told to leave answers and interruptions to the client, whatever the
            settings say.
        dialect: How settings look on the wire.

    Raises:
        SettingsError: A setting cannot be told.
    """

    def __init__(
        self, properties: SessionProperties, *, client_interrupts: bool, dialect: Dialect = GA
    ) -> None:
        self.dialect = dialect
        """How the wire is spelled; another one counts from the next connection on."""
        self._client_interrupts = client_interrupts
        self._updates = 0
        self.is_told = False
        """Whether this connection was told settings: what cannot change in a session is settled from then on."""
        wire.refuse_what_is_no_json(plain(properties))
        self._settings = SettingsInForce(properties)

    # What the settings in force mean.

    @property
    def properties(self) -> SessionProperties:
        """The settings in force, those on their way to the server included."""
        return self._settings.current

    @property
    def format_in(self) -> WireFormat:
        """The format of the user's sound."""
        return wire_format(_format(self.properties, "input"))

    @property
    def format_out(self) -> WireFormat:
        """The format of the bot's sound."""
        return wire_format(_format(self.properties, "output"))

    @property
    def server_decides_turns(self) -> bool:
        """Whether the server finds the user's turns; `turn_detection=False` leaves them to the client."""
        return self._audio_input is None or self._audio_input.turn_detection is not False

    @property
    def transcribes(self) -> bool:
        """Whether the user's words will be told."""
        return self._audio_input is not None and self._audio_input.transcription is not None

    @property
    def transcription_model(self) -> str | None:
        """Which model writes the user's words down, if the settings name one."""
        transcription = self._audio_input.transcription if self._audio_input else None
        return transcription.model if transcription else None

    @property
    def wants_answers(self) -> bool:
        """Whether a turn of the user's is to be answered without anybody asking for it."""
        return self._given_turn_setting("create_response")

    def server_does(self, name: Literal["create_response", "interrupt_response"]) -> bool:
        """Whether the server answers or interrupts by itself, which it does where nothing is said about it."""
        return not self._client_interrupts and self._given_turn_setting(name)

    @property
    def _audio_input(self) -> AudioInput | None:
        return self.properties.audio.input if self.properties.audio else None

    def _given_turn_setting(self, name: str) -> bool:
        detection = (self._audio_input and self._audio_input.turn_detection) or TurnDetection()
        return getattr(detection, name) is not False

    # What the server is told.

    def first(self) -> list[Output]:
        """Return the update that tells a new connection everything."""
        self.is_told = True
        self._settings = SettingsInForce(self.properties)
        self._settings.change(_FIRST, self.properties, {})
        return [self.dialect.session_update(self._in_wire_shape(self.properties), _FIRST)]

    def lost(self) -> None:
        """Take note that the connection is gone; the next one is told everything."""
        self.is_told = False

    def update(self, changes: Mapping[str, Any], *, has_spoken: bool) -> list[Output]:
        """Make changes: only what they name, at any depth; only what is different goes out."""
        changes = plain(changes)
        try:
            new = self._with_changes(changes, has_spoken=has_spoken)
        except SettingsError as error:
            return [Failure("settings", str(error), field=error.field)]
        if not self.is_told:
            self._settings = SettingsInForce(new)
            return []
        before, after = self._in_wire_shape(self.properties), self._in_wire_shape(new)
        different = difference(before, after, wire.MERGED_BY_SERVER)
        if not different:
            return []
        self._updates += 1
        update_id = f"{_UPDATE_ID}{self._updates}"
        # Not as they were asked for, which may build upon a change that is refused yet: what goes out stands for itself.
        told = difference(plain(self.properties), plain(new), wire.MERGED_BY_SERVER)
        self._settings.change(update_id, new, told)
        return [self.dialect.session_update(different, update_id)]

    def confirmed(self) -> None:
        """Take note that the server accepted the oldest update on its way."""
        self._settings.confirmed()

    def is_pending(self, event_id: str) -> bool:
        """Whether this is an update that the server has not answered."""
        return self._settings.is_pending(event_id)

    def refused(self, event_id: str, failure: Failure, *, has_spoken: bool) -> list[Output]:
        """Take note of a refusal; the rest of the update goes out again without the field it is about (P-14).

        Without its first settings the session would answer as somebody else, so their refusal is fatal if it names no
        field that could be left out.
        """
        field = self.dialect.field(failure.field) or _FIELD_OF_CODE.get(failure.code, "")
        is_first = event_id == _FIRST
        changes = self._settings.refused(event_id)
        before = type(self.properties)() if is_first else self.properties
        rest = _without(plain(self.properties) if is_first else changes, field, before)
        # What ends a session elsewhere may here be about a field that it can do without, as a transcription's model.
        fatal = rest is None and (failure.fatal or is_first)
        told = Failure("settings", failure.message, failure.code, fatal, failure.field)
        if fatal or rest is None or not (rest or is_first):
            return [told]
        if is_first:
            self._settings = SettingsInForce(type(self.properties).model_validate(rest))
            return [told, *self.first()]
        return [told, *self.update(rest, has_spoken=has_spoken)]

    def _with_changes(self, changes: Mapping[str, Any], *, has_spoken: bool) -> SessionProperties:
        if "model" in changes:
            raise SettingsError("model", "is chosen when connecting and cannot change in a session")
        new = merged(self.properties, changes)
        if self.is_told:
            new = merged(self.properties, wire.without_what_cannot_be_unsaid(changes))
        wire.refuse_what_is_no_json(plain(new))
        if has_spoken and _voice(new) != _voice(self.properties):
            raise SettingsError("audio.output.voice", "cannot change once the bot has spoken")
        for side in _SIDES:
            if self.is_told and _format(new, side) != _format(self.properties, side):
                raise SettingsError(f"audio.{side}.format", "cannot change once the session runs")
        return new

    def _in_wire_shape(self, properties: SessionProperties) -> dict[str, Any]:
        shape = wire.session_in_wire_shape(properties)
        if not self._client_interrupts:
            return shape
        audio = dict(shape.get("audio") or {})
        sound_in = dict(audio.get("input") or {})
        if sound_in.get("turn_detection", True) is None:
            return shape
        detection = sound_in.get("turn_detection") or {"type": "server_vad"}
        sound_in["turn_detection"] = {**detection, "create_response": False, "interrupt_response": False}
        return {**shape, "audio": {**audio, "input": sound_in}}


def _without(asked: Mapping[str, Any], field: str, before: SessionProperties) -> Mapping[str, Any] | None:
    """Return changes without a field that was refused, and without all around it that cannot be without it.

    Args:
        asked: The changes.
        field: A path of names with dots between them; of something in a list, the list.
        before: The settings that are to be changed.

    Returns:
        What is left; None if the changes do not name the field.
    """
    path = field.partition("[")[0]
    while path and (rest := without(asked, path)) is not None:
        try:
            merged(before, rest)
        except SettingsError:
            path = path.rpartition(".")[0]
        else:
            return rest
    return None


def _voice(properties: SessionProperties) -> str | CustomVoice | None:
    output = properties.audio.output if properties.audio else None
    return output.voice if output else None


def _format(properties: SessionProperties, side_name: Side) -> AudioFormat | None:
    audio = properties.audio
    side = (audio.input if side_name == "input" else audio.output) if audio else None
    return side.format if side else None
