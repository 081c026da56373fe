"""OpenSLO v1 documents: what is read, what is refused with line and field, and what is left out and said."""

import pytest
from ringfence_kit.clock import DAY, Millis
from ringfence_telemetry.errors import OpenSloInvalid
from ringfence_telemetry.slo.open_slo import import_documents
from ringfence_telemetry.slo.ratios import Ratio

SOUND = """\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: checkout
  displayName: Checkout
spec:
  description: Buying things.
  service: shop
  indicator:
    metadata:
      name: checkout
    spec:
      ratioMetric:
        counter: true
        good:
          metricSource:
            type: ringfence
            spec:
              agent: did:web:agents.example:a
              operation: quote
              latency: 2s
        total:
          metricSource:
            type: ringfence
            spec:
              agent: did:web:agents.example:a
  timeWindow:
    - duration: 4w
      isRolling: true
  budgetingMethod: Occurrences
  objectives:
    - target: 0.995
"""


def wrong(text: str) -> dict[str, str]:
    with pytest.raises(OpenSloInvalid) as refused:
        import_documents(text.encode())
    return {violation.field: violation.problem for violation in refused.value.violations}


def test_a_document_is_read() -> None:
    found = import_documents(SOUND.encode())
    (objective,) = found.objectives
    assert (objective.name, objective.display_name, objective.agent) == (
        "slos/checkout",
        "Checkout",
        "did:web:agents.example:a",
    )
    assert (objective.operation, objective.latency, objective.window) == ("quote", Millis(2_000), Millis(28 * DAY))
    assert objective.target == Ratio(199, 200)
    assert found.remarks == (
        "line 8: the service shop is not kept; the agent says whose it is",
        "line 7: the description is not kept",
    )


SLI = """\
apiVersion: openslo/v1
kind: SLI
metadata:
  name: quotes
spec:
  ratioMetric:
    total:
      metricSource:
        type: ringfence
        spec:
          agent: namespaces/shop/agents/quotes
---
apiVersion: openslo/v1
kind: SLO
metadata:
  name: quotes
spec:
  indicatorRef: quotes
  objectives:
    - targetPercent: 99.5
"""


def test_a_target_in_percent_and_an_indicator_elsewhere() -> None:
    (objective,) = import_documents(SLI.encode()).objectives
    assert (objective.agent, objective.target) == ("namespaces/shop/agents/quotes", Ratio(199, 200))
    assert wrong(SLI.replace("indicatorRef: quotes", "indicatorRef: others"))["spec.indicatorRef"].startswith(
        "line 18:"
    )


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [
        (("openslo/v1", "openslo/v2"), "apiVersion", "line 1: must be openslo/v1"),
        (("kind: SLO", "kind: Nonsense"), "kind", "line 2: must be a kind of OpenSLO v1, e.g. SLO"),
        (("name: checkout\n  display", "name: Check Out\n  display"), "metadata.name", "line 4: must be an RFC 1034"),
        (("target: 0.995", "target: 99.5"), "spec.objectives", "line 32: must be a share strictly between 0 and 1"),
        (
            ("    - target: 0.995", "    - target: 0.9\n    - target: 0.8"),
            "spec.objectives",
            "line 32: must hold exactly",
        ),
        (("duration: 4w", "duration: a month"), "spec.timeWindow[0].duration", "line 28: must be a duration such as"),
        (("duration: 4w", "duration: 1w"), "", ""),
        (("isRolling: true", "isRolling: false"), "spec.timeWindow[0]", "line 28: must be rolling"),
        (("Occurrences", "Timeslices"), "spec.budgetingMethod", "line 30: must be Occurrences"),
        (
            ("latency: 2s", "latency: soon"),
            "spec.indicator.spec.ratioMetric.good.metricSource.spec.latency",
            "line 21:",
        ),
        (
            ("type: ringfence", "type: prometheus"),
            "spec.indicator.spec",
            "line 10: has no metricSource",
        ),
        (("ratioMetric", "thresholdMetric"), "spec.indicator", "line 10: a thresholdMetric has no counterpart here"),
        (("  name: checkout\n  displayName", "  name: &a checkout\n  displayName"), "document", "line 4: anchors and"),
        (("  name: checkout\n  displayName", "  name: !x checkout\n  displayName"), "document", "line 4: tags are not"),
        (("kind: SLO\n", "kind: SLO\nkind: SLO\n"), "document", "line 3: the key 'kind' is there twice"),
        (("metadata:", "metadata: ["), "document", "line 5: this is not YAML"),
    ],
)
def test_what_is_wrong_is_named(change: tuple[str, str], field: str, problem: str) -> None:
    text = SOUND.replace(*change)
    assert text != SOUND
    if not field:
        import_documents(text.encode())
        return
    found = wrong(text)
    assert found[field].startswith(problem)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    text = SOUND.replace("0.995", "2").replace("4w", "400w").replace("2s", "2 s")
    assert len(wrong(text)) == 3


@pytest.mark.parametrize("text", ["", "---\n", "text", "- a\n- list\n", "apiVersion: openslo/v1\nkind: Service\n"])
def test_what_holds_no_objective(text: str) -> None:
    assert wrong(text)


def test_a_list_of_documents_stands_for_them() -> None:
    """The tools of OpenSLO write several documents as one list."""
    first = "- " + SOUND.rstrip().replace("\n", "\n  ") + "\n"
    second = first.replace("name: checkout", "name: basket", 1)
    read = import_documents((first + second).encode()).objectives
    assert [each.name for each in read] == ["slos/checkout", "slos/basket"]
    assert wrong(first + second.replace("0.995", "2"))["[1].spec.objectives"].startswith("line 64: must be a share")


def test_the_same_objective_twice() -> None:
    assert wrong(f"{SOUND}---\n{SOUND}")["metadata.name"].endswith("slos/checkout is there twice")


def test_what_nests_without_end_is_refused() -> None:
    assert "document" in wrong("a: " + "[" * 5_000)
    assert "document" in wrong("\n".join(" " * depth + "a:" for depth in range(100)))


def test_what_has_no_counterpart_is_said() -> None:
    policy = "---\napiVersion: openslo/v1\nkind: AlertPolicy\nmetadata:\n  name: page\n"
    text = SOUND.replace("    - target: 0.995", "    - target: 0.995\n      op: lte") + policy
    remarks = import_documents(text.encode()).remarks
    assert "line 33: op has no counterpart here and was left out" in remarks
    assert remarks[-1].endswith("AlertPolicy page has no counterpart here and was left out")


@pytest.mark.parametrize("note", ["not json", "[{}]", "{}", '[{"agent": 1, "target": "x"}]', "[" * 100_000, "[1]"])
def test_an_annotation_that_is_no_export_of_ours(note: str) -> None:
    notes = f"  annotations:\n    ringfence.dev/dependencies: '{note}'\nspec:\n"
    text = SOUND.replace("spec:\n", notes, 1)
    if note == "{}":
        assert not import_documents(text.encode()).objectives[0].dependencies
        return
    assert "metadata.annotations.ringfence.dev/dependencies" in wrong(text)
