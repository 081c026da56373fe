"""Texts as they may be shown and logged: what is or may be a secret is taken out, and nothing in them acts on a screen.

The rules:

- a secret is known by its form (keys and tokens of well-known services, PEM, JWT, cards, IBANs), by what stands before
  it (`password=`, `Authorization:`, the user of a URL), or by looking as random as a secret does;
- it is looked for in the whole text before anything is cut out of it, so that half a secret is masked as well;
- in doubt it is masked: a snippet that says less is a nuisance, a password in a log is a breach.
"""

import functools
import itertools
import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import re2

from ringfence_pdp.filters.decoders.invisible import sound

MASK = "[masked]"
SNIPPET_MAX = 160
"""Characters in a snippet, whatever is masked in it."""

CONTEXT = 48
"""Characters shown before what a snippet is about, and after it if there is room."""

Span = tuple[int, int]

_SHAPES = (
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|\z)",
    r"(?s:PuTTY-User-Key-File-[0-9].*)",
    r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z0-9]{12,}",
    r"\beyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)*",
    r"https://(?:hooks\.slack\.com/\S+|\S*discord\S*/webhooks/\S+)",
    r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{30,}",
    r"\$(?:1|2[abxy]|5|6|y|argon2[a-z]{1,2})\$\S{8,}",
    r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b",
)
"""Secrets that are known by their form."""

_ISSUED = (
    r"\b(?:gh[opsur]_|github_pat_|gl(?:pat|rt|dt|ptt|cbt)-|xox[a-z]-|xapp-|npm_|pypi-|hf_|do[opr]_v1_|shp(?:at|ca|pa|ss)_"
    r"|(?:sk|rk|pk|whsec)[_-]|SG\.|ya29\.|AIza|key-|lin_api_|ntn_|secret_|figd_|dapi|EAA|Atza\||amzn\.mws\.|sq0[a-z]{3}-"
    r"|r8_|pat-|nvapi-|gsk_|xai-|AGE-SECRET-KEY-|hv[sb]\.|vault:v)([A-Za-z0-9_.+/=-]{8,})"
)
"""Tokens whose issuer put its mark before them; they are taken for one when there is a digit in them."""

_IS = (
    r"[\\\"'`\])]{0,4}\s{0,8}"
    r"(?:=>|:=|[:=>\x{FF1A}]|%3[aAdD]|&#(?:58|61);|\\u003[adAD]|\b(?:is|was|are|lautet|ist|est|es)\b:?)\s{0,8}"
)
_VALUE = r"(?:\\?\"((?:[^\"\\]|\\.)*)\"?|\\?'((?:[^'\\]|\\.)*)'?|`([^`]*)`?|<([^<>]+)>|([^\s,;&\"'<>)}\]]+))"
_NAMED = (
    r"pass(?:word|wd|phrase|code)|pswd|passwor[td]|kennwort|contrase(?:n|\x{F1})a|mot de passe|senha|parola|wachtwoord"
    r"|has(?:l|\x{142})o|\x{43F}\x{430}\x{440}\x{43E}\x{43B}\x{44C}|\x{5BC6}\x{7801}|\x{53E3}\x{4EE4}"
    r"|\x{30D1}\x{30B9}\x{30EF}\x{30FC}\x{30C9}|secret|token"
    r"|(?:api|access|private|signing|encryption|account)[ _.-]?key"
    r"|sharedaccess|credential|authori[sz]ation|bearer|cookie|session[ _.-]?(?:id|key)|csrf|signature|mnemonic"
    r"|connection[ _.-]?string"
)
_NAMED_SHORTLY = r"auth|pass|pwd|creds?|otp|pin|cvv2?|cvc|ssn|iban|sig|dsn|clave|key"
_SAID = (
    rf"(?i)(?:{_NAMED})[\w.-]{{0,40}}{_IS}(?:(?:bearer|basic|digest|token|negotiate|apikey)\s+)?{_VALUE}",
    rf"(?i)(?:\b|_)(?:{_NAMED_SHORTLY})(?:[_-]\w{{0,20}})?{_IS}{_VALUE}",
    rf"(?i)\b(?:set|reset|chang|updat|rotat)\w*\s[^.\n]{{0,60}}(?:{_NAMED})\w*\s+(?:to|=)\s+{_VALUE}",
    r"(?i)\b(?:passphrase|(?:seed|recovery|secret) (?:phrase|words))\W{0,3}(?:is|are)?\s*([^\n]+)",
    r"(?i)\b(?:bearer|basic|digest|negotiate)\s+([A-Za-z0-9+/._~=-]{6,})",
    r"(?i)(?:identified\s+(?:with\s+\S+\s+)?by|password)\s+(?:\\?\"((?:[^\"\\]|\\.)*)\"?|\\?'((?:[^'\\]|\\.)*)'?)",
    rf"(?i)--?(?:[a-z-]*(?:password|passwd|pass|token|secret|key|pwd)|requirepass)[ =]{_VALUE}",
    r"(?:^|\s)-p(?:'([^']*)'|\"([^\"]*)\"|([^\s'\"-]\S{3,}))",
    r"(?i)(?:-u|--user)[ =]\s{0,8}[\"']?[^\s:\"']{1,256}:([^\s\"']+)",
    r"(?i)\b[a-z][a-z0-9+.-]{1,20}://[^\s/?#:@\"']*:([^\s\"'<>]+)@",
    r"(?i)\b[a-z][a-z0-9+.-]{1,20}://([^\s/?#:@\"']{16,})@",
    rf"(?i)(?:{_NAMED})\w*\s[^.\n:=]{{0,40}}\b(?:is|was|are|lautet|ist|est|es)\s+{_VALUE}",
    rf"(?i)(?:{_NAMED})\w*\s+([^\s,;\"']*[0-9][^\s,;\"']*)",
    r"(?i)(?:passwords|secrets|tokens|credentials)\s{0,8}[:=]([^\n]+)",
    r"(?:\x{5BC6}\x{7801}|\x{5BC6}\x{78BC}|\x{53E3}\x{4EE4}|\x{30D1}\x{30B9}\x{30EF}\x{30FC}\x{30C9})"
    r"\s{0,8}[\x{662F}\x{4E3A}\x{70BA}\x{306F}]\s{0,8}(\S+)",
    r"(?i)\b(?:password|pwd)=([^;\"'\n]+);",
    r"(?i)\b(?:pin|cvv2?|cvc|otp)\s+([0-9]{3,8})\b",
    r"\b[\w.-]{1,64}:([^\s:@/\"']{3,})@[\w.-]+",
    r"\bsshpass\s+-p\s*(\S+)",
    r"\becho\s+(?:-n\s+)?(\S+)\s*\|\s*(?:sudo|su)\b",
    r"(?i)\bnet\s+user\s+\S+\s+(\S+)",
    r"(?i)\bmachine\s+\S+\s+login\s+\S+\s+password\s+(\S+)",
)
"""Secrets that are known by what stands before them; the groups are the secret."""

_CARD = r"\b[0-9](?:[ -]?[0-9]){12,18}\b"
_IBAN = r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b"
_OPAQUE = r"[A-Za-z0-9+/=_~-]{16,}"
_OPAQUE_SURE = 20
"""From so many characters on, letters and digits that are mixed are taken for random."""
_BITS_MIN = 3.0
"""Of a character, in what is taken for random."""

NAMED_LIKE_A_SECRET = rf"(?i)(?:{_NAMED})"
"""The name of a member whose text is a secret, whatever it looks like."""

NAMED_LIKE_A_NUMBER = r"(?i)(?:^|[_. -])(?:pass|pwd|creds?|otp|pin|cvv2?|cvc|ssn|iban|dsn)"
"""The end of the name of a member that is a secret even where it is a number."""

_UNSHOWN = re.compile(  # by `re`: a single class is linear
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
"""What would act on a screen, or not be seen there."""


class Shown:
    """One text, and where its secrets are."""

    def __init__(self, text: str) -> None:
        self._text = sound(text)
        self._secrets = _merged(_secrets(self._text))
        self._starts = [start for start, _ in self._secrets]

    def whole(self) -> str:
        """Return all of it, secrets masked."""
        return self._between(0, len(self._text))

    def snippet(self, start: int, end: int) -> str:
        """Return what stands there and a little around it, secrets masked, at most `SNIPPET_MAX` characters."""
        start = max(0, min(start, len(self._text)))
        first = max(0, start - CONTEXT)
        last = min(len(self._text), max(end, start) + CONTEXT, first + 2 * SNIPPET_MAX)
        shown = _UNSHOWN.sub(" ", self._between(first, last)).strip()
        shown = f"{'…' if first else ''}{shown}"
        return shown if last == len(self._text) and len(shown) <= SNIPPET_MAX else f"{shown[: SNIPPET_MAX - 1]}…"

    def _between(self, start: int, end: int) -> str:
        place = max(0, bisect_right(self._starts, start) - 1)
        parts: list[str] = []
        for first, last in self._secrets[place:]:
            if first >= end:
                break
            if last > start:
                parts += (self._text[start:first], MASK)
                start = last
        return "".join((*parts, self._text[start:end]))


def snippet(text: str, start: int, end: int) -> str:
    """Return what stands there and a little around it, secrets masked, at most `SNIPPET_MAX` characters."""
    return Shown(text).snippet(start, end)


def masked(text: str) -> str:
    """Return the text, secrets masked."""
    return Shown(text).whole()


def _merged(spans: Iterator[Span]) -> Sequence[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif start < end:
            merged.append((start, end))
    return merged


def may_hold_secrets(text: str) -> bool:
    """Say whether anything in a text looks like a secret, or is said to be one; a microsecond for most texts."""
    return bool(_worth_trying(sound(text)))


def _secrets(text: str) -> Iterator[Span]:
    for place in _worth_trying(text):
        yield from _found(place, text)


def _found(place: int, text: str) -> Iterator[Span]:
    """Return where one pattern finds secrets."""
    matches = _compiled(place).finditer(text)
    if place < len(_SHAPES):
        yield from (match.span() for match in matches)
    elif place < _FIRST_JUDGED:
        for match in matches:
            yield from (match.span(group) for group, value in enumerate(match.groups(), 1) if value)
    else:
        is_secret = _JUDGED[place - _FIRST_JUDGED][1]
        yield from (match.span() for match in matches if is_secret(match[match.re.groups]))


def _worth_trying(text: str) -> Sequence[int]:
    """Return the patterns that match anywhere, in one look for all of them."""
    found = _all_at_once().Match(text.encode())
    # RE2 says alike that nothing matches and that it has no memory left to tell. The last pattern always matches.
    return [one for one in found if one < _ALWAYS] if found else range(_ALWAYS)


def _is_card(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    numbers = [int(char) for char in reversed(digits) if char.isdigit()]
    return sum(numbers[::2]) % 10 == -sum(sum(divmod(2 * number, 10)) for number in numbers[1::2]) % 10


def _is_iban(text: str) -> bool:
    """ISO 13616: the rest of a division by 97 is 1."""
    bare = text.replace(" ", "")
    return int("".join(str(int(char, 36)) for char in bare[4:] + bare[:4])) % 97 == 1


def _is_random(run: str) -> bool:
    """Say whether a run of characters is so mixed that nobody wrote it."""
    digits = sum(map(str.isdigit, run))
    lower, upper = any(map(str.islower, run)), any(map(str.isupper, run))
    turns = sum(first.islower() and then.isupper() for first, then in itertools.pairwise(run))
    if len(run) < _OPAQUE_SURE:
        mixed = digits >= 2 and lower and upper
    else:
        mixed = (digits >= 2 and (lower or upper)) or (digits == 1 and lower and upper) or turns >= 4
    return mixed and _bits(run) >= _BITS_MIN


def _bits(run: str) -> float:
    """Return Shannon's entropy of one character."""
    return -sum(count / len(run) * math.log2(count / len(run)) for count in Counter(run).values())


_JUDGED: Sequence[tuple[str, Callable[[str], bool]]] = (
    (_ISSUED, lambda token: any(map(str.isdigit, token))),
    (_CARD, _is_card),
    (_IBAN, _is_iban),
    (_OPAQUE, _is_random),
)
"""What is a secret only if more than its form says so: of its group where it has one, and of all of it otherwise."""

_PATTERNS = (*_SHAPES, *_SAID, *(pattern for pattern, _ in _JUDGED))
_FIRST_JUDGED = len(_SHAPES) + len(_SAID)
_ALWAYS = len(_PATTERNS)
_MEMORY = 1 << 23


@functools.cache
def _compiled(place: int) -> "re2._Regexp":
    return re2.compile(_PATTERNS[place])


@functools.cache
def _all_at_once() -> re2.Set:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    options.never_capture = True
    made = re2.Set.SearchSet(options)
    for pattern in (*_PATTERNS, r"\A"):
        made.Add(pattern)
    made.Compile()
    return made
