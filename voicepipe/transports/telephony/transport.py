"""A telephone call as a transport: a carrier's media stream at both ends of a pipeline.

Its processors do not stand on Pipecat's base input and output: those cut sound into 40 ms pieces, pace it by sleeping
and guess that the bot has stopped after 0.35 s of quiet. A carrier buffers and paces by itself and says what it has played.
"""

from __future__ import annotations

from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.base_transport import BaseTransport

from voicepipe.transports.telephony.carriers import Carrier, wire_named
from voicepipe.transports.telephony.events import StreamStarted
from voicepipe.transports.telephony.input import TelephonyInput
from voicepipe.transports.telephony.output import TelephonyOutput
from voicepipe.transports.telephony.sockets import MediaSocket
from voicepipe.transports.telephony.stream import MediaStream, StreamLimits
from voicepipe.transports.telephony.wire import CarrierWire


class TelephonyTransport(BaseTransport):
    """One call's media stream, on a WebSocket that the carrier opened.

        async def serve_call(websocket: ServerConnection) -> None:
            transport = TelephonyTransport(websocket)
            await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]), handle_signals=False)

    Sound comes in as it is coded on the line, decoded to s16le: 8 kHz, for G.711; an `AudioResampler` brings it to what the
    service takes. What the bot says goes out as it comes, at the line's rate and coding. When the caller hangs up, the
    pipeline is ended; when the pipeline ends, what the bot has said is played to its end and then the socket is closed.

    Events:
        on_client_connected(transport, websocket): the pipeline has started and the stream runs.
        on_client_disconnected(transport, websocket): the carrier ended the stream. The pipeline ends by itself.

    Args:
        websocket: The accepted socket: one of `websockets`, or a `StarletteSocket` around FastAPI's.
        carrier: The carrier's name, or a wire with settings of its own (`TelnyxWire`); None recognises the carrier by its
            first messages.
        limits: Time-outs and bounds.
        name: Of the transport, for logs.
        input_name: Of its input.
        output_name: Of its output.

    Raises:
        SettingsError: There is no such carrier.
    """

    def __init__(
        self,
        websocket: MediaSocket,
        *,
        carrier: Carrier | CarrierWire | None = None,
        limits: StreamLimits | None = None,
        name: str | None = None,
        input_name: str | None = None,
        output_name: str | None = None,
    ) -> None:
        super().__init__(name=name, input_name=input_name, output_name=output_name)
        self._websocket = websocket
        wire = wire_named(carrier) if isinstance(carrier, str) else carrier
        self._stream = MediaStream(websocket, wire, limits)
        self._output = TelephonyOutput(self._stream, on_dead=self._dead, name=output_name)
        self._input = TelephonyInput(
            self._stream,
            on_mark=self._output.mark_returned,
            on_connected=self._connected,
            on_disconnected=self._disconnected,
            name=input_name,
        )
        self._register_event_handler("on_client_connected")
        self._register_event_handler("on_client_disconnected")

    def input(self) -> FrameProcessor:
        """The processor that gives what the caller says."""
        return self._input

    def output(self) -> FrameProcessor:
        """The processor that says to the caller what the bot says."""
        return self._output

    @property
    def started(self) -> StreamStarted | None:
        """What the carrier said of the call, once the stream has started."""
        return self._stream.started

    async def start(self) -> StreamStarted:
        """Wait for the carrier's first word on the call, and return it: ids, numbers, the markup's parameters.

        A pipeline does so by itself; ask for it first if the bot depends on it.

        Raises:
            CarrierStreamError: It did not come in time, cannot be read, or its sound is coded in a way we do not know.
        """
        return await self._stream.start()

    async def _connected(self) -> None:
        await self._call_event_handler("on_client_connected", self._websocket)

    async def _disconnected(self) -> None:
        await self._output.line_ended()
        await self._call_event_handler("on_client_disconnected", self._websocket)

    async def _dead(self) -> None:
        await self._input.hung_up()
