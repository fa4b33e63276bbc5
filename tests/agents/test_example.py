"""The example and the page's first program, run."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.agents.calls import caller
from tests.support.tones import heard_in
from voicepipe.agents import AgentSession
from voicepipe.local import LocalServer
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.speech.engines import speech_engine

ROOT = Path(__file__).parent.parent.parent
SCRIPT = """
rules:
  - hear: 'order {order_id:number}'
    call: {name: get_order_status, arguments: {order_id: '{digits:order_id}'}}
    then: ['Your order is {result.status}.', '{result}']
  - hear: send it back
    call: {name: transfer_to_returns}
    then: '{result}'
"""


async def held(bot: dict[str, Any], monkeypatch: pytest.MonkeyPatch, room: Any) -> AgentSession:
    async with LocalServer(speech=speech_engine("tones"), brain=ScriptBrain(Script.load(SCRIPT))) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        sessions: list[AgentSession] = []
        await bot["server"].serve(room, on_session=sessions.append)
    return sessions[0]


@pytest.mark.virtual_time
async def test_the_example_answers_refuses_and_hands_over(tmp_path, monkeypatch):
    bot = runpy.run_path(str(ROOT / "examples" / "agent.py"))
    room = caller(
        "order four two", "order nine", "i want to send it back", answer_path=tmp_path / "answer.wav"
    )
    session = await held(bot, monkeypatch, room)
    heard = heard_in(tmp_path / "answer.wav")
    assert heard.startswith("Your order is on its way. That did not work: there is no order 9.")
    assert not room.unanswered
    assert session.current_agent.id == "Returns"


@pytest.mark.virtual_time
async def test_the_first_program_of_the_page_runs(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    bot: dict[str, Any] = {"__name__": "bot"}
    exec(compile(code, "bot.py", "exec"), bot)
    room = caller("order four two", answer_path=tmp_path / "answer.wav", linger_ms=1500)
    await held(bot, monkeypatch, room)
    assert heard_in(tmp_path / "answer.wav") == "on its way"
