"""What talks in a call: an engine, what it is told, and what it may do. An agent is a value; each call makes a bot of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from loguru import logger

from voicepipe.errors import SettingsError
from voicepipe.phone.engines.engine import Engine, Part
from voicepipe.phone.engines.openai import OpenAIRealtime
from voicepipe.phone.engines.pipelines import PipelineEngine, ServiceEngine
from voicepipe.phone.guardrails import Guardrail
from voicepipe.phone.hooks import CallHooks
from voicepipe.phone.limits import check_above_zero
from voicepipe.phone.tools import as_tool

_GAP: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Agent:
    """Made by `Phone.agent`.

    Parameters:
        engine: What hears and speaks.
        system_prompt: What it is to do, and how.
        first_message: What it says first; empty waits for the caller.
        tools: What it may call.
        guardrails: What must not be said.
        hooks: Who is told.
        voicemail_message: What is left on an answering machine; empty hangs up on one.
        record: Whether the carrier records the call from its beginning.
        max_call_secs: The longest a call may last; None is the phone's own limit.
        max_call_message: What is said when that is reached.
    """

    engine: Engine
    system_prompt: str = ""
    first_message: str = ""
    tools: Sequence[Any] = ()
    guardrails: Sequence[Guardrail] = ()
    hooks: CallHooks = field(default_factory=CallHooks)
    voicemail_message: str = ""
    record: bool = False
    max_call_secs: float | None = None
    max_call_message: str = ""

    def with_first_message(self, text: str) -> Agent:
        """Return the same agent, which says something else first."""
        return replace(self, first_message=text)

    def with_voicemail(self, text: str) -> Agent:
        """Return the same agent, which leaves something else on an answering machine."""
        return replace(self, voicemail_message=text)


def agent_of(
    *,
    engine: Any = None,
    system_prompt: str = "",
    first_message: str = "",
    tools: Sequence[Any] | None = None,
    variables: Mapping[str, Any] | None = None,
    guardrails: Sequence[Guardrail] | None = None,
    hooks: CallHooks | None = None,
    voicemail_message: str = "",
    stt: Part | None = None,
    llm: Part | None = None,
    tts: Part | None = None,
    vad: Any = None,
    record: bool = False,
    max_call_secs: float | None = None,
    max_call_message: str = "",
) -> Agent:
    """Return an agent; see `Phone.agent`."""
    if max_call_secs is not None:
        check_above_zero("max_call_secs", max_call_secs)
    values = variables or {}
    return Agent(
        engine=_engine(engine, stt, llm, tts, vad),
        system_prompt=_filled("system_prompt", system_prompt, values),
        first_message=_filled("first_message", first_message, values),
        tools=_tools(tools or ()),
        guardrails=tuple(guardrails or ()),
        hooks=hooks or CallHooks(),
        voicemail_message=_filled("voicemail_message", voicemail_message, values),
        record=record,
        max_call_secs=max_call_secs,
        max_call_message=_filled("max_call_message", max_call_message, values),
    )


def _engine(engine: Any, stt: Part | None, llm: Part | None, tts: Part | None, vad: Any) -> Engine:
    parts = {"stt": stt, "llm": llm, "tts": tts}
    given = [name for name, part in parts.items() if part is not None]
    if engine is not None:
        if given:
            raise SettingsError("engine", f"does without {', '.join(given)}: pass either")
        return engine if isinstance(engine, Engine) else ServiceEngine(engine)
    if stt is not None and llm is not None and tts is not None:
        return PipelineEngine(stt, llm, tts, vad)
    if given:
        missing = [name for name in parts if name not in given]
        raise SettingsError(missing[0], f"is missing: pipeline mode needs {', '.join(parts)}")
    logger.info("the agent has no engine, it gets OpenAIRealtime()")
    return OpenAIRealtime()


def _tools(given: Sequence[Any]) -> tuple[Any, ...]:
    tools = tuple(as_tool(one) for one in given)
    names = [str(getattr(one, "name", getattr(one, "__name__", ""))) for one in tools]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError("tools", f"{name!r} is there twice")
    return tools


def _filled(field_name: str, text: str, values: Mapping[str, Any]) -> str:
    """Return a text with its gaps filled; a gap without a value stays, since braces may be meant."""

    def value(match: re.Match[str]) -> str:
        if match[1] in values:
            return str(values[match[1]])
        if values:
            logger.warning(f"{field_name}: there is no variable {match[1]!r}, the gap is left as it is")
        return match[0]

    return _GAP.sub(value, text)
