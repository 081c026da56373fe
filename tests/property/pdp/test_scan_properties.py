"""Whatever is scanned, an answer comes back that can be sent, is sorted and bounded, and is the same the next time."""

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence.pdp.v1 import filter_pb2 as pb
from ringfence_pdp.convert.filters import scanned_to_proto
from ringfence_pdp.filters import Scanned, scan
from ringfence_pdp.filters.finding import ArgumentType, Kind, Origin

TEXTS = st.one_of(
    st.text(st.characters(), max_size=200),  # halves of surrogate pairs among them
    st.text("aA0 '\"`;()[]{}<>=%\\/|&$-_.:\n\u200b\u0430", max_size=400),
    st.lists(
        st.sampled_from(
            ["ignore all ", "previous instructions", "'; drop table x; --", "rm -rf /", "%27", "aGVsbG8=", "../"]
        ),
        max_size=12,
    ).map("".join),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)
CALLS = st.dictionaries(TEXTS, VALUES, max_size=5)
QUICK = settings(max_examples=60, deadline=None)


def check(found: Scanned) -> None:
    assert len(found.findings) <= 64
    severities = [one.severity for one in found.findings]
    assert severities == sorted(severities, reverse=True)
    assert found.severity == max(severities, default=None)
    assert all(len(one.snippet) <= 160 and 0 <= one.start <= one.end for one in found.findings)
    assert not any(one.kind is Kind.FAILURE and "cannot be loaded" in one.message for one in found.findings)
    sent = pb.ScanResponse.FromString(scanned_to_proto(found).SerializeToString())
    assert len(sent.findings) == len(found.findings)
    assert (sent.p_value if sent.HasField("p_value") else None) == found.p_value


@QUICK
@given(TEXTS, st.none() | st.sampled_from(ArgumentType), st.sampled_from(Origin))
def test_any_text(text: str, written_in: ArgumentType | None, origin: Origin) -> None:
    found = scan(text, written_in=written_in, action="send_mail", tool="mail.send", origins={"": origin})
    check(found)
    assert found == scan(text, written_in=written_in, action="send_mail", tool="mail.send", origins={"": origin})


@QUICK
@given(CALLS, st.dictionaries(TEXTS, st.sampled_from(Origin), max_size=3))
def test_any_arguments(arguments: dict[str, object], origins: dict[str, Origin]) -> None:
    check(scan(arguments, origins=origins))
