"""The items of a conversation as a client may send them, to the letter (protocol page, section 9); see `shapes`."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field

from voicepipe.local.openai_ga.session_shapes import Shape

_LONGEST_ITEM_ID: Final = 32


class ItemShape(Shape):
    """What all items have."""

    id: str = Field(default="", min_length=1, max_length=_LONGEST_ITEM_ID)
    object: Literal["realtime.item"] = "realtime.item"
    status: Literal["completed", "incomplete", "in_progress"] = "completed"


class InputText(Shape):
    """Words for the model."""

    type: Literal["input_text"]
    text: str


class InputAudio(Shape):
    """Sound of the user."""

    type: Literal["input_audio"]
    audio: str = ""
    transcript: str | None = None


class _InputImage(Shape):
    type: Literal["input_image"]
    image_url: str = Field(pattern=r"^data:image/(png|jpeg);base64,")
    detail: Literal["auto", "low", "high"] = "auto"


class _OutputText(Shape):
    type: Literal["output_text"]
    text: str


class SystemMessage(ItemShape):
    """Words of the application."""

    type: Literal["message"]
    role: Literal["system"]
    content: list[InputText]


class _UserMessage(ItemShape):
    type: Literal["message"]
    role: Literal["user"]
    content: list[Annotated[InputText | InputAudio | _InputImage, Field(discriminator="type")]]


class _AssistantMessage(ItemShape):
    type: Literal["message"]
    role: Literal["assistant"]
    content: list[_OutputText]


_Message: TypeAlias = Annotated[SystemMessage | _UserMessage | _AssistantMessage, Field(discriminator="role")]


class FunctionCall(ItemShape):
    """A call of a function."""

    type: Literal["function_call"]
    name: str
    arguments: str
    call_id: str = ""


class FunctionCallOutput(ItemShape):
    """What a function gave."""

    type: Literal["function_call_output"]
    call_id: str
    output: str


class ItemReference(Shape):
    """An item that the conversation has."""

    type: Literal["item_reference"]
    id: str


NewItem: TypeAlias = Annotated[_Message | FunctionCall | FunctionCallOutput, Field(discriminator="type")]
TakenItem: TypeAlias = Annotated[
    _Message | FunctionCall | FunctionCallOutput | ItemReference, Field(discriminator="type")
]
