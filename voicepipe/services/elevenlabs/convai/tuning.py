"""The settings of one session: what is in force, and what of a change the API can make while a conversation runs.

It can add to what the agent knows, and nothing else. Other changes are refused by name, or made by a new conversation that
goes on where this one stops.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from voicepipe.errors import SettingsError
from voicepipe.realtime.events import Failure, Output
from voicepipe.realtime.settings import deep_merge, merged, plain
from voicepipe.services.elevenlabs.convai import wire
from voicepipe.services.elevenlabs.convai.events import ConversationSettings

_PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "instructions": ("overrides", "agent", "prompt", "prompt"),
    "system_instruction": ("overrides", "agent", "prompt", "prompt"),
    "first_message": ("overrides", "agent", "first_message"),
    "language": ("overrides", "agent", "language"),
    "voice": ("overrides", "tts", "voice_id"),
    "text_only": ("overrides", "conversation", "text_only"),
}
"""Short names, as other services have them too, and where the settings have what they mean."""
_PROMPT: Final = ("overrides", "agent", "prompt", "prompt")
_NEVER: Final[Mapping[str, str]] = {
    "tools": "are defined with the agent, at ElevenLabs; register_function says what runs when one is called",
    "tool_choice": "is the agent's own; the API has no message for it",
    "turn_detection": "is the agent's own; the server decides when turns end",
    "model": "is the agent's own; overrides.agent.prompt.llm chooses another one",
}
_WHEN: Final = "cannot change while a conversation runs; restart_on_update=True goes on in a new one with it"


class Tuning:
    """Changes are checked as a whole before anything is done.

    Args:
        settings: Those that the session begins with.
        restart: Whether what cannot change in a conversation is changed by a new one.
    """

    def __init__(self, settings: ConversationSettings, *, restart: bool) -> None:
        self.settings = settings
        """Those in force, those that wait for a new conversation included."""
        self.needs_restart = False
        """Whether the conversation that runs has other settings than these."""
        self.were_taken_back = False
        """Whether changes were, since the server refused the conversation that was to have them."""
        self._restart = restart
        self._is_told = False
        self._offered = settings
        self._taken: ConversationSettings | None = None
        self._refused: set[str] = set()

    def told(self) -> None:
        """Take note that a conversation begins with these settings."""
        self._is_told = True
        self._offered = self.settings
        self.needs_restart = self.were_taken_back = False

    def taken(self) -> None:
        """Take note that the conversation has begun with the settings that it was to begin with."""
        self._taken = self._offered

    def take_back(self) -> bool:
        """Return to the settings that the server took last; False if those are the ones that it refuses."""
        if self._taken is None or not _differ(self._taken, self.settings):
            return False
        self.settings = self._taken
        self.were_taken_back = True
        return True

    def lost(self) -> None:
        """Take note that there is no conversation."""
        self._is_told = False

    def update(self, changes: Mapping[str, Any]) -> tuple[str, list[Output]]:
        """Make changes: only what they name, at any depth.

        Returns:
            Instructions that the agent is to be told now, or ""; and the failure if the changes are refused.
        """
        never = next((name for name in changes if name in _NEVER), None)
        if never is not None:
            return "", self.cannot(never, _NEVER[never])
        placed = _placed(plain(changes))
        try:
            new = merged(self.settings, placed)
        except SettingsError as error:
            return "", [Failure("settings", str(error), field=error.field)]
        if not self._is_told or self._restart:
            self.needs_restart = self._is_told and _differ(new, self.settings)
            self.settings = new
            return "", []
        instructions, others = _without_prompt(placed)
        for field in _leaves(others):
            if _differ(merged(self.settings, _nested(field, _at(others, field))), self.settings):
                name = ".".join(field)
                return "", [Failure("settings", f"{name}: {_WHEN}", field=name)]
        return instructions, []

    def cannot(self, field: str, why: str) -> list[Output]:
        """Return, the first time, the failure that says what this API cannot do."""
        if field in self._refused:
            return []
        self._refused.add(field)
        return [Failure("settings", f"{field}: {why}", field=field)]

    def initiation(self, source: Mapping[str, str], *, goes_on: bool) -> Output:
        """Return the first message of a conversation.

        One that goes on with another conversation does not begin with a first message, as far as that can be said: an
        agent may not allow its override, but one that took it before does.
        """
        silent = goes_on and self.settings.first_message is not None
        return wire.initiation(self.settings, source=source, first_message="" if silent else None)


def _differ(one: ConversationSettings, other: ConversationSettings) -> bool:
    """Whether a conversation would begin otherwise with one than with the other."""
    return _as_begun(one) != _as_begun(other)


def _as_begun(settings: ConversationSettings) -> dict[str, Any]:
    return {**plain(settings), "overrides": wire.given(plain(settings.overrides))}


def _placed(changes: Mapping[str, Any]) -> dict[str, Any]:
    placed: dict[str, Any] = {}
    for name, value in changes.items():
        path = _PLACES.get(name, (name,))
        placed = deep_merge(placed, _nested(path, value))
    return placed


def _nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for name in reversed(path):
        value = {name: value}
    return value


def _at(values: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = values
    for name in path:
        found = found[name]
    return found


def _leaves(values: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, value in values.items():
        path = (*prefix, name)
        found += _leaves(value, path) if isinstance(value, Mapping) and value else [path]  # pyright: ignore[reportUnknownArgumentType]
    return found


def _without_prompt(placed: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the prompt that changes hold, and the changes without it; an empty one is nothing that can be told."""
    if _PROMPT not in _leaves(placed) or not _at(placed, _PROMPT):
        return "", dict(placed)
    others: dict[str, Any] = {}
    for path in _leaves(placed):
        if path != _PROMPT:
            others = deep_merge(others, _nested(path, _at(placed, path)))
    return str(_at(placed, _PROMPT)), others
