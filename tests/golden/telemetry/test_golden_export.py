"""An export made by the first release is judged the same by every later one: the file and the judgement are kept.

The verdict on the same file is checked once more by hashing written out here, which shares nothing with the package.
"""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from ringfence.proofs.log_export_check import verify_export
from ringfence.proofs.log_export_report import Problem, TrustedKey
from ringfence.proofs.signed_note import VerifierKey

LINES = (Path(__file__).parent / "audit_export_v1.jsonl").read_text().splitlines(keepends=True)
OLD = VerifierKey.parse("log.example/audit+5f02ff6d+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c")
CURRENT = VerifierKey.parse("log.example/audit+ff36b714+AYE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU")
KEYS = (TrustedKey(OLD, last_size=3), TrustedKey(CURRENT))
ROOT = "175ba3f9cdfffdb305b4f32cfc4caff214225ff87e89a4c3e2089ca3a5d85fa9"


def test_it_is_whole_and_signed() -> None:
    report = verify_export(LINES, KEYS)
    assert report.ok
    assert (report.entries, report.proven, report.heads, report.root.hex()) == (7, 7, 2, ROOT)


def test_the_root_is_what_anybody_computes() -> None:
    bodies = [base64.b64decode(entry["body"]) for entry in map(json.loads, LINES) if "body" in entry]
    leaves = [hashlib.sha256(b"\x00" + body).digest() for body in bodies]

    def node(left: bytes, right: bytes) -> bytes:
        return hashlib.sha256(b"\x01" + left + right).digest()

    a, b, c = (node(leaves[n], leaves[n + 1]) for n in (0, 2, 4))
    assert node(node(a, b), node(c, leaves[6])).hex() == ROOT


def test_entries_are_what_the_pdp_wrote() -> None:
    decisions = [json.loads(base64.b64decode(entry["body"])) for entry in map(json.loads, LINES) if "body" in entry]
    assert [decision["effect"] for decision in decisions] == [
        "ALLOW",
        "ALLOW",
        "DENY",
        "ALLOW",
        "ALLOW",
        "DENY",
        "ALLOW",
    ]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ((TrustedKey(OLD, last_size=2), TrustedKey(CURRENT)), Problem.RETIRED_KEY),
        ((TrustedKey(OLD),), Problem.UNKNOWN_KEY),
        ((), Problem.UNKNOWN_KEY),
    ],
)
def test_other_keys_give_other_verdicts(keys: tuple[TrustedKey, ...], problem: Problem) -> None:
    assert problem in {finding.problem for finding in verify_export(LINES, keys).findings}
