"""The Python samples of the document S004, run as they stand but for their imports."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.agents.calls import caller, local
from tests.support.tones import heard_in
from voicepipe.agents import AgentServer, realtime

ROOT = Path(__file__).parent.parent.parent

IMPORTS = (
    "from voicepipe.agents import AgentSession, Agent, AgentServer, rtc_session, function_tool, RunContext\n"
)
REALTIME = IMPORTS + "from voicepipe.agents import realtime\n"
PIPELINE = IMPORTS + "from tests.agents.tone_services import deepgram, openai, cartesia, silero\n"

FIRST = """
server = AgentServer()

@server.rtc_session
async def entrypoint(session: AgentSession):
    await session.start(
        agent=Agent(
            instructions=(
                "You are a customer support agent for Acme Corp. "
                "Help customers with orders, returns, and product questions. "
                "Keep responses concise — two sentences maximum. "
                "Never use markdown or bullet points."
            ),
        ),
        room=session.room,
        llm=realtime.RealtimeModel(
            model="gpt-4o-realtime-preview",
            voice="alloy",
        ),
    )

if __name__ == "__main__":
    server.run()
"""

TOOLS = '''
server = AgentServer()

class AcmeAgent(Agent):
    def __init__(self):
        super().__init__(
            instructions=(
                "You are a customer support agent for Acme Corp. "
                "Use the lookup_order tool when customers ask about an order. "
                "Keep responses concise."
            ),
        )

    @function_tool()
    async def lookup_order(self, ctx: RunContext, order_id: str) -> str:
        """Look up the status of a customer order by order ID."""
        # In production, query your database here
        return f"Order {order_id}: Shipped on March 25, arriving March 29."

@server.rtc_session
async def entrypoint(session: AgentSession):
    await session.start(
        agent=AcmeAgent(),
        room=session.room,
        llm=realtime.RealtimeModel(
            model="gpt-4o-realtime-preview",
            voice="alloy",
        ),
    )

if __name__ == "__main__":
    server.run()
'''

CHAIN = """
server = AgentServer()

@server.rtc_session
async def entrypoint(session: AgentSession):
    await session.start(
        agent=Agent(instructions="You are Acme Corp support. Two sentences max."),
        room=session.room,
        stt=deepgram.STT(model="nova-3"),
        llm=openai.LLM(model="gpt-4o-mini"),
        tts=cartesia.TTS(),
        vad=silero.VAD.load(),
    )

if __name__ == "__main__":
    server.run()
"""

EVENTS = """
server = AgentServer()

@server.rtc_session
async def entrypoint(session: AgentSession):
    @session.on("agent_state_changed")
    def on_state(state: str):
        print(f"Agent state: {state}")

    @session.on("user_input_transcribed")
    def on_transcript(transcript):
        # With realtime models, transcripts come from the model itself,
        # not a separate STT engine
        print(f"User said: {transcript.text}")

    @session.on("conversation_item_added")
    def on_item(item):
        print(f"Conversation item: {item}")

    await session.start(
        agent=Agent(instructions="You are Acme Corp support."),
        room=session.room,
        llm=realtime.RealtimeModel(
            model="gpt-4o-realtime-preview",
            voice="alloy",
            modalities=["audio", "text"],
        ),
    )

if __name__ == "__main__":
    server.run()
"""

SCRIPT = """
rules:
  - hear: 'order {order_id:number}'
    call: {name: lookup_order, arguments: {order_id: '{digits:order_id}'}}
    then: '{result}'
  - hear: hello
    say: Hello! How can I help you?
"""


async def served(code: str, monkeypatch: pytest.MonkeyPatch, room: Any, **server: Any) -> None:
    names: dict[str, Any] = {"__name__": "bot"}
    exec(compile(code, "bot.py", "exec"), names)
    assert isinstance(names["server"], AgentServer)
    async with local(**server) as here:
        monkeypatch.setenv("OPENAI_BASE_URL", here.server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-your-openai-api-key")
        await names["server"].serve(room)
        assert not here.wire.errors()


@pytest.mark.virtual_time
async def test_s004_1_to_8_the_first_agent(tmp_path, monkeypatch):
    room = caller("hello", answer_path=tmp_path / "answer.wav")
    await served(REALTIME + FIRST, monkeypatch, room)
    assert heard_in(tmp_path / "answer.wav") == "Hello! How can I help you?"


@pytest.mark.virtual_time
async def test_s004_22_the_agent_with_a_tool(tmp_path, monkeypatch):
    from voicepipe.local import LocalServer
    from voicepipe.local.brain.script import Script, ScriptBrain
    from voicepipe.local.speech.engines import speech_engine

    names: dict[str, Any] = {"__name__": "bot"}
    exec(compile(REALTIME + TOOLS, "bot.py", "exec"), names)
    brain = ScriptBrain(Script.load(SCRIPT))
    async with LocalServer(speech=speech_engine("tones"), brain=brain) as server:
        monkeypatch.setenv(
            "OPENAI_BASE_URL", server.url.removesuffix("/realtime").replace("ws://", "http://")
        )
        monkeypatch.setenv("OPENAI_API_KEY", "sk-your-openai-api-key")
        room = caller("where is order four two", answer_path=tmp_path / "answer.wav")
        await names["server"].serve(room)
    assert heard_in(tmp_path / "answer.wav") == "Order 42: Shipped on March 25, arriving March 29."


@pytest.mark.virtual_time
async def test_s004_25_the_same_agent_as_a_pipeline(tmp_path, monkeypatch):
    import tests.agents.tone_services as services

    # The tones' own ears end turns, where the document's deepgram and silero do.
    monkeypatch.setattr(services.silero.VAD, "load", lambda: None)
    code = (PIPELINE + CHAIN).replace("session.start(", "session.start(turns=TURNS, ")
    names: dict[str, Any] = {"__name__": "bot", "TURNS": services.cascade()["turns"]}
    exec(compile(code, "bot.py", "exec"), names)
    room = caller("hello", answer_path=tmp_path / "answer.wav")
    await names["server"].serve(room)
    assert heard_in(tmp_path / "answer.wav").split() == ["Hello!", "How", "can", "I", "help", "you?"]


@pytest.mark.virtual_time
async def test_s004_28_to_31_the_events_are_told_in_the_documents_shape(tmp_path, monkeypatch, capsys):
    room = caller("hello", answer_path=tmp_path / "answer.wav")
    await served(REALTIME + EVENTS, monkeypatch, room)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("Agent state")] == [
        "Agent state: listening",
        "Agent state: thinking",
        "Agent state: speaking",
        "Agent state: listening",
    ]
    assert "User said: hello" in lines
    assert [line for line in lines if line.startswith("Conversation item")] == [
        "Conversation item: user: hello",
        "Conversation item: assistant: Hello! How can I help you?",
    ]


def test_s004_14_to_21_the_models_of_the_document_can_be_made():
    both = realtime.RealtimeModel(
        model="gpt-4o-realtime-preview",
        voice="alloy",  # Voice: alloy, echo, fable, onyx, nova, shimmer
        temperature=0.6,  # Lower = more consistent, higher = more creative
        modalities=["audio", "text"],  # Enable both audio and text output
    )
    assert both.transcript
    sound = realtime.RealtimeModel(model="gpt-4o-realtime-preview", voice="alloy", modalities=["audio"])
    assert not sound.transcript
    model = realtime.RealtimeModel(
        model="gpt-4o-realtime-preview",
        voice="alloy",
        turn_detection=realtime.ServerVad(
            threshold=0.5,  # Speech detection sensitivity (0-1)
            prefix_padding_ms=300,  # Audio to include before speech starts
            silence_duration_ms=500,  # Silence before triggering end-of-turn
        ),
    )
    assert model.properties.audio.input.turn_detection.silence_duration_ms == 500


def test_a_file_with_a_sample_runs_from_the_command_line_with_no_key_and_no_network(tmp_path):
    """In real speech: the recording in, the local voice out."""
    bot = tmp_path / "bot.py"
    bot.write_text(textwrap.dedent(REALTIME + FIRST))
    question = ROOT / "voicepipe" / "local" / "recordings" / "go_forward.wav"
    answer = tmp_path / "answer.wav"
    done = subprocess.run(
        [sys.executable, bot, "console", "--local", "--wav", question, "--answer", answer],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "assistant: I heard you say" in done.stdout
    assert answer.stat().st_size > 44
