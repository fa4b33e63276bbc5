"""The LLM brain against a chat completions endpoint on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from voicepipe.errors import VoicepipeError
from voicepipe.local.brain import Call, Conversation, Message, Say, ToolResult, ToolUse
from voicepipe.local.brain.llm import LLMBrain, chat_messages

SECRET = "sk-secret-of-the-test"
EMPTY = Conversation()


class Endpoint:
    """Keeps what it is asked and streams what it is told to."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.authorizations: list[str] = []
        self.lines: list[str] = []
        self.refusal: tuple[int, str] | None = None
        self.breaks_off = False
        self.kind = "text/event-stream"
        self.go_on = asyncio.Event()
        self.is_left = asyncio.Event()

    def streams(self, *deltas: dict[str, Any]) -> None:
        self.lines = [json.dumps(chunk(delta)) for delta in deltas]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json())
        self.authorizations.append(request.headers["Authorization"])
        if self.refusal:
            status, message = self.refusal
            return web.json_response({"error": {"message": message}}, status=status)
        response = web.StreamResponse(headers={"Content-Type": self.kind})
        await response.prepare(request)
        try:
            for line in self.lines:
                if line == "WAIT":
                    await self.go_on.wait()
                    continue
                await response.write(f"data: {line}\n\n".encode())
            if self.breaks_off:
                assert request.transport is not None
                request.transport.abort()
                return response
            await response.write(b"data: [DONE]\n\n")
        finally:
            self.is_left.set()
        return response


def chunk(delta: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}


def call_delta(index: int, **function: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": function}]}


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", endpoint.answer)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    endpoint.url = f"http://{host}:{port}/v1"
    yield endpoint
    endpoint.go_on.set()
    await runner.cleanup()


@asynccontextmanager
async def brain_at(url: str, **options: Any) -> AsyncIterator[LLMBrain]:
    brain = LLMBrain(url, "small-model", **options)
    try:
        yield brain
    finally:
        await brain.aclose()


async def answer(url: str, conversation: Conversation = EMPTY, **options: Any) -> list[Say | Call]:
    async with brain_at(url, **options) as brain:
        return [piece async for piece in brain.reply(conversation)]


async def failure(url: str, **options: Any) -> str:
    with pytest.raises(VoicepipeError) as caught:
        await answer(url, **options)
    assert SECRET not in str(caught.value)
    assert "small-model" in str(caught.value)
    return str(caught.value)


async def test_an_answer_comes_a_sentence_at_a_time(endpoint: Endpoint):
    endpoint.streams(
        {"role": "assistant"}, {"content": "It is fo"}, {"content": "ur. Any"}, {"content": "thing else?"}
    )
    assert await answer(endpoint.url) == [Say("It is four."), Say("Anything else?")]


async def test_a_sentence_is_given_while_the_model_still_writes(endpoint: Endpoint):
    endpoint.streams({"content": "One. Tw"}, {"content": "o."})
    endpoint.lines.insert(1, "WAIT")
    async with brain_at(endpoint.url) as brain, aclosing(brain.reply(Conversation())) as reply:
        assert await anext(reply) == Say("One.")
        endpoint.go_on.set()
        assert [piece async for piece in reply] == [Say("Two.")]


async def test_an_answer_that_nobody_wants_any_more_is_hung_up(endpoint: Endpoint):
    endpoint.streams({"content": "One. Two"})
    endpoint.lines.append("WAIT")
    async with brain_at(endpoint.url) as brain, aclosing(brain.reply(Conversation())) as reply:
        assert await anext(reply) == Say("One.")
    async with asyncio.timeout(5):
        await endpoint.is_left.wait()


async def test_calls_come_whole_and_after_the_words(endpoint: Endpoint):
    endpoint.streams(
        {"content": "Let me look."},
        call_delta(0, name="get_weather", arguments=""),
        call_delta(0, arguments='{"city": '),
        call_delta(1, name="get_time", arguments=""),
        call_delta(0, arguments='"Paris"}'),
    )
    assert await answer(endpoint.url) == [
        Say("Let me look."),
        Call("get_weather", {"city": "Paris"}),
        Call("get_time", {}),
    ]


async def test_the_request_holds_what_the_conversation_holds(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    tool = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
    choice = {"type": "function", "name": "f"}
    await answer(endpoint.url, Conversation("Be brief.", [Message("user", "Hi")], [tool], choice))
    await answer(endpoint.url, Conversation(tool_choice="required"), api_key="mine")
    first, second = endpoint.requests
    assert first == {
        "model": "small-model",
        "stream": True,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "description": "d", "parameters": {"type": "object"}},
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
    }
    assert set(second) == {"model", "stream", "messages"}
    assert endpoint.authorizations == ["Bearer none", "Bearer mine"]


async def test_what_a_client_gives_for_the_model_is_in_the_request(endpoint: Endpoint):
    await answer(endpoint.url, Conversation(extra_body={"elevenlabs_extra_body": {"user": 7}}))
    [request] = endpoint.requests
    assert request["elevenlabs_extra_body"] == {"user": 7}


def test_turns_become_messages_with_calls_answered_at_once():
    turns = [
        Message("user", "Count"),
        Message("assistant", "one, two,", cut=True),
        Message("user", ""),
        ToolUse("a", "f", {"x": 1}),
        ToolUse("b", "g", {}),
        Message("user", "Well?"),
        ToolResult("a", "done"),
        Message("system", "Be kind."),
        Message("user", "", images=1),
        Message("user", "And these?", images=2),
    ]
    assert list(chat_messages(Conversation("Be brief.", turns))) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Count"},
        {"role": "assistant", "content": "one, two,…"},
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
                {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "done"},
        {"role": "tool", "tool_call_id": "b", "content": "(no result)"},
        {"role": "user", "content": "Well?"},
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "[an image]"},
        {"role": "user", "content": "And these? [an image] [an image]"},
    ]


async def test_a_refusal_says_what_was_answered_and_hides_the_key(endpoint: Endpoint):
    endpoint.refusal = (401, f"Incorrect API key: {SECRET}")
    said = await failure(endpoint.url, api_key=SECRET)
    assert endpoint.url in said
    assert "answered 401" in said
    assert "Incorrect API key: ***" in said


async def test_an_endpoint_that_is_away_is_named_without_its_secrets():
    said = await failure(f"http://user:{SECRET}@127.0.0.1:9/v1?key={SECRET}", api_key=SECRET)
    assert "http://127.0.0.1:9/v1 " in said
    assert "could not be reached" in said


async def test_an_endpoint_that_does_not_answer_is_given_up(endpoint: Endpoint):
    endpoint.lines = ["WAIT"]
    assert "did not answer in time" in await failure(endpoint.url, timeout_secs=0.1)


async def test_an_answer_that_breaks_off_is_an_error(endpoint: Endpoint):
    endpoint.streams({"content": "One. Two"})
    endpoint.breaks_off = True
    await failure(endpoint.url)


async def test_chunks_that_bring_nothing_are_passed_over(endpoint: Endpoint):
    nothing = [{"choices": []}, {"choices": None}, {"choices": [{"index": 0}]}]
    endpoint.lines = [json.dumps(one) for one in nothing] + [json.dumps(chunk({"content": "Yes."}))]
    assert await answer(endpoint.url) == [Say("Yes.")]


async def test_an_endpoint_that_does_not_stream_is_named(endpoint: Endpoint):
    endpoint.kind = "application/json"
    assert "answered with something that is no stream of an answer" in await failure(endpoint.url)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{nonsense", "broke off"),
        (json.dumps({"error": {"message": "out of memory"}}), "broke off: out of memory"),
        (
            json.dumps(chunk(call_delta(0, name="f", arguments="[1"))),
            "called f with arguments that are no JSON object",
        ),
        (json.dumps(chunk(call_delta(0, name="f", arguments="[1]"))), r"no JSON object: '\[1\]'"),
        ("null", "'None' is no chunk of an answer"),
        (json.dumps(chunk({"content": [{"text": "x"}]})), "stands where text belongs"),
        (
            json.dumps(chunk({"tool_calls": [{"index": 0, "function": {"arguments": {}}}]})),
            "where text belongs",
        ),
    ],
)
async def test_nonsense_is_an_error(endpoint: Endpoint, line: str, what: str):
    endpoint.lines = [line]
    with pytest.raises(VoicepipeError, match=what):
        await answer(endpoint.url)
