"""`ringfence.pdp.v1.BundleService` messages to values and back."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ringfence.pdp.v1 import bundle_pb2 as pb
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_pdp.bundle import Bundle, PolicyFile, name_of
from ringfence_pdp.fields import Problem
from ringfence_pdp.rollout.flips import WouldFlips
from ringfence_pdp.rollout.rollout import MIN_DECISIONS, AutoAbort, Mode, Rollout

FILES_MAX = 1_000
FILE_BYTES_MAX = 1 << 20
BUNDLE_BYTES_MAX = 4 << 20
PATH_BYTES_MAX = 256
REASON_BYTES_MAX = 500
MIN_DECISIONS_MAX = 1_000_000_000

_BUNDLE_NAME = re.compile(r"bundles/(sha256-[0-9a-f]{64})")
_BUNDLE_SHAPE = "bundles/sha256- and 64 hex digits"
_MODES: Mapping[int, Mode] = {
    pb.ROLLOUT_MODE_NONE: Mode.NONE,
    pb.ROLLOUT_MODE_SHADOW: Mode.SHADOW,
    pb.ROLLOUT_MODE_CANARY: Mode.CANARY,
}
_MODE_NUMBERS = {mode: pb.RolloutMode.ValueType(number) for number, mode in _MODES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class PushBundle:
    """A checked PushBundleRequest."""

    files: tuple[PolicyFile, ...]
    etag: str
    request_id: str
    validate_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadBundle:
    """A checked UploadBundleRequest."""

    files: tuple[PolicyFile, ...]
    request_id: str
    ignore_tests: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListBundles:
    """A checked ListBundlesRequest; the token is opened by the face, which knows the caller."""

    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRollout:
    """A checked SetRolloutRequest."""

    candidate: str
    mode: Mode
    percent: int
    auto_abort: AutoAbort
    etag: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteBundle:
    """A checked PromoteBundleRequest."""

    etag: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackBundle:
    """A checked RollbackBundleRequest."""

    digest: str
    reason: str
    etag: str
    request_id: str


def push_bundle(request: pb.PushBundleRequest) -> PushBundle:
    """Build the command, or raise InvalidRequest. What the policies say is judged by the compiler."""
    found = Violations()
    command = PushBundle(
        files=files_of(request.files, found),
        etag=found.etag(request.etag),
        request_id=found.request_id(request.request_id),
        validate_only=request.validate_only,
    )
    return found.ok(command)


def upload_bundle(request: pb.UploadBundleRequest) -> UploadBundle:
    """Build the command, or raise InvalidRequest."""
    found = Violations()
    command = UploadBundle(
        files=files_of(request.files, found),
        request_id=found.request_id(request.request_id),
        ignore_tests=request.ignore_tests,
    )
    return found.ok(command)


def files_of(files: Sequence[pb.PolicyFile], found: Violations) -> tuple[PolicyFile, ...]:
    """Return the files of a request as far as they are in order."""
    taken = []
    for path, file in found.items(files, "files", min_items=1, max_items=FILES_MAX):
        under = found.at(path)
        under.text(file.path, "path", max_bytes=PATH_BYTES_MAX)
        under.octets(file.content, "content", min_bytes=1, max_bytes=FILE_BYTES_MAX)
        taken.append(PolicyFile(path=file.path, content=file.content))
    found.distinct([file.path for file in taken], "files")
    if sum(len(file.content) for file in taken) > BUNDLE_BYTES_MAX:
        found.add("files", f"hold more than {BUNDLE_BYTES_MAX} bytes in all")
    return tuple(taken)


def get_bundle(request: pb.GetBundleRequest) -> str:
    """Return the digest asked for, empty for the active one; or raise InvalidRequest."""
    found = Violations()
    return found.ok(_digest(request.name, "name", found))


def list_bundles(request: pb.ListBundlesRequest) -> ListBundles:
    """Build the query, or raise InvalidRequest."""
    found = Violations()
    page_size = found.page_size(request.page_size)
    return found.ok(ListBundles(page_size=page_size, page_token=request.page_token))


def set_rollout(request: pb.SetRolloutRequest) -> SetRollout:
    """Build the command, or raise InvalidRequest with every violation."""
    found = Violations()
    mode = found.enum(request.mode, "mode", _MODES)
    candidate = _digest(request.candidate, "candidate", found)
    if mode is Mode.NONE and request.candidate:
        found.add("candidate", "must be empty with ROLLOUT_MODE_NONE, which ends a trial")
    if mode not in (None, Mode.NONE) and not request.candidate:
        found.add("candidate", f"must be set, as {_BUNDLE_SHAPE}")
    percent = found.integer(request.percent, "percent", minimum=0, maximum=100)
    if percent and mode not in (None, Mode.CANARY):
        found.add("percent", "is for a canary; must be 0 otherwise")
    command = SetRollout(
        candidate=candidate or "",
        mode=mode or Mode.NONE,
        percent=percent,
        auto_abort=_auto_abort(request.auto_abort, found.at("auto_abort")),
        etag=found.etag(request.etag),
        request_id=found.request_id(request.request_id),
    )
    return found.ok(command)


def promote_bundle(request: pb.PromoteBundleRequest) -> PromoteBundle:
    """Build the command, or raise InvalidRequest."""
    found = Violations()
    return found.ok(PromoteBundle(etag=found.etag(request.etag), request_id=found.request_id(request.request_id)))


def roll_back(request: pb.RollbackBundleRequest) -> RollbackBundle:
    """Build the command, or raise InvalidRequest with every violation."""
    found = Violations()
    command = RollbackBundle(
        digest=_digest(request.name, "name", found) or "",
        reason=found.text(request.reason, "reason", max_bytes=REASON_BYTES_MAX),
        etag=found.etag(request.etag),
        request_id=found.request_id(request.request_id),
    )
    return found.ok(command)


def _digest(name: str, field: str, found: Violations) -> str | None:
    """Return the digest in a bundle's name, empty when there is no name."""
    if not name:
        return ""
    return found.resource_name(name, field, _digest_in, shape=_BUNDLE_SHAPE)


def _digest_in(name: str) -> str | None:
    matched = _BUNDLE_NAME.fullmatch(name)
    return None if matched is None else matched[1]


def _auto_abort(asked: pb.AutoAbort, found: Violations) -> AutoAbort:
    return AutoAbort(
        max_flip_rate=found.number(asked.max_flip_rate, "max_flip_rate", minimum=0, maximum=1),
        max_error_rate=found.number(asked.max_error_rate, "max_error_rate", minimum=0, maximum=1),
        min_decisions=found.integer(asked.min_decisions, "min_decisions", minimum=0, maximum=MIN_DECISIONS_MAX)
        or MIN_DECISIONS,
    )


def rollout_to_proto(rollout: Rollout) -> pb.Rollout:
    """Return the resource."""
    shown = pb.Rollout(
        active=_name(rollout.active),
        previous=_name(rollout.previous),
        candidate=_name(rollout.candidate),
        mode=_MODE_NUMBERS[rollout.mode],
        percent=rollout.percent,
        aborted_because=rollout.aborted_because,
        reason=rollout.reason,
        actor=rollout.actor,
        etag=rollout.etag,
    )
    if rollout.candidate:
        shown.auto_abort.max_flip_rate = rollout.auto_abort.max_flip_rate
        shown.auto_abort.max_error_rate = rollout.auto_abort.max_error_rate
        shown.auto_abort.min_decisions = rollout.auto_abort.min_decisions
    if rollout.revision:
        shown.update_time.CopyFrom(to_timestamp(rollout.changed_at))
    return shown


def would_flips_to_proto(flips: WouldFlips) -> pb.GetWouldFlipsResponse:
    """Return how the candidate differs."""
    return pb.GetWouldFlipsResponse(
        candidate=_name(flips.candidate),
        decisions=flips.decisions,
        flips=flips.flips,
        errors=flips.errors,
        by_rule=[
            pb.WouldFlip(
                before=flip.before.name,
                after=flip.after.name,
                rule=flip.rule,
                count=flip.count,
                example_decision_id=flip.example,
            )
            for flip in flips.by_rule
        ],
    )


def _name(digest: str) -> str:
    return name_of(digest) if digest else ""


def bundle_to_proto(bundle: Bundle) -> pb.Bundle:
    """Return the resource."""
    return pb.Bundle(
        name=bundle.name,
        digest=bundle.digest,
        policy_count=bundle.policy_count,
        rule_count=bundle.rule_count,
        author=bundle.author,
        create_time=to_timestamp(bundle.pushed_at),
        etag=bundle.etag,
    )


def files_to_proto(files: Sequence[PolicyFile]) -> list[pb.PolicyFile]:
    """Return the files."""
    return [pb.PolicyFile(path=file.path, content=file.content) for file in files]


def finding_to_proto(finding: Problem) -> pb.PolicyFinding:
    """Return what was found in a policy that was accepted all the same."""
    place = finding.place
    return pb.PolicyFinding(path=place.file, line=place.mark.line, field=place.field, problem=str(finding))
