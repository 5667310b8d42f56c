"""The command line: parse arguments, call one function, print.

Human text goes to standard output, progress and log lines to standard error; `--json` prints one JSON document. The
exit statuses are those of `ExitCode`. An error is one line; `main` turns everything that can go wrong into one.
Each command imports what it needs inside its function, so that a short command does not wait for imports of a long one.
Annotations are not strings here: typer would evaluate those of all commands, twice, whichever is called.
"""

# ruff: noqa: E402  # the handler of Ctrl-C comes before the imports

import os
import signal

#: Until `main` installs its handler, Ctrl-C ends the program as interrupted, without a traceback from an import.
_STARTS = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if _STARTS:
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(os.write(2, b"vmmq: interrupted\n") and 3))

import gc
import io
import json
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import typer.core

from dataplane.engine.interrupts import ignore_interrupts, interrupt_when_loaded
from dataplane.errors import ExitCode, UserError, system_problem

# pydantic searches all installed packages for plugins; scenarios use none
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")

app = typer.Typer(
    name="vmmq",
    help="Shows where a VMMQ network adapter sends every frame and why, and what this does to its processors.",
    add_completion=False,
    pretty_exceptions_enable=False,  # only defects show a traceback, and a plain one
    rich_markup_mode=None,  # help without rich, which takes longer to import than everything else
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: What typer raises for wrong usage. typer may bring its own copy of click, so there is no module to import it from.
_WrongUsage: type[BaseException] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"
)

Adapter = Annotated[
    str | None, typer.Option("--adapter", metavar="NIC", help="Name of the NIC, if the scenario has several.")
]
Config = Annotated[Path, typer.Option(metavar="SCENARIO", help="Scenario file that configures the NIC.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]
OverwriteRun = Annotated[bool, typer.Option("--overwrite", help="Replace an existing run directory.")]
ProcessorsPerActor = Annotated[int, typer.Option(min=1, help="Simulated processors in each Ray actor.")]
FirstSeed = Annotated[
    int | None, typer.Option(min=0, max=2**63 - 1, help="First seed, instead of the scenario's [run] seed.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks on standard error.")]


def program() -> int:
    """The program `vmmq`: `main` in its own process.

    Garbage collection runs rarely here: collecting the objects that imports create, a thousand times and once more at
    the end, would take a third of the time of a short command.
    """
    gc.set_threshold(200_000, 10, 10)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by the caller: the next file that is opened must not take its place
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8", errors="replace"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a bar or a name that its encoding does not have is no error
    code = main()
    gc.freeze()
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    if threading.current_thread() is threading.main_thread():
        interrupt_when_loaded()
        # SIGTERM acts like Ctrl-C: finished results are kept, nothing half-written remains
        signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    try:
        try:
            command = typer.main.get_command(app)
            with command.make_context("vmmq", list(sys.argv[1:] if arguments is None else arguments)) as context:
                code = command.invoke(context)
            sys.stdout.flush()
        except typer.Exit as exit_request:
            sys.stdout.flush()
            return int(exit_request.exit_code)
        return int(code or ExitCode.DONE)
    except _WrongUsage as error:
        return _wrong_usage(error)
    except UserError as error:
        return _fail(str(error), error.exit_code)
    except BrokenPipeError:
        # the reader has closed the pipe (`vmmq ... | head`): print no error, and flush nothing at exit
        sys.stdout = sys.stderr
        return ExitCode.INCONCLUSIVE
    except OSError as error:
        return _fail(system_problem(error), ExitCode.WRONG_INPUT)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", ExitCode.INCONCLUSIVE)
    except Exception:
        traceback.print_exc()
        return _fail("this is a defect of vmmq: please report it with the lines above", ExitCode.INCONCLUSIVE)


def _fail(message: str, code: ExitCode) -> int:
    from dataplane.results.aside import shown  # noqa: PLC0415

    _print_notes(shown(message).splitlines())
    return code


def _wrong_usage(error: Any) -> int:
    command = error.ctx.command_path if getattr(error, "ctx", None) else "vmmq"
    message = " ".join(error.format_message().split()).rstrip(".").replace("Value error, ", "")  # pydantic's
    return _fail(f"{message} (see {command} --help)", ExitCode.WRONG_INPUT)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, float], None]]:
    """A progress bar on standard error, if that is a terminal and the work takes longer than a second.

    While kernels are loaded or actors started there is no progress to report yet: the bar shows no share. What a policy
    prints meanwhile goes to standard error as well.
    """
    if quiet or not sys.stderr.isatty():
        with redirect_stdout(sys.stderr):
            yield lambda frames, share: None
        return
    from time import monotonic  # noqa: PLC0415

    from rich.console import Console, RenderableType  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    shown_from = monotonic() + 1.0

    class _Bar(Progress):
        def get_renderables(self) -> Iterable[RenderableType]:
            return super().get_renderables() if monotonic() > shown_from else ()

    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with _Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("getting ready", total=None)

        def update(frames: int, share: float) -> None:
            bar.update(task, total=1.0, completed=share, description=f"{frames:,} frames")

        yield update


@contextmanager
def _step_progress(quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """The current step, on standard error if that is a terminal; drawn only at steps, to disturb no measurement."""
    if quiet or not sys.stderr.isatty():
        yield lambda text, share: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=1.0)

        def update(text: str, share: float) -> None:
            bar.update(task, completed=share, description=text, refresh=True)

        yield update


def _print_rich(renderable: Any) -> None:
    from rich.console import Console  # noqa: PLC0415

    from dataplane.results.screen import print_whole  # noqa: PLC0415

    # a pipe has no width of its own: do not fold tables for it
    width = None if sys.stdout.isatty() else 200
    console = Console(width=width, markup=False, emoji=False)  # a name may look like markup
    with console.capture() as screen:  # if rich wrote it, a closed pipe would end the program
        print_whole(console, renderable)
    sys.stdout.write(screen.get())


def _print_json(document: object) -> None:
    print(json.dumps(document, indent=2))


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415

        print(f"vmmq {version('vmmq-dataplane')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def vmmq(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Shows where a VMMQ network adapter sends every frame and why, and what this does to its processors.

    \b
    Examples:
      vmmq run
      vmmq new my.toml
      vmmq steer trace.pcap --config my.toml
      vmmq hash 66.9.149.187:2794 161.142.100.80:1766
    """
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command("run")
def run_command(
    *,
    scenario: Annotated[
        Path | None, typer.Argument(metavar="SCENARIO", help="Scenario file; default: the packaged quick start.")
    ] = None,
    capture: Annotated[str | None, typer.Option(help="Use the frames of this capture instead; - is stdin.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run directory to write; default: runs/NAME, with a number if that exists.")
    ] = None,
    overwrite: OverwriteRun = False,
    engine: Annotated[str, typer.Option(help="inline (one process), or ray (each processor an actor).")] = "inline",
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to join (auto or HOST:PORT); default: a local one.")
    ] = None,
    processors_per_actor: ProcessorsPerActor = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads with which a NIC steers a batch.")] = 1,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Seed, instead of the scenario's [run] seed.")
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Repeat the run in this run directory, live requests included.")
    ] = None,
    adapter: Adapter = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Run an experiment: send traffic through the configured NIC to its processors, and report the load of each.

    A scenario with several NICs runs all of them, with Ray at the same time; --adapter runs one of them as if alone.

    \b
    Examples:
      vmmq run
      vmmq run my.toml --out results/first
      vmmq run my.toml --capture trace.pcap.gz --engine ray
      vmmq run rack.toml --engine ray --address auto
      vmmq run --replay runs/vmmq
    """
    from dataplane.commands import Engine, RunOptions, SeveralOutcome, inline_engine, run_scenario  # noqa: PLC0415

    if engine not in {"inline", "ray"}:
        raise UserError(f"--engine {engine}: there is inline and ray")
    if engine == "inline" and (address or processors_per_actor != 1):
        raise UserError("--address and --processors-per-actor are for --engine ray")
    if replay is not None and any(given is not None for given in (scenario, capture, seed, adapter)):
        raise UserError("--replay repeats what its run directory says: leave SCENARIO and all that changes it out")
    chosen = inline_engine(threads)
    if engine == "ray":
        from actors.system import run_on_ray, run_side_by_side  # noqa: PLC0415
        from dataplane.engine.experiment import DEFAULT_BATCH_FRAMES_ON_RAY  # noqa: PLC0415

        given: dict[str, Any] = {"address": address, "processors_per_actor": processors_per_actor, "threads": threads}
        run, run_all = partial(run_on_ray, **given), partial(run_side_by_side, **given)
        chosen = Engine(run, run_all, DEFAULT_BATCH_FRAMES_ON_RAY, reads_standard_input=False)
    options = RunOptions(scenario, capture, out, overwrite, seed, replay, adapter)
    with _progress(quiet) as progress:
        outcome = run_scenario(options, chosen, progress)
    if isinstance(outcome, SeveralOutcome):
        return _print_several(outcome, as_json)
    # the repetition of an interrupted run up to where it ended is complete
    is_repeated = replay is not None and outcome.difference is None
    code = _print_outcome(outcome, as_json, is_repeated=is_repeated)
    if outcome.difference is not None:
        _print_notes([f"not what {replay} says: {outcome.difference} of summary.json differs"])
        return max(code, ExitCode.FINDINGS)
    return code


def _print_outcome(outcome: Any, as_json: bool, *, is_repeated: bool = False) -> int:
    """Print the outcome of a run (`commands.RunOutcome`); return the exit status."""
    summary = outcome.summary
    if as_json:
        _print_json(summary)
    else:
        from dataplane.results.screen import run_screen  # noqa: PLC0415

        _print_rich(run_screen(summary, outcome.directory))
        if outcome.updates.certificates or outcome.updates.failed_requests:
            from dataplane.results.updates import updates_screen  # noqa: PLC0415

            _print_rich(updates_screen(outcome.updates))
    return _exit_code(summary, is_repeated=is_repeated)


def _print_several(outcome: Any, as_json: bool) -> int:
    """Print the outcome of a run of several NICs (`commands.SeveralOutcome`); return the exit status."""
    if as_json:
        _print_json(outcome.summary)
    else:
        from dataplane.results.several import several_screen  # noqa: PLC0415

        _print_rich(several_screen(outcome.summary, outcome.directory))
    return _exit_code(outcome.summary)


def _exit_code(summary: dict[str, Any], *, is_repeated: bool = False) -> int:
    if summary["interrupted"] and not is_repeated:
        return ExitCode.INCONCLUSIVE
    healthy = all(summary["checks"].values()) and not summary["findings"]
    return ExitCode.DONE if healthy else ExitCode.FINDINGS


@app.command("steer")
def steer_command(
    *,
    capture: Annotated[str, typer.Argument(metavar="CAPTURE", help="Capture or frame table; - is stdin.")],
    config: Config,
    output: Annotated[Path | None, typer.Option(help="File to write: .parquet, .arrow, .csv or .jsonl.")] = None,
    overwrite: Overwrite = False,
    limit: Annotated[int, typer.Option(min=1, help="Rows of the table on the terminal.")] = 40,
    adapter: Adapter = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Show for each frame of a capture where the NIC sends it and why, before any [[event]] or [policy].

    \b
    Examples:
      vmmq steer trace.pcap --config my.toml
      vmmq steer trace.pcapng.zst --config my.toml --output steered.parquet
    """
    from dataplane.frame_commands import steer_capture, steer_first_rows, steer_to_file  # noqa: PLC0415

    steering = steer_capture(capture, config, adapter)
    if output is not None:
        with _progress(quiet) as steering.progress:
            totals = steer_to_file(steering, output, overwrite=overwrite)
        if as_json:
            _print_json(totals)
        elif not quiet:
            dropped = ", ".join(f"{reason} {count:,}" for reason, count in totals["dropped"].items())
            print(f"{totals['packets']:,} frames steered, dropped: {dropped or 'none'}; written to {output}")
    elif as_json:
        write = sys.stdout.write  # taken before `_progress` redirects prints to standard error
        with _progress(quiet or sys.stdout.isatty()) as steering.progress:
            for piece in steering.json_document():
                write(piece)
    else:
        from dataplane.results.screen import packets_screen  # noqa: PLC0415

        with _progress(quiet) as steering.progress:
            rows = steer_first_rows(steering, limit)
        _print_rich(packets_screen(*rows))
    _print_notes(steering.findings)
    _print_remarks([] if quiet else steering.remarks)
    return ExitCode.FINDINGS if steering.findings else ExitCode.DONE


class _ExplainCommand(typer.core.TyperCommand):
    """Takes `-:N`, frame N of standard input, as its argument, although it looks like an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        frames = [arg for arg in args if arg.startswith("-:") and "--" not in args]
        if frames:
            args = [*(arg for arg in args if arg not in frames), "--", *frames]
        return super().parse_args(ctx, args)


@app.command("explain", cls=_ExplainCommand)
def explain_command(
    *,
    frame: Annotated[
        str, typer.Argument(metavar="CAPTURE:N|HEX", help="Frame N (from 0) of a capture (- is stdin), or its bytes.")
    ],
    config: Config,
    adapter: Adapter = None,
    as_json: Json = False,
) -> int:
    """Explain one frame step by step: filters tried, target, hash input, hash, index, processor, each with its rule.

    The NIC steers here as before any [[event]] or [policy].

    \b
    Examples:
      vmmq explain trace.pcap:17 --config my.toml
      vmmq explain 00155d01020100155d0000990800... --config my.toml
    """
    from dataplane.frame_commands import explain_frame  # noqa: PLC0415

    with _progress(quiet=False):
        document = explain_frame(frame, config, adapter)
    if as_json:
        _print_json(document)
    else:
        from dataplane.results.screen import steps_screen  # noqa: PLC0415

        _print_rich(steps_screen((one["step"], one["rule"], one["text"]) for one in document["steps"]))
    _print_remarks(document["remarks"])
    return ExitCode.DONE


def _print_notes(notes: Iterable[str]) -> None:
    for note in notes:
        print(f"vmmq: {note}", file=sys.stderr)


def _print_remarks(remarks: Iterable[str]) -> None:
    _print_notes(f"remark: {remark}" for remark in remarks)


@app.command("show")
def show_command(
    *,
    scenario: Annotated[
        Path, typer.Argument(metavar="SCENARIO|NAME", help="Scenario file, or the name of a running dataplane.")
    ],
    adapter: Adapter = None,
    as_json: Json = False,
) -> int:
    """Show the adapter of a scenario or of a running dataplane as the Windows tools would: VPorts, filters, RSS.

    \b
    Examples:
      vmmq show my.toml
      vmmq show vmmq --json
    """
    if not scenario.is_file() and re.fullmatch(r"[\w.-]+", str(scenario)) and scenario.suffix != ".toml":
        from actors.live import connected  # noqa: PLC0415

        if adapter is not None:
            raise UserError("--adapter is for scenario files: a running dataplane has one NIC")
        with connected(str(scenario)) as dataplane:
            document = dataplane.document()
    else:
        from dataplane.commands import show_adapter  # noqa: PLC0415

        document = show_adapter(scenario, adapter)
    if as_json:
        _print_json(document)
    else:
        from dataplane.results.show import adapter_screen  # noqa: PLC0415

        for number, one in enumerate(document.get("adapters", [document])):
            if number:
                print()
            _print_rich(adapter_screen(one))
        if "epoch" in document:
            print(f"\nepoch {document['epoch']}")
    return ExitCode.DONE


@app.command("oracle")
def oracle_command(
    *,
    script: Annotated[str, typer.Argument(metavar="SCRIPT.jsonl", help="Steps, one JSON object per line; - is stdin.")],
    output: Annotated[Path | None, typer.Option(help="Write the results here instead of standard output.")] = None,
    overwrite: Overwrite = False,
) -> int:
    """Answer OIDs, frames and sends as a correct miniport would: one result line for each step.

    \b
    Examples:
      vmmq oracle queue-life.jsonl
      echo '{"adapter": {"preset": "CFG-S"}}' | vmmq oracle -
    """
    from dataplane.commands import answer_script, answer_script_to_file  # noqa: PLC0415

    def write(line: str) -> None:
        sys.stdout.write(line)
        sys.stdout.flush()  # a program that drives the oracle through pipes waits for each answer

    if output is not None:
        code = answer_script_to_file(script, output, overwrite=overwrite)
    else:
        code = answer_script(script, write)
    if code != ExitCode.DONE:
        _print_notes(["lines of the script are malformed: their results say why (error)"])
    return code


# A running dataplane ----------------------------------------------------------------------------------------------

_DataplaneName = Annotated[
    str | None, typer.Option("--name", help="Name of the dataplane; not needed if there is only one.")
]


@app.command("up")
def up_command(
    *,
    scenario: Annotated[
        Path, typer.Argument(metavar="SCENARIO", help="Scenario file; its traffic continues endlessly.")
    ],
    name: Annotated[str, typer.Option(help="Name of the new dataplane.")] = "vmmq",
    out: Annotated[Path | None, typer.Option(help="Run directory that `down` writes; default: runs/NAME.")] = None,
    overwrite: OverwriteRun = False,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to join (auto or HOST:PORT); default: a new one.")
    ] = None,
    processors_per_actor: ProcessorsPerActor = 1,
    pace: Annotated[str, typer.Option(help="real: model time follows the clock; none: as fast as possible.")] = "real",
    adapter: Adapter = None,
) -> int:
    """Start a dataplane of Ray actors that runs until `vmmq down` and takes requests; the scenario traffic is endless.

    \b
    Example:
      vmmq up my.toml
      vmmq oid OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES '{...}'
      vmmq rss move --vport 1 --indices 0-31 --target 3
      vmmq top
      vmmq down
    """
    if pace not in {"real", "none"}:
        raise UserError(f"--pace {pace}: there is real and none")
    from actors.live import UpOptions, up  # noqa: PLC0415

    options = UpOptions(scenario, name, out, overwrite, address, processors_per_actor, pace == "real", adapter)
    with _progress(quiet=False):
        state = up(options, on_up=ignore_interrupts)
    print(f"dataplane {state.name} is up; vmmq down writes {state.directory}")
    return ExitCode.DONE


@app.command("down")
def down_command(*, name: _DataplaneName = None, as_json: Json = False, quiet: Quiet = False) -> int:
    """Stop a dataplane: finish the frames it has taken, write the run directory, and end its actors.

    \b
    Example:
      vmmq down --name lab
    """
    from actors.live import down  # noqa: PLC0415

    outcome = down(name)
    if not quiet or as_json:
        return _print_outcome(outcome, as_json)
    return _exit_code(outcome.summary)


@app.command("top")
def top_command(
    *,
    name: _DataplaneName = None,
    once: Annotated[bool, typer.Option("--once", help="Print one block and exit.")] = False,
    interval: Annotated[float, typer.Option(min=0.05, max=3600, help="Seconds between two updates.")] = 1.0,
) -> int:
    """Watch a running dataplane: throughput, epoch, every processor and VPort, the latest requests.

    \b
    Examples:
      vmmq top
      vmmq top --once --interval 0.2
    """
    from time import sleep  # noqa: PLC0415

    from actors.live import connected  # noqa: PLC0415
    from dataplane.results.top import rates, top_lines, top_screen  # noqa: PLC0415

    with suppress(KeyboardInterrupt), connected(name) as dataplane:
        before, numbers = dataplane.sample(), dataplane.handles.numbers
        if sys.stdout.isatty() and not once:
            from rich.live import Live  # noqa: PLC0415

            with Live(screen=True, auto_refresh=False) as display:
                while True:
                    sleep(interval)
                    after = dataplane.sample()
                    display.update(top_screen(dataplane.name, rates(before, after, numbers)), refresh=True)
                    before = after
        while True:
            sleep(interval)
            after = dataplane.sample()
            print("\n".join(top_lines(dataplane.name, rates(before, after, numbers))), flush=True)
            if once:
                break
            print()
            before = after
    return ExitCode.DONE


rss_app = typer.Typer(help="Change RSS of a VPort of a running dataplane.", rich_markup_mode=None)
app.add_typer(rss_app, name="rss")

_VPort = Annotated[int, typer.Option(help="VPort id; 0 with native RSS.")]


@rss_app.command("set")
def rss_set_command(
    *,
    name: _DataplaneName = None,
    vport: _VPort = 0,
    table: Annotated[
        str | None, typer.Option(metavar="PROCESSORS", help="Indirection table: 0,1,2,3; repeated to fill the table.")
    ] = None,
    hash_types: Annotated[str | None, typer.Option(metavar="TYPES", help="ipv4,tcp_ipv4,...")] = None,
    default_processor: Annotated[
        str | None, typer.Option(metavar="PROCESSOR", help="Processor of frames without hash.")
    ] = None,
    disable: Annotated[bool, typer.Option("--disable", help="Turn RSS off.")] = False,
    as_json: Json = False,
) -> int:
    """Change RSS parameters of a VPort; omitted parameters keep their values.

    Without --disable RSS is on afterwards, even if it was off before.

    \b
    Examples:
      vmmq rss set --vport 1 --table 0,1,2,3
      vmmq rss set --vport 1 --disable
    """
    if not disable and table is None and hash_types is None and default_processor is None:
        raise UserError("say what to set: --table, --hash-types, --default-processor or --disable")
    members: dict[str, Any] = {"vport": vport, "enabled": not disable}
    if table is not None:
        members["indirection_table"] = _listed(table)
    if hash_types is not None:
        members["hash_types"] = hash_types.split(",")
    if default_processor is not None:
        members["default_processor"] = _processor(default_processor)
    return _change(name, "rss", members, as_json)


@rss_app.command("move")
def rss_move_command(
    *,
    name: _DataplaneName = None,
    vport: _VPort = 0,
    indices: Annotated[str, typer.Option(metavar="INDICES", help="0-31, or 0,2,8-11, or default, or primary.")],
    target: Annotated[str, typer.Option(metavar="PROCESSOR", help="Processor that they will point to: 3 or 1:16.")],
    as_json: Json = False,
) -> int:
    """Move entries of a VPort's indirection table to another processor (RSSv2).

    \b
    Example:
      vmmq rss move --vport 1 --indices 0-31 --target 3
    """
    return _change(name, "move_entries", {"vport": vport, "indices": indices, "target": _processor(target)}, as_json)


def _listed(text: str) -> list[int | str]:
    return [_processor(part) for part in text.split(",")]


def _processor(text: str) -> int | str:
    return int(text) if text.strip().isdecimal() else text.strip()


def _change(name: str | None, key: str, members: dict[str, Any], as_json: bool) -> int:
    from actors.live import connected  # noqa: PLC0415
    from dataplane.commands import answer_document  # noqa: PLC0415
    from dataplane.scenario.live import client_change  # noqa: PLC0415
    from dataplane.update.requests import CLIENT  # noqa: PLC0415

    with connected(name) as dataplane:
        answers = dataplane.request(client_change(dataplane.scenario, key, members), CLIENT)
    return _print_answers([answer_document(*answer) for answer in answers], as_json, with_output=False)


def _print_answers(documents: Sequence[dict[str, Any]], as_json: bool, *, with_output: bool) -> int:
    """Print the outcome of requests to a running dataplane (`commands.answer_document`); return the exit status."""
    if as_json:
        _print_json(documents[0] if with_output else documents)
    for one in () if as_json else documents:
        what = f"{one['oid']} on processor {one['processor']}" if one["oid"] else "no request"
        text = f"{what}: {one['status'] or 'not made'}"
        if one["epoch"] is not None:
            text += f", epoch {one['epoch']} from {one['adopted_at_ns'] / 1e6:,.6f} ms"
        elif one["kind"] in {"set", "method"} and one["succeeded"]:
            text += ", steers as before"
        print(text + (f" ({one['why']})" if one.get("why") else ""))
        if with_output and one["out"] is not None:
            _print_json(one["out"])
    return ExitCode.DONE if all(one["succeeded"] for one in documents) else ExitCode.FINDINGS


class _OidGroup(typer.core.TyperGroup):
    """Lets `vmmq oid OID` stand for `vmmq oid send OID`, by name or code, also with options in front of the OID."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        is_short = not {*self.commands, "-h", "--help"} & {*args[:1]} and any(
            arg.startswith(("OID_", "0x")) for arg in args
        )
        return super().parse_args(ctx, ["send", *args] if is_short else args)


oid_app = typer.Typer(
    cls=_OidGroup,
    help="Send OID requests to a running dataplane (`vmmq oid OID_...` for short); decode and encode their buffers.",
    rich_markup_mode=None,
)
app.add_typer(oid_app, name="oid")

_OidName = Annotated[
    str, typer.Argument(metavar="NAME", help="An OID or a structure, such as OID_RECEIVE_FILTER_SET_FILTER.")
]
_Output = Annotated[bool, typer.Option("--output", help="The buffer of the answer, not of the request.")]


@oid_app.command("send")
def oid_send_command(
    *,
    oid: Annotated[str, typer.Argument(metavar="OID", help="Its name, or its code as 0x........")],
    members: Annotated[
        str | None, typer.Argument(metavar="JSON", help="The members as a JSON object; - is standard input.")
    ] = None,
    name: _DataplaneName = None,
    kind: Annotated[str | None, typer.Option(help="query, set or method; default: from the OID.")] = None,
    issuer: Annotated[str, typer.Option(help="Client that issues the request.")] = "A",
    vport: Annotated[int | None, typer.Option(help="VPort of the request.")] = None,
    processor: Annotated[str, typer.Option(help="Processor on which the request is issued.")] = "0",
    as_json: Json = False,
) -> int:
    """Issue an OID request to a running dataplane, and print its NDIS status and output. `send` may be omitted.

    \b
    Examples:
      vmmq oid OID_RECEIVE_FILTER_CLEAR_FILTER '{"queue_id": 0, "filter_id": 1}'
      vmmq oid send OID_NIC_SWITCH_VPORT_PARAMETERS '{"vport_id": 1}' --kind method
    """
    from actors.live import connected  # noqa: PLC0415
    from dataplane.commands import answer_document  # noqa: PLC0415
    from dataplane.scenario.live import client_oid  # noqa: PLC0415
    from dataplane.update.schedule import FixedRequests  # noqa: PLC0415

    keys: dict[str, Any] = {"name": oid, "issuer": issuer, "processor": _processor(processor)}
    if members is not None:
        try:
            keys["in"] = json.loads(sys.stdin.read() if members == "-" else members)
        except ValueError as error:
            raise UserError(f"the members are one JSON object: {error}") from None
    keys |= {key: value for key, value in (("kind", kind), ("vport_id", vport)) if value is not None}
    with connected(name) as dataplane:
        answers = dataplane.request(FixedRequests((client_oid(dataplane.scenario, keys),)), issuer)
    return _print_answers([answer_document(*answer) for answer in answers], as_json, with_output=True)


@oid_app.command("decode")
def oid_decode_command(
    *,
    name: _OidName,
    hex_bytes: Annotated[str, typer.Argument(metavar="HEX", help="The buffer; - reads it from standard input.")],
    output: _Output = False,
    as_json: Json = False,
) -> int:
    """Decode a buffer member by member; with --json, print the structured form that oracle scripts use.

    \b
    Example:
      vmmq oid decode OID_RECEIVE_FILTER_CLEAR_FILTER 80011000000000000000000001000000
    """
    from dataplane.commands import decode_buffer  # noqa: PLC0415

    text = sys.stdin.read() if hex_bytes == "-" else hex_bytes
    rows, document = decode_buffer(name, text, output=output)
    if as_json:
        _print_json(document)
    else:
        from dataplane.results.screen import members_screen  # noqa: PLC0415

        _print_rich(members_screen(rows))
        if "why" in document:
            print(f"{document['status']}: {document['why']}")
    return ExitCode.FINDINGS if "why" in document else ExitCode.DONE


@oid_app.command("encode")
def oid_encode_command(
    *,
    name: _OidName,
    members: Annotated[str, typer.Argument(metavar="JSON", help="The members as a JSON object; - is standard input.")],
    ndis_version: Annotated[str, typer.Option(help="NDIS version, which decides the structure's revision.")] = "6.80",
    output: _Output = False,
) -> int:
    """Encode the members of a buffer, and print its bytes as hexadecimal digits.

    \b
    Example:
      vmmq oid encode OID_RECEIVE_FILTER_CLEAR_FILTER '{"queue_id": 0, "filter_id": 1}'
    """
    from dataplane.commands import encode_buffer  # noqa: PLC0415

    print(encode_buffer(name, sys.stdin.read() if members == "-" else members, ndis_version, output=output))
    return ExitCode.DONE


policy_app = typer.Typer(help="List and compare rebalancing policies.", rich_markup_mode=None)
app.add_typer(policy_app, name="policy")


@policy_app.command("compare")
def policy_compare_command(
    *,
    policies: Annotated[
        list[str] | None,
        typer.Argument(metavar="POLICY", help="Name or package.module:Class, optionally with :key=value,key=value."),
    ] = None,
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="Scenario file; its [policy] gives the tick.")],
    seeds: Annotated[int, typer.Option(min=1, max=30, help="Runs of each policy, with consecutive seeds.")] = 5,
    seed: FirstSeed = None,
    hand_over: Annotated[
        Literal["permissive", "ordered"] | None, typer.Option(help="Hand-over, instead of the scenario's.")
    ] = None,
    tick_ns: Annotated[
        int | None, typer.Option(min=1_000, max=10**15, help="Time between ticks, instead of the scenario's.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File for a row per policy and seed: .parquet or .csv.")] = None,
    overwrite: Overwrite = False,
    adapter: Adapter = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Run the same traffic under several policies: balance, moves, order, loss and latency, with 95 % intervals.

    \b
    Examples:
      vmmq policy compare none rsspp configs/rebalancing.toml
      vmmq policy compare none lpt:threshold=0.1 my_policy:Relieve my.toml --hand-over ordered --output runs.parquet
    """
    from dataplane.commands import ComparisonOptions, compare_policies  # noqa: PLC0415

    if not policies:
        raise UserError(f"{scenario} stands where the SCENARIO is: name one POLICY or more in front of it")
    options = ComparisonOptions(tuple(policies), scenario, seeds, seed, hand_over, tick_ns, output, overwrite, adapter)
    with _progress(quiet) as progress:
        comparison = compare_policies(options, progress)
    if as_json:
        _print_json(comparison.document())
    else:
        from dataplane.results.comparison import comparison_screen  # noqa: PLC0415

        _print_rich(comparison_screen(comparison))
    _print_notes(comparison.findings)
    if comparison.interrupted:
        return ExitCode.INCONCLUSIVE
    return ExitCode.FINDINGS if comparison.findings else ExitCode.DONE


@policy_app.command("list")
def policy_list_command(*, as_json: Json = False) -> int:
    """List the policies that come with the model, one line each.

    \b
    Example:
      vmmq policy list
    """
    from dataplane.commands import list_policies  # noqa: PLC0415

    policies = list_policies()
    if as_json:
        _print_json(policies)
    else:
        width = max(len(one["name"]) for one in policies)
        for one in policies:
            print(f"{one['name']:<{width}}  {one['does']}")
    return ExitCode.DONE


@app.command("bench")
def bench_command(
    *,
    only: Annotated[
        str | None,
        typer.Option(metavar="GROUP,...", help="kernels, captures, engines, control, swaps, start, memory."),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Rounds of each series, instead of its default.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Measure less, and nothing on Ray: seconds.")] = False,
    output: Annotated[Path | None, typer.Option(metavar="FILE.json", help="File for the JSON document.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Measure this machine: kernels, captures, engines, control, updates, start-up and memory, and compare with peers.

    All groups take about ten minutes on a machine that does nothing else.

    \b
    Examples:
      vmmq bench --quick
      vmmq bench --only kernels,captures
      vmmq bench --output figures.json
    """
    from benchmarks.bench import Options, run  # noqa: PLC0415
    from benchmarks.machine import missing_peers  # noqa: PLC0415

    options = Options.parse(only, rounds, quick, output, overwrite)
    _print_notes(peer.line for peer in (() if quiet else missing_peers()))
    with _step_progress(quiet) as progress:
        outcome = run(options, progress)
    if as_json:
        _print_json(outcome.document)
    else:
        from benchmarks.screen import bench_screen  # noqa: PLC0415

        _print_rich(bench_screen(outcome))
    _print_notes(outcome.document["findings"])
    if outcome.document["interrupted"]:
        _print_notes(["interrupted"])
    return outcome.exit_code


@app.command("scale")
def scale_command(
    *,
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="Scenario file to scale.")],
    processors: Annotated[
        str | None, typer.Option(metavar="N,...", help="RSS processors; queue pairs and tables cover all of them.")
    ] = None,
    nics: Annotated[
        str | None, typer.Option(metavar="N,...", help="Copies of the NIC that run side by side; default: 1.")
    ] = None,
    batch: Annotated[
        str | None, typer.Option(metavar="N,...", help="Frames in a batch; default: the scenario's, else the engine's.")
    ] = None,
    engine: Annotated[str | None, typer.Option(metavar="E,...", help="inline, ray or both; default: inline.")] = None,
    processors_per_actor: Annotated[
        str | None, typer.Option(metavar="N,...", help="Simulated processors in each Ray actor; default: 1.")
    ] = None,
    grow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AXIS[=N,...]",
            help="Grow one of packets, flows, vports, filters, entries, processors instead of a grid; may be repeated.",
        ),
    ] = None,
    repeat: Annotated[int, typer.Option(metavar="N", help="Runs of each point, with consecutive seeds.")] = 3,
    seed: FirstSeed = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Directory of finished runs, which are reused; default: runs/scale-NAME."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete the runs of an earlier experiment.")] = False,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to join (auto or HOST:PORT); default: this machine.")
    ] = None,
    plots: Annotated[Literal["svg", "png"], typer.Option(help="Format of the plots.")] = "svg",
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Measure how fast a scenario runs with more processors, NICs and cores, and what a frame costs as the work grows.

    Finished runs are kept: the same command makes only the missing runs, and a larger grid only the new ones.

    \b
    Examples:
      vmmq scale configs/scaling.toml --processors 1,2,4,8 --engine inline,ray --repeat 5
      vmmq scale my.toml --nics 1,2,4 --batch 4096,65536 --address auto
      vmmq scale my.toml --grow flows=1e3,1e5,1e7 --grow filters
    """
    from actors.scale import scale  # noqa: PLC0415
    from dataplane.scale.experiment import ScaleOptions  # noqa: PLC0415
    from dataplane.scale.points import GridOptions  # noqa: PLC0415

    grid = GridOptions(processors, nics, batch, engine, processors_per_actor, tuple(grow or ()), repeat)
    with _progress(quiet) as progress:
        summary, directory = scale(ScaleOptions(scenario, grid, out, overwrite, seed), address, plots, progress)
    if as_json:
        _print_json(summary.document())
    else:
        from dataplane.scale.screen import scale_screen  # noqa: PLC0415

        _print_rich(scale_screen(summary, directory))
    _print_notes(summary.findings)
    if summary.interrupted:
        return ExitCode.INCONCLUSIVE
    return ExitCode.FINDINGS if summary.findings else ExitCode.DONE


@app.command("hash")
def hash_command(
    *,
    source: Annotated[
        str | None, typer.Argument(metavar="SRC", help="ADDRESS or ADDRESS:PORT, IPv6 as [ADDRESS]:PORT.")
    ] = None,
    destination: Annotated[str | None, typer.Argument(metavar="DST", help="The same for the destination.")] = None,
    key: Annotated[str, typer.Option(help="microsoft, symmetric or 80 hexadecimal digits.")] = "microsoft",
    hash_type: Annotated[
        str | None, typer.Option("--type", help="ipv4, tcp_ipv4, udp_ipv6, ...; default: from the tuple.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check the published test vectors instead.")] = False,
    as_json: Json = False,
) -> int:
    """Compute the RSS hash of a tuple, as a NIC does for a received packet.

    \b
    Examples:
      vmmq hash 66.9.149.187:2794 161.142.100.80:1766
      vmmq hash --type udp_ipv6 '[3ffe:2501:200:1fff::7]:2794' '[3ffe:2501:200:3::1]:1766'
      vmmq hash --key symmetric 10.0.0.1 10.0.0.2
      vmmq hash --verify
    """
    if verify:
        if source or destination or hash_type or key != "microsoft":
            raise UserError("--verify checks the published vectors: leave SRC, DST, --key and --type out")
        return _verify_hash(as_json)
    if source is None or destination is None:
        raise UserError("give SRC and DST, for example vmmq hash 66.9.149.187:2794 161.142.100.80:1766")
    from dataplane.hash_tuple import hash_of_texts, indirection_table_index  # noqa: PLC0415

    result = hash_of_texts(source, destination, key=key, hash_type=hash_type)
    entries = 128
    index = indirection_table_index(result.hash_value, entries)
    if as_json:
        _print_json(
            {
                "hash_value": f"0x{result.hash_value:08x}",
                "hash_value_int": result.hash_value,
                "hash_type": result.hash_type,
                "input": result.input.hex(),
                "indirection_table_index": index,
                "num_indirection_table_entries": entries,
            }
        )
    else:
        print(f"hash value  0x{result.hash_value:08x}")
        print(f"hash type   {result.hash_type}")
        print(f"input       {result.input.hex()}")
        print(f"index       {index} of {entries}")
    return ExitCode.DONE


def _verify_hash(as_json: bool) -> int:
    from dataplane.hash_tuple import verified_vectors  # noqa: PLC0415

    vectors = verified_vectors()
    failed = sum(not vector.is_right for vector in vectors)
    if as_json:
        rows = [
            {
                "id": vector.id,
                "origin": vector.origin,
                "key": vector.key,
                "input": vector.input.hex(),
                "expected": f"0x{vector.expected:08x}",
                "hash_value": f"0x{vector.hash_value:08x}",
                "ok": vector.is_right,
            }
            for vector in vectors
        ]
        _print_json({"checked": len(vectors), "failed": failed, "vectors": rows})
    else:
        print(f"{'vector':<20} {'key':<15} {'expected':<10} {'computed':<10}")
        for vector in vectors:
            verdict = "ok" if vector.is_right else "WRONG"
            print(f"{vector.id:<20} {vector.key:<15} 0x{vector.expected:08x} 0x{vector.hash_value:08x} {verdict}")
        print(f"{len(vectors)} vectors, {failed} wrong")
    return ExitCode.FINDINGS if failed else ExitCode.DONE


@app.command("new")
def new_command(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help='File to write; "-" prints it.')] = Path("scenario.toml"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    quiet: Quiet = False,
) -> int:
    """Write a commented scenario to start from: every table with its keys, ready to run.

    \b
    Examples:
      vmmq new my.toml
      vmmq new - | less
    """
    from dataplane.results.aside import written_aside  # noqa: PLC0415
    from dataplane.scenario import STARTER_FILE  # noqa: PLC0415

    text = STARTER_FILE.read_text("utf-8")
    if str(file) == "-":
        sys.stdout.write(text)
        return ExitCode.DONE
    with written_aside(file, overwrite=overwrite) as aside:
        aside.write_text(text, "utf-8")
    if not quiet:
        print(f"{file} written; run it with: vmmq run {file}", file=sys.stderr)
    return ExitCode.DONE


if _STARTS:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if __name__ == "__main__":
    sys.exit(program())
