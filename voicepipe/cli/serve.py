"""`voicepipe serve-local`: the local server alone, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Literal

from rich.console import Console

from voicepipe.local import LocalServer
from voicepipe.local.brain import Brain
from voicepipe.local.brain.llm import LLMBrain
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.speech.engines import speech_engine


def run_server(
    *,
    port: int,
    script: Path | None,
    llm: str | None,
    llm_model: str,
    tones: bool,
    max_sessions: int,
    wire: Literal["ga", "beta"] = "ga",
) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        PortTakenError: Another program has the port.
        MissingExtraError: The ears and the voice are not installed.
        VoicepipeError: The script cannot be read.
    """
    brain: Brain = LLMBrain(llm, llm_model) if llm else ScriptBrain(load_script(script))
    asyncio.run(_serve(brain, port=port, tones=tones, max_sessions=max_sessions, wire=wire))


def load_script(path: Path | None) -> Script:
    """Return the script in a YAML file, or the one that comes along."""
    return Script.default() if path is None else Script.load(path)


async def _serve(
    brain: Brain, *, port: int, tones: bool, max_sessions: int, wire: Literal["ga", "beta"]
) -> None:
    console = Console()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    with console.status("loading ears and voice"):
        speech = speech_engine("tones" if tones else "local")
    async with LocalServer(
        speech=speech, brain=brain, port=port, max_sessions=max_sessions, wire=wire
    ) as server:
        named = "OpenAI Realtime API" if wire == "ga" else "OpenAI Realtime API (beta wire)"
        console.print(f"The {named} is at {server.url}, with any key. Ctrl-C ends it.", soft_wrap=True)
        await stop.wait()
