"""What OpenAI's API can do with a conversation beyond what all realtime services can."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Literal, cast

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.services.settings import LLMSettings
from pydantic import BaseModel, ValidationError

from voicepipe.errors import SettingsError
from voicepipe.realtime.events import Failure, Output, SideResponse
from voicepipe.realtime.interruptions import Interruptions
from voicepipe.realtime.service import RealtimeService
from voicepipe.realtime.settings import deep_merge, plain
from voicepipe.rests import done
from voicepipe.services.openai.realtime.dialect import GA, Dialect
from voicepipe.services.openai.realtime.events import SessionProperties
from voicepipe.services.openai.realtime.session import OpenAIRealtimeSession
from voicepipe.services.openai.realtime.tools import Runnable, runnable_tools


class OpenAIConversation(RealtimeService):
    """The base of the services for OpenAI's wires.

    Args:
        properties: The settings the session begins with.
        interruptions: Who may interrupt the bot, and how. Where they are judged here, the server is told to leave
            interruptions and answers to us.
        resume_answers: Whether an answer that a lost connection broke off is taken up again.
        tools: The session's tools as they were given: direct functions and schemas with a handler are registered.
        dialect: How the wire is spelled.
    """

    session: OpenAIRealtimeSession

    def __init__(
        self,
        *,
        properties: SessionProperties,
        interruptions: Interruptions | None = None,
        resume_answers: bool = True,
        tools: Any = None,
        dialect: Dialect = GA,
        **kwargs: Any,
    ) -> None:
        judged = interruptions is not None and interruptions.are_judged
        session = OpenAIRealtimeSession(
            properties, client_interrupts=judged, resumes_answers=resume_answers, dialect=dialect
        )
        self._runnable_tools = runnable_tools(SessionProperties(tools=tools).tools)
        self._tools_before: tuple[Any, list[Runnable]] = (None, [])
        super().__init__(session=session, interruptions=interruptions, **kwargs)
        self._tokens = count(1)

    @property
    def functions_with_handlers(self) -> list[str]:
        """The functions among the tools that came with their handlers, which run without being registered."""
        return [
            tool.name if isinstance(tool, FunctionSchema) else tool.__name__ for tool in self._runnable_tools
        ]

    def append_coded(self, coding: str, sound: bytes) -> Sequence[Output] | None:
        """Take sound of the user that is coded as the wire has it, if it does."""
        return self.session.append_coded(coding, sound)

    @abstractmethod
    def given_changes(self, delta: LLMSettings) -> Mapping[str, Any]:
        """Return what a delta says, unchecked, with the tools as they were given.

        Raises:
            SettingsError: It cannot be read.
        """

    async def _update_settings(self, delta: LLMSettings) -> dict[str, Any]:
        """Make a change of settings as a whole or not at all, and register the functions it brings."""
        before = self.session.properties.tools
        try:
            changed = await super()._update_settings(delta)
        except SettingsError as error:
            # It is our own word, in the words of the application already.
            await done(super().perform_now([Failure("settings", str(error), field=error.field)]))
            return {}
        if "tools" in changed:
            self._register_tools(self.given_changes(delta)["tools"], before)
        return changed

    async def set_tools(self, tools: Any) -> None:
        """Offer the model other functions from here on, and register those that bring their handlers."""
        before = self.session.properties.tools
        await self.perform(self.session.update({"tools": tools}))
        self._register_tools(tools, before)

    def _register_tools(self, given: Any, before: Any = None) -> None:
        try:
            tools = SessionProperties(tools=given).tools
        except ValidationError:
            # The session has refused them, with a reason.
            return
        if tools == self.session.properties.tools:
            self._tools_before = (before, self._runnable_tools)
            self._runnable_tools = runnable_tools(tools)
            self._sync_registered_tool_handlers(self._runnable_tools)

    def settings_refused(self) -> None:
        """Register the functions again that the model still has, if it was others that the server refused."""
        tools, runnable = self._tools_before
        if tools is not None and tools == self.session.properties.tools:
            self._tools_before = (None, [])
            self._runnable_tools = runnable
            self._sync_registered_tool_handlers(runnable)

    def _service_tools(self) -> Any:
        """Return what is registered as long as no context brings tools of its own."""
        return self._runnable_tools or None

    async def create_response(
        self,
        *,
        conversation: Literal["auto", "none"] = "auto",
        instructions: str | None = None,
        input: Sequence[Mapping[str, Any]] | None = None,
        metadata: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> SideResponse | None:
        """Ask for a response.

        Args:
            conversation: `auto` has it spoken as part of the conversation, when nothing else is. `none` makes it
                beside the conversation, also while another one runs, and waits for its end; nobody hears it.
            instructions: In place of the session's, for this response alone.
            input: The items it is made from, in place of the conversation; `[]` is none at all.
            metadata: Returned with the response.
            **fields: Others that the wire knows, e.g. `output_modalities`, `tools`, `max_output_tokens`.

        Returns:
            The response if `conversation` is `none`: how it ended, its words, its items and its tokens.

        Raises:
            SettingsError: A field holds something that JSON has no form for; the error names it.
            VoicepipeError: The connection ended first.
        """
        given = {"instructions": instructions, "input": input, "metadata": metadata, **fields}
        wanted = {name: value for name, value in given.items() if value is not None}
        if conversation == "auto":
            await self.perform(self.session.want_response(wanted))
            return None
        token = f"vp_side_{next(self._tokens)}"
        wanted.setdefault("output_modalities", ["text"])
        return await self.side_response(token, self.session.side_response(token, wanted))

    async def delete_conversation_item(self, item_id: str) -> None:
        """Delete an item from the conversation."""
        await self.perform(self.session.delete(item_id))

    async def truncate_conversation_item(
        self, item_id: str, audio_end_ms: int, *, content_index: int = 0
    ) -> None:
        """Cut an answer's sound, and with it the words after that.

        Raises:
            SettingsError: `audio_end_ms` is not above 0; an answer of which nothing is to be left is deleted.
        """
        if audio_end_ms <= 0:
            raise SettingsError("audio_end_ms", f"{audio_end_ms} is not above 0; delete the item instead")
        await self.perform(self.session.truncate(item_id, audio_end_ms, content_index))

    async def approve_mcp(self, request_id: str, *, approve: bool, reason: str = "") -> None:
        """Answer the server's question whether it may call a tool that it runs itself (`on_mcp_approval`)."""
        await self.perform(self.session.approve(request_id, approve=approve, reason=reason))


def changes_in(
    delta: LLMSettings, properties_class: type[BaseModel], other_names: Mapping[str, str]
) -> dict[str, Any]:
    """Return a delta in the shape of a wire's settings; nothing in it is checked, and tools are as they were given.

    Args:
        delta: What was given.
        properties_class: The class of its `session_properties`, should they be no dict.
        other_names: Pipecat's names of settings, with the names that the wire has for them.

    Raises:
        SettingsError: The delta or its `session_properties` is something else.
    """
    _refuse_no_settings(delta)
    given = delta.given_fields()
    properties: Any = given.pop("session_properties", None)
    if isinstance(properties, properties_class):
        tools: Any = getattr(properties, "tools", None)
        changes = {**plain(properties), **({"tools": tools} if tools else {})}
    elif properties is None or isinstance(properties, Mapping):
        changes = dict(cast("Mapping[str, Any]", properties or {}))
    else:
        raise SettingsError("session_properties", "is a SessionProperties or a dict in its shape")
    return deep_merge(changes, {other_names.get(name, name): value for name, value in given.items()})


def _refuse_no_settings(delta: object) -> None:
    if not isinstance(delta, LLMSettings):
        what = type(delta).__name__
        raise SettingsError(
            "delta", f"is the service's Settings, not {what}; a dict is given as settings={{...}}"
        )
