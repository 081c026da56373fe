"""A classifier elsewhere may raise what was found here, never lower it; its silence is a finding."""

from hypothesis import given
from hypothesis import strategies as st
from ringfence_pdp.filters.finding import Content, Finding, Kind, Severity
from ringfence_pdp.filters.remote import NoClassifiers, failed, raised

findings = st.lists(
    st.builds(
        Finding,
        kind=st.sampled_from(Kind),
        id=st.sampled_from(["a", "b"]),
        category=st.just("x"),
        severity=st.sampled_from(Severity),
        message=st.just("m"),
    ),
    max_size=50,
)


async def test_a_classifier_that_is_not_configured_is_a_failure_that_names_it() -> None:
    [finding] = await NoClassifiers().ask("guard", Content(()))
    assert (finding.kind, finding.id) == (Kind.FAILURE, "remote.guard.failed")
    assert "'guard'" in finding.message


def test_a_failure_is_as_bad_as_can_be_until_a_policy_says_otherwise() -> None:
    assert failed("guard", "late").severity is Severity.HIGH


@given(findings, findings)
def test_what_is_said_elsewhere_never_lowers(own: list[Finding], remote: list[Finding]) -> None:
    merged = raised(own, remote)
    assert [f.severity for f in merged] == sorted((f.severity for f in merged), reverse=True)
    assert len(merged) == min(64, len(own) + len(remote))
    worst = max((f.severity for f in own), default=0)
    assert max((f.severity for f in merged), default=0) >= worst


@given(findings.filter(lambda found: len(found) <= 30), findings.filter(lambda found: len(found) <= 30))
def test_nothing_found_here_gets_lost(own: list[Finding], remote: list[Finding]) -> None:
    merged = raised(own, remote)
    assert all(merged.count(finding) >= own.count(finding) for finding in own)
