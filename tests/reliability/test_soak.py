"""A short version of `make soak`: the same calls, fewer of them, the first two parts on a clock that jumps."""

from __future__ import annotations

import pytest

from tests.reliability.soak.ends import ends
from tests.reliability.soak.load import Load, load, share
from tests.reliability.soak.sound import Piece, gaps_ms, late_ms
from tests.reliability.soak.table import ends_rows, load_table
from tests.support.calls import answering, service
from tests.support.tones import tone_server
from voicepipe.local.carriers import LocalCall


@pytest.mark.virtual_time
async def test_many_calls_leave_nothing_behind_lose_nothing_and_too_many_hear_the_busy_tone():
    done = await load(at_once=12, secs=10, short=12)
    assert done.problems() == []
    assert done.over_bounds() == []
    heard = done.heard
    assert heard.calls == 24
    assert heard.answers >= 36
    assert heard.busy == 6
    assert heard.heard_bytes >= heard.sent_bytes > 0
    # Nothing takes time here but waiting: whoever paces sound by it is seen.
    assert share(heard.late_ms, 1.0) <= 1
    assert "| p99 up to 100 |" in load_table(done, 1.0)


@pytest.mark.virtual_time
async def test_what_is_lost_or_missing_is_told():
    done = await load(at_once=3, secs=0, short=0)
    heard = done.heard
    heard.lost_bytes, heard.silent, heard.busy = 3, ["hello 1: TimeoutError: "], 5
    heard.late_ms, heard.gaps_ms = [200.0] * 10, [12.0]
    told = " ".join(Load(heard, 6, ["the line broke"], 0.5, done.before, done.after).problems())
    for part in ("3 bytes", "1 questions", "5 of 6", "hello 1", "the line broke"):
        assert part in told
    assert done.over_bounds() == ["sound: p99 is above 100 ms", "1 gaps within answers"]


def test_sound_is_as_late_as_its_last_sample_and_a_gap_is_what_nothing_plays_in():
    sent = [Piece(0, 200), Piece(25, 200), Piece(50, 100)]
    got = [Piece(3, 200), Piece(30, 120), Piece(31, 80), Piece(620, 100), Piece(621, 2)]
    assert late_ms(sent, got) == [3, 5, 6, 570]
    assert gaps_ms(got) == [620 - 403]
    assert late_ms([], []) == gaps_ms([]) == []


async def test_a_phone_that_is_killed_and_one_that_is_told_to_end_lose_no_finished_turn(tmp_path):
    done = await ends(calls=4, seed=2, folder=tmp_path)
    assert done.problems == []
    assert (done.left_open, done.drained) == (4, 4)
    assert min(done.killed_turns, done.drained_turns) >= 4
    assert "4 of 4" in ends_rows(done)


@pytest.mark.virtual_time
async def test_a_call_more_than_the_service_takes_ends_with_the_reason_and_the_others_go_on():
    async with (
        tone_server(max_sessions=1) as server,
        answering(lambda: service(server)) as phone,
        LocalCall(phone.url, "twilio") as first,
        LocalCall(phone.url, "telnyx"),
    ):
        refused = (await phone.ended()).result
        assert not first.has_ended
    assert refused is not None
    assert refused.reason == "failed"
    assert "503" in refused.detail
