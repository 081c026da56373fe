"""`ringfence.pdp.v1.BundleService` messages that ask for a review to values, and what came of one back."""

from collections.abc import Sequence

from ringfence.pdp.v1 import bundle_pb2 as pb
from ringfence_kit.validation import Violations

from ringfence_pdp.bundle import PolicyFile, digest_of, name_of
from ringfence_pdp.compile import Examined
from ringfence_pdp.convert.bundles import files_of, finding_to_proto
from ringfence_pdp.policy_tests.coverage import Report
from ringfence_pdp.policy_tests.running import Result
from ringfence_pdp.reviews import Chosen

NAME_BYTES_MAX = 256


def validate_bundle(request: pb.ValidateBundleRequest) -> tuple[PolicyFile, ...]:
    """Return the files, or raise InvalidRequest."""
    found = Violations()
    return found.ok(files_of(request.files, found))


def test_bundle(request: pb.TestBundleRequest) -> tuple[tuple[PolicyFile, ...], Chosen]:
    """Return the files and which of their tests to run, or raise InvalidRequest."""
    found = Violations()
    files = files_of(request.files, found)
    if len(request.name_contains.encode()) > NAME_BYTES_MAX:
        found.add("name_contains", f"has more than {NAME_BYTES_MAX} bytes")
    return found.ok((files, Chosen(name_contains=request.name_contains, coverage=request.coverage)))


def examined_to_proto(files: Sequence[PolicyFile], examined: Examined) -> pb.ValidateBundleResponse:
    """Return what a review found."""
    response = pb.ValidateBundleResponse(problems=map(finding_to_proto, examined.problems))
    compiled = examined.bundle
    if compiled is not None:
        digest = digest_of(files)
        response.bundle.MergeFrom(
            pb.Bundle(
                name=name_of(digest),
                digest=digest,
                policy_count=compiled.policy_count,
                rule_count=compiled.rule_count,
            )
        )
        response.findings.extend(map(finding_to_proto, compiled.findings))
    return response


def report_to_proto(report: Report) -> pb.TestReport:
    """Return how tests went."""
    return pb.TestReport(
        run=len(report.results),
        failed=report.failed,
        results=map(_result_to_proto, report.results),
        unkilled_rules=report.unkilled or (),
        rule_count=report.rule_count,
    )


def _result_to_proto(result: Result) -> pb.TestResult:
    place = result.test.place
    return pb.TestResult(
        path=place.file, line=place.mark.line, name=result.test.name, passed=result.passed, problems=result.problems
    )
