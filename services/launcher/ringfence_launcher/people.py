"""Being somebody else on this machine: people of development mode, to try out what takes more than one of them.

The rules:

- only whoever can read the operator token of a mesh in dev mode makes people, and they are known to that mesh alone;
- a person is an approver in the groups named, for five minutes, and nothing else;
- without `--as` the caller is whoever the credentials say, as everywhere.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from ringfence_kit.clock import SystemClock
from ringfence_kit.dev_tokens import person_token

from ringfence_launcher.connection import Mesh
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem

_PANEL = "In dev mode"

AsOption = Annotated[
    str, typer.Option("--as", metavar="NAME", help="Be this person, an approver.", rich_help_panel=_PANEL)
]
GroupOption = Annotated[
    list[str] | None,
    typer.Option("--group", metavar="GROUP", help="A group that person is in; repeat.", rich_help_panel=_PANEL),
]


@contextmanager
def being(mesh: Mesh, name: str, groups: list[str] | None) -> Iterator[Mesh]:
    """Give the mesh as the person `name` reaches it; without a name, as it is."""
    if not name:
        if groups:
            raise typer.BadParameter("--group goes with --as: real people's groups come with their credentials")
        yield mesh
        return
    endpoints = mesh.endpoints
    operator = endpoints.operator_token(endpoints.address("pdp").value)
    if operator is None:
        raise Problem(
            "nobody can be made up here: there is no operator token of a mesh in dev mode on this machine",
            code=ExitCode.CONFIGURATION,
            mend="start one with `ringfence up`, or name its data directory with --data",
        )
    bare = [group.removeprefix("group:") for group in groups or ()]
    try:
        token = person_token(operator.value, name=name, groups=bare, now=SystemClock().now())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    flags = dataclasses.replace(endpoints.flags, token=token)
    with Mesh(dataclasses.replace(endpoints, flags=flags), timeout=mesh.timeout) as theirs:
        yield theirs
