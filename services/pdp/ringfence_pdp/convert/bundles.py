"""`ringfence.pdp.v1.BundleService` messages to values and back."""

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.pdp.v1 import bundle_pb2 as pb
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_pdp.bundle import Bundle, PolicyFile
from ringfence_pdp.fields import Problem

FILES_MAX = 1_000
FILE_BYTES_MAX = 1 << 20
BUNDLE_BYTES_MAX = 4 << 20
PATH_BYTES_MAX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class PushBundle:
    """A checked PushBundleRequest."""

    files: tuple[PolicyFile, ...]
    etag: str
    request_id: str
    validate_only: bool


def push_bundle(request: pb.PushBundleRequest) -> PushBundle:
    """Build the command, or raise InvalidRequest. What the policies say is judged by the compiler."""
    found = Violations()
    files = []
    for path, file in found.items(request.files, "files", min_items=1, max_items=FILES_MAX):
        under = found.at(path)
        under.text(file.path, "path", max_bytes=PATH_BYTES_MAX)
        under.octets(file.content, "content", min_bytes=1, max_bytes=FILE_BYTES_MAX)
        files.append(PolicyFile(path=file.path, content=file.content))
    found.distinct([file.path for file in files], "files")
    if sum(len(file.content) for file in files) > BUNDLE_BYTES_MAX:
        found.add("files", f"hold more than {BUNDLE_BYTES_MAX} bytes in all")
    command = PushBundle(
        files=tuple(files),
        etag=found.etag(request.etag),
        request_id=found.request_id(request.request_id),
        validate_only=request.validate_only,
    )
    return found.ok(command)


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
