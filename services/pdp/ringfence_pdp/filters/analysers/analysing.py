"""What an argument does, read as what it is written in.

The rules:

- each type has its analyser, and a short value is also looked at for what it would do inside a statement or a command;
- a text that was hidden is judged as what it turned out to be: whoever encodes a command means it to be run;
- what cannot be read is a finding, and nothing is raised over a text.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import chain
from typing import Final

from ringfence_pdp.filters.analysers import (
    paths,
    shell,
    sql_fragments,
    sql_functions,
    sql_judgements,
    sql_statements,
    stray_commands,
    stray_files,
    urls,
)
from ringfence_pdp.filters.analysers.judgement import Hit, Judgement, findings_of
from ringfence_pdp.filters.finding import Argument, ArgumentType, Finding
from ringfence_pdp.filters.shapes import is_scalar, shape_of

VERSION: Final = f"analysers-1 sqlglot-{version('sqlglot')}"
"""What a finding depends on besides the text: grows with every change to what is found, and with the parser."""

JUDGEMENTS: Final[Sequence[Judgement]] = sorted(
    {
        *(*paths.ALL, *stray_files.ALL, *urls.ALL, *shell.ALL, *stray_commands.ALL),
        *(*sql_judgements.ALL, *sql_fragments.ALL, *sql_functions.ALL),
    }
)
"""Everything analysers find, by id. Where it is less bad than usual, a finding says so."""

_STRAY_IN: Final = frozenset((ArgumentType.PATH, ArgumentType.SHELL, ArgumentType.FREE_TEXT, ArgumentType.IDENTIFIER))

_FOUL_IN_VALUES: Final = frozenset(
    (paths.TRAVERSAL.id, paths.ENCODED.id, paths.NUL.id, paths.SECRET.id, paths.WRAPPER.id, paths.ACCOUNTS.id)
)


def analyse(argument: Argument, text: str) -> list[Finding]:
    """Return what `text`, a reading of `argument`, does, the worst first; how it was read is the caller's to add."""
    return findings_of(_hits(argument, text), argument)


def warm_up() -> None:
    """Load what the first call would wait for."""
    sql_statements.warm_up()


def _hits(argument: Argument, text: str) -> Iterator[Hit]:
    known = argument.type
    if known is ArgumentType.FREE_TEXT and (not argument.is_declared or text != argument.text):
        known = shape_of(text) or known
    if known in _STRAY_IN:
        return chain(_BY_TYPE[known](text), stray_files.hits(argument, text), stray_commands.hits(argument, text))
    if known is ArgumentType.SQL:
        return iter(sql_statements.hits(text, is_declared=argument.is_declared and argument.type is known))
    return _BY_TYPE[known](text)


def _of_path(text: str) -> Iterator[Hit]:
    return chain(paths.hits(text), shell.injected(text))


def _of_url(text: str) -> Iterator[Hit]:
    yield from urls.hits(text)
    for value in urls.query_values(text):
        found = chain(sql_fragments.hits(value), _foul_paths(value), shell.injected(value))
        yield from (hit.judgement.at(0, len(text)) for hit in found)


def _of_value(text: str) -> Iterator[Hit]:
    if not is_scalar(text):
        return iter(())
    return chain(sql_fragments.hits(text), _foul_paths(text), shell.injected(text))


def _of_text(text: str) -> Iterator[Hit]:
    if not is_scalar(text):
        return iter(())
    return chain(sql_fragments.hits(text), _foul_paths(text), shell.injected(text, in_prose=True))


def _foul_paths(text: str) -> Iterator[Hit]:
    """What no value should reach for, whatever it names."""
    if "/" not in text and "\\" not in text and "%" not in text:
        return iter(())
    return (hit for hit in paths.hits(text) if hit.judgement.id in _FOUL_IN_VALUES)


def _nothing(_: str) -> Iterator[Hit]:
    return iter(())


_BY_TYPE: Final[Mapping[ArgumentType, Callable[[str], Iterator[Hit]]]] = {
    ArgumentType.FREE_TEXT: _of_text,
    ArgumentType.SHELL: shell.hits,
    ArgumentType.PATH: _of_path,
    ArgumentType.URL: _of_url,
    ArgumentType.IDENTIFIER: _of_value,
    ArgumentType.CODE: shell.of_code,
    ArgumentType.SECRET: _nothing,
}
