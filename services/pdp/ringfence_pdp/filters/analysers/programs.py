"""Programs as they are called: what is in front of one that only starts it is taken away, what one starts is added.

The rules:

- `sudo env X=1 timeout 5 rm -rf /` is rm with -rf and /, run with more rights;
- `bash -c '…'`, `ssh host …`, `find … -exec …`, `echo … | sh` each run a command line, which is read in turn;
- how deep that goes is bounded, as is how many programs there are: what is left out is said.
"""

import base64
import binascii
import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ringfence_pdp.filters.analysers.command_lines import Command, Redirect, Word, read, unescaped
from ringfence_pdp.filters.words import word_set

DEPTH_MAX: Final = 6
PROGRAMS_MAX: Final = 400


class Program(NamedTuple):
    """One program with what it is given."""

    name: str
    """Without its directory, lower case."""
    args: tuple[str, ...]
    flags: frozenset[str]
    """Without dashes: whole, and letter by letter where they may be several."""
    operands: tuple[str, ...]
    """What is no flag, in order."""
    redirects: tuple[Redirect, ...]
    before: "Program | None"
    """Whose output it reads, in a pipe."""
    with_rights: bool
    """Whether it is started by sudo or the like."""
    is_disguised: bool
    """Whether its name is written so that it is not seen."""
    inner: tuple[str, ...]
    """Command lines whose output is among what it is given."""
    heads: tuple[str, ...]
    """What an inner command line, or a pipe into it, starts with: names of programs."""
    start: int
    end: int

    @property
    def line(self) -> str:
        """The program with its arguments, in one text."""
        return " ".join((self.name, *self.args))

    @property
    def speaks_by_redirect(self) -> bool:
        """Whether it reads from another machine, or writes to one, as if that were a file."""
        return any(redirect.target.text.startswith(("/dev/tcp/", "/dev/udp/")) for redirect in self.redirects)

    def has(self, *flags: str) -> bool:
        """Say whether it is given one of these flags."""
        return not self.flags.isdisjoint(flags)


class Programs(NamedTuple):
    """Every program a command line runs."""

    all: Sequence[Program]
    code: Sequence[tuple[str, str]]
    """What is given to interpreters to run: their names and the code."""
    is_whole: bool


SHELLS: Final = word_set("sh bash zsh dash ksh ash fish csh tcsh busybox")
INTERPRETERS: Final = word_set(
    "python python2 python3 perl ruby node nodejs php lua osascript deno bun pwsh powershell"
)

_RIGHTS: Final = word_set("sudo doas pkexec gsudo runas")
_KEYWORDS: Final = word_set("if then else elif do while until ! { } time coproc function [[ [")
_STARTERS: Final[Mapping[str, tuple[int, str]]] = {
    **dict.fromkeys(("sudo", "doas"), (0, "u g h p C r t U user group prompt host")),
    "pkexec": (0, "user"),
    "env": (0, "u C S unset chdir"),
    "nice": (0, "n adjustment"),
    "ionice": (0, "c n p"),
    "timeout": (1, "s k signal kill-after"),
    "chroot": (1, "userspec groups"),
    "watch": (0, "n d interval"),
    "stdbuf": (0, "i o e"),
    "strace": (0, "o e p f"),
    "xargs": (0, "I n P L d s E a max-args max-procs delimiter replace"),
    "parallel": (0, "j N a jobs"),
    "flock": (1, "w c"),
    "exec": (0, "a"),
    **dict.fromkeys(
        ("nohup", "command", "builtin", "setsid", "unbuffer", "caffeinate", "busybox", "toybox", "ltrace"), (0, "")
    ),
    **dict.fromkeys(
        ("winpty", "proxychains", "proxychains4", "torsocks", "torify", "start", "call", "noglob"), (0, "")
    ),
}
_SCRIPT_FLAGS: Final = ("-e", "-r", "-c", "-E", "--eval", "-p", "-ne", "-pe", "-le")
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*=")
_GLOBBED: Final = word_set(
    "cat nc ncat bash sh dash zsh rm curl wget python python3 perl tac head less base64 dd chmod cp tar"
)
_GLOB: Final = re.compile(r"(?=[^a-z]*[a-z])(?=.*[?*\[])[a-z0-9?*\[\]-]+")
_NAME_MAX: Final = 32
_HERE: Final = ("<<<", "<<", "<<-")
_READ_COMMANDS: Final = SHELLS | word_set("at crontab xargs powershell cmd")
_ENCODED: Final = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")


def programs_of(text: str) -> Programs:
    """Return every program that running `text` runs."""
    collector = _Collector()
    collector.add(text, 0, None)
    return Programs(collector.found, collector.code, collector.is_whole)


class _Collector:
    def __init__(self) -> None:
        self.found: list[Program] = []
        self.code: list[tuple[str, str]] = []
        self.is_whole = True
        self._seen: set[str] = set()

    def add(self, text: str, depth: int, span: tuple[int, int] | None) -> tuple[str, ...]:
        """Collect what running `text` runs; return the names its first pipeline starts with."""
        if depth > DEPTH_MAX or len(self.found) >= PROGRAMS_MAX:
            self.is_whole = False
            return ()
        if text in self._seen:
            return ()
        self._seen.add(text)
        line = read(text)
        self.is_whole &= line.is_whole
        heads: list[str] = []
        for pipeline in line.pipelines:
            before: Program | None = None
            for command in pipeline:
                before = self._command(command, before, depth, span)
                if before is not None:
                    heads.append(before.name)
        return tuple(heads)

    def _command(
        self, command: Command, before: Program | None, depth: int, span: tuple[int, int] | None
    ) -> Program | None:
        heads: list[str] = []
        inner = tuple(
            text
            for word in (*command.words, *(redirect.target for redirect in command.redirects))
            for text in word.inner
        )
        start, end = span or (command.start, command.end)
        for text in inner:
            heads.extend(self.add(text, depth + 1, (start, end)))
        words, with_rights = _started(list(command.words))
        if not words and not command.redirects:
            return None
        name, is_disguised = _name(words[0]) if words else ("", False)
        args = tuple(word.text for word in words[1:])
        program = Program(
            name,
            args,
            _flags(args),
            tuple(arg for arg in args if not arg.startswith("-") or arg == "-"),
            command.redirects,
            before,
            with_rights,
            is_disguised,
            inner,
            tuple(heads),
            start,
            end,
        )
        self.found.append(program)
        for script in _scripts(program):
            self.add(script, depth + 1, (start, end))
        self.code.extend(_codes(program))
        return program


def _started(words: list[Word]) -> tuple[list[Word], bool]:
    """Return the words of what is really run, and whether with more rights."""
    with_rights = False
    for _ in range(12):
        while words and (words[0].text in _KEYWORDS or _ASSIGNMENT.match(words[0].text)):
            words = words[1:]
        if words and words[0].text == "for":
            return [], with_rights
        name = words[0].text.rpartition("/")[2] if words else ""
        how = _STARTERS.get(name)
        if how is None or len(words) < 2:
            break
        rest = _without_flags(words[1:], how[1].split())[how[0] :]
        if not rest:
            break
        with_rights |= name in _RIGHTS
        words = rest
    return words, with_rights


def _without_flags(words: list[Word], valued: Sequence[str]) -> list[Word]:
    at = 0
    while at < len(words) and words[at].text.startswith("-") and words[at].text != "-":
        flag = words[at].text.lstrip("-")
        at += 1
        if words[at - 1].text == "--":
            break
        if flag in valued and "=" not in flag:
            at += 1
    return words[at:]


def _name(word: Word) -> tuple[str, bool]:
    text = word.text
    if word.inner and text == "$()":
        said = read(word.inner[0]).pipelines
        if said and said[0] and len(said[0][0].words) > 1 and said[0][0].words[0].text in ("echo", "printf"):
            return said[0][0].words[-1].text.lower(), True
        return "$()", False
    name = text.replace("\\", "/").rpartition("/")[2].lower()
    name = name.removesuffix(".exe")
    if len(name) <= _NAME_MAX and _GLOB.fullmatch(name):
        fitting = next((known for known in sorted(_GLOBBED) if fnmatch.fnmatchcase(known, name)), "")
        return fitting or name, bool(fitting)
    return name, False


def _flags(args: Sequence[str]) -> frozenset[str]:
    found: set[str] = set()
    for arg in args:
        if not arg.startswith("-") or arg == "-":
            if arg.startswith("/") and 2 <= len(arg) <= 12 and "/" not in arg[1:]:
                found.add(arg.lower())
            continue
        name = arg.lstrip("-").partition("=")[0]
        found.add(name)
        if not arg.startswith("--") and name.isalpha() and len(name) <= 8:
            found.update(name)
    return frozenset(found)


def _scripts(program: Program) -> Iterator[str]:
    """Yield the command lines a program is given to run."""
    name, args = program.name, program.args
    if name in SHELLS:
        yield from _after(args, lambda arg: arg.startswith("-") and not arg.startswith("--") and arg.endswith("c"))
        for redirect in program.redirects:
            if redirect.operator in _HERE:
                yield redirect.target.text
    elif name in ("at", "batch") and program.redirects:
        yield program.redirects[0].target.text
    elif name in ("eval", "watch") or (name == "su" and program.has("c")):
        yield " ".join(arg for arg in args if not arg.startswith("-"))
    elif name == "ssh" and len(program.operands) > 1:
        yield _after_host(args)
    elif name in ("kubectl", "docker", "podman", "oc", "lxc", "nsenter", "vagrant") and (
        "exec" in args or "run" in args
    ):
        yield _inside(args)
    elif name == "find":
        yield from _executed(args)
    elif name in ("cmd", "cmd.exe"):
        yield from (" ".join(args[place + 1 :]) for place, arg in enumerate(args) if arg.lower() in ("/c", "/k", "/r"))
    elif name in ("powershell", "pwsh"):
        yield from _powershell(args)
    elif name in ("awk", "gawk", "mawk", "tar", "vim", "vi", "rsync"):
        yield from re.findall(r"(?:system\(\s*\"|\bexec=|:!|^sh -c )([^\")]{1,512})", " ".join(args))
    if program.before is not None and name in _READ_COMMANDS:
        yield from _piped(program.before)


def _after(args: Sequence[str], wanted: object) -> Iterator[str]:
    for place, arg in enumerate(args[:-1]):
        if callable(wanted) and wanted(arg):
            yield args[place + 1]
            return


def _after_host(args: Sequence[str]) -> str:
    at = 0
    while at < len(args) and args[at].startswith("-"):
        at += 2 if args[at] in ("-i", "-p", "-l", "-o", "-F", "-J", "-L", "-R", "-D", "-b", "-c", "-E", "-m") else 1
    return " ".join(args[at + 1 :])


def _inside(args: Sequence[str]) -> str:
    if "--" in args:
        return " ".join(args[args.index("--") + 1 :])
    for place, arg in enumerate(args):
        if arg in SHELLS:
            return _joined(args[place:])
    return ""


def _joined(args: Sequence[str]) -> str:
    return " ".join(
        arg if re.fullmatch(r"[\w./:=@%+,\-]+", arg) else "'" + arg.replace("'", "'\\''") + "'" for arg in args
    )


def _executed(args: Sequence[str]) -> Iterator[str]:
    at = 0
    while at < len(args):
        if args[at] in ("-exec", "-execdir", "-ok", "-okdir"):
            stop = next((end for end in range(at + 1, len(args)) if args[end] in (";", "+", "\\;")), len(args))
            yield _joined(args[at + 1 : stop])
            at = stop
        at += 1


def _powershell(args: Sequence[str]) -> Iterator[str]:
    for place, arg in enumerate(args):
        flag = arg.lower().lstrip("-/")
        if arg[:1] in "-/" and flag and "encodedcommand".startswith(flag) and flag[0] == "e" and place + 1 < len(args):
            yield decoded(args[place + 1], "utf-16-le")
        elif arg[:1] in "-/" and flag and "command".startswith(flag):
            yield " ".join(args[place + 1 :])
            return


def _piped(before: Program) -> Iterator[str]:
    """Yield what is written into a program, as far as the line itself says it."""
    if before.name in ("echo", "printf"):
        said = " ".join(arg for arg in before.args if arg not in ("-e", "-n", "-ne", "-en", "--"))
        yield unescaped(said) if "\\" in said else said
    elif before.name in ("base64", "openssl", "gunzip", "zcat", "xxd", "rev") and before.before is not None:
        for text in _piped(before.before):
            yield text[::-1] if before.name == "rev" else decoded(text, "utf-8")
    for redirect in before.redirects:
        if redirect.operator in _HERE:
            yield decoded(redirect.target.text, "utf-8") if before.name == "base64" else redirect.target.text


def decoded(text: str, encoding: str) -> str:
    """Return what stands in `text` in base64, or nothing."""
    found = _ENCODED.search(text)
    if found is None:
        return ""
    try:
        return base64.b64decode(found.group() + "=" * (-len(found.group()) % 4)).decode(encoding, "ignore")
    except (binascii.Error, ValueError):
        return ""


def _codes(program: Program) -> Iterator[tuple[str, str]]:
    if program.name.rstrip(".0123456789") in INTERPRETERS or program.name in INTERPRETERS:
        for place, arg in enumerate(program.args[:-1]):
            if arg in _SCRIPT_FLAGS:
                yield program.name, program.args[place + 1]
        for redirect in program.redirects:
            if redirect.operator in _HERE:
                yield program.name, redirect.target.text
