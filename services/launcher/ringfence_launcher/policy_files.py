"""Policy files from the command line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from ringfence.pdp.v1 import bundle_pb2

from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.input_files import read_bytes
from ringfence_launcher.problems import Problem

PolicyFilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE|FOLDER…", help="Policy files, or folders of *.yaml and *.yml.")
]


def policy_files(paths: list[Path]) -> list[bundle_pb2.PolicyFile]:
    """Read policy files; folders give their *.yaml and *.yml, at any depth, named relative to the folder."""
    found = [
        bundle_pb2.PolicyFile(path=name, content=read_bytes(file)) for path in paths for name, file in _named(path)
    ]
    if not found:
        raise Problem(
            "there is no policy file", code=ExitCode.CONFIGURATION, mend="name files, or folders with *.yaml in them"
        )
    return found


def _named(path: Path) -> Iterator[tuple[str, Path]]:
    if not path.is_dir():
        yield path.name if str(path) != "-" else "stdin.yaml", path
        return
    for file in sorted(path.rglob("*")):
        if file.suffix in {".yaml", ".yml"} and file.is_file():
            yield file.relative_to(path).as_posix(), file
