"""What a client may send (protocol page, sections 2 and 3); `client_message` takes a message apart.

Fields that the API does not know are passed over, as it does: the official package itself sends one, a `text_only` in the
wrong place. They are deliberately not the settings classes of voicepipe's own client, so that one side's mistake shows on
the other.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, cast

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voicepipe.local.elevenlabs.agent import Scalar
from voicepipe.local.elevenlabs.events import Refusal

_LONGEST_TEXT: Final = 100_000
"""Letters in a text of a client; what goes beyond is no message but a mistake."""


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class InitiationData(_Shape):
    """The first message: what this conversation has in place of the agent's settings.

    Overrides are kept as they came, since it is the agent that says which of them may be.
    """

    type: Literal["conversation_initiation_client_data"]
    conversation_config_override: dict[str, Any] | None = None
    custom_llm_extra_body: dict[str, Any] | None = None
    dynamic_variables: dict[str, Scalar | None] | None = None
    user_id: str | None = None
    source_info: dict[str, Any] | None = None
    tool_mock_config: dict[str, Any] | None = None


class UserAudio(_Shape):
    """Sound of the user, base64; the one message without a type."""

    user_audio_chunk: str


class Pong(_Shape):
    """Here I am."""

    type: Literal["pong"]
    event_id: int


class ClientToolResult(_Shape):
    """A tool has run at the client."""

    type: Literal["client_tool_result"]
    tool_call_id: str
    result: str
    is_error: bool = False


class ContextualUpdate(_Shape):
    """Something that the agent should know, and not answer."""

    type: Literal["contextual_update"]
    text: str = Field(max_length=_LONGEST_TEXT)
    context_id: str | None = None


class UserMessage(_Shape):
    """A turn of the user in writing."""

    type: Literal["user_message"]
    text: str | None = Field(default=None, max_length=_LONGEST_TEXT)


class UserActivity(_Shape):
    """The user does something, though silently."""

    type: Literal["user_activity"]


class Feedback(_Shape):
    """What the user thinks of a reply."""

    type: Literal["feedback"]
    event_id: int
    score: Literal["like", "dislike"] | None = None


class McpToolApproval(_Shape):
    """Whether an MCP tool may run."""

    type: Literal["mcp_tool_approval_result"]
    tool_call_id: str
    is_approved: bool


class _File(_Shape):
    file_id: str


class MultimodalMessage(_Shape):
    """A turn of the user in writing and files."""

    type: Literal["multimodal_message"]
    text: UserMessage | None = None
    file: _File | None = None
    files: list[_File] | None = None

    @property
    def words(self) -> str:
        """The text, and in what place of it there are files."""
        files = self.files or ([self.file] if self.file else [])
        text = self.text.text if self.text else None
        return " ".join([*([text] if text else []), *(f"[file {one.file_id}]" for one in files)])


ClientMessage: TypeAlias = (
    InitiationData
    | UserAudio
    | Pong
    | ClientToolResult
    | ContextualUpdate
    | UserMessage
    | UserActivity
    | Feedback
    | McpToolApproval
    | MultimodalMessage
)

_SHAPES: Final[dict[str, type[ClientMessage]]] = {
    "conversation_initiation_client_data": InitiationData,
    "pong": Pong,
    "client_tool_result": ClientToolResult,
    "contextual_update": ContextualUpdate,
    "user_message": UserMessage,
    "user_activity": UserActivity,
    "feedback": Feedback,
    "mcp_tool_approval_result": McpToolApproval,
    "multimodal_message": MultimodalMessage,
}


def client_message(message: str | bytes) -> ClientMessage:
    """Take a client's message apart.

    Raises:
        Refusal: It is no JSON text, there is no such message, or a field is missing or has a value that is not allowed.
    """
    if isinstance(message, bytes):
        raise Refusal("invalid_message", "Binary messages are not supported; send JSON text.", 1002)
    try:
        fields: Any = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise Refusal("invalid_message", f"The message is not valid JSON: {error}.") from None
    if not isinstance(fields, dict):
        raise Refusal("invalid_message", "The message is no JSON object.")
    shape = _shape_of(cast("dict[str, Any]", fields))
    try:
        return shape.model_validate(fields)
    except ValidationError as error:
        details = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in details["loc"])
        raise Refusal("invalid_message", f"{where}: {details['msg']}.") from None


def _shape_of(fields: dict[str, Any]) -> type[ClientMessage]:
    if "user_audio_chunk" in fields:
        return UserAudio
    type_ = fields.get("type")
    if not isinstance(type_, str):
        raise Refusal("invalid_message", "type: the message has none, and no user_audio_chunk either.")
    if type_ not in _SHAPES:
        raise Refusal("invalid_message", f"type: there is no message {type_!r}.")
    return _SHAPES[type_]
