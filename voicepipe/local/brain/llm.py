"""A brain that asks a chat model: any endpoint that speaks OpenAI's chat completions, on this machine or elsewhere."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlsplit

import openai
from openai.types.chat import (
    ChatCompletionChunk,
    ChatCompletionMessageFunctionToolCallParam,
    ChatCompletionMessageParam,
    ChatCompletionToolChoiceOptionParam,
    ChatCompletionToolUnionParam,
)
from openai.types.chat.chat_completion_chunk import Choice, ChoiceDelta, ChoiceDeltaToolCall

from voicepipe.errors import VoicepipeError
from voicepipe.local.brain import Call, Conversation, Message, Say, ToolResult, ToolUse, Turn
from voicepipe.local.brain.sentences import SentenceSplitter

_NO_INSTRUCTIONS: Final = (
    "You are a helpful assistant in a spoken conversation. Answer in short sentences, without markup."
)
# Endpoints refuse a call that nothing answers.
_NO_RESULT: Final = "(no result)"
_IMAGE: Final = "[an image]"
_SHOWN: Final = 100


class LLMBrain:
    """Answers what a chat model answers, a sentence at a time while the model still writes.

    Nothing is tried twice: somebody is waiting for an answer.

    Parameters:
        base_url: The endpoint up to where `/chat/completions` follows, e.g. "http://127.0.0.1:11434/v1".
        model: The model's name there.
        api_key: What the endpoint wants to see; most local ones want nothing. The environment's key for OpenAI is
            never sent to an endpoint by itself.
        timeout_secs: How long to wait for the connection or for the next piece of an answer, in seconds.

    Example:
        brain = LLMBrain("http://127.0.0.1:11434/v1", "llama3.2")
    """

    def __init__(self, base_url: str, model: str, api_key: str = "", *, timeout_secs: float = 30.0) -> None:
        self._model = model
        self._api_key = api_key
        self._where = f"{_without_secrets(base_url)} (model {model!r})"
        # A key is always given, or the client would take the one in the environment.
        self._client = openai.AsyncOpenAI(
            base_url=base_url, api_key=api_key or "none", timeout=timeout_secs, max_retries=0
        )

    async def aclose(self) -> None:
        """Close the connections to the endpoint."""
        await self._client.close()

    async def reply(self, conversation: Conversation) -> AsyncGenerator[Say | Call]:
        """Yield the model's answer to `conversation`: each sentence as it is finished, then the calls.

        Raises:
            VoicepipeError: The endpoint is away, refuses or answers nonsense; says which one and what it answered.
        """
        try:
            async for piece in self._ask(conversation):
                yield piece
        except openai.APIStatusError as error:
            raise self._failure(f"answered {error.status_code}: {error.message}") from None
        except openai.APITimeoutError:
            raise self._failure("did not answer in time") from None
        except openai.APIConnectionError as error:
            raise self._failure(f"could not be reached: {error.__cause__ or error}") from None
        # ValueError: a line of the stream that is no JSON.
        except (openai.OpenAIError, ValueError) as error:
            raise self._failure(f"broke off: {error or type(error).__name__}") from None

    async def _ask(self, conversation: Conversation) -> AsyncGenerator[Say | Call]:
        splitter = SentenceSplitter()
        calls: dict[int, _PartialCall] = {}
        stream = await self._client.chat.completions.create(
            model=self._model,
            messages=list(chat_messages(conversation)),
            tools=[_tool(tool) for tool in conversation.tools] or openai.omit,
            tool_choice=_tool_choice(conversation) if conversation.tools else openai.omit,
            stream=True,
            extra_body=dict(conversation.extra_body) or None,
        )
        is_stream = stream.response.headers.get("content-type", "").startswith("text/event-stream")
        async with stream:
            async for chunk in stream:
                is_stream = True
                delta = _delta_of(chunk)
                if delta is None:
                    continue
                for sentence in splitter.feed(_text(delta.content)):
                    yield Say(sentence)
                for part in delta.tool_calls or ():
                    calls.setdefault(part.index, _PartialCall()).add(part)
        if not is_stream:
            raise self._failure("answered with something that is no stream of an answer")
        if rest := splitter.rest():
            yield Say(rest)
        for call in calls.values():
            yield self._whole(call)

    def _whole(self, call: _PartialCall) -> Call:
        try:
            arguments = json.loads(call.arguments or "{}")
        except ValueError:
            arguments = None
        if not isinstance(arguments, dict):
            raise self._failure(
                f"called {call.name} with arguments that are no JSON object: {call.arguments!r}"
            )
        return Call(call.name, cast(dict[str, Any], arguments))

    def _failure(self, what: str) -> VoicepipeError:
        # Some endpoints quote the key that they refuse.
        hidden = what.replace(self._api_key, "***") if self._api_key else what
        return VoicepipeError(f"the text endpoint {self._where} {hidden}")


@dataclass(slots=True)
class _PartialCall:
    """A call whose name and arguments come in pieces."""

    name: str = ""
    arguments: str = ""

    def add(self, part: ChoiceDeltaToolCall) -> None:
        if part.function is not None:
            self.name += _text(part.function.name)
            self.arguments += _text(part.function.arguments)


def chat_messages(conversation: Conversation) -> Iterator[ChatCompletionMessageParam]:
    """Yield `conversation` as the messages of a chat completion request.

    Calls that were made together are one message, and their results follow at once, whatever was said meanwhile, as
    the endpoints demand. An answer that was cut ends with an ellipsis. Of an image the
    model is only told that there is one.
    """
    yield {"role": "system", "content": conversation.instructions or _NO_INSTRUCTIONS}
    results = {turn.call_id: turn.output for turn in conversation.turns if isinstance(turn, ToolResult)}
    for group in _grouped(conversation.turns):
        if isinstance(group, Message):
            if group.text or group.cut or group.images:
                yield _message(group)
            continue
        yield {"role": "assistant", "tool_calls": [_tool_call(use) for use in group]}
        for use in group:
            yield {
                "role": "tool",
                "tool_call_id": use.call_id,
                "content": results.get(use.call_id, _NO_RESULT),
            }


def _grouped(turns: Sequence[Turn]) -> Iterator[Message | list[ToolUse]]:
    """Yield the messages, and in their places the calls that stand together."""
    uses: list[ToolUse] = []
    for turn in turns:
        if isinstance(turn, ToolUse):
            uses.append(turn)
            continue
        if uses:
            yield uses
            uses = []
        if isinstance(turn, Message):
            yield turn
    if uses:
        yield uses


def _message(message: Message) -> ChatCompletionMessageParam:
    text = f"{message.text}…" if message.cut else message.text
    text = " ".join([*filter(None, [text]), *[_IMAGE] * message.images])
    match message.role:
        case "system":
            return {"role": "system", "content": text}
        case "user":
            return {"role": "user", "content": text}
        case "assistant":
            return {"role": "assistant", "content": text}


def _tool_call(use: ToolUse) -> ChatCompletionMessageFunctionToolCallParam:
    function = {"name": use.name, "arguments": json.dumps(dict(use.arguments))}
    return cast(
        ChatCompletionMessageFunctionToolCallParam,
        {"id": use.call_id, "type": "function", "function": function},
    )


def _tool(tool: Mapping[str, Any]) -> ChatCompletionToolUnionParam:
    function = {name: value for name, value in tool.items() if name != "type"}
    return cast(ChatCompletionToolUnionParam, {"type": "function", "function": function})


def _tool_choice(conversation: Conversation) -> ChatCompletionToolChoiceOptionParam:
    choice = conversation.tool_choice
    if isinstance(choice, Mapping):
        return {"type": "function", "function": {"name": str(choice.get("name", ""))}}
    return cast(ChatCompletionToolChoiceOptionParam, choice)


def _delta_of(chunk: object) -> ChoiceDelta | None:
    """Return what a chunk brings; the client makes its types of whatever comes and checks nothing.

    Raises:
        ValueError: It is no chunk.
    """
    if not isinstance(chunk, ChatCompletionChunk):
        raise ValueError(f"{str(chunk)[:_SHOWN]!r} is no chunk of an answer")
    choices = cast("list[Choice] | None", chunk.choices)
    return cast("ChoiceDelta | None", choices[0].delta) if choices else None


def _text(value: object) -> str:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{str(value)[:_SHOWN]!r} stands where text belongs")
    return value or ""


def _without_secrets(url: str) -> str:
    """Return `url` without user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
