"""The services under test: one entry a service."""

from tests.reliability.subjects.elevenlabs import ELEVENLABS
from tests.reliability.subjects.openai import OPENAI_BETA, OPENAI_GA
from tests.reliability.subjects.subject import Subject

SUBJECTS = (OPENAI_GA, OPENAI_BETA, ELEVENLABS)

__all__ = ["ELEVENLABS", "OPENAI_BETA", "OPENAI_GA", "SUBJECTS", "Subject"]
