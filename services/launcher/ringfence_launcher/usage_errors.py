"""A command line that cannot be understood, as a `Problem`: said like every other, to people and to programs.

The option `-o` may itself be what is wrong, or come after what is, so it is looked for and not parsed.
"""

from collections.abc import Mapping, Sequence

from typer.exceptions import TyperException

from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem


def refused(wrong: TyperException) -> Problem:
    """Return what is wrong with a command line, and which help says what is right."""
    context = getattr(wrong, "ctx", None)
    if type(wrong).__name__ == "NoArgsIsHelpError":  # typer keeps the class to itself; it has printed the help already
        return Problem("no command is named", code=ExitCode.USAGE)
    said = " ".join(wrong.format_message().split()).replace("Value error, ", "").removesuffix(".")
    return Problem(
        said[:1].lower() + said[1:],
        code=ExitCode.USAGE,
        mend=f"`{context.command_path} --help` says what can be given" if context is not None else "",
    )


def wants_json(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Say whether a program reads what this command line prints."""
    chosen = environment.get("RINGFENCE_CLI_OUTPUT", "")
    for place, argument in enumerate(arguments):
        if argument in ("-o", "--output"):
            chosen = "".join(arguments[place + 1 : place + 2])
        elif argument.startswith("--output="):
            chosen = argument.removeprefix("--output=")
        elif argument.startswith("-o"):
            chosen = argument.removeprefix("-o")
    return chosen == "json"
