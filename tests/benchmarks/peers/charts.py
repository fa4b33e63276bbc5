"""Line charts as SVG text: one line a bot, calls to the right. Readable in a light and in a dark page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 760, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 250, 34, 40
_COLOURS = ("#7f7f7f", "#bcbd22", "#1f77b4", "#17becf", "#d62728", "#ff7f0e", "#9467bd", "#2ca02c")
_GREY = "#888"

Points = Sequence[tuple[float, float]]


def line_chart(title: str, unit: str, lines: Mapping[str, Points], *, colours: Mapping[str, int]) -> str:
    """Return a chart with both axes logarithmic.

    Args:
        title: Over it.
        unit: Of the upright axis.
        lines: For each name, points (calls, value), values above 0.
        colours: For each name, which of eight colours it has.
    """
    points = [point for line in lines.values() for point in line]
    across = _Axis([x for x, _ in points], _LEFT, _WIDTH - _RIGHT)
    upright = _Axis([y for _, y in points], _HEIGHT - _BOTTOM, _TOP)
    parts = [f'<text x="{_LEFT}" y="18" font-weight="bold">{escape(title)}</text>']
    for value in upright.ticks():
        y = upright.place(value)
        parts.append(
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="{_GREY}" opacity=".3"/>'
        )
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value in sorted({x for x, _ in points}):
        parts.append(
            f'<text x="{across.place(value):.1f}" y="{_HEIGHT - 20}" text-anchor="middle">{value:g}</text>'
        )
    parts.append(
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 4}" text-anchor="middle">calls</text>'
    )
    parts.append(f'<text x="6" y="{_TOP - 2}">{escape(unit)}</text>')
    for row, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[colours[name] % len(_COLOURS)]
        places = [(across.place(x), upright.place(y)) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        y = _TOP + 10 + row * 18
        parts.append(f'<rect x="{_WIDTH - _RIGHT + 14}" y="{y - 5}" width="14" height="4" fill="{colour}"/>')
        parts.append(f'<text x="{_WIDTH - _RIGHT + 34}" y="{y}">{escape(name)}</text>')
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif" font-size="12" fill="{_GREY}">\n{body}\n</svg>\n'
    )


class _Axis:
    """A logarithmic axis between two places on the page."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        self._lowest, self._highest = min(values), max(values)
        self._low = math.log10(self._lowest) - 0.03
        self._high = max(math.log10(self._highest), self._low + 0.3) + 0.03
        self._begin, self._end = begin, end

    def place(self, value: float) -> float:
        return self._begin + (math.log10(value) - self._low) / (self._high - self._low) * (
            self._end - self._begin
        )

    def ticks(self) -> list[float]:
        """Return 1, 2 and 5 times each power of ten within it."""
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        values = [step * 10.0**power for power in powers for step in (1, 2, 5)]
        return [value for value in values if self._low <= math.log10(value) <= self._high]
