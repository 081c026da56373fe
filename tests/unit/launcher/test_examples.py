"""The example files are good: the services' own readers take them."""

import hashlib
import json

import pytest
import yaml
from google.protobuf.json_format import ParseDict
from ringfence.identity.v1.identity_pb2 import BirthCertificateContent
from ringfence.pdp.v1.bundle_pb2 import PolicyFile
from ringfence_launcher.examples import NAMES, example
from ringfence_launcher.policy_lint import lint_files
from ringfence_registry.cards.reading import read_card


def test_all_are_there() -> None:
    for name in NAMES:
        assert example(name)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".card.json")])
def test_cards_are_admitted_without_a_remark(name: str) -> None:
    json.loads(example(name))
    assert read_card(example(name)).facts.findings == ()


def test_the_birth_certificate_is_the_protos() -> None:
    content = ParseDict(yaml.safe_load(example("analyst.birth.yaml")), BirthCertificateContent())
    assert content.sponsor != content.backup_sponsor
    assert content.evaluation_plan.hash == f"sha256-{hashlib.sha256(b'plan').hexdigest()}"


def test_the_policy_compiles() -> None:
    report = lint_files([PolicyFile(path="policies/first-policy.yaml", content=example("policies/first-policy.yaml"))])
    assert report.problems == ()
    assert report.rules == 3
