"""What a command line does: every program it runs is judged by its name, its flags and what it is aimed at.

The rules:

- words are judged and not letters: `echo 'rm -rf /'` says something and deletes nothing;
- what loses most is worst; what developers type every day is nothing, with more rights or without;
- a line that is too long or nested too deep to be read is that, beside whatever was found in what was read.
"""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Final

from ringfence_pdp.filters.analysers import (
    code,
    shell_destruction,
    shell_disclosure,
    shell_foothold,
    shell_hiding,
    shell_platforms,
    shell_windows,
    sql_statements,
)
from ringfence_pdp.filters.analysers.command_lines import LENGTH_MAX
from ringfence_pdp.filters.analysers.judgement import HIGH, LOW, MEDIUM, Hit, Judgement
from ringfence_pdp.filters.analysers.programs import Program, programs_of
from ringfence_pdp.filters.shapes import looks_like_shell

TOO_MUCH: Final = Judgement(
    "shell.too-much", "evasion", MEDIUM, "the command line is too long or too nested to be read"
)
INJECTED: Final = Judgement("shell.injected-command", "injection", HIGH, "a value ends and a command begins")

ALL: Final = (
    *(TOO_MUCH, INJECTED, *shell_destruction.ALL, *shell_disclosure.ALL, *shell_foothold.ALL, *shell_hiding.ALL),
    *(*shell_platforms.ALL, *shell_windows.ALL, *code.ALL),
)

_JUDGES: Final = (
    shell_destruction.judged,
    shell_disclosure.judged,
    shell_foothold.judged,
    shell_hiding.judged,
    shell_platforms.judged,
    shell_windows.judged,
)
_DATABASES: Final = frozenset(("psql", "mysql", "mariadb", "sqlite3", "sqlcmd", "clickhouse-client", "duckdb", "bq"))
_STATEMENT_FLAGS: Final = ("-c", "-e", "-Q", "-q", "--command", "--execute", "--query")

_SEPARATED: Final = re.compile(
    r"(?:;|\|\|?|&&?|\n|%0a)\s*(?P<after>[^;|&\n]{2,200})|\$\((?P<inner>[^)]{2,200})\)", re.IGNORECASE
)
_WORDS_BEFORE: Final = 8
"""How far back in prose a command may begin that a substitution belongs to."""
_TICKED: Final = re.compile(r"`([^`\n]{2,200})`")
_BARE: Final = re.compile(
    r"(?:/(?:usr/)?s?bin/)?(?:id|whoami|uname(?:\s+-a)?|ls(?:\s+-\w+)?(?:\s+[/.~]\S*)?|pwd|ifconfig|ipconfig"
    r"|netstat(?:\s+-\w+)?|ps(?:\s+\S+)?"
    r"|env|printenv|hostname|sleep\s+\d+|ping\s+-[cn]\s+\d+.*|cat\s+\S*/\S+|type\s+\S*\\\S+|dir(?:\s+\S+)?"
    r"|nslookup\s+\S+|curl\s+\S+"
    r"|wget\s+\S+|nc\s+.*\d+|rm\s+-\S+.*|touch\s+\S+|echo\s+\S+.*|reboot|shutdown.*|bash\s.*|sh\s+-.*"
    r"|python3?\s+-.*|perl\s+-.*)\s*[#\"']?\s*",
    re.IGNORECASE,
)


def hits(text: str) -> Iterator[Hit]:
    """Yield what a command line does."""
    found = programs_of(text)
    end = len(text)
    for judgement, start, stop in shell_destruction.forks(text[:LENGTH_MAX]):
        yield judgement.at(start, stop)
    for judgement in shell_hiding.assigned(text[:LENGTH_MAX]):
        yield judgement.at(0, end)
    for program in found.all:
        for judgement in chain.from_iterable(judge(program) for judge in _JUDGES):
            yield judgement.at(min(program.start, end), min(program.end, end))
        yield from _statements(program, end)
    for judgement, program in shell_foothold.run_after_fetching(found.all):
        yield judgement.at(min(program.start, end), min(program.end, end))
    for _, given in found.code:
        yield from (hit.judgement.at(0, end) for hit in of_code(given))
    if not found.is_whole:
        yield TOO_MUCH.at(0, end)


def of_code(text: str) -> Iterator[Hit]:
    """Yield what code does, and what the commands do that it hands to a shell."""
    yield from code.own(text)
    for line, start, end in code.commands(text):
        for program in programs_of(line).all:
            for judgement in chain.from_iterable(judge(program) for judge in _JUDGES):
                yield judgement.at(start, end)


def injected(text: str, *, in_prose: bool = False) -> Iterator[Hit]:
    """Yield where a value stops being one and a command begins. In prose back ticks only set words apart."""
    head = text[:1_024]
    for match in _SEPARATED.finditer(head):
        after = (match.group("after") or match.group("inner") or "").strip()
        # A substitution alone, or inside one word, is no prose around it.
        alone = match.group("inner") is not None and " " not in head[: match.start()] + head[match.end() :]
        if in_prose and match.group("inner") is not None and _is_argument(head[: match.start()], match[0]):
            continue
        if _is_command(after, in_prose=in_prose and not alone):
            yield INJECTED.at(*match.span())
            return
    if not in_prose:
        for match in _TICKED.finditer(head):
            if _is_command(match.group(1).strip(), in_prose=False):
                yield INJECTED.at(*match.span())
                return


def _is_argument(before: str, substitution: str) -> bool:
    """Say whether a substitution in prose belongs to a command line that is quoted there: `kill $(lsof -t)`."""
    words = before.rsplit("\n", 1)[-1].split()[-_WORDS_BEFORE:]
    return any(looks_like_shell(" ".join((*words[place:], substitution))) for place in range(len(words)))


def _is_command(text: str, *, in_prose: bool) -> bool:
    if looks_like_shell(text):
        return True
    return _BARE.fullmatch(text) is not None and (not in_prose or " " in text or "/" in text)


def _statements(program: Program, end: int) -> Iterator[Hit]:
    """What a database is told on the command line."""
    if program.name not in _DATABASES:
        return
    args = program.args
    texts = [args[place + 1] for place, arg in enumerate(args[:-1]) if arg in _STATEMENT_FLAGS]
    texts += [arg[2:] for arg in args if arg[:2] in ("-c", "-e") and len(arg) > 2 and " " in arg]
    if program.name in ("sqlite3", "duckdb", "bq"):
        texts += [operand for operand in program.operands[1:] if " " in operand]
    texts += [redirect.target.text for redirect in program.redirects if redirect.operator.startswith("<<")]
    if program.before is not None and program.before.name in ("echo", "printf"):
        texts.append(" ".join(arg for arg in program.before.args if not arg.startswith("-")))
    for text in texts:
        for hit in sql_statements.hits(text, is_declared=False):
            if hit.judgement.severity is not LOW:
                yield hit.judgement.at(min(program.start, end), min(program.end, end))
