"""What a function gives is Python's, not JSON's: whoever writes it down takes it, and goes on."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from pipecat.observers.base_observer import FramePushed
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from voicepipe.browser.feed import Feed
from voicepipe.cli.conversation import Conversation, ConversationObserver
from voicepipe.frames import FunctionCallInProgressFrame, FunctionCallResultFrame, TranscriptionFrame
from voicepipe.telemetry import CallObserver
from voicepipe.telemetry.first_hop import FirstHopObserver
from voicepipe.telemetry.plain import plain
from voicepipe.telemetry.recording import CallRecorder, Recording
from voicepipe.telemetry.tracing import CallTraces
from voicepipe.watch.board import Board
from voicepipe.watch.watcher import Watcher

ITSELF: list[Any] = []
ITSELF.append(ITSELF)
ODD: dict[str, Any] = {
    "a large number": 2**70,
    "half a character": "a\ud800b",
    "half a character within": {"\ud800": ["\ud800"]},
    "a key that is no text": {(1, 2): 3},
    "what cannot be copied": {"lock": threading.Lock()},
    "what holds itself": ITSELF,
}
odd = pytest.mark.parametrize("result", ODD.values(), ids=ODD.keys())


async def see(observer: FirstHopObserver, result: Any) -> None:
    """Have an observer see a call of a function, and words after it, as a pipeline tells it."""
    end = FrameProcessor()
    await observer.on_pipeline_started()
    for frame in (
        FunctionCallInProgressFrame("look", "call_1", {}),
        FunctionCallResultFrame("look", "call_1", {}, result),
        TranscriptionFrame("thank you", "", ""),
    ):
        pushed = FramePushed(end, end, frame, FrameDirection.DOWNSTREAM, timestamp=0)
        await observer.on_push_frame(pushed)
    await observer.cleanup()
    await end.cleanup()


def test_what_json_has_words_for_is_as_it_was():
    value = {"a": [1, 2.5, "ü", None, True], "b": {"c": -(2**63)}}
    assert plain(value) == value


def test_the_rest_is_pythons_text_of_it():
    assert plain({(1, 2): 2**70, "half": "a\ud800b"}) == {
        "(1, 2)": "1180591620717411303424",
        "half": r"a\ud800b",
    }


@odd
@pytest.mark.virtual_time
class TestGoesOn:
    async def test_a_recording(self, result: Any, tmp_path: Path):
        await see(CallRecorder(tmp_path / "call"), result)
        recording = Recording(tmp_path / "call")
        assert [tool.status for tool in recording.tools] == ["done"]
        assert [turn.user_text for turn in recording.turns] == ["thank you"]

    async def test_a_trace(self, result: Any):
        await see(CallTraces(TracerProvider(), content=True).observer(), result)

    async def test_the_page_of_calls(self, result: Any):
        board, watcher = Board(), Watcher()
        board.join(watcher)
        await see(board.observer(), result)
        said = json.dumps(await watcher.batch(), ensure_ascii=False).encode().decode()
        assert "thank you" in said
        board.close()

    async def test_the_page_to_talk_on(self, result: Any):
        told: list[bytes] = []
        feed = Feed(lambda message: told.append(json.dumps(message, ensure_ascii=False).encode()))
        await see(CallObserver(feed), result)
        feed.close()
        assert b"thank you" in b"".join(told)

    async def test_the_conversation_on_the_command_line(self, result: Any):
        conversation = Conversation()
        await see(ConversationObserver(conversation), result)
        assert [line.who for line in conversation.lines] == ["tool", "user"]
        assert conversation.as_json().encode()
