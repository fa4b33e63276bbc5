"""What the agent says on its way out: pieces of sound, each with the letters that begin in it."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Any, Final

from voicepipe.local.elevenlabs.agent import AudioFormat
from voicepipe.local.elevenlabs.formats import bytes_per_second, encoded, sample_bytes

_WORD: Final = re.compile(r"\s*\S+")


@dataclass(frozen=True, slots=True)
class _Letter:
    """A letter, and when in its utterance's sound it is spoken."""

    text: str
    begins_ms: float
    lasts_ms: float


@dataclass(frozen=True, slots=True)
class Piece:
    """Sound that goes out in one event.

    Parameters:
        sound: Base64, in the agent's output format.
        lasts_ms: How long it is.
        alignment: Its letters, with times from its own beginning.
        is_final: Whether it is its utterance's last.
    """

    sound: str
    lasts_ms: float
    alignment: dict[str, Any]
    is_final: bool


class Utterance:
    """Words said in one go, of which the client is told in one `agent_response`.

    Args:
        id_: Tells it from the others of its conversation.
        text: All its words.
        kind: The format of its sound.
    """

    def __init__(self, id_: str, text: str, kind: AudioFormat) -> None:
        self.id = id_
        self.text = text
        self.is_out = False
        """Whether all of it has gone out."""
        self._kind: AudioFormat = kind
        self._sound = b""
        self._sent_ms = 0.0
        self._letters: list[_Letter] = []
        self._words: list[tuple[float, str]] = []
        self._is_whole = False

    @property
    def has_more(self) -> bool:
        """Whether something that was handed over, if only the end, has not gone out yet."""
        return bool(self._sound) or (self._is_whole and not self.is_out)

    def voice(self, text: str, pcm: bytes, sample_rate: int, *, is_last: bool) -> None:
        """Take the sound of its next sentence.

        Args:
            text: The sentence.
            pcm: Its sound, s16le mono.
            sample_rate: Of `pcm`, in hertz.
            is_last: Whether no other sentence follows.
        """
        sound = encoded(pcm, sample_rate, self._kind)
        begins_ms = self._sent_ms + self._ms(self._sound)
        spaced = f" {text}" if self._words else text
        # As if every letter took the same time.
        letter_ms = self._ms(sound) / max(1, len(spaced))
        self._letters += [_Letter(one, begins_ms + i * letter_ms, letter_ms) for i, one in enumerate(spaced)]
        self._words += [(begins_ms + word.end() * letter_ms, word[0]) for word in _WORD.finditer(spaced)]
        self._sound += sound
        self._is_whole = is_last

    def next(self, piece_ms: int) -> Piece:
        """Return its next `piece_ms` of sound."""
        size = bytes_per_second(self._kind) * piece_ms // 1000
        size -= size % sample_bytes(self._kind)
        sound, self._sound = self._sound[:size], self._sound[size:]
        begins_ms = self._sent_ms
        self._sent_ms += self._ms(sound)
        count = sum(letter.begins_ms < self._sent_ms for letter in self._letters)
        if not self._sound:
            count = len(self._letters)
        letters, self._letters = self._letters[:count], self._letters[count:]
        self.is_out = self._is_whole and not self._sound
        alignment = {
            "chars": [letter.text for letter in letters],
            "char_start_times_ms": [round(letter.begins_ms - begins_ms) for letter in letters],
            "char_durations_ms": [round(letter.lasts_ms) for letter in letters],
        }
        return Piece(b64encode(sound).decode(), self._sent_ms - begins_ms, alignment, self.is_out)

    def heard_by(self, played_ms: float) -> str:
        """Return the words that have been heard when so much of its sound has been played."""
        return "".join(word for ends_ms, word in self._words if ends_ms <= played_ms).strip()

    def end(self) -> None:
        """Have nothing more of it go out."""
        self.is_out = True
        self._sound = b""

    def _ms(self, sound: bytes) -> float:
        return 1000 * len(sound) / bytes_per_second(self._kind)


class Reply:
    """An answer that is being made; whoever makes it holds it and reports with it.

    Args:
        id_: Tells it from the others of its conversation.
        speaks: Whether it has sound.
    """

    def __init__(self, id_: str, *, speaks: bool) -> None:
        self.id = id_
        self.speaks = speaks
        self.is_over = False
        self.has_called = False
        """Whether it called a tool, so that another reply follows it."""
        self.utterance: Utterance | None = None
        """What it says now."""

    @property
    def has_more(self) -> bool:
        """Whether something that was handed over has not gone out yet."""
        return self.utterance is not None and self.utterance.has_more and not self.is_over
