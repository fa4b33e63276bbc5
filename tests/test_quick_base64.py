"""With pybase64 and without, the same comes out and the same is refused."""

from __future__ import annotations

import importlib
import sys
from base64 import b64encode
from binascii import Error
from collections.abc import Iterator
from types import ModuleType

import pytest

from voicepipe import quick_base64

SOUND = bytes(range(256)) * 3 + b"\xff"


@pytest.fixture(params=["pybase64", "standard library"])
def base64(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    if request.param == "standard library":
        monkeypatch.setitem(sys.modules, "pybase64", None)
    yield importlib.reload(quick_base64)
    monkeypatch.undo()
    importlib.reload(quick_base64)


def test_sound_goes_there_and_back(base64: ModuleType):
    for sound in (b"", b"\0", SOUND):
        assert base64.encoded(sound) == b64encode(sound)
        assert base64.decoded(b64encode(sound).decode()) == sound
        assert base64.decoded_strictly(b64encode(sound).decode()) == sound


def test_line_ends_are_passed_over_where_they_may_be(base64: ModuleType):
    written = b64encode(SOUND).decode()
    broken = "\n".join([written[:76], written[76:]])
    assert base64.decoded(broken) == SOUND
    with pytest.raises(Error):
        base64.decoded_strictly(broken)


@pytest.mark.parametrize("written", ["AAA", "A", "größer"])
def test_what_is_no_base64_is_refused_strictly(base64: ModuleType, written: str):
    with pytest.raises(ValueError, match=r"."):
        base64.decoded_strictly(written)


@pytest.mark.parametrize("written", ["AAA", "A", "größe"])
def test_half_a_piece_is_refused(base64: ModuleType, written: str):
    with pytest.raises(ValueError, match=r"."):
        base64.decoded(written)
