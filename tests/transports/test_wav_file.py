"""WAV files at both ends of a pipeline."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from tests.support.pipelines import Recorder
from voicepipe.errors import AudioFormatError
from voicepipe.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    OutputAudioRawFrame,
    PlaybackMarkFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.pipeline import Pipeline, PipelineWorker, run
from voicepipe.transports.sound import Sound, read_wav
from voicepipe.transports.wav_file import Question, WavFileTransport


def question(ms: int, rate: int = 8000) -> Sound:
    return Sound(np.full(rate * ms // 1000, 1000, np.int16).tobytes(), rate)


class Parrot(FrameProcessor):
    """Answers each loud stretch, 100 ms after it ended, with sound that all comes at once."""

    def __init__(self, answer_ms: int, rate: int = 24000) -> None:
        super().__init__()
        self._answer_ms = answer_ms
        self._rate = rate
        self._quiet_ms: float | None = None
        self._answers = 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            if any(frame.audio):
                if self._answers and self._quiet_ms is None:
                    await self.broadcast_interruption()
                self._quiet_ms = 0.0
            elif self._quiet_ms is not None:
                self._quiet_ms += 1000 * frame.num_frames / frame.sample_rate
                if self._quiet_ms >= 100:
                    self._quiet_ms = None
                    await self._answer()
        await self.push_frame(frame, direction)

    async def _answer(self) -> None:
        self._answers += 1
        name = f"r{self._answers}"
        await self.broadcast_frame(UserStoppedSpeakingFrame)
        await self.push_frame(LLMFullResponseStartFrame())
        await self.push_frame(TTSStartedFrame(context_id=name))
        pcm = np.full(self._rate * self._answer_ms // 1000, 2000, np.int16).tobytes()
        await self.push_frame(TTSAudioRawFrame(pcm, self._rate, 1, context_id=name))
        await self.push_frame(TTSStoppedFrame(context_id=name))
        await self.push_frame(LLMFullResponseEndFrame())


@pytest.mark.virtual_time
class TestConversation:
    async def test_after_the_question_there_is_silence_until_the_answer_is_over_and_then_the_pipeline_ends(
        self,
    ):
        transport = WavFileTransport(question(300), linger_ms=500)
        began = asyncio.get_running_loop().time()
        result = await run(Pipeline([transport.input(), Parrot(1000), transport.output()]))
        lasted_ms = 1000 * (asyncio.get_running_loop().time() - began)
        assert result.reason == "ended"
        # 300 of question, 100 of silence, 1,000 of answer, 500 of quiet, and what is left of a chunk.
        assert 1880 <= lasted_ms <= 1960
        assert transport.heard_ms("r1") == 1000

    async def test_sound_comes_as_from_a_microphone_each_chunk_when_its_last_sample_is_there(self):
        times: list[float] = []

        class Ear(FrameProcessor):
            async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
                await super().process_frame(frame, direction)
                if isinstance(frame, InputAudioRawFrame):
                    times.append(asyncio.get_running_loop().time())
                await self.push_frame(frame, direction)

        transport = WavFileTransport(question(400), answer_timeout_secs=0.1)
        began = asyncio.get_running_loop().time()
        await run(Pipeline([transport.input(), Ear(), transport.output()]))
        assert [round(1000 * (at - began)) for at in times[:20]] == [20 * (index + 1) for index in range(20)]

    async def test_fast_gives_a_question_at_once(self):
        transport = WavFileTransport(question(60_000), pace="fast", linger_ms=100)
        began = asyncio.get_running_loop().time()
        await run(Pipeline([transport.input(), Parrot(100), transport.output()]))
        assert asyncio.get_running_loop().time() - began < 1

    async def test_a_question_that_gets_no_answer_is_given_up_and_counted(self):
        transport = WavFileTransport([question(100), question(100)], answer_timeout_secs=2)
        result = await run(Pipeline([transport.input(), transport.output()]))
        assert (result.reason, transport.unanswered) == ("ended", 2)

    async def test_a_barge_in_cuts_the_answer_where_the_listener_was(self):
        transport = WavFileTransport(
            [question(100), Question(question(100), barge_in_after_ms=400)], linger_ms=100
        )
        recorder = Recorder(keep=FrameDirection.UPSTREAM)
        await run(Pipeline([transport.input(), Parrot(2000), recorder, transport.output()]))
        [cut] = transport.cuts
        assert cut.context_id == "r1"
        assert cut.played_ms == pytest.approx(420, abs=21)
        assert transport.heard_ms("r1") == cut.played_ms
        marks = [mark for mark in recorder.of(PlaybackMarkFrame) if mark.context_id == "r1"]
        assert [round(mark.played_ms) for mark in marks] == [0, round(cut.played_ms)]
        assert marks[1].at_ms - marks[0].at_ms == pytest.approx(cut.played_ms, abs=1)
        assert (
            recorder.names(BotStartedSpeakingFrame, BotStoppedSpeakingFrame, InterruptionFrame).count(
                "BotStoppedSpeakingFrame"
            )
            == 2
        )

    async def test_the_answer_file_holds_what_was_heard_and_the_stereo_file_both_on_one_axis(self, tmp_path):
        answer, both = tmp_path / "answer.wav", tmp_path / "both.wav"
        transport = WavFileTransport(question(300), answer_path=answer, stereo_path=both, linger_ms=100)
        await run(Pipeline([transport.input(), Parrot(500, rate=8000), transport.output()]))
        heard = np.frombuffer(read_wav(answer).pcm, np.int16)
        assert np.count_nonzero(np.abs(heard) > 1000) / 24 == pytest.approx(500, abs=3)
        sound, rate = soundfile.read(both, dtype="int16")
        left, right = np.flatnonzero(sound[:, 0] > 500), np.flatnonzero(sound[:, 1] > 1000)
        assert 1000 * left[0] / rate == pytest.approx(0, abs=5)
        assert 1000 * left[-1] / rate == pytest.approx(300, abs=5)
        assert 1000 * right[0] / rate == pytest.approx(400, abs=25)

    async def test_sound_of_two_channels_is_refused_once_and_said(self):
        async def speak(worker: PipelineWorker) -> None:
            await worker.queue_frames([OutputAudioRawFrame(bytes(4800), 24000, 2)] * 2)

        transport = WavFileTransport(question(100), answer_timeout_secs=1)
        recorder = Recorder(keep=FrameDirection.UPSTREAM)
        await run(Pipeline([transport.input(), recorder, transport.output()]), on_started=speak)
        [error] = recorder.of(ErrorFrame)
        assert error.error.startswith("num_channels: the listener hears mono")
        assert not recorder.of(BotStartedSpeakingFrame)

    async def test_until_a_file_is_whole_it_does_not_have_its_name(self, tmp_path):
        transport = WavFileTransport(question(5000), stereo_path=tmp_path / "both.wav")
        seen: list[list[str]] = []

        async def started(worker: PipelineWorker) -> None:
            await asyncio.sleep(0.1)
            seen.append(sorted(path.name for path in tmp_path.iterdir()))
            await worker.queue_frame(CancelFrame())

        await run(Pipeline([transport.input(), transport.output()]), on_started=started)
        assert seen == [["both.wav.part"]]
        assert [path.name for path in tmp_path.iterdir()] == ["both.wav"]
        assert soundfile.info(tmp_path / "both.wav").channels == 2


class TestReading:
    @pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
    @pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000])
    def test_any_width_and_rate_is_read(self, tmp_path, subtype, rate):
        wave = 0.5 * np.sin(2 * np.pi * 200 * np.arange(rate // 10) / rate)
        soundfile.write(tmp_path / "a.wav", wave, rate, subtype=subtype)
        sound = read_wav(tmp_path / "a.wav")
        samples = np.frombuffer(sound.pcm, np.int16)
        assert (sound.sample_rate, round(sound.duration_ms)) == (rate, 100)
        assert np.abs(samples - 32768 * wave).max() <= (300 if subtype == "PCM_U8" else 2)

    def test_wave_format_extensible_and_several_channels_are_read_as_one(self, tmp_path):
        channels = np.column_stack([np.full(800, 0.5), np.full(800, 0.1), np.full(800, 0.0)])
        soundfile.write(tmp_path / "a.wav", channels, 8000, format="WAVEX", subtype="PCM_16")
        samples = np.frombuffer(read_wav(tmp_path / "a.wav").pcm, np.int16)
        assert len(samples) == 800
        assert samples[0] == pytest.approx(0.2 * 32768, abs=2)

    def test_a_file_that_is_not_there_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"nothing\.wav"):
            WavFileTransport(tmp_path / "nothing.wav")

    def test_what_is_no_wav_file_is_named(self, tmp_path):
        (tmp_path / "a.wav").write_text("hello")
        with pytest.raises(AudioFormatError, match=r"a\.wav.*not a WAV"):
            read_wav(tmp_path / "a.wav")

    def test_another_format_is_named(self, tmp_path):
        soundfile.write(tmp_path / "a.flac", np.zeros(800), 8000)
        with pytest.raises(AudioFormatError, match="FLAC"):
            read_wav(tmp_path / "a.flac")

    def test_an_empty_file_is_named(self, tmp_path):
        soundfile.write(tmp_path / "a.wav", np.zeros(0), 8000)
        with pytest.raises(AudioFormatError, match="empty"):
            read_wav(tmp_path / "a.wav")

    def test_no_question_at_all_is_an_error(self):
        with pytest.raises(AudioFormatError, match="questions"):
            WavFileTransport([])

    @pytest.mark.parametrize(("peak", "silent"), [(0, True), (30, True), (200, False), (-32768, False)])
    def test_a_sound_knows_whether_there_is_anything_to_hear_in_it(self, peak, silent):
        samples = np.zeros(800, np.int16)
        samples[400] = peak
        assert Sound(samples.tobytes(), 8000).is_silent is silent

    def test_a_path_may_be_text(self, tmp_path: Path):
        soundfile.write(tmp_path / "a.wav", np.full(800, 0.5), 8000)
        assert read_wav(str(tmp_path / "a.wav")).sample_rate == 8000
