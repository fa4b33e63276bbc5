"""What holds in one conversation: the agent's settings, with what the client overrides laid over them.

A client's override that the agent does not allow, or a dynamic variable without a value, ends the conversation before it
begins (protocol page, section 2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, cast

from voicepipe.local.elevenlabs.agent import OVERRIDES, Agent, Scalar
from voicepipe.local.elevenlabs.events import Refusal
from voicepipe.local.elevenlabs.shapes import InitiationData

_VARIABLE: Final = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?")
_RESERVED: Final = "system__"
_EXTRA_BODY: Final = "elevenlabs_extra_body"
"""The key under which a custom LLM finds in its request what the client gave for it."""
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Terms:
    """Settings of one conversation, variables filled in.

    Parameters:
        agent: The agent.
        prompt: Its instructions.
        first_message: What it says first; empty: it waits.
        language: ISO code.
        voice: The voice's id.
        tool_descriptions: Of each tool by name.
        text_only: Without sound either way.
        client_events: What the client is told.
        max_duration_secs: The longest it may last.
        max_duration_message: What the agent says then.
        extra_body: For the model behind the brain.
        user_id: The client's own.
        overridden: What the client overrode, by path.
    """

    agent: Agent
    prompt: str
    first_message: str
    language: str
    voice: str
    tool_descriptions: Mapping[str, str]
    text_only: bool
    client_events: frozenset[str]
    max_duration_secs: float
    max_duration_message: str
    extra_body: Mapping[str, Any]
    user_id: str | None
    overridden: Mapping[str, Any]


def agree(agent: Agent, data: InitiationData | None, system: Mapping[str, Scalar]) -> Terms:
    """Return what holds in a conversation.

    Args:
        agent: The agent.
        data: The client's first message; None if it began with another one.
        system: The dynamic variables that the server gives, without their prefix.

    Raises:
        Refusal: The agent does not allow an override, a value is none of its kind, or a variable has no value.
    """
    config = (data.conversation_config_override if data else None) or {}
    given = _allowed(agent, _leaves(config))
    texts = _Texts(_variables(agent, data, system))
    language = _language(given, agent)
    prompt = _text(given, "agent.prompt.prompt", agent.prompt)
    first = _text(given, "agent.first_message", agent.first_messages.get(language, agent.first_message))
    last = _text(given, "agent.max_conversation_duration_message", agent.max_duration_message)
    return Terms(
        agent=agent,
        prompt=_in_language(texts.fill(prompt, "prompt"), language, agent),
        first_message=texts.fill(first, "first message"),
        language=language,
        voice=_text(given, "tts.voice_id", agent.voice),
        tool_descriptions={tool.name: texts.fill(tool.description, "tools") for tool in agent.tools},
        text_only=_truth(given, "conversation.text_only", agent.text_only),
        client_events=_client_events(config, agent),
        max_duration_secs=_duration(given, agent),
        max_duration_message=texts.fill(last, "maximum duration message"),
        extra_body=_extra_body(agent, data),
        user_id=data.user_id if data else None,
        overridden=given,
    )


def _leaves(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the known overrides by their path; nulls are as good as left out."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        path = f"{prefix}{name}"
        if path in OVERRIDES:
            if value is not None:
                found[path] = value
        elif isinstance(value, Mapping):
            found |= _leaves(cast("Mapping[str, Any]", value), f"{path}.")
    return found


def _allowed(agent: Agent, given: dict[str, Any]) -> dict[str, Any]:
    for path in given:
        if path not in agent.allows:
            name = path.rpartition(".")[2]
            message = f"Override for field '{name}' ({path}) is not allowed by the agent's settings."
            raise Refusal("override_error", message)
    return given


def _text(given: Mapping[str, Any], path: str, default: str) -> str:
    value = given.get(path, default)
    if not isinstance(value, str):
        raise Refusal("override_error", f"{path}: a text is wanted, not {value!r}.")
    return value


def _truth(given: Mapping[str, Any], path: str, default: bool) -> bool:
    value = given.get(path, default)
    if not isinstance(value, bool):
        raise Refusal("override_error", f"{path}: true or false is wanted, not {value!r}.")
    return value


def _language(given: Mapping[str, Any], agent: Agent) -> str:
    language = _text(given, "agent.language", agent.language)
    if not _LANGUAGE.fullmatch(language):
        raise Refusal("override_error", f"agent.language: an ISO code is wanted, not {language!r}.")
    return language


def _in_language(prompt: str, language: str, agent: Agent) -> str:
    if language == agent.language:
        return prompt
    return f"{prompt}\n\nThe user's language is {language!r}. Answer in it.".strip()


def _duration(given: Mapping[str, Any], agent: Agent) -> float:
    path = "conversation.max_duration_seconds"
    value = given.get(path, agent.max_duration_secs)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise Refusal("override_error", f"{path}: a number of seconds above 0 is wanted, not {value!r}.")
    return float(value)


def _client_events(config: Mapping[str, Any], agent: Agent) -> frozenset[str]:
    conversation: Any = config.get("conversation")
    wanted: Any = conversation.get("client_events") if isinstance(conversation, dict) else None  # pyright: ignore[reportUnknownVariableType]
    if wanted is None:
        return frozenset(agent.client_events)
    if not isinstance(wanted, list):
        raise Refusal("override_error", f"conversation.client_events: a list is wanted, not {wanted!r}.")
    return frozenset(name for name in cast("list[Any]", wanted) if isinstance(name, str))


def _extra_body(agent: Agent, data: InitiationData | None) -> Mapping[str, Any]:
    body = data.custom_llm_extra_body if data else None
    if not body:
        return _NONE
    if not agent.allows_extra_body:
        message = "custom_llm_extra_body is not allowed by the agent's settings."
        raise Refusal("override_error", message)
    return {_EXTRA_BODY: body}


def _variables(agent: Agent, data: InitiationData | None, system: Mapping[str, Scalar]) -> dict[str, Scalar]:
    given = {
        name: value for name, value in ((data and data.dynamic_variables) or {}).items() if value is not None
    }
    reserved = [name for name in given if name.startswith(_RESERVED)]
    if reserved:
        message = (
            f"dynamic_variables: {reserved[0]!r} cannot be set; names with {_RESERVED!r} are the server's."
        )
        raise Refusal("value_error", message)
    return {**agent.dynamic_variables, **given, **{_RESERVED + name: system[name] for name in system}}


class _Texts:
    """Fills in dynamic variables."""

    def __init__(self, variables: Mapping[str, Scalar]) -> None:
        self._variables = variables

    def fill(self, text: str, where: str) -> str:
        missing = sorted({name for name in _VARIABLE.findall(text) if name not in self._variables})
        if missing:
            message = f"Missing required dynamic variables in {where}: {', '.join(missing)}"
            raise Refusal("missing_dynamic_variable", message)
        return _VARIABLE.sub(lambda found: _shown(self._variables[found[1]]), text)


def _shown(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
