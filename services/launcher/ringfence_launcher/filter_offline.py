"""Scans content and lists rules here, with the pdp's own filters and without a server.

A request is judged as the pdp judges it, so what is refused there is refused here, with the same words.
"""

from ringfence.pdp.v1 import filter_pb2 as pb
from ringfence_kit.errors import InvalidRequest
from ringfence_pdp.convert import filters as convert
from ringfence_pdp.filters.rule_list import rules_of
from ringfence_pdp.filters.scanning import built_in, content_for, scan_content

from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Detail, Problem


def scan(request: pb.ScanRequest) -> pb.ScanResponse:
    """Look through content with every built-in filter."""
    try:
        asked = convert.scan(request)
    except InvalidRequest as invalid:
        raise _problem(invalid) from None
    content = content_for(
        asked.content(),
        written_in=asked.written_in,
        action=asked.action,
        tool=asked.tool,
        contract=None,
        types=asked.types,
        origins=asked.origins,
    )
    return convert.scanned_to_proto(scan_content(content, built_in()))


def rules(category: str) -> list[pb.FilterRule]:
    """Return the built-in rules, of one category or all, by id."""
    return [convert.rule_to_proto(rule) for rule in rules_of(built_in()) if category in ("", rule.category)]


def _problem(invalid: InvalidRequest) -> Problem:
    return Problem(
        "this cannot be looked through",
        code=ExitCode.USAGE,
        details=tuple(Detail(where=violation.field, what=violation.problem) for violation in invalid.violations),
    )
