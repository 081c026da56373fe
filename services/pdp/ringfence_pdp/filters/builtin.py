"""The rules that are built in: from the packs beside this module when a filter is first used, and then kept.

They were proved when they were made (`proving.py`); packs that were changed since are proved again."""

import functools
import hashlib
from collections.abc import Iterable, Mapping
from importlib import resources

from ringfence_pdp.fields import Report, View
from ringfence_pdp.filters.filter_rule import FilterRule
from ringfence_pdp.filters.packs import KIND, read_rules
from ringfence_pdp.filters.patterns import Patterns
from ringfence_pdp.filters.proving import Ways, packs, proven
from ringfence_pdp.yaml_reader import Mark, read

PACK = "ringfence"
"""The pack all of them are from, whatever file they are in."""


class PackInvalid(ValueError):  # noqa: N818 - named for what happened
    """A pack that is built in cannot be used."""


def builtin_rules() -> tuple[FilterRule, ...]:
    """Return every rule that is built in; raise PackInvalid with everything that is wrong with them."""
    return _known()[0]


@functools.cache
def _known() -> tuple[tuple[FilterRule, ...], Mapping[str, Ways]]:
    """Return the rules, and what their patterns make necessary as far as that is known."""
    proof = proven()
    return (written_rules(), {}) if proof is None else (proof.rules, proof.by_pattern())


def written_rules() -> tuple[FilterRule, ...]:
    """Read the packs, and prove every rule by its examples, whatever is known of them."""
    report = Report()
    rules: list[FilterRule] = []
    for file in packs():
        rules += _rules_of(file.name, file.read_bytes(), report, taken=[rule.id for rule in rules])
    if report.problems:
        raise PackInvalid("; ".join(f"{problem.place} {problem}" for problem in report.problems))
    return tuple(rules)


def builtin_ids() -> frozenset[str]:
    """Return what rules of a bundle's own packs may not be called; nothing while the built-in ones cannot be used."""
    try:
        return frozenset(rule.id for rule in builtin_rules())
    except PackInvalid:
        return frozenset()  # whoever uses them is told; a bundle's own rules are not to blame


@functools.cache
def builtin_patterns() -> Patterns:
    """Return the filter of patterns with the rules that are built in."""
    return patterns(())


def patterns(rules: Iterable[FilterRule]) -> Patterns:
    """Return the filter of patterns with the rules that are built in and those of a bundle's own packs."""
    # Here and not above: a pdp none of whose policies filter must not pay for a parser of SQL.
    from ringfence_pdp.filters.analysers import analysing  # noqa: PLC0415 - see above

    judged_by = f"{analysing.VERSION} {_code_digest()}"
    known, needed = _known()
    return Patterns((*known, *rules), analysing.analyse, analysed_by=judged_by, needed=needed)


@functools.cache
def _code_digest() -> str:
    """Return a digest of the code that judges, so that nobody has to remember to raise a version."""
    digest = hashlib.sha256()
    for folder in ("", "analysers", "decoders"):
        sources = resources.files(__package__).joinpath(folder).iterdir()
        for source in sorted((file for file in sources if file.name.endswith(".py")), key=lambda file: file.name):
            digest.update(source.read_bytes())
    return digest.hexdigest()


def _rules_of(name: str, content: bytes, report: Report, *, taken: Iterable[str]) -> tuple[FilterRule, ...]:
    rules: tuple[FilterRule, ...] = ()
    for root in read(content):
        document = View(name, root, Mark(1, 1), "", report).fields(required=("apiVersion", "kind", "metadata", "spec"))
        document["apiVersion"].one_of("ringfence.dev/v1")
        document["kind"].one_of(KIND)
        rules += read_rules(document["spec"], pack=PACK, taken=(*taken, *(rule.id for rule in rules)))
    return rules
