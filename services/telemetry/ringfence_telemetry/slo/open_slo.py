"""Objectives as OpenSLO v1 documents, and back (https://github.com/OpenSLO/OpenSLO, version v1).

- an objective is a `kind: SLO` with a `ratioMetric` whose source has the type `ringfence`: agent, operation, latency
  and evaluation stand in its `spec`, and what OpenSLO has no word for (dependencies, burn rules, the least number of
  events) in annotations under `ringfence.dev/`, so that what is exported is read back as it was;
- what cannot be read is refused with line and field, all of it at once;
- what has no counterpart here and does no harm is left out, and said.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from ringfence_kit.clock import DAY, EPOCH, HOUR, MINUTE, SECOND, Millis
from ringfence_kit.errors import Violation
from ringfence_kit.names import is_resource_id

from ringfence_telemetry.errors import OpenSloInvalid
from ringfence_telemetry.slo.checks import SloDraft, check_draft
from ringfence_telemetry.slo.objective import BurnRule, Dependency, DependencyKind, Fallback, Objective
from ringfence_telemetry.slo.ratios import Ratio, exact, read
from ringfence_telemetry.slo.yaml_fields import Field, FieldsUnreadable, read_fields

API_VERSION = "openslo/v1"
SOURCE = "ringfence"
OURS = "ringfence.dev/"
DOCUMENTS_MAX = 500
VIOLATIONS_MAX = 50

_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_DURATION = re.compile(r"([1-9][0-9]{0,8})(ms|s|m|h|d|w)")
_UNREAD_KINDS = ("Service", "DataSource", "AlertPolicy", "AlertCondition", "AlertNotificationTarget")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What documents say."""

    objectives: tuple[Objective, ...]
    remarks: tuple[str, ...]


@dataclass(slots=True)
class _Reading:
    """What was found while reading."""

    violations: list[Violation] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def wrong(self, where: Field, problem: str, *, beneath: str = "") -> None:
        path = f"{where.path}.{beneath}".strip(".") if beneath else where.path
        known = any(each.field == path for each in self.violations)  # the first thing that is wrong with it will do
        if not known and len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(Field(where.line, path, "").wrong(problem))

    def left_out(self, where: Field, what: str) -> None:
        self.remarks.append(f"line {where.line}: {what}")


def import_documents(content: bytes) -> Imported:
    """Return the objectives of OpenSLO documents. Raises OpenSloInvalid with everything that is wrong."""
    try:
        documents = _each(read_fields(content))
    except FieldsUnreadable as problem:
        raise OpenSloInvalid(Violation("document", f"line {problem.line}: {problem.problem}")) from problem
    reading = _Reading()
    if len(documents) > DOCUMENTS_MAX:
        reading.wrong(documents[DOCUMENTS_MAX], f"there are more than {DOCUMENTS_MAX} documents")
    indicators = {_id(each): each for each in documents if _kind(each) == "SLI"}
    objectives: dict[str, Objective] = {}
    for document in documents[:DOCUMENTS_MAX]:
        if not _is_known(document, reading):
            continue
        found = _objective(document, indicators, reading)
        if found is not None and objectives.setdefault(found.name, found) is not found:
            reading.wrong(document, f"{found.name} is there twice", beneath="metadata.name")
    if not documents or not (objectives or reading.violations):
        reading.violations.append(Violation("document", "line 1: there is no document of kind SLO"))
    if reading.violations:
        raise OpenSloInvalid(*reading.violations)
    return Imported(objectives=tuple(objectives.values()), remarks=tuple(reading.remarks))


def export_documents(objectives: Iterable[Objective]) -> bytes:
    """Return OpenSLO documents that `import_documents` reads back as they are."""
    documents = [_document(each) for each in objectives]
    text: str = yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=120)
    return text.encode()


def _each(roots: Iterable[Field]) -> tuple[Field, ...]:
    """Return the documents; a list of them stands for its entries, as OpenSLO's own tools write them."""
    return tuple(each for root in roots for each in (root.items() or (root,)))


def _is_known(document: Field, reading: _Reading) -> bool:
    version, kind = document.get("apiVersion"), _kind(document)
    if version is None or version.text != API_VERSION:
        reading.wrong(version or document, f"must be {API_VERSION}", beneath="" if version else "apiVersion")
        return False
    if kind in _UNREAD_KINDS:
        reading.left_out(document, f"{kind} {_id(document)} has no counterpart here and was left out")
    elif kind not in ("SLO", "SLI"):
        reading.wrong(document.get("kind") or document, "must be a kind of OpenSLO v1, e.g. SLO")
    return kind == "SLO"


def _objective(document: Field, indicators: Mapping[str, Field], reading: _Reading) -> Objective | None:
    before = len(reading.violations)
    id_, spec = _id(document), document.get("spec")
    if not is_resource_id(id_):
        reading.wrong(document.at("metadata", "name") or document, "must be an RFC 1034 label", beneath="")
    if spec is None:
        reading.wrong(document, "is missing", beneath="spec")
        return None
    _tell_unread(spec, reading)
    notes = _annotations(document)
    source = _source(spec, indicators, reading)
    draft = SloDraft(
        display_name=_text(document.at("metadata", "displayName")),
        agent=_said(source, "agent") or notes.get("agent", ""),
        operation=_said(source, "operation"),
        target=_target(spec, reading),
        window=_window(spec, reading),
        latency=_length_of(None if source is None else source.get("latency"), reading),
        evaluation=_said(source, "evaluation"),
        own_target=notes.get("own-target", ""),
        min_events=_whole(notes.get("min-events", "0")),
        dependencies=_json_list(document, notes, "dependencies", _dependency, reading),
        burn_rules=_json_list(document, notes, "burn-rules", _rule, reading),
    )
    objective, problems = check_draft(f"slos/{id_}", draft, now=EPOCH)
    for problem in problems:
        where = _place_of(problem.field, document, source)
        reading.wrong(where, problem.problem, beneath="" if where is not document else problem.field)
    return objective if len(reading.violations) == before else None


def _tell_unread(spec: Field, reading: _Reading) -> None:
    for key in ("alertPolicies",):
        policies = spec.get(key)
        if policies is not None and policies.items():
            reading.left_out(policies, "alertPolicies have no counterpart here: burn rules raise the alerts")
    service = spec.get("service")
    if service is not None and service.text not in ("", SOURCE):
        reading.left_out(service, f"the service {service.text} is not kept; the agent says whose it is")
    description = spec.get("description")
    if description is not None and description.text:
        reading.left_out(description, "the description is not kept")


def _source(spec: Field, indicators: Mapping[str, Field], reading: _Reading) -> Field | None:
    indicator = spec.get("indicator")
    reference = spec.get("indicatorRef")
    if indicator is None and reference is not None:
        indicator = indicators.get(reference.text)
        if indicator is None:
            reading.wrong(reference, f"there is no SLI {reference.text} in these documents")
            return None
    if indicator is None:
        reading.wrong(spec, "an indicator, or an indicatorRef, is missing", beneath="indicator")
        return None
    if indicator.at("spec", "thresholdMetric") is not None:
        reading.wrong(indicator, "a thresholdMetric has no counterpart here; use a ratioMetric")
        return None
    for part in ("good", "total"):
        source = indicator.at("spec", "ratioMetric", part, "metricSource")
        if source is not None and _text(source.get("type")) == SOURCE:
            return source.get("spec")
    reading.wrong(indicator, f"has no metricSource of type {SOURCE}, with the agent in its spec", beneath="spec")
    return None


def _target(spec: Field, reading: _Reading) -> str:
    objectives = spec.get("objectives")
    if objectives is None or len(objectives.items()) != 1:
        reading.wrong(objectives or spec, "must hold exactly one objective", beneath="" if objectives else "objectives")
        return ""
    one = objectives.items()[0]
    for unread in ("compositeWeight", "timeSliceTarget", "timeSliceWindow", "op", "value", "indicator", "indicatorRef"):
        found = one.get(unread)
        if found is not None:
            reading.left_out(found, f"{unread} has no counterpart here and was left out")
    method = spec.get("budgetingMethod")
    if method is not None and method.text != "Occurrences":
        reading.wrong(method, "must be Occurrences: events are counted, not slices of time")
    percent, target = one.get("targetPercent"), one.get("target")
    if percent is not None:
        share = read(percent.text)
        return percent.text if share is None else exact(share / 100)
    return _text(target)


def _window(spec: Field, reading: _Reading) -> Millis | None:
    windows = spec.get("timeWindow")
    if windows is None:
        return None
    if len(windows.items()) != 1:
        reading.wrong(windows, "must hold exactly one window")
        return None
    one = windows.items()[0]
    if one.get("calendar") is not None or _text(one.get("isRolling")) not in ("true", ""):
        reading.wrong(one, "must be rolling: budgets by the calendar are not known here")
    return _length_of(one.get("duration"), reading)


def _length_of(found: Field | None, reading: _Reading) -> Millis | None:
    if found is None:
        return None
    length = _length(found.text)
    if length is None:
        reading.wrong(found, "must be a duration such as 30d, 1h, 5m, 2s or 800ms")
    return length


def _length(text: str) -> Millis | None:
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    return Millis(int(match[1]) * (1 if match[2] == "ms" else _UNITS[match[2]]))


def _json_list(document: Field, notes: Mapping[str, str], key: str, make: Any, reading: _Reading) -> tuple[Any, ...]:
    """Return what an annotation lists."""
    text = notes.get(key)
    if text is None:
        return ()
    where = document.at("metadata", "annotations", OURS + key) or document
    try:
        return tuple(make(each) for each in json.loads(text))
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
        reading.wrong(where, "is not the JSON that an export writes there")
        return ()


def _dependency(said: Mapping[str, Any]) -> Dependency:
    return Dependency(
        agent=str(said["agent"]),
        target=_ratio(said["target"]),
        kind=DependencyKind(said.get("kind", "hard")),
        calls=int(said.get("calls", 1)),
        retries=int(said.get("retries", 0)),
        fallbacks=tuple(
            Fallback(agent=str(each["agent"]), target=_ratio(each["target"])) for each in said.get("fallbacks", ())
        ),
    )


def _rule(said: Mapping[str, Any]) -> BurnRule:
    long, short = _length(str(said["long"])), _length(str(said["short"]))
    if long is None or short is None:
        raise ValueError("a window is no duration")
    return BurnRule(share=_ratio(said["share"]), long=long, short=short, page=said.get("page") is True)


def _ratio(text: object) -> Ratio:
    share = read(str(text))
    if share is None:
        raise ValueError("this is no share")
    return Ratio.of(share)


def _document(objective: Objective) -> dict[str, Any]:
    source = {
        "agent": objective.agent,
        "operation": objective.operation,
        "latency": "" if objective.latency is None else duration_text(objective.latency),
        "evaluation": objective.evaluation,
    }
    said = {key: value for key, value in source.items() if value}
    metadata: dict[str, Any] = {"name": objective.name.removeprefix("slos/")}
    if objective.display_name:
        metadata["displayName"] = objective.display_name
    metadata["annotations"] = dict(_notes(objective))
    metric = {"type": SOURCE, "spec": said}
    return {
        "apiVersion": API_VERSION,
        "kind": "SLO",
        "metadata": metadata,
        "spec": {
            "service": SOURCE,
            "indicator": {
                "metadata": {"name": metadata["name"]},
                "spec": {
                    "ratioMetric": {
                        "counter": True,
                        "good": {"metricSource": metric},
                        "total": {"metricSource": {"type": SOURCE, "spec": dict(said)}},
                    }
                },
            },
            "timeWindow": [{"duration": duration_text(objective.window), "isRolling": True}],
            "budgetingMethod": "Occurrences",
            "objectives": [{"target": _plain(objective.target)}],
        },
    }


def _plain(target: Ratio) -> float | str:
    """Return a share as a number where YAML writes it as it is, else as a text."""
    text = exact(target.fraction)
    return float(text) if "/" not in text and repr(float(text)) == text else text


def _notes(objective: Objective) -> Iterator[tuple[str, str]]:
    yield OURS + "min-events", str(objective.min_events)
    yield OURS + "own-target", exact(objective.own_target.fraction)
    yield OURS + "burn-rules", json.dumps([_rule_said(rule) for rule in objective.burn_rules])
    if objective.dependencies:
        yield OURS + "dependencies", json.dumps([_dependency_said(each) for each in objective.dependencies])


def _rule_said(rule: BurnRule) -> dict[str, Any]:
    return {
        "share": exact(rule.share.fraction),
        "long": duration_text(rule.long),
        "short": duration_text(rule.short),
        "page": rule.page,
    }


def _dependency_said(each: Dependency) -> dict[str, Any]:
    return {
        "agent": each.agent,
        "target": exact(each.target.fraction),
        "kind": each.kind.value,
        "calls": each.calls,
        "retries": each.retries,
        "fallbacks": [{"agent": one.agent, "target": exact(one.target.fraction)} for one in each.fallbacks],
    }


def duration_text(duration: Millis) -> str:
    """Return a duration in the largest unit that is whole."""
    for letter in ("d", "h", "m", "s"):
        if duration % _UNITS[letter] == 0:
            return f"{duration // _UNITS[letter]}{letter}"
    return f"{duration}ms"


def _place_of(path: str, document: Field, source: Field | None) -> Field:
    """Return the field of the documents that a field of an objective was read from; the document itself if none."""
    head = path.split("[", maxsplit=1)[0].split(".", maxsplit=1)[0]
    ways: Mapping[str, Sequence[str]] = {
        "display_name": ("metadata", "displayName"),
        "target": ("spec", "objectives"),
        "window": ("spec", "timeWindow"),
        "own_target": ("metadata", "annotations", OURS + "own-target"),
        "min_events": ("metadata", "annotations", OURS + "min-events"),
        "dependencies": ("metadata", "annotations", OURS + "dependencies"),
        "burn_rules": ("metadata", "annotations", OURS + "burn-rules"),
    }
    if head in ways:
        return document.at(*ways[head]) or document
    return (None if source is None else source.get(head) or source) or document


def _annotations(document: Field) -> dict[str, str]:
    found = document.at("metadata", "annotations")
    pairs = [] if found is None else found.keys()
    return {key.removeprefix(OURS): each.text for key, each in pairs if key.startswith(OURS)}


def _kind(document: Field) -> str:
    return _text(document.get("kind"))


def _id(document: Field) -> str:
    return _text(document.at("metadata", "name"))


def _said(source: Field | None, key: str) -> str:
    return "" if source is None else _text(source.get(key))


def _text(found: Field | None) -> str:
    return "" if found is None else found.text


def _whole(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else -1
