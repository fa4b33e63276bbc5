"""A recording as one HTML file that a browser shows without any network."""

from voicepipe.telemetry.recording.page.build import page_of, write_page

__all__ = ["page_of", "write_page"]
