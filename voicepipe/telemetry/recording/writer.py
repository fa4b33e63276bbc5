"""The thread that writes a recording, so that a slow disk never holds a call up. What it is given is bounded in bytes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO, Final, Literal, Protocol, TypeAlias

import orjson
from loguru import logger

from voicepipe.realtime.link import WireWay
from voicepipe.telemetry.recording.layout import EVENTS, SOUND, Entry, Kind
from voicepipe.telemetry.recording.sounds import SoundFile

MOST_WAITING_BYTES: Final = 32_000_000
"""Of what waits for the disk: five minutes of a call with everything in it."""

Who: TypeAlias = Literal["caller", "bot"]


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened: `n` is its number, `t` and `w` are as in an entry."""

    n: int
    t: float
    w: int


@dataclass(frozen=True, slots=True)
class WireEvent:
    """What a link's tap told of."""

    moment: Moment
    service: int
    way: WireWay
    message: bytes


@dataclass(frozen=True, slots=True)
class SoundEvent:
    """Sound of one party: s16le mono."""

    moment: Moment
    who: Who
    sample_rate: int
    context_id: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Fact:
    """Anything else: a kind of entry and its fields as JSON."""

    moment: Moment
    kind: Kind
    fields: bytes


Event: TypeAlias = WireEvent | SoundEvent | Fact


class Scribe(Protocol):
    """Turns events into entries."""

    def take(self, event: Event) -> None:
        """Write an event down."""
        ...

    def close(self) -> None:
        """Write what was held back."""
        ...


class RecordingFiles:
    """The two files of a recording that grow.

    Args:
        folder: Where they are; made if it is not there, and must hold no recording.

    Raises:
        OSError: They cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # Not buffered: what was written survives the process.
        self._events: BinaryIO = (folder / EVENTS).open("xb", buffering=0)
        try:
            self.sound = SoundFile(folder / SOUND)
        except OSError:
            self._events.close()
            raise

    def write(self, entry: Entry) -> None:
        """Add an entry."""
        self._events.write(orjson.dumps(entry, default=str, option=orjson.OPT_NON_STR_KEYS) + b"\n")

    def close(self) -> None:
        """Finish the files."""
        self._events.close()
        self.sound.close()


class Writer:
    """Owns the thread.

    Args:
        scribe: Makes entries of events, on the thread.
        on_closed: Called last, on the thread.
        most_bytes: How much may wait for it; what comes beyond that is dropped and counted.
    """

    def __init__(
        self, scribe: Scribe, on_closed: Callable[[], None], *, most_bytes: int = MOST_WAITING_BYTES
    ) -> None:
        self.dropped = 0
        """How many events were dropped because the disk did not keep up, or failed."""
        self._scribe = scribe
        self._on_closed = on_closed
        self._most_bytes = most_bytes
        self._queue: SimpleQueue[Event | None] = SimpleQueue()
        # Each is written by one thread alone, so neither needs a lock.
        self._put_bytes = 0
        self._taken_bytes = 0
        self._has_failed = False
        # In the context of the call, so that what is logged there is about it.
        run = partial(copy_context().run, self._run)
        self._thread = threading.Thread(target=run, name="call recording", daemon=True)
        self._thread.start()

    @property
    def waiting_bytes(self) -> int:
        """How much waits for the disk, roughly."""
        return self._put_bytes - self._taken_bytes

    def put(self, event: Event) -> None:
        """Write an event soon; returns at once."""
        size = _size(event)
        if self._has_failed or self.waiting_bytes + size > self._most_bytes:
            self.dropped += 1
            if self.dropped == 1 and not self._has_failed:
                logger.warning("the recording does not keep up with the call: parts of it are left out")
            return
        self._put_bytes += size
        self._queue.put(event)

    def close(self) -> None:
        """Wait until all is written. Blocks; may be called more than once."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            self._write(event)
            self._taken_bytes += _size(event)
            # The loop's thread gets its turn between two events, not only when this one has to wait.
            time.sleep(0)
        try:
            if not self._has_failed:
                self._scribe.close()
        except OSError as error:
            self._fail(error)
        finally:
            self._on_closed()

    def _write(self, event: Event) -> None:
        if self._has_failed:
            return
        try:
            self._scribe.take(event)
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self._has_failed = True
        logger.error(f"the call is not recorded any further: {error.strerror or type(error).__name__}")


def _size(event: Event) -> int:
    if isinstance(event, WireEvent):
        return len(event.message) + 100
    return len(event.pcm if isinstance(event, SoundEvent) else event.fields) + 100
