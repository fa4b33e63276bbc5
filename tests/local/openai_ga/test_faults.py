"""What can be made to go wrong, over a real server: each deed at the event it names, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from tests.support.ga_client import Client, connected
from tests.support.tones import heard, tone_server
from voicepipe.local import Fault, Faults, LocalServer, Pace
from voicepipe.local.faults import FaultPlan
from voicepipe.transports.sound import Sound

DELTA = "response.output_audio.delta"
TEXT = "One two three four five six seven eight."


@asynccontextmanager
async def meeting(*happenings: Fault) -> AsyncIterator[Client]:
    """A client of a server on which these things go wrong."""
    async with faulty(*happenings) as server, connected(server) as client:
        yield client


def faulty(*happenings: Fault, late_deltas: int = 0, **kwargs: Any) -> LocalServer:
    return tone_server(
        faults=Faults(happenings, late_deltas=late_deltas), pace=Pace(speed=None, delta_ms=100), **kwargs
    )


async def answered(client: Client) -> list[str]:
    """Have `TEXT` said; returns the types of all that came until the limits were told."""
    await client.send("response.create", response={"instructions": f"answer: {TEXT}"})
    before = len(client.events)
    await client.until("rate_limits.updated")
    return client.types()[before:]


async def normal_types() -> list[str]:
    async with meeting() as client:
        return await answered(client)


class TestThePlan:
    def test_a_fault_is_due_once_at_its_event(self):
        fault = Fault(at="a", do="omit", nth=2)
        plan = FaultPlan(Faults([fault]))
        assert [plan.due(type_) for type_ in ("a", "b", "a", "a")] == [[], [], [fault], []]

    def test_several_may_be_due_at_one_event(self):
        faults = [Fault(at="a", do="delay", delay_ms=5), Fault(at="a", do="drop"), Fault(at="b", do="omit")]
        assert FaultPlan(Faults(faults)).due("a") == faults[:2]


class TestTheConnection:
    async def test_drop_breaks_it_with_no_close_frame(self):
        async with meeting(Fault(at=DELTA, do="drop", nth=3)) as client:
            await client.send("response.create", response={"instructions": f"answer: {TEXT}"})
            with pytest.raises(ConnectionClosedError) as broken:
                await client.rest()
        assert broken.value.rcvd is None
        assert client.types().count(DELTA) == 2

    async def test_close_ends_it_with_a_code_and_a_reason(self):
        fault = Fault(at="response.created", do="close", close_code=1012, reason="service restart")
        async with meeting(fault) as client:
            await client.send("response.create")
            with pytest.raises(ConnectionClosed):
                await client.rest()
        assert (client.socket.close_code, client.socket.close_reason) == (1012, "service restart")
        assert "response.created" not in client.types()

    @pytest.mark.parametrize("do", ["drop", "close"])
    async def test_at_an_event_of_the_client_it_is_never_taken(self, do):
        seen: list[str] = []
        fault = Fault(at="response.create", do=do)
        server = faulty(fault, on_event=lambda way, event: seen.append(f"{way} {event['type']}"))
        async with server, connected(server) as client:
            await client.send("response.create")
            with pytest.raises(ConnectionClosed):
                await client.rest()
        assert seen == ["out session.created", "in response.create"]
        assert client.socket.close_code == (1006 if do == "drop" else 1011)

    async def test_the_session_after_it_meets_it_no_more(self):
        async with faulty(Fault(at="response.created", do="drop")) as server:
            async with connected(server) as first:
                await first.send("response.create")
                with pytest.raises(ConnectionClosed):
                    await first.rest()
            async with connected(server) as second:
                assert "response.done" in await answered(second)

    async def test_one_at_the_first_event_lets_no_session_begin(self):
        async with faulty(Fault(at="session.created", do="close", close_code=1013)) as server:
            with pytest.raises(ConnectionClosed) as closed:
                async with connected(server):
                    pass
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013


class TestEventsOfTheServer:
    async def test_omit_takes_one_away(self):
        normal = await normal_types()
        async with meeting(Fault(at="response.content_part.done", do="omit")) as client:
            assert await answered(client) == [t for t in normal if t != "response.content_part.done"]

    async def test_duplicate_sends_it_twice(self):
        normal = await normal_types()
        at = normal.index("response.output_item.done")
        async with meeting(Fault(at="response.output_item.done", do="duplicate")) as client:
            assert await answered(client) == [*normal[: at + 1], *normal[at:]]
        twins = [event for event in client.events if event["type"] == "response.output_item.done"]
        assert twins[0] == twins[1]

    async def test_reorder_sends_it_behind_the_next_one(self):
        normal = await normal_types()
        at = normal.index("response.output_item.added")
        async with meeting(Fault(at="response.output_item.added", do="reorder")) as client:
            swapped = [*normal[:at], normal[at + 1], normal[at], *normal[at + 2 :]]
            assert await answered(client) == swapped

    async def test_a_fault_of_the_next_one_does_not_swallow_what_was_held_back(self):
        faults = [
            Fault(at="response.output_item.added", do="reorder"),
            Fault(at="conversation.item.added", do="omit"),
        ]
        normal = await normal_types()
        async with meeting(*faults) as client:
            assert await answered(client) == [t for t in normal if t != "conversation.item.added"]

    @pytest.mark.parametrize(
        ("do", "type_"), [("error", "error"), ("malformed", "malformed"), ("unknown", "voicepipe.unknown")]
    )
    async def test_others_put_something_behind_it(self, do, type_):
        normal = await normal_types()
        at = [index for index, one in enumerate(normal) if one == DELTA][1]
        async with meeting(Fault(at=DELTA, do=do, nth=2)) as client:
            assert await answered(client) == [*normal[: at + 1], type_, *normal[at + 1 :]]
        assert heard(Sound(client.sound(), 24000)) == TEXT

    async def test_an_error_is_the_servers_own_unless_it_has_a_code(self):
        faults = [
            Fault(at="response.created", do="error"),
            Fault(at="response.done", do="error", code="rate_limit_exceeded", message="Slow down."),
        ]
        async with meeting(*faults) as client:
            await answered(client)
        errors = [event["error"] for event in client.events if event["type"] == "error"]
        assert [(error["type"], error["code"]) for error in errors] == [
            ("server_error", None),
            ("invalid_request_error", "rate_limit_exceeded"),
        ]
        assert errors[1]["message"] == "Slow down."
        assert all(error["event_id"] is None for error in errors)

    @pytest.mark.virtual_time
    async def test_delay_holds_back_it_and_all_after_it(self):
        loop = asyncio.get_running_loop()
        fault = Fault(at="response.output_audio.done", do="delay", delay_ms=1500)
        async with meeting(fault) as client:
            await client.send("response.create", response={"instructions": f"answer: {TEXT}"})
            times: dict[str, float] = {}
            while "rate_limits.updated" not in times:
                event = await client.next()
                times[event["type"]] = loop.time()
        held = times["response.output_audio.done"] - times[DELTA]
        assert held == pytest.approx(1.5, abs=0.1)
        after = [time for type_, time in times.items() if type_.endswith("done") or "rate" in type_]
        assert max(after) - min(after) < 0.1


class TestEventsOfTheClient:
    async def test_omit_never_takes_it(self):
        async with meeting(Fault(at="session.update", do="omit")) as client:
            await client.send("session.update", session={"type": "realtime", "instructions": "One."})
            await client.send("session.update", session={"type": "realtime", "output_modalities": ["text"]})
            session = (await client.until("session.updated"))["session"]
        assert session["instructions"] != "One."
        assert session["output_modalities"] == ["text"]

    async def test_duplicate_takes_it_twice(self):
        async with meeting(Fault(at="input_audio_buffer.clear", do="duplicate")) as client:
            await client.send("input_audio_buffer.clear")
            for _ in range(2):
                await client.until("input_audio_buffer.cleared")
            await client.update()
        assert client.types().count("input_audio_buffer.cleared") == 2

    @pytest.mark.parametrize(
        ("do", "type_"), [("error", "error"), ("malformed", "malformed"), ("unknown", "voicepipe.unknown")]
    )
    async def test_others_answer_it_with_something_and_take_it(self, do, type_):
        async with meeting(Fault(at="input_audio_buffer.clear", do=do)) as client:
            await client.send("input_audio_buffer.clear")
            await client.until("input_audio_buffer.cleared")
        assert client.types() == ["session.created", type_, "input_audio_buffer.cleared"]

    @pytest.mark.virtual_time
    async def test_delay_keeps_it_and_all_after_it_waiting(self):
        loop = asyncio.get_running_loop()
        fault = Fault(at="input_audio_buffer.clear", do="delay", delay_ms=1500)
        async with meeting(fault) as client:
            begun = loop.time()
            await client.send("input_audio_buffer.clear")
            await client.send("session.update", session={"type": "realtime"})
            assert (await client.next())["type"] == "input_audio_buffer.cleared"
            assert (await client.next())["type"] == "session.updated"
            assert loop.time() - begun == pytest.approx(1.5, abs=0.1)


class TestLateDeltas:
    @pytest.mark.virtual_time
    @pytest.mark.parametrize("late", [0, 2])
    async def test_go_out_between_the_users_speech_and_the_end_of_the_response(self, late):
        server = tone_server(faults=Faults(late_deltas=late), pace=Pace(speed=1.0, delta_ms=100))
        async with server, connected(server) as client:
            await client.send("response.create", response={"instructions": f"answer: {TEXT}"})
            await client.until(DELTA)
            await client.say("stop", silence_ms=0)
            await client.until("response.done")
        types = client.types()
        after = types[types.index("input_audio_buffer.speech_started") :]
        assert after.count(DELTA) == late
        assert after[-1] == "response.done"


class TestWhatHappensIsSeen:
    async def test_on_event_sees_both_ways_in_their_order(self):
        seen: list[tuple[str, str]] = []
        server = faulty(on_event=lambda way, event: seen.append((way, event["type"])))
        async with server, connected(server) as client:
            await answered(client)
        assert [type_ for way, type_ in seen if way == "out"] == client.types()
        assert ("in", "response.create") in list(seen)
        assert all(seen.index(("in", "response.create")) < seen.index(pair) for pair in seen[2:])


async def test_event_ids_are_never_given_twice():
    async with meeting() as client:
        await client.say("hello")
        await client.until("rate_limits.updated")
    ids = [event["event_id"] for event in client.events]
    assert len(set(ids)) == len(ids)
