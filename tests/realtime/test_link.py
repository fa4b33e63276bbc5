"""How a lost connection is replaced: when, how often, and when not (promise P-3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from tests.support.scripted_server import ScriptedServer
from voicepipe.errors import ConnectionRefused
from voicepipe.realtime.connection import Closed, Endpoint, OnClosed
from voicepipe.realtime.events import Send
from voicepipe.realtime.link import Link, Reconnect
from voicepipe.rests import Rest

NOW = Reconnect(tries=3, first_ms=0)


class Owner:
    """Keeps what it is told."""

    def __init__(self, *urls: str) -> None:
        self.urls = list(urls)
        self.told: list[str] = []
        self.error: ConnectionRefused | None = None
        self.other_ways: list[str] = []
        self.happened = asyncio.Condition()

    async def tell(self, what: str) -> None:
        async with self.happened:
            self.told.append(what)
            self.happened.notify_all()

    async def until(self, what: str, times: int = 1) -> None:
        async with asyncio.timeout(5), self.happened:
            await self.happened.wait_for(lambda: self.told.count(what) >= times)

    async def endpoint(self) -> Endpoint:
        return Endpoint(self.urls.pop(0) if len(self.urls) > 1 else self.urls[0])

    async def link_up(self) -> None:
        await self.tell("up")

    def link_message(self, message: bytes) -> Rest:
        return partial(self.tell, message.decode())

    async def link_down(self, closed: Closed) -> None:
        await self.tell(f"down {closed.code}")

    def link_refused(self, error: ConnectionRefused) -> bool:
        if not self.other_ways:
            return False
        self.urls = [self.other_ways.pop(0)]
        return True

    async def link_gone(self, error: ConnectionRefused) -> None:
        self.error = error
        await self.tell("gone")

    async def link_due(self) -> None:
        await self.tell("due")


@asynccontextmanager
async def linked(reconnect: Reconnect = NOW) -> AsyncIterator[tuple[ScriptedServer, Owner, Link]]:
    async with ScriptedServer() as server:
        owner = Owner(server.url)
        link = Link(owner, reconnect=reconnect)
        try:
            await link.open()
            await server.next_connection()
            yield server, owner, link
        finally:
            await link.close()


@pytest.mark.virtual_time
async def test_a_server_that_does_not_get_ready_is_left_for_another_connection():
    async with linked() as (_, owner, link):
        await asyncio.sleep(19)
        assert owner.told == ["up"]
        await owner.until("up", 2)
        assert owner.told == ["up", "down 1006", "up"]
        link.settled(None)
        await asyncio.sleep(60)
        assert owner.told == ["up", "down 1006", "up"]


@pytest.mark.virtual_time
async def test_one_that_never_gets_ready_is_given_up_with_the_reason():
    async with linked() as (_, owner, _):
        await asyncio.sleep(100)
        assert owner.told[-1] == "gone"
        assert str(owner.error).endswith("(code 1006: the session was not ready within 20 s)")


async def test_a_lost_connection_is_replaced_at_once():
    async with linked() as (server, owner, _):
        await server.vanish()
        await owner.until("up", 2)
        await server.next_connection()
        await server.say(b"{}")
        await owner.until("{}")
        assert owner.told == ["up", "down 1006", "up", "{}"]


async def test_after_so_many_connections_that_settle_nothing_it_gives_up():
    async with linked() as (server, owner, _):
        for _ in range(3):
            await server.hang_up(1011, "broken")
            await server.next_connection()
        await server.hang_up(1011, "broken")
        await owner.until("gone")
        assert owner.told.count("up") == 4
        assert "closed the connection (code 1011: broken)" in str(owner.error)


async def test_a_settled_session_gives_it_all_its_tries_again():
    async with linked() as (server, owner, link):
        for n in range(6):
            link.settled(None)
            await server.vanish()
            await owner.until("up", n + 2)
            await server.next_connection()
        assert "gone" not in owner.told


async def test_without_tries_the_first_loss_is_the_end():
    async with linked(Reconnect(tries=0)) as (server, owner, _):
        await server.vanish()
        await owner.until("gone")
        assert owner.told == ["up", "down 1006", "gone"]


@pytest.mark.parametrize(("status", "kind"), [(401, "authentication"), (404, "model"), (402, "quota")])
async def test_a_key_a_model_or_a_credit_that_does_not_serve_is_the_end_at_once(status, kind):
    async with linked() as (server, owner, _), refusing(status) as url:
        owner.urls = [url]
        await server.vanish()
        await owner.until("gone")
        assert owner.error is not None
        assert owner.error.kind == kind
        assert owner.told == ["up", "down 1006", "gone"]


async def test_a_server_that_is_busy_is_tried_again():
    async with linked() as (server, owner, _), refusing(503) as url:
        owner.urls = [url, server.url]
        await server.vanish()
        await owner.until("up", 2)


async def test_the_first_time_a_server_that_is_not_there_is_not_waited_for():
    owner = Owner("ws://127.0.0.1:9/")
    with pytest.raises(ConnectionRefused):
        await Link(owner, reconnect=NOW).open()
    assert owner.told == []


async def test_a_session_is_renewed_without_a_gap():
    async with linked() as (server, owner, link):
        link.renew()
        await owner.until("up", 2)
        await server.next_connection()
        assert owner.told == ["up", "down 1000", "up"]


async def test_a_renewal_that_fails_leaves_the_old_connection():
    async with linked() as (server, owner, link), refusing(503) as url:
        owner.urls = [url]
        link.renew()
        await server.say(b"{}")
        await owner.until("{}")
        assert "down 1000" not in owner.told


@pytest.mark.virtual_time
@pytest.mark.parametrize(("ends_in_secs", "due_secs"), [(None, 3300), (3600, 3300), (600, 550), (7200, 3300)])
async def test_a_session_is_due_before_its_limit(ends_in_secs, due_secs):
    owner = Owner("ws://127.0.0.1:9/")
    link = Link(owner)
    link.settled(ends_in_secs)
    began = asyncio.get_running_loop().time()
    async with owner.happened:
        await owner.happened.wait_for(lambda: "due" in owner.told)
    assert asyncio.get_running_loop().time() - began == pytest.approx(due_secs, abs=1)
    assert link.is_due
    await link.close()


@given(st.integers(0, 50), st.floats(0, 1))
def test_waits_grow_to_a_limit_and_leave_a_share_to_chance(failed, chance):
    reconnect = Reconnect()
    wait_ms = reconnect.wait_ms(failed, chance)
    assert 0 <= wait_ms <= reconnect.longest_ms
    if failed:
        whole = reconnect.wait_ms(failed, 0)
        assert whole == min(reconnect.longest_ms, reconnect.first_ms * 2 ** (failed - 1))
        assert wait_ms >= whole * (1 - reconnect.jitter)


@asynccontextmanager
async def refusing(status: int) -> AsyncIterator[str]:
    """A server that answers every handshake with a status."""

    async def never(_connection: ServerConnection) -> None:
        raise AssertionError("nobody gets in")

    def refuse(connection: ServerConnection, _request: Request) -> Response:
        return connection.respond(HTTPStatus(status), "No.\n")

    async with serve(never, "127.0.0.1", 0, process_request=refuse) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"


class TestOtherWays:
    async def test_a_refused_try_goes_another_way_at_once_and_counts_for_nothing(self):
        async with linked(Reconnect(tries=1, first_ms=0)) as (server, owner, _), refusing(404) as url:
            owner.other_ways = [server.url]
            owner.urls = [url]
            await server.vanish()
            await owner.until("up", 2)
            assert owner.told == ["up", "down 1006", "up"]

    async def test_starting_over_replaces_a_good_connection_even_without_tries(self):
        async with linked(Reconnect(tries=0)) as (server, owner, link):
            link.start_over()
            link.start_over()
            await owner.until("up", 2)
            await server.next_connection()
            await server.say(b"{}")
            await owner.until("{}")
            assert owner.told == ["up", "down 1000", "up", "{}"]

    async def test_starting_over_in_vain_is_the_end(self):
        async with linked() as (_, owner, link), refusing(401) as url:
            owner.urls = [url]
            link.start_over()
            await owner.until("gone")
            assert owner.told == ["up", "down 1000", "gone"]

    async def test_after_its_end_a_link_does_not_start_over(self):
        async with linked() as (_, owner, link):
            await link.close()
            link.start_over()
            assert owner.told == ["up"]


class HandMade:
    """A connection of which a test says when it opens, and when it is lost.

    Args:
        refuses: Whether it is refused when `may_open` says so.
    """

    def __init__(self, *, refuses: bool = False) -> None:
        self.may_open, self.is_opening = asyncio.Event(), asyncio.Event()
        self.is_closed = False
        self.waiting_bytes = 0
        self._refuses = refuses

    def dial(self, _endpoint: Endpoint, _take: object, lost: OnClosed, _limits: object) -> HandMade:
        self.lost = lost
        return self

    async def open(self) -> None:
        self.is_opening.set()
        await self.may_open.wait()
        if self._refuses:
            raise ConnectionRefused("busy", "server")

    def send(self, message: Send) -> bool:
        return True

    def abandon(self, why: str) -> None:
        pass

    async def close(self) -> None:
        self.is_closed = True


@asynccontextmanager
async def by_hand(*connections: HandMade) -> AsyncIterator[tuple[Owner, Link]]:
    owner, left = Owner("ws://127.0.0.1:1"), list(connections)
    link = Link(owner, reconnect=NOW)
    link.dial = lambda *given: left.pop(0).dial(*given)
    connections[0].may_open.set()
    await link.open()
    try:
        yield owner, link
    finally:
        await link.close()


class TestLostMeanwhile:
    async def test_one_that_fails_while_the_old_connection_is_lost_is_followed_by_another_try(self):
        old, new, third = HandMade(), HandMade(refuses=True), HandMade()
        third.may_open.set()
        async with by_hand(old, new, third) as (owner, link):
            link.renew()
            await new.is_opening.wait()
            await old.lost(Closed(1006, ""))
            new.may_open.set()
            await owner.until("up", 2)
            assert owner.told == ["up", "down 1006", "up"]

    async def test_closing_in_the_midst_of_one_closes_both_connections(self):
        old, new = HandMade(), HandMade()
        new.may_open.set()
        async with by_hand(old, new) as (owner, link):
            told = asyncio.Event()

            async def link_down(_closed: Closed) -> None:
                told.set()
                await asyncio.Event().wait()

            owner.link_down = link_down
            link.renew()
            await told.wait()
            await link.close()
            assert old.is_closed
            assert new.is_closed

    async def test_a_connection_that_is_lost_before_its_owner_knows_of_it_is_replaced(self):
        first, second, third = HandMade(), HandMade(), HandMade()
        second.may_open.set()
        third.may_open.set()
        async with by_hand(first, second, third) as (owner, _):
            link_up = owner.link_up

            async def lost_at_once() -> None:
                owner.link_up = link_up
                await second.lost(Closed(1006, ""))

            owner.link_up = lost_at_once
            await first.lost(Closed(1006, ""))
            await owner.until("up", 2)
            assert owner.told == ["up", "down 1006", "down 1006", "up"]

    async def test_one_that_opens_after_the_end_is_closed(self):
        first, late = HandMade(), HandMade()
        async with by_hand(first, late) as (_, link):
            await link.close()
            opening = asyncio.create_task(link.open())
            await late.is_opening.wait()
            await link.close()
            late.may_open.set()
            await opening
            assert late.is_closed
            assert link.is_over
