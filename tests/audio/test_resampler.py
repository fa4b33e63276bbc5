"""The resampler as a stream and as a processor in a pipeline."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.processors.frame_processor import FrameDirection

from tests.support.pipelines import running
from voicepipe.audio.resampler import AudioResampler, StreamResampler
from voicepipe.errors import AudioFormatError
from voicepipe.frames import (
    EndFrame,
    ErrorFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    UserAudioRawFrame,
)


class TestStream:
    def test_equal_rates_let_sound_pass_as_it_is(self):
        resampler = StreamResampler(24000, 24000)
        pcm = bytes(range(100))
        assert resampler.process(pcm) is pcm
        assert resampler.delay_ms == 0

    def test_an_odd_byte_waits_for_its_other_half(self):
        resampler = StreamResampler(24000, 24000)
        assert resampler.process(b"\x01\x02\x03") == b"\x01\x02"
        assert resampler.process(b"") == b""
        assert resampler.process(b"\x04\x05\x06") == b"\x03\x04\x05\x06"

    def test_other_ratios_are_served_by_soxr_to_the_last_sample(self):
        resampler = StreamResampler(44100, 24000)
        time = np.arange(44100) / 44100
        pcm = np.rint(10000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16).tobytes()
        out = b"".join(resampler.process(pcm[start : start + 882]) for start in range(0, len(pcm), 882))
        out += resampler.flush()
        assert len(out) // 2 == 24000
        middle = np.frombuffer(out, np.int16)[6000:18000].astype(float)
        assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(10000, rel=0.01)

    @pytest.mark.parametrize("quality", ["soxr-qq", "soxr-lq", "soxr-mq", "soxr-hq", "soxr-vhq"])
    def test_soxr_serves_on_request_and_flush_leaves_it_as_new(self, quality):
        resampler = StreamResampler(8000, 24000, quality)
        pcm = bytes(3200)
        first = resampler.process(pcm) + resampler.flush()
        second = resampler.process(pcm) + resampler.flush()
        assert len(first) == len(second) == 9600

    @pytest.mark.parametrize("quality", ["soxr-qq", "soxr-lq", "soxr-mq", "soxr-hq", "soxr-vhq"])
    @pytest.mark.parametrize("rates", [(8000, 24000), (44100, 24000), (22050, 16000)])
    @given(data=st.data())
    def test_soxr_too_gives_the_same_samples_whatever_the_chunking(self, rates, quality, data):
        noise = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        pcm = noise.integers(-32768, 32768, 1500, dtype=np.int16).tobytes()
        cuts = sorted(data.draw(st.lists(st.integers(0, len(pcm)), max_size=10)))
        resampler = StreamResampler(*rates, quality)
        whole = resampler.process(pcm) + resampler.flush()
        parts = [resampler.process(pcm[a:b]) for a, b in itertools.pairwise([0, *cuts, len(pcm)])]
        assert b"".join(parts) + resampler.flush() == whole

    @pytest.mark.parametrize("quality", ["auto", "soxr-hq"])
    @pytest.mark.parametrize("out_rate", [8000, 16000])
    def test_of_nothing_nothing_comes_out(self, out_rate, quality):
        resampler = StreamResampler(8000, out_rate, quality)
        assert resampler.process(b"") + resampler.process(b"\x01") + resampler.flush() == b""

    def test_after_reset_nothing_of_the_old_stream_comes_out(self):
        resampler = StreamResampler(8000, 24000)
        resampler.process(b"\xff\x7f" * 400)
        resampler.reset()
        assert not any(resampler.process(bytes(800)) + resampler.flush())

    @pytest.mark.parametrize(
        ("rates", "field"), [((0, 24000), "in_rate"), ((8000, 10**6), "out_rate"), ((8000.0, 1), "in_rate")]
    )
    def test_an_impossible_rate_is_an_error_that_names_it(self, rates, field):
        with pytest.raises(AudioFormatError, match=field):
            StreamResampler(*rates)

    def test_a_quality_that_is_none_is_an_error_that_names_it(self):
        with pytest.raises(AudioFormatError, match="quality"):
            StreamResampler(8000, 24000, "best")  # pyright: ignore[reportArgumentType]
        with pytest.raises(AudioFormatError, match="quality"):
            AudioResampler(quality="best")  # pyright: ignore[reportArgumentType]

    def test_polyphase_is_refused_where_it_does_not_serve(self):
        with pytest.raises(AudioFormatError, match="quality"):
            StreamResampler(44100, 24000, "polyphase")


class TestProcessor:
    async def test_the_users_sound_comes_out_at_the_services_rate_in_frames_of_its_class(self):
        async with running(AudioResampler()) as bot:
            for _ in range(5):
                await bot.worker.queue_frame(UserAudioRawFrame(bytes(320), 8000, 1, user_id="u"))
            frames = await bot.down.wait_for(UserAudioRawFrame, count=5)
        assert {(frame.sample_rate, frame.num_channels, frame.user_id) for frame in frames} == {
            (24000, 1, "u")
        }
        assert all(frame.num_frames == len(frame.audio) // 2 for frame in frames)
        assert sum(frame.num_frames for frame in frames) == pytest.approx(5 * 480, abs=3)

    async def test_sound_at_the_right_rate_is_the_same_frame(self):
        frame = InputAudioRawFrame(bytes(960), 24000, 1)
        async with running(AudioResampler()) as bot:
            await bot.worker.queue_frame(frame)
            assert (await bot.down.wait_for(InputAudioRawFrame))[0] is frame

    async def test_the_bots_sound_keeps_its_fields_and_its_tail_comes_before_what_ends_it(self):
        async with running(AudioResampler(out_rate=8000)) as bot:
            await bot.worker.queue_frame(TTSAudioRawFrame(bytes(960), 24000, 1, context_id="r1"))
            await bot.worker.queue_frame(TTSStoppedFrame(context_id="r1"))
            await bot.down.wait_for(TTSStoppedFrame)
        names = bot.down.names(TTSAudioRawFrame, TTSStoppedFrame)
        assert names == ["TTSAudioRawFrame", "TTSAudioRawFrame", "TTSStoppedFrame"]
        sound = bot.down.of(TTSAudioRawFrame)
        assert {(frame.sample_rate, frame.context_id) for frame in sound} == {(8000, "r1")}
        assert sum(frame.num_frames for frame in sound) >= 160

    async def test_the_pipelines_rate_is_the_default_for_the_bots_sound(self):
        async with running(AudioResampler()) as bot:
            await bot.worker.queue_frame(OutputAudioRawFrame(bytes(320), 8000, 1))
            [frame] = await bot.down.wait_for(OutputAudioRawFrame)
        assert frame.sample_rate == 24000

    async def test_the_tail_comes_before_the_end_of_the_pipeline(self):
        async with running(AudioResampler(out_rate=8000)) as bot:
            await bot.worker.queue_frame(OutputAudioRawFrame(bytes(960), 24000, 1))
            await bot.worker.queue_frame(EndFrame())
            await bot.ended
        assert bot.down.names(OutputAudioRawFrame, EndFrame)[-2:] == ["OutputAudioRawFrame", "EndFrame"]

    async def test_nothing_of_an_interrupted_answer_leaks_into_the_next(self):
        loud = TTSAudioRawFrame(b"\xff\x7f" * 480, 24000, 1, context_id="r1")
        async with running(AudioResampler(out_rate=8000)) as bot:
            await bot.worker.queue_frame(loud)
            await bot.down.wait_for(TTSAudioRawFrame)
            await bot.worker.queue_frame(InterruptionFrame())
            await bot.down.wait_for(InterruptionFrame)
            await bot.worker.queue_frame(TTSAudioRawFrame(bytes(960), 24000, 1, context_id="r2"))
            await bot.worker.queue_frame(TTSStoppedFrame())
            await bot.down.wait_for(TTSStoppedFrame)
        later = [frame for frame in bot.down.of(TTSAudioRawFrame) if frame.context_id == "r2"]
        assert later
        assert not any(any(frame.audio) for frame in later)

    async def test_a_new_rate_of_the_users_sound_begins_a_new_stream(self):
        async with running(AudioResampler()) as bot:
            await bot.worker.queue_frame(InputAudioRawFrame(bytes(320), 8000, 1))
            await bot.worker.queue_frame(InputAudioRawFrame(bytes(640), 16000, 1))
            frames = await bot.down.wait_for(InputAudioRawFrame, count=3)
        assert {frame.sample_rate for frame in frames} == {24000}

    async def test_sound_with_two_channels_is_one_clear_error_and_does_not_pass(self):
        async with running(AudioResampler()) as bot:
            for _ in range(3):
                await bot.worker.queue_frame(InputAudioRawFrame(bytes(320), 8000, 2))
            await bot.worker.queue_frame(InputAudioRawFrame(bytes(320), 8000, 1))
            await bot.down.wait_for(InputAudioRawFrame)
        [problem] = bot.up.of(ErrorFrame)
        assert "num_channels" in problem.error
        assert len(bot.down.of(InputAudioRawFrame)) == 1

    async def test_a_tail_is_a_frame_of_its_own_with_the_fields_of_the_last(self):
        last = TTSAudioRawFrame(bytes(960), 24000, 1, context_id="r1")
        last.metadata["call"] = "c1"
        last.transport_destination = "left"
        async with running(AudioResampler(out_rate=8000)) as bot:
            await bot.worker.queue_frame(last)
            await bot.worker.queue_frame(TTSStoppedFrame(context_id="r1"))
            await bot.down.wait_for(TTSStoppedFrame)
        sound, tail = bot.down.of(TTSAudioRawFrame)
        assert (sound.id, sound.name) == (last.id, last.name)
        # Pipecat's ParallelPipeline takes a second frame with the same id for the same frame and drops it.
        assert tail.id != last.id
        assert (tail.context_id, tail.metadata, tail.transport_destination) == ("r1", {"call": "c1"}, "left")
        assert tail.num_frames == len(tail.audio) // 2 > 0

    async def test_the_frame_that_came_is_left_as_it_was(self):
        frame = InputAudioRawFrame(bytes(320), 8000, 1)
        async with running(AudioResampler()) as bot:
            await bot.worker.queue_frame(frame)
            [out] = await bot.down.wait_for(InputAudioRawFrame)
        assert (frame.sample_rate, len(frame.audio), frame.num_frames) == (8000, 320, 160)
        assert (out.sample_rate, out.num_frames) == (24000, 480)

    async def test_a_chunk_that_completes_no_sample_gives_no_frame(self):
        async with running(AudioResampler()) as bot:
            await bot.worker.queue_frame(InputAudioRawFrame(b"\x01", 8000, 1))
            await bot.worker.queue_frame(TTSStoppedFrame())
            await bot.down.wait_for(TTSStoppedFrame)
        assert not bot.down.of(InputAudioRawFrame)

    async def test_a_rate_that_cannot_be_is_one_error_and_sound_after_it_passes(self):
        async with running(AudioResampler()) as bot:
            for _ in range(3):
                await bot.worker.queue_frame(InputAudioRawFrame(bytes(320), 10, 1))
            await bot.worker.queue_frame(InputAudioRawFrame(bytes(320), 8000, 1))
            await bot.down.wait_for(InputAudioRawFrame)
        [problem] = bot.up.of(ErrorFrame)
        assert "in_rate" in problem.error
        assert len(bot.down.of(InputAudioRawFrame)) == 1

    async def test_sound_going_upstream_is_not_touched(self):
        frame = OutputAudioRawFrame(bytes(320), 8000, 1)
        async with running(AudioResampler()) as bot:
            await bot.worker.queue_frame(frame, FrameDirection.UPSTREAM)
            assert (await bot.up.wait_for(OutputAudioRawFrame))[0] is frame
