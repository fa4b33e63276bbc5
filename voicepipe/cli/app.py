"""The commands and their options. What they do is in modules of their own, loaded when a command is run."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from voicepipe.cli import calls, making, phone_commands
from voicepipe.cli.engine_name import EngineName
from voicepipe.cli.exits import EXPECTED, fail
from voicepipe.cli.log import set_log

app = typer.Typer(
    name="voicepipe",
    help="Speech-to-speech bots as a pipeline of frames.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Wire(Enum):
    """The wires of the OpenAI Realtime API."""

    GA = "ga"
    BETA = "beta"


Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the log.")]


@app.command()
def demo(
    question: Annotated[
        Path | None,
        typer.Argument(help="A WAV file with a spoken question; without it, two questions that come along."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the results are written.")] = Path("demo-output"),
    engine: Annotated[
        EngineName, typer.Option(help="Which realtime API the bot talks with.")
    ] = EngineName.OPENAI,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Talk to the API itself, with OPENAI_API_KEY, or with ELEVENLABS_API_KEY and ELEVENLABS_AGENT_ID.",
        ),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(help="The model's name; gpt-realtime without it. ElevenLabs' agents have their own."),
    ] = None,
    script: Annotated[Path | None, typer.Option(help="What the local brain answers (YAML).")] = None,
    port: Annotated[int, typer.Option(help="The local server's port; 0 takes a free one.")] = 0,
    verbose: Verbose = False,
) -> None:
    """Ask a spoken question and hear the answer: locally with no key and no network, or live."""
    set_log(verbose)
    from voicepipe.cli.demo import run_demo

    try:
        code = run_demo(question, out=out, live=live, engine=engine, model=model, script=script, port=port)
    except EXPECTED as error:
        fail(error)
    raise typer.Exit(code)


@app.command("serve-local")
def serve_local(
    port: Annotated[int, typer.Option(help="The port on 127.0.0.1.")] = 8765,
    script: Annotated[Path | None, typer.Option(help="What the brain answers (YAML).")] = None,
    llm: Annotated[
        str | None,
        typer.Option(help="An OpenAI-compatible endpoint for the brain, e.g. http://127.0.0.1:11434/v1."),
    ] = None,
    llm_model: Annotated[str, typer.Option(help="The model the endpoint is asked for.")] = "default",
    tones: Annotated[
        bool, typer.Option("--tones", help="Speak and hear in coded tones instead of words.")
    ] = False,
    max_sessions: Annotated[int, typer.Option(help="How many sessions it serves at once.")] = 8,
    wire: Annotated[Wire, typer.Option(help="Which of the API's wires it speaks.")] = Wire.GA,
    verbose: Verbose = False,
) -> None:
    """Serve the OpenAI Realtime API on this machine, until Ctrl-C."""
    set_log(verbose)
    from voicepipe.cli.serve import run_server

    try:
        run_server(
            port=port,
            script=script,
            llm=llm,
            llm_model=llm_model,
            tones=tones,
            max_sessions=max_sessions,
            wire=wire.value,
        )
    except EXPECTED as error:
        fail(error)


@app.command("run")
def run_in_browser(
    bot: Annotated[
        Path | None,
        typer.Argument(
            help="A file that defines bot(transport, openai); without it, the bot that comes along."
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="The page's port; 0 takes a free one.")] = 7860,
    host: Annotated[str, typer.Option(help="A loopback address.")] = "127.0.0.1",
    origin: Annotated[
        list[str] | None, typer.Option(help="The origin of a proxy in front, e.g. https://bot.example.")
    ] = None,
    max_conversations: Annotated[int, typer.Option(help="How many conversations it holds at once.")] = 4,
    local: Annotated[
        bool, typer.Option("--local", help="Talk with the local server even if there is a key.")
    ] = False,
    dev: Annotated[bool, typer.Option("--dev", help="Load the file again whenever it changes.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Serve a page that shows all conversations while they go on.")
    ] = False,
    log_json: Annotated[
        bool,
        typer.Option("--log-json", help="Write the log as JSON lines, with the id of each conversation."),
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Serve a page where you talk with a bot: with OPENAI_API_KEY at OpenAI, without it on this machine."""
    set_log(verbose, as_json=log_json)
    try:
        from voicepipe.cli.run import run_page

        run_page(
            bot,
            host=host,
            port=port,
            origins=origin or (),
            max_conversations=max_conversations,
            local=local,
            dev=dev,
            watch=watch,
        )
    except EXPECTED as error:
        fail(error)


@app.command()
def talk(
    bot: Annotated[
        Path | None,
        typer.Argument(
            help="A file that defines bot(transport, openai); without it, the bot that comes along."
        ),
    ] = None,
    input_device: Annotated[
        int | None, typer.Option(help="PortAudio's number of the microphone; the default one without it.")
    ] = None,
    output_device: Annotated[int | None, typer.Option(help="The same of the loudspeaker.")] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Talk with the local server even if there is a key.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Talk with a bot through this machine's microphone: with OPENAI_API_KEY at OpenAI, without it on this machine."""
    set_log(verbose)
    from voicepipe.cli.talk import run_talk

    try:
        code = run_talk(bot, input_device=input_device, output_device=output_device, local=local)
    except EXPECTED as error:
        fail(error)
    raise typer.Exit(code)


Call = Annotated[Path, typer.Argument(help="A recording: its folder or its zip.")]


@app.command()
def inspect(
    call: Call,
    out: Annotated[
        Path | None,
        typer.Option(help="Where the page is written; else page.html in the folder, or beside the zip."),
    ] = None,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True,
) -> None:
    """Show a recorded call as a page: sound, turns, tools, latencies, cost, all events."""
    set_log(verbose=False)
    from voicepipe.cli.recordings import inspect_call

    try:
        code = inspect_call(call, out=out, show=show)
    except EXPECTED as error:
        fail(error)
    raise typer.Exit(code)


@app.command()
def replay(
    call: Call,
    bot: Annotated[
        str | None,
        typer.Option(help="What makes the bot: module:function. Else the one in the recording."),
    ] = None,
    as_test: Annotated[
        Path | None, typer.Option("--as-test", help="Write a test that expects what the bot does today.")
    ] = None,
    min_words: Annotated[
        int | None, typer.Option(help="Try another rule: so many words must be said to interrupt.")
    ] = None,
    min_speech_ms: Annotated[
        int | None, typer.Option(help="Try another rule: so long must be spoken to interrupt.")
    ] = None,
) -> None:
    """Run a recorded call again with today's code, in virtual time, and show what is different."""
    set_log(verbose=False)
    from voicepipe.cli.recordings import replay_call
    from voicepipe.realtime.interruptions import Interruptions

    try:
        rule = None
        if min_words is not None or min_speech_ms is not None:
            rule = Interruptions(min_words=min_words or 0, min_speech_ms=min_speech_ms or 0)
        code = replay_call(call, bot=bot, as_test=as_test, interruptions=rule)
    except EXPECTED as error:
        fail(error)
    raise typer.Exit(code)


# In the order of the help.
making.add_to(app)
phone_commands.register(app)
app.add_typer(calls.app)


def main() -> None:
    """Run the command line."""
    app()
