"""Recordings of calls: written while a call runs, read afterwards. `docs/recordings.md` describes their format."""

from voicepipe.telemetry.recording.layout import FORMAT, VERSION
from voicepipe.telemetry.recording.masking import MASK, Masking
from voicepipe.telemetry.recording.reader import Recording, RecordingError
from voicepipe.telemetry.recording.recorder import CallRecorder

__all__ = ["FORMAT", "MASK", "VERSION", "CallRecorder", "Masking", "Recording", "RecordingError"]
