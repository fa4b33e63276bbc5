"""Pieces of sound as carriers take them."""

from __future__ import annotations

from voicepipe.transports.telephony.packer import Packer
from voicepipe.transports.telephony.telnyx import TelnyxWire
from voicepipe.transports.telephony.twilio import TwilioWire


def test_sound_goes_out_as_it_comes():
    packer = Packer(TwilioWire())
    assert packer.pieces(b"x" * 777) == [b"x" * 777]
    assert packer.pieces(b"y" * 16) == [b"y" * 16]
    assert packer.rest() == []


def test_what_is_too_short_for_a_message_waits_for_more():
    packer = Packer(TelnyxWire())
    assert packer.pieces(b"x" * 100) == []
    assert packer.pieces(b"y" * 100) == [b"x" * 100 + b"y" * 100]


def test_what_is_too_long_is_divided():
    packer = Packer(TelnyxWire())
    pieces = packer.pieces(bytes(240_000 + 80))
    assert [len(piece) for piece in pieces] == [240_000]
    assert packer.rest() == [bytes(80) + b"\xff" * 80]


def test_the_last_piece_is_filled_up_with_silence_unless_it_was_cut():
    packer = Packer(TelnyxWire())
    packer.pieces(b"x" * 100)
    assert packer.rest() == [b"x" * 100 + b"\xff" * 60]
    packer.pieces(b"x" * 100)
    packer.reset()
    assert packer.rest() == []
