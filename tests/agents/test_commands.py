"""A bot's command line: its rooms, its signals, and `dev`, which begins it again when its file changes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.agents.calls import caller
from voicepipe.agents import AgentServer
from voicepipe.agents.commands import options_of
from voicepipe.agents.rooms import rooms_for
from voicepipe.errors import MissingExtraError, SettingsError

ROOT = Path(__file__).parent.parent.parent
WITHIN_SECS = 90.0


async def room_of(argv, source):
    [room] = [room async for room in rooms_for(options_of(argv), source)]
    return room


async def test_console_start_and_dev_say_what_is_missing(monkeypatch, tmp_path):
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "LIVEKIT_ROOM_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="extra 'mic'"):
        await room_of(["console"], None)
    with pytest.raises(SettingsError, match="--wav"):
        await room_of(["console", "--answer", str(tmp_path / "a.wav")], None)
    with pytest.raises(SettingsError, match="--room: is missing"):
        await room_of(["start"], None)
    with pytest.raises(SettingsError, match="LIVEKIT_URL: is not set"):
        await room_of(["dev", "--room", "lobby"], None)
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        monkeypatch.setenv(name, "x")
    with pytest.raises(MissingExtraError, match=r"voicepipe\[livekit\]"):
        await room_of(["start", "--room", "lobby"], None)


async def test_start_takes_rooms_of_ones_own():
    room = caller("hello")

    async def source():
        return room

    assert await room_of(["start"], lambda: room) is room
    assert await room_of(["dev"], source) is room


def test_a_wrong_command_line_says_what_would_be_right(capsys):
    with pytest.raises(SystemExit, match="2"):
        AgentServer().run([])
    assert "console,dev,start" in capsys.readouterr().err
    assert options_of(["dev"]).log_level == "DEBUG"
    assert options_of(["start", "--log-level", "info"]).log_level == "INFO"


def test_a_log_level_that_does_not_exist_is_refused(capsys):
    assert options_of(["start", "--log-level", "info"]).log_level == "INFO"
    with pytest.raises(SystemExit) as ended:
        options_of(["start", "--log-level", "loud"])
    assert ended.value.code == 2
    assert "invalid choice: 'LOUD'" in capsys.readouterr().err


def test_run_is_synchronous_and_a_missing_question_is_an_error(capsys):
    server = AgentServer()

    @server.rtc_session
    async def entrypoint(session):
        pass

    with pytest.raises(SystemExit, match="1"):
        server.run(["console", "--wav", "nowhere.wav"])
    assert "nowhere.wav" in capsys.readouterr().err


BOT = """
import asyncio, signal
from voicepipe.agents import AgentServer
# A shell has what it starts in the background ignore it, and so would the bot.
signal.signal(signal.SIGINT, signal.default_int_handler)
server = AgentServer(room=lambda: None)

@server.rtc_session
async def entrypoint(session):
    print("ready", flush=True)
    await asyncio.Event().wait()

server.run(["start"])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_program_cleanly(number):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", BOT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as bot:
        assert bot.stdout.readline() == "ready\n"
        bot.send_signal(number)
        _, errors = bot.communicate(timeout=30)
    assert bot.returncode == 130
    assert "Traceback" not in errors


async def test_a_source_can_give_one_room_after_the_other():
    rooms = [caller("hello"), caller("hello")]

    async def source():
        for room in rooms:
            yield room

    assert [room async for room in rooms_for(options_of(["start"]), source)] == rooms


SESSION = """
import asyncio
from tests.support.tones import tone_server
from voicepipe.agents import Agent, AgentServer, SilentRoom, realtime
from voicepipe.agents.silent_room import SilentRoom


def say(line):
    print(line, flush=True)


async def rooms():
    for _ in range(ROOMS):
        yield SilentRoom()
    await asyncio.Event().wait()


server = AgentServer(room=rooms)


@server.rtc_session
async def entrypoint(session):
    async with tone_server() as local:
        session.on("close", lambda event: say(f"VERSION closed: {event.reason}"))
        llm = realtime.RealtimeModel(api_key="k", base_url=local.url)
        await session.start(agent=Agent(instructions=""), room=session.room, llm=llm)
        speech = session.say("Hello.")
        speech.add_done_callback(lambda speech: say(f"VERSION said: {not speech.interrupted}"))
        say("VERSION ready")
        await session.wait_closed()


if __name__ == "__main__":
    server.run()
"""


class Bot:
    """A bot's file that runs as a program, line by line."""

    def __init__(self, file: Path, process: asyncio.subprocess.Process) -> None:
        self.file, self.process = file, process
        self.lines: list[str] = []

    async def until(self, line: str) -> None:
        while True:
            read = (await self.process.stdout.readline()).decode()
            assert read, f"it ended without {line!r}: {self.lines}"
            self.lines.append(read.strip())
            if read.strip() == line:
                return

    async def ends(self) -> int:
        async for line in self.process.stdout:
            self.lines.append(line.decode().strip())
        return await self.process.wait()


def write(file: Path, version: str, rooms: int = 1) -> None:
    """As an editor does: the new file is there at once and as a whole."""
    new = file.with_suffix(".new")
    new.write_text(SESSION.replace("VERSION", version).replace("ROOMS", str(rooms)))
    new.replace(file)


@asynccontextmanager
async def bot(tmp_path: Path, *argv: str, rooms: int = 1) -> AsyncIterator[Bot]:
    file = tmp_path / "bot.py"
    write(file, "one", rooms)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(file),
        *argv,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(WITHIN_SECS):
            yield Bot(file, process)
    finally:
        if process.returncode is None:
            # With the process that it may have started, which would keep the pipe open.
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
async def test_start_serves_rooms_side_by_side_and_drains_on_sigterm(tmp_path):
    async with bot(tmp_path, "start", rooms=2) as it:
        await it.until("one ready")
        await it.until("one ready")
        it.process.send_signal(signal.SIGTERM)
        assert await it.ends() == 0
    assert it.lines.count("one said: True") == 2
    assert it.lines.count("one closed: job_shutdown") == 2
    assert "one said: False" not in it.lines


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
async def test_dev_ends_the_bot_in_order_and_begins_it_again_when_its_file_changes(tmp_path):
    async with bot(tmp_path, "dev", "--log-level", "warning") as it:
        await it.until("one ready")
        write(it.file, "two")
        await it.until("one closed: job_shutdown")
        await it.until("two ready")
        assert "one said: True" in it.lines
        it.process.send_signal(signal.SIGTERM)
        assert await it.ends() == 130
    assert "two closed: job_shutdown" in it.lines


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
async def test_dev_waits_for_a_change_when_the_bot_cannot_run_and_sees_a_module_beside_it(tmp_path):
    async with bot(tmp_path, "dev", "--log-level", "critical") as it:
        await it.until("one ready")
        (tmp_path / "orders.py").write_text("raise RuntimeError('not yet')")
        it.file.write_text("import orders\nprint('two ready', flush=True)")
        await it.until("one closed: job_shutdown")
        (tmp_path / "orders.py").write_text("")
        await it.until("two ready")
        assert await it.ends() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
async def test_a_second_signal_ends_the_bot_at_once(tmp_path):
    async with bot(tmp_path, "start") as it:
        await it.until("one ready")
        it.process.send_signal(signal.SIGTERM)
        it.process.send_signal(signal.SIGINT)
        assert await it.ends() in (0, 130)
    assert any(line.startswith("one closed") for line in it.lines)
