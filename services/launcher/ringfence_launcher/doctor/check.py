"""The outcome of looking at one thing."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class Verdict(enum.StrEnum):
    """How it stands."""

    OK = "ok"
    WARNING = "warning"
    """It works today, and somebody should know."""
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    found: str
    mend: str = ""
    """What to do about it; empty when nothing needs doing."""


def ok(what: str, found: str) -> Check:
    """Return that nothing is wrong."""
    return Check(what=what, verdict=Verdict.OK, found=found)


def warning(what: str, found: str, *, mend: str) -> Check:
    """Return that something is going to be wrong."""
    return Check(what=what, verdict=Verdict.WARNING, found=found, mend=mend)


def wrong(what: str, found: str, *, mend: str) -> Check:
    """Return that something is wrong."""
    return Check(what=what, verdict=Verdict.WRONG, found=found, mend=mend)


def anything_wrong(checks: Iterable[Check]) -> bool:
    """Say whether at least one check failed; warnings do not count."""
    return any(check.verdict is Verdict.WRONG for check in checks)
