"""`ringfence.telemetry.v1.SloService` requests → values; `slo_messages` is the way back."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from ringfence.telemetry.v1 import slo_pb2 as pb
from ringfence_kit.clock import DAY, EPOCH, Instant, Millis
from ringfence_kit.names import is_resource_id
from ringfence_kit.validation import Violations

from ringfence_telemetry.slo.checks import (
    DEPENDENCIES_MAX,
    LABEL_BYTES_MAX,
    RULES_MAX,
    SloDraft,
    check_dependency,
    checked,
    own_share,
    target_share,
)
from ringfence_telemetry.slo.objective import (
    BurnRule,
    Dependency,
    DependencyKind,
    Fallback,
    Objective,
    short_of,
)
from ringfence_telemetry.slo.ratios import Ratio, exact, read

NAMES_MAX = 1_000
DOCUMENT_MAX = 1024 * 1024
CHANGEABLE = (
    "display_name",
    "agent",
    "operation",
    "target",
    "window",
    "latency",
    "evaluation",
    "dependencies",
    "own_target",
    "min_events",
    "burn_rules",
)

KINDS: Mapping[int, DependencyKind] = {
    pb.DEPENDENCY_KIND_HARD: DependencyKind.HARD,
    pb.DEPENDENCY_KIND_SOFT: DependencyKind.SOFT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSlo:
    """A checked CreateSloRequest."""

    objective: Objective
    request_id: str
    validate_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSlos:
    """A checked ListSlosRequest; the token is opened by the face."""

    agent: str
    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSlo:
    """A checked UpdateSloRequest; what it changes is checked once it is known what it changes."""

    name: str
    change: Callable[[Objective], Objective]
    etag: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteSlo:
    """A checked DeleteSloRequest."""

    name: str
    etag: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSlo:
    """A checked EvaluateSloRequest."""

    name: str
    at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFeasibility:
    """A checked CheckFeasibilityRequest."""

    own: Fraction
    dependencies: tuple[Dependency, ...]
    target: Fraction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOpenSlo:
    """A checked ImportOpenSloRequest; the document is read by `slo/open_slo.py`."""

    document: bytes
    request_id: str
    validate_only: bool


def create_slo(request: pb.CreateSloRequest) -> CreateSlo:
    """Return the objective to create, or raise InvalidRequest."""
    found = Violations()
    if not is_resource_id(request.slo_id):
        found.add("slo_id", "must be an RFC 1034 label: a-z, 0-9 and -, beginning with a letter, at most 63 characters")
    objective = checked(f"slos/{request.slo_id}", _draft(request.slo, found.at("slo")), found.at("slo"), now=EPOCH)
    request_id = found.request_id(request.request_id)
    found.raise_if_any()
    return CreateSlo(objective=objective, request_id=request_id, validate_only=request.validate_only)


def get_slo(request: pb.GetSloRequest) -> str:
    """Return the name asked for, or raise InvalidRequest."""
    found = Violations()
    name = _name(request.name, "name", found)
    found.raise_if_any()
    return name


def list_slos(request: pb.ListSlosRequest) -> ListSlos:
    """Return what is to be listed, or raise InvalidRequest."""
    found = Violations()
    agent = found.text(request.agent, "agent", max_bytes=LABEL_BYTES_MAX, required=False)
    page_size = found.page_size(request.page_size)
    found.raise_if_any()
    return ListSlos(agent=agent, page_size=page_size, page_token=request.page_token)


def update_slo(request: pb.UpdateSloRequest) -> UpdateSlo:
    """Return what is to be changed, or raise InvalidRequest."""
    found = Violations()
    name = _name(request.slo.name, "slo.name", found)
    populated = [each.name for each, _ in request.slo.ListFields() if each.name in CHANGEABLE]
    paths = found.update_mask(request.update_mask.paths, CHANGEABLE, when_empty=populated)
    etag = found.etag(request.etag or request.slo.etag, "etag" if request.etag else "slo.etag")
    request_id = found.request_id(request.request_id)
    asked = _draft(request.slo, found.at("slo"))
    found.raise_if_any()

    def change(before: Objective) -> Objective:
        """Return the objective with the fields named by the mask. Raises InvalidRequest."""
        wrong = Violations()
        draft = replace(draft_of(before), **{path: getattr(asked, path) for path in paths})
        if "window" in paths and "burn_rules" not in paths:
            draft = replace(draft, burn_rules=())  # those that were usual for the time before may be too long now
        after = checked(name, draft, wrong.at("slo"), now=EPOCH)
        wrong.raise_if_any()
        return replace(after, created_at=before.created_at, counted_from=before.counted_from)

    return UpdateSlo(name=name, change=change, etag=etag, request_id=request_id)


def delete_slo(request: pb.DeleteSloRequest) -> DeleteSlo:
    """Return what is to be deleted, or raise InvalidRequest."""
    found = Violations()
    name = _name(request.name, "name", found)
    delete = DeleteSlo(name=name, etag=found.etag(request.etag), request_id=found.request_id(request.request_id))
    return found.ok(delete)


def evaluate_slo(request: pb.EvaluateSloRequest) -> EvaluateSlo:
    """Return what is to be judged, and when, or raise InvalidRequest."""
    found = Violations()
    name = _name(request.name, "name", found)
    at = found.timestamp(request.at_time, "at_time", not_before=EPOCH) if request.HasField("at_time") else None
    found.raise_if_any()
    return EvaluateSlo(name=name, at=at)


def check_feasibility(request: pb.CheckFeasibilityRequest) -> CheckFeasibility:
    """Return what is to be reckoned, or raise InvalidRequest."""
    found = Violations()
    own = own_share(request.own_target, "own_target", found)
    dependencies = _dependencies(request.dependencies, found)
    for index, dependency in enumerate(dependencies):
        check_dependency(dependency, found.at(f"dependencies[{index}]"))
    target = target_share(request.target, "target", found) if request.target else None
    found.raise_if_any()
    return CheckFeasibility(own=own.fraction, dependencies=dependencies, target=target)


def import_open_slo(request: pb.ImportOpenSloRequest) -> ImportOpenSlo:
    """Return what is to be read, or raise InvalidRequest."""
    found = Violations()
    document = found.octets(request.document, "document", min_bytes=1, max_bytes=DOCUMENT_MAX)
    request_id = found.request_id(request.request_id)
    found.raise_if_any()
    return ImportOpenSlo(document=document, request_id=request_id, validate_only=request.validate_only)


def export_open_slo(request: pb.ExportOpenSloRequest) -> list[str]:
    """Return the names asked for, or raise InvalidRequest."""
    found = Violations()
    names = [_name(name, path, found) for path, name in found.items(request.names, "names", max_items=NAMES_MAX)]
    found.distinct(names, "names")
    found.raise_if_any()
    return names


def slo_name_of(cursor: bytes) -> str:
    """Return where a page starts: after this name."""
    return cursor.decode()


def draft_of(objective: Objective) -> SloDraft:
    """Return an objective as somebody would write it."""
    return SloDraft(
        display_name=objective.display_name,
        agent=objective.agent,
        operation=objective.operation,
        target=exact(objective.target.fraction),
        window=objective.window,
        latency=objective.latency,
        evaluation=objective.evaluation,
        dependencies=objective.dependencies,
        own_target=exact(objective.own_target.fraction),
        min_events=objective.min_events,
        burn_rules=objective.burn_rules,
    )


def _draft(slo: pb.Slo, found: Violations) -> SloDraft:
    return SloDraft(
        display_name=slo.display_name,
        agent=slo.agent,
        operation=slo.operation,
        target=slo.target,
        window=_length(slo, "window", found, most=Millis(1_000 * DAY)),
        latency=_length(slo, "latency", found, most=Millis(DAY)),
        evaluation=slo.evaluation,
        dependencies=_dependencies(slo.dependencies, found),
        own_target=slo.own_target,
        min_events=slo.min_events,
        burn_rules=tuple(
            _rule(rule, found.at(path)) for path, rule in found.items(slo.burn_rules, "burn_rules", max_items=RULES_MAX)
        ),
    )


def _dependencies(messages: Iterable[pb.Dependency], found: Violations) -> tuple[Dependency, ...]:
    given = found.items(list(messages), "dependencies", max_items=DEPENDENCIES_MAX)
    return tuple(_dependency(each, found.at(path)) for path, each in given)


def _dependency(message: pb.Dependency, found: Violations) -> Dependency:
    kind = found.enum(message.kind, "kind", KINDS, default=DependencyKind.HARD)
    return Dependency(
        agent=message.agent,
        target=_ratio(message.target, "target", found),
        kind=kind or DependencyKind.HARD,
        calls=message.calls or 1,
        retries=message.retries,
        fallbacks=tuple(
            Fallback(agent=each.agent, target=_ratio(each.target, f"fallbacks[{index}].target", found))
            for index, each in enumerate(message.fallbacks[:DEPENDENCIES_MAX])
        ),
    )


def _rule(message: pb.BurnRule, found: Violations) -> BurnRule:
    if not message.HasField("long_window"):
        found.add("long_window", "must be set")
    long = _length(message, "long_window", found, most=Millis(1_000 * DAY)) or Millis(DAY)
    short = _length(message, "short_window", found, most=Millis(1_000 * DAY))
    return BurnRule(
        share=_ratio(message.share, "share", found),
        long=long,
        short=short_of(long) if short is None else short,
        page=message.page,
    )


def _ratio(text: str, field: str, found: Violations) -> Ratio:
    share = read(text)
    if share is None:
        found.add(field, "must be a share such as 0.99 or 99/100, at most nine digits to a number")
    return Ratio.of(share or Fraction(1, 2))


def _length(message: pb.Slo | pb.BurnRule, field: str, found: Violations, *, most: Millis) -> Millis | None:
    if not message.HasField(field):  # type: ignore[arg-type] # `field` is one of the message's durations
        return None
    return found.duration(getattr(message, field), field, minimum=Millis(1), maximum=most)


def _name(text: str, field: str, found: Violations) -> str:
    found.resource_name(text, field, _parse_name, shape="slos/{slo}")
    return text


def _parse_name(text: str) -> str | None:
    collection, _, id_ = text.partition("/")
    return text if collection == "slos" and is_resource_id(id_) else None
