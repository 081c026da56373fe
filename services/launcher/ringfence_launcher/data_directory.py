"""The data directory of a mesh in one process: made for its owner alone, used by one `up` at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ringfence_kit.data_lock import DataLock
from ringfence_kit.store import DataInUse

from ringfence_launcher.examples import NAMES, example
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.input_files import unusable
from ringfence_launcher.problems import Problem

_OWNER_ONLY = 0o700


def prepare(data: Path) -> None:
    """Make the directory when it is not there, and put the examples into it."""
    examples = data / "examples"
    try:
        data.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        examples.mkdir(exist_ok=True)
        for name in NAMES:
            if not (examples / name).exists():  # what somebody edited stays edited
                (examples / name).write_bytes(example(name))
    except OSError as error:
        raise unusable(data, f"the data directory cannot be used: {error.strerror}") from error


@contextmanager
def sole_mesh(data: Path) -> Iterator[None]:
    """Hold the directory against a second mesh; a Problem says who has it already."""
    lock = DataLock(data / "mesh")
    try:
        lock.__enter__()
    except DataInUse as in_use:
        raise Problem(
            f"{data} is the data of a mesh that is running ({in_use.holder})",
            code=ExitCode.IN_USE,
            mend="use that one (`ringfence doctor`), stop it with Ctrl-C or kill, or start another with --data FOLDER",
        ) from in_use
    except OSError as error:
        raise unusable(data, f"the data directory cannot be used: {error.strerror}") from error
    try:
        yield
    finally:
        lock.__exit__()
