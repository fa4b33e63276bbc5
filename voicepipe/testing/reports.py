"""How scenarios went: a line for each on the terminal, and JUnit's XML for what else reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.markup import escape

from voicepipe.testing.playing import Result


def show(result: Result, console: Console) -> None:
    """Print how a scenario went: one line, and one for each thing that was not as expected."""
    mark = "[green]passed[/green]" if result.passed else "[red]failed[/red]"
    console.print(
        f"{mark}  {escape(result.name)}  [dim]{_about(result)}[/dim]", highlight=False, soft_wrap=True
    )
    for failure in result.failures:
        console.print(f"        {escape(failure)}", highlight=False, soft_wrap=True)


def show_all(results: Sequence[Result], console: Console) -> None:
    """Print how all of them went together."""
    failed = sum(not result.passed for result in results)
    took = f"in {sum(result.took_secs for result in results):.1f} s"
    colour, text = (
        ("red", f"{failed} of {len(results)} failed") if failed else ("green", f"{len(results)} passed")
    )
    console.print(f"[{colour}]{text}[/{colour}] {took}", highlight=False)


def write_junit(results: Sequence[Result], path: Path) -> None:
    """Write a report as JUnit does, with the transcript of each call.

    Raises:
        OSError: It cannot be written.
    """
    suite = ElementTree.Element(
        "testsuite",
        name="voicepipe",
        tests=str(len(results)),
        failures=str(sum(not result.passed for result in results)),
        errors="0",
        skipped="0",
        time=f"{sum(result.took_secs for result in results):.3f}",
    )
    for result in results:
        file_name, _, name = result.name.rpartition("/")
        case = ElementTree.SubElement(
            suite, "testcase", classname=file_name or name, name=name, time=f"{result.took_secs:.3f}"
        )
        if not result.passed:
            failure = ElementTree.SubElement(case, "failure", message=_legal(result.failures[0]))
            failure.text = _legal("\n".join(result.failures))
        if result.record is not None:
            ElementTree.SubElement(case, "system-out").text = _legal(result.record.transcript)
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(suites).write(path, encoding="utf-8", xml_declaration=True)


def _about(result: Result) -> str:
    record, parts = result.record, [f"{result.took_secs:.1f} s"]
    if record is not None:
        parts.append(f"call of {record.duration_ms / 1000:.1f} s")
        # In virtual time a bot that waits for nothing takes none.
        if any(record.latencies_ms):
            parts.append(f"slowest answer after {max(record.latencies_ms):.0f} ms")
        if record.cost is not None:
            parts.append(f"${record.cost:.4f}")
    return ", ".join(parts)


def _legal(text: str) -> str:
    """Leave out what XML 1.0 cannot hold."""
    return "".join(one for one in text if one in "\t\n" or (one >= " " and one not in "\ufffe\uffff"))
