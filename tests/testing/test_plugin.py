"""The pytest plug-in, as a user's tests have it: in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.testing.bots import BRAIN, PIPELINE

NO_TESTS = 5
"""Pytest's exit code where there are none."""
ROOT = Path(__file__).parents[2]

FIXTURES = """
import socket
from urllib.parse import urlsplit

from websockets.sync.client import connect


def test_the_servers_serve(openai_realtime_server, elevenlabs_server):
    headers = {"Authorization": "Bearer any"}
    with connect(f"{openai_realtime_server.url}?model=gpt-realtime", additional_headers=headers) as socket:
        assert '"session.created"' in socket.recv()
    with connect(f"{elevenlabs_server.url}?agent_id=agent_1") as socket:
        socket.send('{"type": "conversation_initiation_client_data"}')
        assert "conversation_initiation_metadata" in socket.recv()
    global address
    address = urlsplit(openai_realtime_server.url)


def test_they_are_gone_afterwards():
    with socket.socket() as nobody:
        assert nobody.connect_ex((address.hostname, address.port)) != 0


def test_the_caller_is_there(caller):
    assert caller.call("bot.py", "Where is order 42?", brain="brain.yaml").called == ["get_order_status"]
"""
SCENARIOS = """
name: orders
bot: ../bot.py
brain: ../brain.yaml
turns: [{user: 'Where is order 42?', expect: [{event: response, text_contains: on its way, within_ms: 9000}]}]
scenarios:
  - name: good
  - name: bad
    turns: [{user: 'Where is order 7?', expect: [{event: response, text_contains: on its way, within_ms: 9000}]}]
"""


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "voicepipe.testing.plugin",
        "-p",
        "no:cacheprovider",
        *arguments,
    ]
    return subprocess.run(
        command,
        cwd=folder,
        env={**env, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def project(folder: Path) -> None:
    (folder / "bot.py").write_text(PIPELINE)
    (folder / "brain.yaml").write_text(BRAIN)
    (folder / "scenarios").mkdir()
    (folder / "scenarios" / "orders.yaml").write_text(SCENARIOS)


def test_the_fixtures_are_there_and_leave_nothing(tmp_path):
    project(tmp_path)
    (tmp_path / "test_fixtures.py").write_text(FIXTURES)
    run = pytest_in(tmp_path, "-q")
    assert run.returncode == 0, run.stdout
    assert "3 passed" in run.stdout


def test_scenarios_are_tests_where_the_settings_say_so(tmp_path):
    project(tmp_path)
    run = pytest_in(tmp_path, "scenarios", "--voicepipe-speech", "tones")
    assert run.returncode == NO_TESTS, run.stdout
    (tmp_path / "pytest.ini").write_text("[pytest]\nvoicepipe_scenarios = scenarios\n")
    (tmp_path / "scenarios" / "wrong.yaml").write_text(
        "name: wrong\nscenarios: [{name: a, turns: [{hey: you}]}]\n"
    )
    (tmp_path / "scenarios" / "lost.yaml").write_text("name: lost\nbot: gone.py\nturns: [{user: Hi.}]\n")
    run = pytest_in(tmp_path, "scenarios", "--continue-on-collection-errors")
    assert "2 failed, 1 passed" in run.stdout
    assert "gone.py: there is no such file" in run.stdout
    assert "turn 1: expect 1: no response with 'on its way'" in run.stdout
    assert "instead: 'Your order 7 is waiting for payment.'" in run.stdout
    assert "Traceback" not in run.stdout
    assert "bot: Your order 7 is waiting for payment." in run.stdout, "the transcript is not shown"
    assert "wrong.yaml:2: wrong/a: turn 1: hey: Extra inputs are not permitted" in run.stdout


def test_nothing_of_voicepipe_is_imported_before_it_is_wanted(tmp_path):
    (tmp_path / "test_nothing.py").write_text(
        "import sys\ndef test_it():\n    assert not {'pipecat', 'numpy'} & set(sys.modules)\n"
    )
    run = pytest_in(tmp_path, "-q")
    assert run.returncode == 0, run.stdout


def test_the_package_names_it_to_pytest():
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert about["project"]["entry-points"]["pytest11"] == {
        "voicepipe.testing.plugin": "voicepipe.testing.plugin"
    }
