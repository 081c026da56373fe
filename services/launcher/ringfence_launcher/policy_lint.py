"""Checks policy files with the pdp's own compiler, so that CI refuses what the pdp would refuse."""

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.pdp.v1.bundle_pb2 import PolicyFile
from ringfence_pdp import bundle
from ringfence_pdp.compile import compile_files
from ringfence_pdp.errors import BundleInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class LintReport:
    """What was found: pairs of place (`file:line field`) and what is there."""

    policies: int = 0
    rules: int = 0
    problems: tuple[tuple[str, str], ...] = ()
    """The pdp refuses a bundle with any of these."""
    remarks: tuple[tuple[str, str], ...] = ()
    """The pdp accepts these, and their author should know."""

    def as_json(self) -> dict[str, object]:
        """Return the report for programs."""
        return {
            "policies": self.policies,
            "rules": self.rules,
            "problems": [{"where": where, "what": what} for where, what in self.problems],
            "remarks": [{"where": where, "what": what} for where, what in self.remarks],
        }


def lint_files(files: Sequence[PolicyFile]) -> LintReport:
    """Compile `files` as one bundle and report what came of it."""
    try:
        compiled = compile_files([bundle.PolicyFile(path=file.path, content=file.content) for file in files])
    except BundleInvalid as invalid:
        return LintReport(problems=tuple((found.field, found.problem) for found in invalid.violations))
    remarks = [finding.as_violation() for finding in compiled.findings]
    return LintReport(
        policies=compiled.policy_count,
        rules=compiled.rule_count,
        remarks=tuple((remark.field, remark.problem) for remark in remarks),
    )
