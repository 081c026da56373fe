"""Filters that find what a test tells them, and bundles that use them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ringfence_pdp.compile import CompiledBundle
from ringfence_pdp.filters.engines import Engines
from ringfence_pdp.filters.finding import Content, Finding, Kind, Severity

from support.pdp.world import ALLOW_ALL, bundle

DANGEROUS = Finding(
    kind=Kind.RULE,
    id="sql.stacked-statement",
    category="injection",
    severity=Severity.HIGH,
    message="two statements in one",
    argument="/query",
    snippet="; DROP TABLE",
    model="sha256-rules",
)
SUSPECT = DANGEROUS._replace(id="shell.pipe", category="payload", severity=Severity.MEDIUM, message="a pipe to a shell")
NOTABLE = DANGEROUS._replace(id="sql.comment", category="injection", severity=Severity.LOW, message="a comment")
INTENT = DANGEROUS._replace(
    kind=Kind.INTENT, id="intent.exfiltration", category="exfiltration", severity=Severity.MEDIUM, p_value=0.005
)


class Finds:
    """Finds what it is told to, in any content or by a word in it; counts how often it looked."""

    digest = f"sha256-{'f' * 64}"

    def __init__(self, *findings: Finding, word: str = "", raising: Callable[[], Exception] | None = None) -> None:
        self._findings = findings
        self._word = word
        self.raising = raising
        self.looked: list[Content] = []

    def findings(self, content: Content) -> Sequence[Finding]:
        self.looked.append(content)
        if self.raising is not None:
            raise self.raising()
        if any(self._word in argument.text for argument in content.arguments) or not self._word:
            return self._findings
        return ()


def filters(*written: str, name: str = "guard", governs: str = "{}") -> str:
    """A policy document with filters written as flow mappings."""
    listed = "\n".join(f"    - {one}" for one in written)
    head = f"apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {{name: {name}}}\n"
    return f"{head}spec:\n  governs: {governs}\n  filters:\n{listed}\n"


PATTERNS = "{name: content, use: patterns}"


def filtering(*texts: str, **made: Finds) -> CompiledBundle:
    """A bundle that allows everything but what these documents say; `made` look in the place of what would."""
    return looking(bundle(ALLOW_ALL, *texts), **made)


def looking(compiled: CompiledBundle, **made: Finds) -> CompiledBundle:
    """The bundle with these filters, by `patterns`, `intent`, `origin`."""
    return replace(compiled, engines=Engines(made=made))
