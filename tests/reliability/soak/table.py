"""What came of the soak, as a page of the documentation has it."""

from __future__ import annotations

from collections.abc import Sequence

from tests.reliability.soak.ends import Ends
from tests.reliability.soak.load import LATE_MS, WAIT_MS, Load, share


def load_table(done: Load, secs: float) -> str:
    """Return parts one and two, which took so many seconds, as Markdown."""
    heard, before, after = done.heard, done.before, done.after
    lost = "none" if not heard.lost_bytes else f"{heard.lost_bytes:,}"
    rows = [
        ("calls", f"{heard.calls:,} in {secs:.0f} s", ""),
        ("questions answered", f"{heard.answers:,}, not answered: {len(heard.silent)}", "all"),
        ("from question to answer, ms: p50 / p99 / most", _spread(heard.wait_ms), f"p99 up to {WAIT_MS:.0f}"),
        (
            "sound on the line after it left the API, ms: p50 / p99 / most",
            _spread(heard.late_ms),
            f"p99 up to {LATE_MS:.0f}",
        ),
        (
            "gaps in what is heard of an answer: how many / longest, ms",
            f"{len(heard.gaps_ms)} / {max(heard.gaps_ms, default=0):.0f}",
            "none",
        ),
        (
            "sound in bytes of the line: from the API / played / lost",
            f"{heard.sent_bytes:,} / {heard.heard_bytes:,} / {lost}",
            "none lost",
        ),
        ("calls too many that heard the busy tone", f"{heard.busy} of {done.extra}", "all"),
        ("of one core, while most calls ran, callers and server included", f"{done.core_share:.0%}", ""),
        ("memory before / after, MB", f"{before.memory / 1e6:.1f} / {after.memory / 1e6:.1f}", ""),
        ("tasks before / after", f"{before.tasks} / {after.tasks}", "no more"),
        ("descriptors before / after", f"{before.descriptors} / {after.descriptors}", "no more"),
    ]
    return "\n".join(["| | measured | bound |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])


def ends_rows(done: Ends) -> str:
    """Return part three, as more rows of the same table."""
    rows = [
        ("SIGKILL: calls left open, which the next start marked", f"{done.left_open} of {done.calls}", "all"),
        ("SIGTERM: calls ended in order", f"{done.drained} of {done.calls}", "all"),
        ("SIGTERM: seconds to the end of the process", f"{done.drain_secs:.1f}", ""),
        (
            "finished turns that callers heard before SIGKILL / SIGTERM",
            f"{done.killed_turns} / {done.drained_turns}",
            "all in the records",
        ),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _spread(values: Sequence[float]) -> str:
    return " / ".join(f"{share(values, part):.0f}" for part in (0.5, 0.99, 1.0))
