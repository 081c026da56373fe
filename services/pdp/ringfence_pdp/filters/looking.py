"""One filter looks through content: whatever goes wrong in it is a finding, and every finding can be written down."""

from collections.abc import Iterator, Sequence

from ringfence_pdp.filters.encoder.doubt import Doubt, Doubting
from ringfence_pdp.filters.engines import INTENT, Engines, Looked, failure
from ringfence_pdp.filters.finding import Content, Finding, Rating, Severity


def look(name: str, content: Content, engines: Engines) -> Sequence[Finding]:
    """Return what the filter `name` finds. Never raises."""
    known = engines.last.get(name)
    if known is not None and known.content == content:
        return known.findings
    try:
        found = [writable(finding) for finding in engines.named(name).findings(content)]
    except Exception as error:  # noqa: BLE001 - a filter that errs must neither let a call through nor end in INTERNAL
        # Its type only: what it says may hold content.
        return (failure(name, f"the filter {name} failed over this content ({type(error).__name__})"),)
    engines.last[name] = Looked(content, found)
    return found


def doubts(content: Content, engines: Engines) -> Sequence[Doubt]:
    """Return the texts the filter of intent is in doubt about. Never raises: where it fails, its findings say so."""
    try:
        intent = engines.named(INTENT)
        return intent.doubts(content) if isinstance(intent, Doubting) else ()
    except Exception:  # noqa: BLE001 - as above; the failure is told there, with the findings
        return ()


def rarity(content: Content, engines: Engines) -> float | None:
    """Return one in how many ordinary calls looks as dangerous, by intent alone. Never raises: None, as for doubts."""
    try:
        intent = engines.named(INTENT)
        return intent.p_value(content) if isinstance(intent, Rating) else None
    except Exception:  # noqa: BLE001 - as above
        return None


def unseen(content: Content) -> Iterator[Finding]:
    """Yield a failure when the content could not be looked through as a whole."""
    if content.problem:
        problem = f"the content could not be looked through: {content.problem}"
        # Something of it was seen, or nothing at all.
        severity = Severity.MEDIUM if content.arguments else Severity.HIGH
        yield failure("content", problem)._replace(severity=severity)


def writable(finding: Finding) -> Finding:
    """Return a finding whose texts can be written as UTF-8: a decoded view may hold half of a surrogate pair."""
    texts = (finding.message, finding.argument, finding.snippet)
    if all(text.isascii() for text in texts) and not finding.frame and not finding.ngrams:
        return finding
    return finding._replace(
        message=_whole(finding.message),
        argument=_whole(finding.argument),
        snippet=_whole(finding.snippet),
        ngrams=tuple(one._replace(text=_whole(one.text)) for one in finding.ngrams),
        frame={_whole(name): _whole(value) for name, value in finding.frame.items()},
    )


def _whole(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
