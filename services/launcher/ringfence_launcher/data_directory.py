"""The data directory of a mesh in one process: made for its owner alone, used by one `up` at a time."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ringfence_kit.data_lock import DataLock
from ringfence_kit.store import DataInUse

from ringfence_launcher.examples import NAMES, example
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem

_OWNER_ONLY = 0o700


def make_private(data: Path) -> None:
    """Make the directory, for its owner alone, when it is not there."""
    with _explained(data):
        data.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)


def put_examples(data: Path) -> None:
    """Put the example files into the directory; what somebody edited stays edited."""
    examples = data / "examples"
    with _explained(data):
        for name in NAMES:
            file = examples / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists():
                file.write_bytes(example(name))


@contextmanager
def sole_mesh(data: Path) -> Iterator[None]:
    """Hold the directory against a second mesh; a Problem says who has it already."""
    with ExitStack() as held:
        try:
            with _explained(data):
                held.enter_context(DataLock(data / "mesh"))
        except DataInUse as in_use:
            raise Problem(
                f"{data} is the data of a mesh that is running ({in_use.holder})",
                code=ExitCode.IN_USE,
                mend="use that one (`ringfence doctor`), stop it with Ctrl-C, or start another with --data FOLDER",
            ) from in_use
        yield


@contextmanager
def _explained(data: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Problem(
            f"{data} cannot be used as the data directory: {error.strerror or error}",
            code=ExitCode.CONFIGURATION,
            mend="name a folder you may write to, which may be new: --data FOLDER",
        ) from error
