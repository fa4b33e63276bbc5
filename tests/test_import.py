"""`import voicepipe` costs next to nothing, and all it promises is there."""

from __future__ import annotations

import subprocess
import sys

import pytest

import voicepipe

HEAVY = ("pipecat", "numpy", "openai", "pydantic", "soundfile", "websockets", "loguru", "asyncio")


def test_importing_voicepipe_loads_nothing_that_is_not_used():
    script = f"import sys, voicepipe; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not done.stdout.split()


@pytest.mark.parametrize("name", voicepipe.__all__)
def test_every_public_name_resolves(name):
    assert getattr(voicepipe, name) is not None
    assert name in dir(voicepipe)


def test_a_name_that_is_not_there_is_an_attribute_error_that_names_it():
    with pytest.raises(AttributeError, match=r"voicepipe.*nonsense"):
        _ = voicepipe.nonsense
