"""The command line's groups and commands, each imported only when it is run.

`ringfence kill engage` must not wait for what only `ringfence up` needs. So `cli.py` holds a table of names, one-line
helps and modules; `ringfence --help` and completion of the first word come from the table, and a command's module is
imported when the command line has been found to name it.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import typer
from ringfence_kit.heap import loading
from typer.core import TyperCommand, TyperGroup

_OF_THE_WHOLE = ("install_completion", "show_completion")
"""Options typer gives every application: a shell is taught `ringfence`, not one of its commands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LazyCommand:
    """One command or group: the module that has it as `app`, and its line in the list of commands."""

    module: str
    help: str
    panel: str


def lazy_group(table: Mapping[str, LazyCommand]) -> type[TyperGroup]:
    """Return a group class for `typer.Typer(cls=…)` whose commands come from `table`, in its order."""

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            for name, entry in table.items():
                self.add_command(TyperCommand(name, help=entry.help, rich_help_panel=entry.panel))

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            name, listed, rest = super().resolve_command(ctx, args)
            return name, listed and _load(name or "", table), rest

    return LazyGroup


def _load(name: str, table: Mapping[str, LazyCommand]) -> Any:
    with loading():  # modules stay: the garbage collector would look for some in each of them, again and again
        command = typer.main.get_command(importlib.import_module(table[name].module).app)
    command.name = name
    command.params = [own for own in command.params if own.name not in _OF_THE_WHOLE]
    return command
