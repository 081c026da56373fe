"""The options many commands share, declared once, and what every command does around its own work.

    @app.command()
    @speaks_to("registry")
    def get(mesh: Mesh, out: Output, name: AgentArgument) -> None:
        \"\"\"Show one agent.\"\"\"

`speaks_to` adds the options that say where the services are and how to print, hands the command a `Mesh` and an
`Output`, and ends it with the exit code of whatever `Problem` it meets. `prints` does the same for commands that need
no service. Typer reads a command's options from its signature, so the signatures are put together here.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from ringfence_launcher.connection import Mesh
from ringfence_launcher.endpoints import ConnectionFlags, Endpoints
from ringfence_launcher.output import Output, OutputFormat
from ringfence_launcher.problems import Problem, print_problem

Params = ParamSpec("Params")

_CONNECTION = "Connection"

DataOption = Annotated[
    Path | None,
    typer.Option(help="Data directory of a running `ringfence up`. Default: ./.ringfence", rich_help_panel=_CONNECTION),
]
OutputOption = Annotated[
    OutputFormat,
    typer.Option("--output", "-o", envvar="RINGFENCE_CLI_OUTPUT", help="How to print.", show_envvar=False),
]
RequestIdOption = Annotated[
    str, typer.Option(help="A UUID that makes repeating this command harmless for 24 h. Default: a new one.")
]
ConfigFileOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Configuration file, TOML. Default: what RINGFENCE_CONFIG names.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting, e.g. registry.listen=127.0.0.1:0; repeat."),
]
EtagOption = Annotated[str, typer.Option(help="Do it only if the thing still has this etag.")]


def speaks_to(subject: str) -> Callable[[Callable[Concatenate[Mesh, Output, Params], None]], Callable[..., None]]:
    """Make a function a command about the service `subject`: an `--addr` without a name is that service's."""

    def decorate(command: Callable[Concatenate[Mesh, Output, Params], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**given: Any) -> None:
            out = Output(given.pop("output"))
            flags, timeout = _take_connection(given), given.pop("timeout")
            with explaining(out), Mesh(Endpoints.of(flags, subject=subject), timeout=timeout) as mesh:
                command(mesh, out, **given)  # type: ignore[call-arg]  # what is left are the command's own options

        shared = [*_signature(_connection_options), *_signature(_output)]
        return _with_parameters(run, [*_keyword_only(_signature(command)[2:]), *shared])

    return decorate


def prints(command: Callable[Concatenate[Output, Params], None]) -> Callable[..., None]:
    """Make a function a command that needs no service."""

    @functools.wraps(command)
    def run(**given: Any) -> None:
        out = Output(given.pop("output"))
        with explaining(out):
            command(out, **given)  # type: ignore[call-arg]  # what is left are the command's own options

    return _with_parameters(run, [*_keyword_only(_signature(command)[1:]), *_signature(_output)])


def takes(built: str, builder: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace a command's parameter `built` by the parameters of `builder`, which makes its value from them.

    So options that several commands share are declared once, as the signature of a plain function.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        taken = _signature(builder)

        @functools.wraps(command)
        def run(*leading: Any, **given: Any) -> None:
            made = builder(**{parameter.name: given.pop(parameter.name) for parameter in taken})
            command(*leading, **{built: made}, **given)

        own = _signature(command)
        place = next(index for index, parameter in enumerate(own) if parameter.name == built)
        return _with_parameters(run, [*own[:place], *_keyword_only(taken), *_keyword_only(own[place + 1 :])])

    return decorate


@contextmanager
def explaining(out: Output) -> Iterator[None]:
    """Print a Problem where the person or program looks for it, and end with its exit code."""
    try:
        yield
    except Problem as problem:
        print_problem(problem, out.stderr, as_json=out.is_json)
        raise typer.Exit(int(problem.code)) from None


def _connection_options(
    *,
    addr: Annotated[
        list[str] | None,
        typer.Option(metavar="[SERVICE=]HOST:PORT", help="Address of a service; repeat.", rich_help_panel=_CONNECTION),
    ] = None,
    data: DataOption = None,
    token: Annotated[
        str | None,
        typer.Option(help="Bearer token. A file is safer: others see command lines.", rich_help_panel=_CONNECTION),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the bearer token.", rich_help_panel=_CONNECTION)
    ] = None,
    tls_ca: Annotated[
        Path | None,
        typer.Option(
            help="PEM file of the authority the services' certificates are from.", rich_help_panel=_CONNECTION
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="PEM file of your own certificate.", rich_help_panel=_CONNECTION)
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file of its key.", rich_help_panel=_CONNECTION)] = None,
    timeout: Annotated[
        float,
        typer.Option(min=0.001, envvar="RINGFENCE_CLI_TIMEOUT", help="Seconds to wait.", rich_help_panel=_CONNECTION),
    ] = 10.0,
) -> None: ...


def _output(*, output: OutputOption = OutputFormat.TABLE) -> None: ...


def _take_connection(given: dict[str, Any]) -> ConnectionFlags:
    return ConnectionFlags(
        addresses=given.pop("addr") or (),
        data=given.pop("data"),
        token=given.pop("token"),
        token_file=given.pop("token_file"),
        tls_ca=given.pop("tls_ca"),
        tls_cert=given.pop("tls_cert"),
        tls_key=given.pop("tls_key"),
    )


def _signature(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def _keyword_only(parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    return [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]


def _with_parameters(run: Callable[..., None], parameters: list[inspect.Parameter]) -> Callable[..., None]:
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect.signature looks for
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
