"""What those who watch are told: calls of pipelines and phones, while they go on and afterwards."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pipecat.pipeline.worker import PipelineWorker

from tests.support.phones import FakeCarrier
from tests.support.tones import spoken, tone_server
from tests.telemetry.recording.recorded import QUESTIONS, service
from tests.watch.watching import TOKEN, served, watching
from voicepipe.agents import SilentRoom
from voicepipe.frames import EndFrame
from voicepipe.local import Pace
from voicepipe.local.faults import Fault, Faults
from voicepipe.phone import OpenAIRealtime
from voicepipe.pipeline import Pipeline, run
from voicepipe.telemetry.calls import CallInfo
from voicepipe.transports.wav_file import Question, WavFileTransport
from voicepipe.watch import Board, Watch
from voicepipe.watch.watcher import Watcher

ABOUT = CallInfo(call_id="call-1", caller="+15550001234", labels={"tenant": "a"})


async def call(board: Board, *questions: Question, faults: Faults | None = None, **options: Any) -> None:
    transport = WavFileTransport(list(questions))
    async with tone_server(faults=faults, pace=Pace(delta_ms=100, speed=2.0)) as server:
        pipeline = Pipeline([transport.input(), service(server.url), transport.output()])
        await run(pipeline, observers=[board.observer(ABOUT, **options)], handle_signals=False)


async def seen(board: Board) -> list[dict[str, Any]]:
    """What somebody sees who comes now."""
    watcher = Watcher()
    board.join(watcher)
    board.leave(watcher)
    return await watcher.batch()


def of(messages: list[dict[str, Any]], type_: str) -> list[dict[str, Any]]:
    return [message for message in messages if message["type"] == type_]


@pytest.mark.virtual_time
async def test_a_call_can_be_read_afterwards_for_a_while():
    board = Board(kept_secs=60.0)
    await call(board, *QUESTIONS, recording="recordings/call-1")
    messages = await seen(board)
    [about] = of(messages, "call")
    assert (about["state"], about["caller"], about["labels"]) == ("ended", "***1234", {"tenant": "a"})
    assert about["end"].startswith("ended")
    assert about["recording"] == "recordings/call-1"
    assert float(about["cost"]) > 0
    assert about["latency_ms"] is not None
    turns = of(messages, "turn")
    assert [(turn["user"], turn["interrupted"]) for turn in turns] == [
        ("what is the weather in paris", False),
        ("tell me a story", True),
        ("my card number is four one one one", False),
    ]
    assert turns[1]["bot"].startswith(turns[1]["heard"])
    [tool] = of(messages, "tool")
    assert (tool["name"], tool["arguments"], tool["status"]) == ("get_weather", '{"city": "Paris"}', "done")
    assert tool["took_ms"] == pytest.approx(50, abs=2)
    await asyncio.sleep(61)
    assert board.join(watcher := Watcher()) is None
    assert len(watcher) == 0


@pytest.mark.virtual_time
async def test_card_numbers_and_keys_are_not_shown():
    digits = "my card is four one one one one one one one one one one one one one one one"
    board = Board()
    await call(board, Question(spoken(digits)))
    text = json.dumps(await seen(board), ensure_ascii=False)
    assert "my card is •••" in text
    assert "four one one one" not in text
    assert "5550001234" not in text


@pytest.mark.virtual_time
async def test_errors_and_connections_are_shown():
    faults = Faults(
        [
            Fault(at="session.updated", do="error", code="odd", message="something odd"),
            Fault(at="response.output_audio.delta", nth=3, do="drop"),
        ]
    )
    board = Board()
    await call(board, Question(spoken("hello")), faults=faults)
    messages = await seen(board)
    assert of(messages, "fault")[0]["message"] == "odd: something odd"
    assert [link["fate"] for link in of(messages, "link")] == ["lost", "resumed"]
    assert of(messages, "call")[0]["faults"] == 1


@pytest.mark.virtual_time
async def test_a_call_of_two_pipelines_is_one():
    board = Board()
    await call(board, QUESTIONS[0])
    await call(board, QUESTIONS[1])
    messages = await seen(board)
    assert len(of(messages, "call")) == 1
    assert [(turn["pipeline"], turn["user"]) for turn in of(messages, "turn")] == [
        (1, "what is the weather in paris"),
        (2, "tell me a story"),
    ]


@pytest.mark.virtual_time
async def test_only_the_newest_of_the_ended_calls_stay():
    board = Board(most_ended=2)
    for name in ("a", "b", "c"):
        board.began(CallInfo(call_id=name), "")
        board.ended(name, "ended")
    assert [message["call"] for message in await seen(board)] == ["b", "c"]
    board.close()


async def test_no_ended_call_stays_where_none_is_to():
    board = Board(most_ended=0)
    board.began(CallInfo(call_id="a"), "")
    board.ended("a", "ended")
    board.join(watcher := Watcher())
    assert len(watcher) == 0


async def test_the_reason_of_an_end_is_masked_like_all_that_is_said():
    board = Board()
    transport = SilentRoom()

    async def pay(worker: PipelineWorker) -> None:
        await worker.queue_frame(EndFrame(reason="paid with 4111 1111 1111 1111"))

    await run(
        Pipeline([transport.input(), transport.output()]),
        observers=[board.observer(ABOUT)],
        on_started=pay,
        handle_signals=False,
    )
    [about] = of(await seen(board), "call")
    assert about["end"].endswith(": paid with •••")
    board.close()


async def test_errors_are_counted_over_all_pipelines_of_a_call():
    board = Board()
    for _ in range(2):
        pipeline = board.began(ABOUT, "")
        board.part("call-1", pipeline, {"type": "fault", "index": 0, "message": "odd"})
        board.part("call-1", pipeline, {"type": "fault", "index": 0, "message": "odd"})
    assert of(await seen(board), "call")[0]["faults"] == 2


class TestASlowWatcher:
    async def test_is_told_only_the_newest_of_each_part(self):
        watcher = Watcher()
        for text in ("one", "one two", "one two three"):
            watcher.put(("turn", 0), {"type": "turn", "bot": text})
        assert await watcher.batch() == [{"type": "turn", "bot": "one two three"}]

    async def test_is_bounded_and_told_how_much_was_left_out(self):
        watcher = Watcher(most=3)
        for index in range(10):
            watcher.put(("turn", index), {"type": "turn", "index": index})
        assert len(watcher) == 3
        batch = await watcher.batch()
        assert [message.get("index") for message in batch[:3]] == [7, 8, 9]
        assert batch[3] == {"type": "missed", "count": 7}

    @pytest.mark.virtual_time
    async def test_never_holds_a_call_up(self):
        watch = Watch(TOKEN)
        async with served(watch) as origin, watching(origin) as sleeper:
            await sleeper.more()
            await call(watch.board, *QUESTIONS)
            last = await sleeper.until(lambda message: message.get("state") == "ended")
            assert last["call"] == "call-1"


@pytest.mark.virtual_time
async def test_a_phones_calls_are_watched_while_they_go_on():
    watch = Watch(TOKEN)
    async with tone_server() as server, FakeCarrier("twilio") as far:
        phone = far.phone(watch=watch)
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        async with phone.serving(agent, port=0) as door, watching(door.local_url) as told:
            async with await far.call(door.local_url) as line:
                await line.say(spoken("hello"))
                await told.until(
                    lambda message: message["type"] == "turn" and message["latency_ms"] is not None
                )
                [running] = phone.calls
                about = await told.until(
                    lambda message: message["type"] == "call" and message["cost"] is not None
                )
                assert about["call"] == running.id
                assert (about["direction"], about["carrier"], about["state"]) == (
                    "inbound",
                    "twilio",
                    "running",
                )
                assert (about["caller"], about["called"]) == ("***1111", "***2222")
            await told.until(lambda message: message.get("state") == "ended")
            result = await running.result()
            await told.until(lambda message: message.get("cost") == f"{result.cost.known:.4f}")
