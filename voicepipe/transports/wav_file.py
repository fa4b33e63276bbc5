"""A transport whose far end is a WAV file: questions come in, and what a listener would have heard goes out.

Its processors do not stand on Pipecat's base input and output: those cut sound into 40 ms pieces, pace by sleeping and
guess that the bot stopped after 0.35 s of quiet. Here the listener's clock is exact, so that tests can ask what was heard
when. Everything else, as the shape of a transport, is Pipecat's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.base_transport import BaseTransport

from voicepipe.errors import AudioFormatError
from voicepipe.transports.answer_watch import AnswerWatch
from voicepipe.transports.conversation_time import ConversationTime
from voicepipe.transports.listener import Cut
from voicepipe.transports.sound import Sound, read_wav
from voicepipe.transports.wav_input import Question, WavFileInput
from voicepipe.transports.wav_output import WavFileOutput

QuestionSource: TypeAlias = str | Path | Sound | Question


class WavFileTransport(BaseTransport):
    """Asks questions from WAV files and writes down what a listener would have heard.

        transport = WavFileTransport("question.wav", answer_path="answer.wav")
        await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))

    Sound comes in at the file's own rate, as mono; an `AudioResampler` brings it to what the service takes. After each
    question there is silence until the answer is over; after the last one the pipeline is ended. An answer that is being
    played when the pipeline ends is played to its end; one that is cancelled is not.

    The files take their names when they are whole; until then they are `<name>.part`.

    Args:
        questions: A file, a `Sound` or a `Question`, or several of them, asked one after the other.
        answer_path: Where the bot's sound is written, as it was heard; what comes before its first sound is left out.
        stereo_path: Where both are written on one time axis: the caller left, the bot right.
        sample_rate: Of what is written, in hertz.
        pace: `real` gives sound as a microphone would, every chunk when its last sample is there; `fast` gives a question
            at once, unless the bot is speaking; the silence after it and what the bot says always take their time.
        chunk_ms: How much sound a frame holds.
        linger_ms: How long it must have been quiet after an answer.
        answer_timeout_secs: How long it may be quiet while an answer is awaited; then the next question is asked.
        name: Of the transport, for logs.
        input_name: Of its input.
        output_name: Of its output.

    Raises:
        FileNotFoundError: There is no such file, or no such folder for a result.
        AudioFormatError: It is not a WAV file or holds no sound, or there is no question at all.
        ValueError: A length of time or the rate is out of range.
    """

    def __init__(
        self,
        questions: QuestionSource | Sequence[QuestionSource],
        *,
        answer_path: str | Path | None = None,
        stereo_path: str | Path | None = None,
        sample_rate: int = 24000,
        pace: Literal["real", "fast"] = "real",
        chunk_ms: int = 20,
        linger_ms: float = 800.0,
        answer_timeout_secs: float = 20.0,
        name: str | None = None,
        input_name: str | None = None,
        output_name: str | None = None,
    ) -> None:
        super().__init__(name=name, input_name=input_name, output_name=output_name)
        for what, value in {"sample_rate": sample_rate, "chunk_ms": chunk_ms}.items():
            if value < 1:
                raise ValueError(f"{what}: {value} is not at least 1")
        watch = AnswerWatch(linger_ms)
        self._time = ConversationTime(sample_rate, _writable(answer_path), _writable(stereo_path))
        self._input = WavFileInput(
            _questions(questions),
            watch,
            self._time,
            in_real_time=pace == "real",
            chunk_ms=chunk_ms,
            answer_timeout_ms=answer_timeout_secs * 1000,
            name=input_name,
        )
        self._output = WavFileOutput(watch, self._time, name=output_name)

    def input(self) -> FrameProcessor:
        """The processor that asks."""
        return self._input

    def output(self) -> FrameProcessor:
        """The processor that listens."""
        return self._output

    @property
    def unanswered(self) -> int:
        """How many questions got no answer in time."""
        return self._input.unanswered

    @property
    def cuts(self) -> list[Cut]:
        """Where answers were cut by barge-ins."""
        return list(self._time.cuts)

    def heard_ms(self, context_id: str) -> float:
        """Return how much of a response was heard by now; `context_id` is that of its sound."""
        return self._time.heard_ms(context_id)


def _questions(sources: QuestionSource | Sequence[QuestionSource]) -> list[Question]:
    if isinstance(sources, str | Path | Sound | Question):
        sources = [sources]
    if not sources:
        raise AudioFormatError("questions: there is none")
    return [_question(source) for source in sources]


def _question(source: QuestionSource) -> Question:
    if isinstance(source, Question):
        return source
    return Question(source if isinstance(source, Sound) else read_wav(source))


def _writable(path: str | Path | None) -> Path | None:
    if path is None:
        return None
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}")
    return path


__all__ = ["Question", "QuestionSource", "WavFileTransport"]
