"""Asks every filter about content, outside of any decision: `Scan`, `ringfence filter scan`, and a function for others.

Nothing is made of what is found: which finding denies a call, and which is only noted, is for policies to say.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from ringfence_pdp.filters.arguments import Contract, content_of, content_of_text
from ringfence_pdp.filters.encoder.doubt import Doubt, EncoderRefused, failed, missing
from ringfence_pdp.filters.engines import INTENT, ORIGIN, PATTERNS, Engines
from ringfence_pdp.filters.finding import ArgumentType, Content, Finding, Origin, Severity
from ringfence_pdp.filters.looking import doubts, look, rarity, unseen, writable

if TYPE_CHECKING:
    from ringfence_pdp.filters.encoder.second_reader import SecondReader

FINDINGS_MAX: Final = 64

_NO_TYPES: Mapping[str, ArgumentType] = {}
_NO_ORIGINS: Mapping[str, Origin] = {}


class Scanned(NamedTuple):
    """What filters found, and by what they judged."""

    findings: tuple[Finding, ...]
    """The worst first."""
    rules_digest: str
    model_digest: str
    p_value: float | None = None
    """One in how many ordinary calls looks as dangerous, by intent alone and also where that is no finding. None where
    intent has nothing to look at, or failed."""

    @property
    def severity(self) -> Severity | None:
        """How bad the worst is; None when nothing was found."""
        return self.findings[0].severity if self.findings else None


def scan(
    content: str | Mapping[str, object],
    *,
    written_in: ArgumentType | None = None,
    action: str = "",
    tool: str = "",
    types: Mapping[str, ArgumentType] = _NO_TYPES,
    origins: Mapping[str, Origin] = _NO_ORIGINS,
) -> Scanned:
    """Look through a text, or the arguments of a call, with every built-in filter. Never raises over what it is given.

    What intent is in doubt about is read again where the packages of the extra `encoder` are installed.

    `written_in` is what a text is written in, inferred when nobody says; `types` and `origins` are by JSON Pointer into
    the arguments, and the origin of a text is at "".
    """
    looked_through = content_for(
        content, written_in=written_in, action=action, tool=tool, contract=None, types=types, origins=origins
    )
    found = scan_content(looked_through, built_in())
    in_doubt = doubts(looked_through, built_in())
    return with_second(found, _read_again(in_doubt)) if in_doubt else found


def content_for(
    content: str | Mapping[str, object],
    *,
    written_in: ArgumentType | None,
    action: str,
    tool: str,
    contract: Contract | None,
    types: Mapping[str, ArgumentType],
    origins: Mapping[str, Origin],
) -> Content:
    """Return what filters look through for a text or for arguments."""
    if not isinstance(content, str):
        return content_of(content, action=action, tool=tool, contract=contract, origins=origins, types=types)
    alone = content_of_text(content, type=written_in, origin=origins.get("", Origin.UNKNOWN))
    call = content_of({}, action=action, tool=tool, contract=contract)
    return alone._replace(action=action, tool=tool, effects=call.effects, is_sink=call.is_sink)


def scan_content(content: Content, engines: Engines) -> Scanned:
    """Ask every filter of a bundle."""
    found = sorted(_found(content, engines), key=lambda finding: -finding.severity)
    rules, model = engines.named(PATTERNS).digest, engines.named(INTENT).digest
    return Scanned(tuple(found[:FINDINGS_MAX]), rules, model, rarity(content, engines))


def with_second(scanned: Scanned, second: Sequence[Finding]) -> Scanned:
    """Return what was found with what a second reader found among it; nothing is made less severe."""
    if not second:
        return scanned
    merged = sorted((*scanned.findings, *map(writable, second)), key=lambda finding: -finding.severity)
    return scanned._replace(findings=tuple(merged[:FINDINGS_MAX]))


def is_ready(engines: Engines) -> bool:
    """Say whether scanning would not have to make filters first."""
    return all(map(engines.is_made, _ASKED))


def make_ready(engines: Engines) -> None:
    """Make every filter that was not made yet; that takes seconds."""
    for name in _ASKED:
        engines.named(name)


@cache
def built_in() -> Engines:
    """Return the filters that are built in, without the packs of any bundle; made once."""
    return Engines()


def _read_again(in_doubt: Sequence[Doubt]) -> Sequence[Finding]:
    if missing():
        return ()
    try:
        return _second_reader().findings(in_doubt)
    except EncoderRefused as problem:
        return (failed(str(problem)),)
    except Exception as error:  # noqa: BLE001 - as in `look`: its type only
        return (failed(f"the encoder failed over this content ({type(error).__name__})"),)


@cache
def _second_reader() -> "SecondReader":
    # Imported when first needed: it takes memory that most never need.
    from ringfence_pdp.filters.encoder.second_reader import second_reader  # noqa: PLC0415 - see above

    return second_reader()


def _found(content: Content, engines: Engines) -> Iterator[Finding]:
    yield from unseen(content)
    for name in _ASKED:
        yield from look(name, content, engines)


_ASKED: Final[Sequence[str]] = (PATTERNS, INTENT, ORIGIN)
