"""This machine's microphone and loudspeaker as both ends of a pipeline: Pipecat's local audio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.base_transport import BaseTransport

from voicepipe.errors import AudioDeviceError, MissingExtraError

if TYPE_CHECKING:
    from pipecat.transports.local.audio import LocalAudioInputTransport, LocalAudioOutputTransport

_RATE: Final = 24000
"""What the realtime APIs take and give, in hertz; the sound system resamples where a device can't."""


class MicrophoneTransport(BaseTransport):
    """The default microphone and loudspeaker; an async context manager that gives them back on leaving.

        async with MicrophoneTransport() as transport:
            await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))

    Sound is s16le mono at 24 kHz both ways. Nothing takes the loudspeaker's sound out of the microphone's: the bot hears
    itself where there are no headphones.

    Args:
        input_device: PortAudio's number of the microphone; None is the default one.
        output_device: Of the loudspeaker.

    Raises:
        MissingExtraError: The extra "mic" is not installed.
        AudioDeviceError: There is no microphone, or no loudspeaker.
    """

    def __init__(self, *, input_device: int | None = None, output_device: int | None = None) -> None:
        super().__init__()
        pyaudio = _pyaudio()
        from pipecat.transports.local.audio import (
            LocalAudioInputTransport,
            LocalAudioOutputTransport,
            LocalAudioTransportParams,
        )

        self._audio: Any = pyaudio.PyAudio()
        try:
            self.input_name = _device(self._audio, "input", input_device)
            """The microphone's name."""
            self.output_name = _device(self._audio, "output", output_device)
            """The loudspeaker's name."""
        except AudioDeviceError:
            self._audio.terminate()
            raise
        params = LocalAudioTransportParams(
            audio_in_enabled=True,
            audio_in_sample_rate=_RATE,
            audio_out_enabled=True,
            audio_out_sample_rate=_RATE,
            audio_out_10ms_chunks=2,
            audio_out_end_silence_secs=0,
            input_device_index=input_device,
            output_device_index=output_device,
        )
        self._input: LocalAudioInputTransport = LocalAudioInputTransport(self._audio, params)
        self._output: LocalAudioOutputTransport = LocalAudioOutputTransport(self._audio, params)

    async def __aenter__(self) -> MicrophoneTransport:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give the devices back; the pipeline is over by now."""
        self._audio.terminate()

    def input(self) -> FrameProcessor:
        """The processor that gives what the microphone hears."""
        return self._input

    def output(self) -> FrameProcessor:
        """The processor that plays what the bot says."""
        return self._output


def _pyaudio() -> Any:
    try:
        import pyaudio  # pyright: ignore[reportMissingModuleSource, reportMissingImports]
    except ImportError:
        raise MissingExtraError("this machine's microphone", "mic") from None
    return pyaudio  # pyright: ignore[reportUnknownVariableType]


def _device(audio: Any, way: str, number: int | None) -> str:
    """Return a device's name."""
    what = "microphone" if way == "input" else "loudspeaker"
    try:
        if number is None:
            found = getattr(audio, f"get_default_{way}_device_info")()
        else:
            found = audio.get_device_info_by_index(number)
    except OSError as error:
        which = "" if number is None else f" number {number}"
        raise AudioDeviceError(what, f"this machine has no {what}{which} ({error})") from None
    if not found[f"max{way.capitalize()}Channels"]:
        raise AudioDeviceError(what, f"device number {number}, {found['name']}, is no {what}")
    return str(found["name"])
