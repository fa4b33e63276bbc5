"""What a service would send first, and what of it the API is known to refuse; nobody is connected to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from voicepipe.cli.doctor.findings import Findings, Sent
from voicepipe.local.openai_ga.session import GAServerSession
from voicepipe.local.speech.tones import ToneActivity
from voicepipe.realtime.events import Output, Send
from voicepipe.realtime.service import RealtimeService
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService
from voicepipe.services.openai.realtime.models import capabilities_of
from voicepipe.services.openai.realtime.tools import tool_without_secrets
from voicepipe.telemetry.recording.masking import Masking

_CREATED: Final = b'{"type": "session.created", "event_id": "event_1", "session": {"type": "realtime"}}'


def examine(service: RealtimeService, findings: Findings, *, secrets: tuple[str, ...]) -> None:
    """Note what a service would send, and whether the API would take it.

    Args:
        service: It has not been connected, and is of no use afterwards.
        findings: Where it is noted.
        secrets: Texts that are never shown, such as keys.
    """
    name, model = type(service).__name__, _model_of(service)
    messages = [json.loads(message) for message in _first_messages(service)]
    masked = Masking(card_numbers=False, keys=False, secrets=secrets).matcher()
    findings.sends.append(Sent(name, model, [masked.value(_shown(message)) for message in messages]))
    if isinstance(service, OpenAIRealtimeLLMService):
        _check_model(model, findings)
        _check_tools(service, findings)
        _check_messages(model, messages, findings)


def _shown(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a message without the keys of servers whose tools the model may call."""
    session: Mapping[str, Any] = message.get("session") or {}
    if "tools" not in session:
        return message
    tools = [tool_without_secrets(tool) for tool in session["tools"] or ()]
    return {**message, "session": {**session, "tools": tools}}


def _model_of(service: RealtimeService) -> str:
    model = service.settings.model
    return model if isinstance(model, str) else ""


def _first_messages(service: RealtimeService) -> list[bytes]:
    # The one API says what it wants when it is spoken to, the other one before.
    outputs: list[Output] = [*service.session.open(), *service.session.receive(_CREATED)]
    return [output.message for output in outputs if isinstance(output, Send)]


def _check_model(model: str, findings: Findings) -> None:
    found = capabilities_of(model)
    if found is None:
        findings.add("model", "warning", f"{model} is not in the table of models; nothing is left out for it")
        return
    thinks = "thinks" if found.reasoning else "does not think"
    findings.add(
        "model",
        "ok",
        f"{model} {thinks}, holds {found.context_tokens:,} tokens, answers with up to {found.max_output_tokens:,}",
    )


def _check_tools(service: OpenAIRealtimeLLMService, findings: Findings) -> None:
    offered = [tool for tool in service.session_properties.tools or () if tool.get("type") == "function"]
    names, with_handlers = [str(tool.get("name")) for tool in offered], service.functions_with_handlers
    alone = [name for name in names if name not in with_handlers and not service.has_function(name)]
    if alone:
        findings.add("tools", "failed", f"the model is offered {', '.join(alone)}, which nothing answers")
    elif names:
        findings.add("tools", "ok", ", ".join(names))


def _check_messages(model: str, messages: list[Mapping[str, Any]], findings: Findings) -> None:
    """Have the server's side of the wire read them, which refuses what the API refuses."""
    server = GAServerSession(model, ToneActivity())
    refused = False
    for message in messages:
        for answer in server.receive(json.dumps(message)):
            if isinstance(answer, dict) and answer.get("type") == "error":
                refused = True
                error = answer["error"]
                field = f"{error['param']}: " if error.get("param") else ""
                findings.add("settings", "failed", f"{field}{error['message']}")
    if not refused:
        findings.add("settings", "ok", "the API would take them")
