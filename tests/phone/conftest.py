from __future__ import annotations

import pytest

from tests.support.phones import SECRET


@pytest.fixture
def keys_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """All keys that a carrier or an engine looks for."""
    for name, value in {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": SECRET,
        "OPENAI_API_KEY": "sk-env",
        "ELEVENLABS_API_KEY": "xi-env",
        "ELEVENLABS_AGENT_ID": "agent_env",
    }.items():
        monkeypatch.setenv(name, value)
