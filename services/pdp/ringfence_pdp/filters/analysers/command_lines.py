"""Command lines, read as a shell reads them: into pipelines of commands, each with its words and redirects.

The rules:

- quotes, escapes and variables that the line itself sets are resolved, so `r\\m`, `r''m` and `x=rm; $x` are all rm;
- what is substituted (`$(…)`, back ticks, `<(…)`) is a command line of its own, kept beside the word it stands in;
- nothing is an error: what a shell would refuse to run is read as far as it goes;
- what is written for cmd or PowerShell keeps its backslashes.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

LENGTH_MAX: Final = 16_384
COMMANDS_MAX: Final = 256


class Word(NamedTuple):
    """A word as the program gets it."""

    text: str
    inner: tuple[str, ...] = ()
    """The command lines whose output is put into it."""


class Redirect(NamedTuple):
    """Where something is read from or written to."""

    operator: str
    target: Word


class Command(NamedTuple):
    """A program with its words; the first is the program."""

    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...]
    start: int
    end: int


class CommandLine(NamedTuple):
    """Pipelines, in order."""

    pipelines: Sequence[Sequence[Command]]
    is_whole: bool
    """Whether all of it was read."""


_WINDOWS: Final = re.compile(
    r"[A-Za-z]:\\|%[A-Za-z]{3,20}%|\bHK(?:LM|CU|EY_)|\$env:|\b(?:powershell|pwsh|cmd)(?:\.exe)?\s|\\\\[\w.]+\\"
    r"|\b(?:Remove-Item|Set-MpPreference|Get-Content|Invoke-\w+|New-Object|Start-Process)\b|\^[a-z]",
    re.IGNORECASE,
)
_ASSIGNED: Final = re.compile(
    r"(?:^|[;\n&|(]|\bexport)\s*([A-Za-z_]\w{0,40})=(\"[^\"$`]*\"|'[^']*'|[^\s;&|$`'\"]+)(?=\s*(?:[;\n]|&&|$))"
)
_VARIABLE: Final = re.compile(r"\$(?:\{([A-Za-z_]\w{0,40})\}|([A-Za-z_]\w{0,40}))")
_IFS: Final = re.compile(r"\$\{?IFS(?:%%\?+)?\}?(?:\$9)?")
_BRACES: Final = re.compile(r"(?:^|(?<=[;|&\s]))\{([^{}\s,]+(?:,[^{}\s,]*)+)\}")
_PLAIN: Final = re.compile(r"[\w./:=@%+,~*?\-\[\]!^]+")
_REDIRECT: Final = re.compile(r"(?:\d{0,2}|&)(>>|>\||>&|>|<<<|<<-?|<>|<&|<)(?!\()")
_OPERATOR: Final = re.compile(r"\|\||&&|\|&|[;|&\n()]")
_ANSI: Final = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|([0-7]{1,3})|(.))", re.DOTALL)
_ANSI_NAMED: Final[Mapping[str, str]] = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b"}
# What stands behind a group's closing parenthesis may be a pipe that all of it goes into.
_PIPES: Final = ("|", "|&")


def read(text: str) -> CommandLine:
    """Return `text` as the commands a shell would run."""
    head = text[:LENGTH_MAX]
    reader = _Reader(_prepared(head))
    pipelines = reader.pipelines()
    is_whole = len(text) <= LENGTH_MAX and not reader.is_cut
    return CommandLine(pipelines, is_whole)


def _prepared(text: str) -> str:
    """Return `text` with what it sets itself put in, where that leaves everything else where it is."""
    if "$" in text or "{" in text:
        text = _IFS.sub(" ", text)
        text = _BRACES.sub(lambda match: match.group(1).replace(",", " "), text)
        known = {match.group(1): match.group(2).strip("'\"") for match in _ASSIGNED.finditer(text)}
        if known:
            text = _VARIABLE.sub(lambda match: known.get(match.group(1) or match.group(2), match.group())[:512], text)
    return text[: 2 * LENGTH_MAX]


class _Reader:
    """One pass over a command line."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._windows = _WINDOWS.search(text) is not None
        self._at = 0
        self._pipelines: list[list[Command]] = []
        self._pipeline: list[Command] = []
        self._words: list[Word] = []
        self._redirects: list[Redirect] = []
        self._start = 0
        self._here: list[str] = []
        self._count = 0
        self.is_cut = False

    def pipelines(self) -> Sequence[Sequence[Command]]:
        """Return all of them."""
        text, size = self._text, len(self._text)
        while self._at < size:
            letter = text[self._at]
            if letter in " \t\r":
                self._at += 1
            elif letter == "#" and (self._at == 0 or text[self._at - 1] in " \t\n;"):
                self._at = self._line_end()
            elif (redirect := _REDIRECT.match(text, self._at)) is not None:
                self._redirect(redirect)
            elif (operator := _OPERATOR.match(text, self._at)) is not None:
                self._operator(operator.group())
            else:
                self._words.append(self._word())
            if self._count >= COMMANDS_MAX:
                self.is_cut = True
                break
        self._end_pipeline()
        return self._pipelines

    def _line_end(self) -> int:
        found = self._text.find("\n", self._at)
        return len(self._text) if found < 0 else found

    def _operator(self, operator: str) -> None:
        self._at += len(operator)
        self._end_command()
        if operator not in _PIPES and operator != ")":
            self._end_pipeline()
        if operator == "\n" and self._here:
            self._skip_here()

    def _redirect(self, match: re.Match[str]) -> None:
        self._at = match.end()
        while self._at < len(self._text) and self._text[self._at] in " \t":
            self._at += 1
        target = self._word() if self._at < len(self._text) and self._text[self._at] not in ";|&\n" else Word("")
        if match.group(1) in (">&", "<&") and (target.text.isdigit() or not target.text):
            if not target.text and self._at < len(self._text) and self._text[self._at] == "-":
                self._at += 1
            return
        if match.group(1) in ("<<", "<<-"):
            self._here.append(target.text)
            body = self._here_body(target.text)
            target = Word(body)
        self._redirects.append(Redirect(match.group(1), target))

    def _here_body(self, mark: str) -> str:
        begin = self._line_end() + 1
        end = re.compile(rf"^\s*{re.escape(mark)}\s*$", re.MULTILINE).search(self._text, begin)
        return self._text[begin : end.start() if end is not None else len(self._text)]

    def _skip_here(self) -> None:
        for mark in self._here:
            end = re.compile(rf"^\s*{re.escape(mark)}\s*$", re.MULTILINE).search(self._text, self._at)
            self._at = end.end() if end is not None else len(self._text)
        self._here.clear()

    def _end_command(self) -> None:
        if self._words or self._redirects:
            self._pipeline.append(Command(tuple(self._words), tuple(self._redirects), self._start, self._at))
            self._count += 1
        self._words, self._redirects, self._start = [], [], self._at

    def _end_pipeline(self) -> None:
        self._end_command()
        if self._pipeline:
            self._pipelines.append(self._pipeline)
        self._pipeline = []

    def _word(self) -> Word:
        text, size = self._text, len(self._text)
        said: list[str] = []
        inner: list[str] = []
        while self._at < size:
            plain = _PLAIN.match(text, self._at)
            if plain is not None:
                said.append(plain.group())
                self._at = plain.end()
                continue
            letter = text[self._at]
            if letter in " \t\r\n;|&)":
                break
            if letter == "(" and not said:
                break
            if letter in "<>" and text[self._at + 1 : self._at + 2] != "(":
                break
            self._piece(letter, said, inner)
        return Word(_joined(said, windows=self._windows), tuple(inner))

    def _piece(self, letter: str, said: list[str], inner: list[str]) -> None:
        """Read what stands at this place of a word: an escape, a quote, a substitution, or a letter."""
        text, at = self._text, self._at
        if letter == "\\":
            self._escape(said)
        elif letter == "'":
            end = text.find("'", at + 1)
            end = len(text) if end < 0 else end
            said.append(text[at + 1 : end])
            self._at = end + 1
        elif text.startswith("$'", at):
            end = text.find("'", at + 2)
            end = len(text) if end < 0 else end
            said.append(unescaped(text[at + 2 : end]))
            self._at = end + 1
        elif letter == '"' or text.startswith('$"', at):
            self._at += 1 if letter == '"' else 2
            self._quoted(said, inner)
        elif letter == "`" or text.startswith(("$(", "<(", ">("), at):
            self._substitution(said, inner)
        else:
            said.append(letter)
            self._at += 1

    def _escape(self, said: list[str]) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        self._at += 2
        if following == "\n":
            return
        said.append(f"\\{following}" if self._windows else following)

    def _quoted(self, said: list[str], inner: list[str]) -> None:
        text, size = self._text, len(self._text)
        while self._at < size:
            letter = text[self._at]
            if letter == '"':
                self._at += 1
                return
            if (
                letter == "\\"
                and text[self._at + 1 : self._at + 2] in ('"', "\\", "$", "`", "\n")
                and not self._windows
            ):
                said.append(text[self._at + 1].strip("\n"))
                self._at += 2
            elif letter == "`" or text.startswith("$(", self._at):
                self._substitution(said, inner)
            else:
                end = re.compile(r"[\"\\`]|\$\(").search(text, self._at + 1)
                stop = end.start() if end is not None else size
                said.append(text[self._at : stop])
                self._at = stop

    def _substitution(self, said: list[str], inner: list[str]) -> None:
        text = self._text
        if text[self._at] == "`":
            end = text.find("`", self._at + 1)
            end = len(text) if end < 0 else end
            inner.append(text[self._at + 1 : end])
            self._at = end + 1
        else:
            end = _closing(text, self._at + 2)
            body = text[self._at + 2 : end]
            if not (text.startswith("$((", self._at) and body.endswith(")")):
                inner.append(body)
            self._at = end + 1
        said.append("$()")


def _closing(text: str, at: int) -> int:
    """Return where the parenthesis that is open at `at` closes."""
    depth, quote = 1, ""
    for place in range(at, len(text)):
        letter = text[place]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth == 0:
                return place
    return len(text)


def unescaped(text: str) -> str:
    """Return what `printf` writes for `text`."""
    return _ANSI.sub(_ansi, text)


def _ansi(match: re.Match[str]) -> str:
    hexadecimal = match.group(1) or match.group(2)
    if hexadecimal:
        return chr(int(hexadecimal, 16))
    if match.group(3):
        return chr(int(match.group(3), 8) & 0x7F)
    return _ANSI_NAMED.get(match.group(4), match.group(4))


def _joined(said: Sequence[str], *, windows: bool) -> str:
    text = "".join(said)
    return text.replace("^", "") if windows and "^" in text else text
