"""Examples on other wires, in rooms, on the telephone, and with agents: each runs, in tones, on a clock that jumps."""

from __future__ import annotations

import importlib.util
import runpy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pipecat.transports.livekit.transport import LiveKitTransport

from tests.agents.calls import caller
from tests.support.tones import heard_in, tone_server
from voicepipe.agents import AgentSession
from voicepipe.offline import OpenAIPlace

EXAMPLES = Path(__file__).parents[2] / "examples"
GREETING = "I am the local voicepipe bot."


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def held(name: str, monkeypatch: pytest.MonkeyPatch, room: Any) -> AgentSession:
    """The session of an agent's example, from its start to its end."""
    bot = runpy.run_path(str(EXAMPLES / name))
    async with tone_server() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        sessions: list[AgentSession] = []
        await bot["server"].serve(room, on_session=sessions.append)
    return sessions[0]


@pytest.fixture(autouse=True)
def offline_in_tones(monkeypatch, tmp_path):
    for name in ("OPENAI_API_KEY", "ELEVENLABS_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VOICEPIPE_SPEECH", "tones")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def answer(tmp_path) -> str:
    return str(tmp_path / "answer.wav")


@pytest.mark.virtual_time
class TestWires:
    async def test_beta_wire(self, answer, capsys):
        await example("beta_wire").main(None, answer)
        assert heard_in(Path(answer)) == "C, A, T."
        assert capsys.readouterr().out == "ended; spoken over beta\n"

    async def test_elevenlabs_agent(self, answer):
        await example("elevenlabs_agent").main(answer)
        assert heard_in(Path(answer)) == "In Paris it is 21 degrees and fog."

    async def test_three_services(self):
        said = await example("three_services").main()
        assert said == dict.fromkeys(("openai", "openai-beta", "elevenlabs"), "C, A, T.")

    async def test_pipeline_mode(self, answer):
        await example("pipeline_mode").main(answer)
        assert heard_in(Path(answer)).startswith(GREETING)


@pytest.mark.virtual_time
class TestTools:
    async def test_order_desk(self, answer):
        desk = await example("order_desk").main(answer)
        words = heard_in(Path(answer))
        assert words == "Sorry, there are not so many. Order 1: 24 dollars. Order 1 is in the oven."
        assert desk.database.execute("SELECT item, n FROM orders").fetchall() == [("cakes", 2)]
        assert desk.database.execute("SELECT left FROM stock WHERE item = 'cakes'").fetchall() == [(0,)]


@pytest.mark.virtual_time
class TestPhone:
    async def test_phone_outbound(self, capsys):
        result, words = await example("phone_outbound").locally()
        assert result.outcome == "answered"
        assert words == "This is your dentist. You have an appointment tomorrow at nine. You are welcome."
        assert capsys.readouterr().out.startswith("answered: ")


@pytest.mark.virtual_time
class TestAgents:
    async def test_agent_handover(self, answer, monkeypatch, capsys):
        session = await held("agent_handover.py", monkeypatch, caller("order four two", answer_path=answer))
        assert session.current_agent.id == "Shipping"
        assert heard_in(Path(answer)) == "This is shipping. Order 42 leaves today."
        assert "user: order four two" in capsys.readouterr().out

    async def test_agent_events(self, answer, monkeypatch, capsys):
        await held("agent_events.py", monkeypatch, caller("order four two", answer_path=answer))
        lines = capsys.readouterr().out.splitlines()
        assert "heard: order four two" in lines
        assert "history: user: order four two" in lines
        assert "history: assistant: Your order 42 is on its way." in lines
        assert "agent: thinking -> speaking" in lines
        assert [line for line in lines if line.startswith("tool: ")]
        assert lines[-1] == "closed: participant_disconnected"


class TestRooms:
    @pytest.mark.virtual_time
    async def test_livekit_room_without_a_room(self, answer, capsys):
        await example("livekit_room").main(local=True, answer=answer)
        assert heard_in(Path(answer)).startswith(GREETING)
        assert capsys.readouterr().out == "ended\n"

    async def test_livekit_room_is_built_as_it_would_be_joined(self, monkeypatch):
        for name, value in {
            "LIVEKIT_URL": "ws://127.0.0.1:7880",
            "LIVEKIT_API_KEY": "key",
            "LIVEKIT_API_SECRET": "a secret of the tests that is long enough for its algorithm",
            "LIVEKIT_ROOM_NAME": "kitchen",
        }.items():
            monkeypatch.setenv(name, value)
        bot = example("livekit_room")
        room = bot.room()
        assert isinstance(room, LiveKitTransport)
        pipeline = bot.bot(room, OpenAIPlace("ws://127.0.0.1:1/v1/realtime", "any", is_local=True))
        assert room.input() in pipeline.processors
        assert room.output() in pipeline.processors
