"""A session ends when the last one has left the room, on whichever of Pipecat's transports."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.base_transport import BaseTransport

from tests.agents.calls import local, watch
from voicepipe.agents import Agent, AgentServer, AgentSession
from voicepipe.frames import Frame


class Passing(FrameProcessor):
    """An end of a room in which nobody speaks."""

    async def process_frame(self, frame: Frame, direction: Any) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)


class Room(BaseTransport):
    """A transport of Pipecat's that tells of clients as its own do, when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self._ends = Passing(), Passing()
        self._register_event_handler("on_client_connected")
        self._register_event_handler("on_client_disconnected")

    def input(self) -> FrameProcessor:
        return self._ends[0]

    def output(self) -> FrameProcessor:
        return self._ends[1]

    async def comes(self, client: object) -> None:
        await self._call_event_handler("on_client_connected", client)

    async def leaves(self, client: object) -> None:
        await self._call_event_handler("on_client_disconnected", client)

    @property
    def handlers(self) -> int:
        return sum(len(event.handlers) for event in self._event_handlers.values())


class Socket:
    """What a websocket's transport and SmallWebRTC's tell of: an object without an id of its own."""


CLIENTS = {"LiveKit and Daily": ({"id": "ada"}, {"id": "ben"}), "sockets": (Socket(), Socket())}


@pytest.mark.virtual_time
@pytest.mark.parametrize("kind", CLIENTS)
async def test_the_session_ends_with_the_last_one_that_leaves(kind):
    ada, ben = CLIENTS[kind]
    room, session = Room(), AgentSession()
    seen = watch(session)
    async with local() as here:
        await session.start(Agent(instructions=""), room=room, llm=here.model())
        await room.comes(ada)
        await room.comes(ben)
        await room.leaves(ada)
        await asyncio.sleep(1)
        assert not seen.of("close")
        await room.leaves(ben)
        closed = await session.wait_closed()
    assert closed.reason == "participant_disconnected"
    assert seen.of("close") == [closed]
    assert room.handlers == 0


class LeavesEarly(Passing):
    """While the pipeline is set up, the only one who is there goes."""

    def __init__(self, room: Room) -> None:
        super().__init__()
        self._room = room

    async def setup(self, setup: Any) -> None:
        await super().setup(setup)
        await self._room.comes(CALLER)
        await self._room.leaves(CALLER)


CALLER = Socket()


@pytest.mark.virtual_time
async def test_who_left_while_the_session_was_starting_is_noticed():
    room = Room()
    session = AgentSession(input_processors=[LeavesEarly(room)])
    async with local() as here:
        await session.start(Agent(instructions=""), room=room, llm=here.model())
        closed = await session.wait_closed()
    assert closed.reason == "participant_disconnected"


@pytest.mark.virtual_time
async def test_a_session_can_be_told_to_stay():
    room, session = Room(), AgentSession(close_on_disconnect=False)
    async with local() as here:
        await session.start(Agent(instructions=""), room=room, llm=here.model())
        await room.comes(Socket())
        await room.leaves(Socket())
        await asyncio.sleep(5)
        assert session.agent_state == "listening"
        await session.aclose()


async def test_a_browser_that_hangs_up_ends_the_session_over_smallwebrtc():
    """The transport itself, and a peer that is a browser's in all but its page."""
    webrtc = pytest.importorskip("tests.support.webrtc")
    from aiortc import RTCPeerConnection, RTCSessionDescription
    from pipecat.transports.base_transport import TransportParams
    from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
    from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport

    from voicepipe.browser.peer import closed

    peer, mouth, connection = RTCPeerConnection(), webrtc.Mouth(), SmallWebRTCConnection()
    peer.addTrack(mouth)
    peer.createDataChannel("conversation")
    await peer.setLocalDescription(await peer.createOffer())
    await connection.initialize(peer.localDescription.sdp, peer.localDescription.type)
    answer = connection.get_answer()
    params = TransportParams(audio_in_enabled=True, audio_out_enabled=True, audio_out_end_silence_secs=0)
    room = SmallWebRTCTransport(connection, params)
    here_now = asyncio.Event()
    room.add_event_handler("on_client_connected", lambda *_: here_now.set())
    server = AgentServer()
    try:
        async with local() as here, asyncio.timeout(webrtc.WITHIN_SECS):

            @server.rtc_session
            async def entrypoint(session: AgentSession) -> None:
                await session.start(agent=Agent(instructions=""), room=session.room, llm=here.model())

            serving = asyncio.create_task(server.serve(room))
            await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
            await here_now.wait()
            await closed(peer)
            [ended] = await serving
        assert ended.reason == "participant_disconnected"
    finally:
        mouth.stop()
        await closed(peer)
        await connection.disconnect()
        await closed(connection.pc)
