"""Namespaces between messages and model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from ringfence.proofs.card_keys import PinnedKeysError, read_pinned_keys
from ringfence.registry.v1 import card_pb2
from ringfence.registry.v1 import namespace_pb2 as pb
from ringfence_kit.clock import EPOCH
from ringfence_kit.names import parse_namespace
from ringfence_kit.validation import Violations
from ringfence_kit.wire import page_arguments, to_timestamp

from ringfence_registry.cards.model import CardVerdict, FindingKind
from ringfence_registry.cards.strict_json import JsonLimits, StrictJsonError, read_strict_json
from ringfence_registry.namespaces.audience import Visibility
from ringfence_registry.namespaces.model import Namespace, NamespaceDefaults
from ringfence_registry.namespaces.patch import NamespacePatch
from ringfence_registry.namespaces.policy import LEAST_VERDICT, Admission, SignatureRequirement
from ringfence_registry.namespaces.reading import NamespaceList

_NAME = "namespaces/{namespace}"
_MAX_ENTITLED = 256
_MAX_REFUSED = 16
_MAX_JWKS = 65_536
_JWKS_LIMITS = JsonLimits(size=_MAX_JWKS, depth=8)

_VISIBILITY_OF = {each: pb.Visibility.Value(f"VISIBILITY_{each.value}") for each in Visibility}
_SIGNATURES_OF = {
    each: pb.SignatureRequirement.Value(f"SIGNATURE_REQUIREMENT_{each.value}") for each in SignatureRequirement
}
_VERDICT_OF = {each: card_pb2.CardVerdict.Value(f"CARD_VERDICT_{each.value}") for each in CardVerdict}
_FINDING_OF = {each: card_pb2.FindingKind.Value(f"FINDING_KIND_{each.value}") for each in FindingKind}

VISIBILITIES: Mapping[int, Visibility] = {number: each for each, number in _VISIBILITY_OF.items()}
SIGNATURES: Mapping[int, SignatureRequirement] = {number: each for each, number in _SIGNATURES_OF.items()}
FINDINGS: Mapping[int, FindingKind] = {number: each for each, number in _FINDING_OF.items()}
VERDICTS: Mapping[int, CardVerdict] = {
    number: each for each, number in _VERDICT_OF.items() if each is not CardVerdict.UNREADABLE
}
"""Verdicts that may be admitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateNamespace:
    """What an UpdateNamespaceRequest asks for."""

    namespace: str
    patch: NamespacePatch
    etag: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListNamespaces:
    """What a ListNamespacesRequest asks for."""

    page_size: int
    page_token: str
    arguments: bytes


def namespace_id(request: pb.GetNamespaceRequest) -> str:
    """Return the id of the namespace that is asked for."""
    found = Violations()
    return found.ok(found.resource_name(request.name, "name", parse_namespace, shape=_NAME))


def list_namespaces(request: pb.ListNamespacesRequest) -> ListNamespaces:
    """Return which page is asked for. The token is judged where it is used."""
    found = Violations()
    page_size = found.page_size(request.page_size)
    found.raise_if_any()
    return ListNamespaces(page_size=page_size, page_token=request.page_token, arguments=page_arguments(request))


def update_namespace(request: pb.UpdateNamespaceRequest) -> UpdateNamespace:
    """Return the change that is asked for. A namespace sent with its etag, as it was read, need not repeat it."""
    found = Violations()
    sent = request.namespace
    namespace = found.resource_name(sent.name, "namespace.name", parse_namespace, shape=_NAME)
    fields = _masked(found, request)
    patch = NamespacePatch(
        plain=_values(found.at("namespace"), sent, _PLAIN, fields),
        policy={switch: getattr(sent, switch) for switch in _SWITCHES if switch in fields},
        admission=_values(found.at("namespace.admission"), sent.admission, _ADMISSION, fields),
    )
    etag = found.etag(request.etag) or found.etag(sent.etag, "namespace.etag")
    request_id = found.request_id(request.request_id)
    return UpdateNamespace(namespace=found.ok(namespace), patch=patch, etag=etag, request_id=request_id)


def namespace_message(namespace: Namespace, defaults: NamespaceDefaults) -> pb.Namespace:
    """Return the message, every default filled in."""
    audience = namespace.audience(defaults.visibility)
    policy = namespace.policy.in_force(defaults.least_verdict)
    message = pb.Namespace(
        name=namespace.name,
        display_name=namespace.display_name or namespace.id,
        visibility=_VISIBILITY_OF[audience.visibility],
        entitled_namespaces=[f"namespaces/{each}" for each in sorted(audience.entitled)],
        admission=_admission_message(policy.admission),
        review_required=policy.review_required,
        distinct_approver_required=policy.distinct_approver_required,
        etag_required=policy.etag_required,
        etag=namespace.etag,
    )
    if namespace.created_at != EPOCH:
        message.create_time.CopyFrom(to_timestamp(namespace.created_at))
        message.update_time.CopyFrom(to_timestamp(namespace.updated_at))
    return message


def namespace_list(page: NamespaceList, defaults: NamespaceDefaults) -> pb.ListNamespacesResponse:
    """Return the answer that holds a page."""
    return pb.ListNamespacesResponse(
        namespaces=[namespace_message(namespace, defaults) for namespace in page.namespaces],
        next_page_token=page.next_page_token,
    )


def _admission_message(admission: Admission) -> pb.AdmissionPolicy:
    return pb.AdmissionPolicy(
        least_verdict=_VERDICT_OF[admission.least_verdict or LEAST_VERDICT],
        signatures=_SIGNATURES_OF[admission.signatures],
        refuse_breaking_changes=admission.refuse_breaking_changes,
        refuse_look_alikes=admission.refuse_look_alikes,
        refused_findings=[_FINDING_OF[kind] for kind in admission.refused_findings],
        trusted_jwks=admission.trusted_jwks,
    )


def _entitled(found: Violations, sent: Any) -> frozenset[str]:
    named: list[str] = []
    for path, value in found.items(sent.entitled_namespaces, "entitled_namespaces", max_items=_MAX_ENTITLED):
        namespace = found.resource_name(value, path, parse_namespace, shape=_NAME)
        named.append(namespace or "")
    found.distinct(list(sent.entitled_namespaces)[:_MAX_ENTITLED], "entitled_namespaces")
    return frozenset(named)


def _refused_findings(found: Violations, sent: Any) -> tuple[FindingKind, ...]:
    kinds: set[FindingKind] = set()
    for path, value in found.items(sent.refused_findings, "refused_findings", max_items=_MAX_REFUSED):
        kind = found.enum(value, path, FINDINGS)
        if kind is not None:
            kinds.add(kind)
    return tuple(kind for kind in FindingKind if kind in kinds)


def _trusted_jwks(found: Violations, sent: Any) -> str:
    text = found.text(sent.trusted_jwks, "trusted_jwks", max_bytes=_MAX_JWKS, required=False, multiline=True)
    if not text or len(text) > _MAX_JWKS:
        return text
    for problem in _problems_of(text):
        found.add("trusted_jwks", problem)
    return text


def _problems_of(jwks: str) -> tuple[str, ...]:
    try:
        document = read_strict_json(jwks.encode(), _JWKS_LIMITS)
        if not isinstance(document, dict):
            return ("must be a JSON object",)
        read_pinned_keys(document)
    except StrictJsonError as error:
        return tuple(f"{fault.pointer or 'the document'}: {fault.problem}" for fault in error.faults)
    except PinnedKeysError as error:
        return error.problems
    return ()


_Check = Callable[[Violations, Any], Any]

_PLAIN: Mapping[str, tuple[str, _Check]] = {
    "display_name": (
        "display_name",
        lambda found, sent: found.text(sent.display_name, "display_name", max_bytes=200, required=False),
    ),
    "visibility": (
        "visibility",
        lambda found, sent: found.enum(sent.visibility, "visibility", VISIBILITIES) if sent.visibility else None,
    ),
    "entitled_namespaces": ("entitled", _entitled),
}
"""Field path → name in the model, and what is checked. The checked value comes back."""

_DEFAULTS = Admission()

_ADMISSION: Mapping[str, tuple[str, _Check]] = {
    "admission.least_verdict": (
        "least_verdict",
        lambda found, sent: found.enum(sent.least_verdict, "least_verdict", VERDICTS) if sent.least_verdict else None,
    ),
    "admission.signatures": (
        "signatures",
        lambda found, sent: found.enum(sent.signatures, "signatures", SIGNATURES, default=_DEFAULTS.signatures),
    ),
    "admission.refuse_breaking_changes": ("refuse_breaking_changes", lambda _, sent: sent.refuse_breaking_changes),
    "admission.refuse_look_alikes": ("refuse_look_alikes", lambda _, sent: sent.refuse_look_alikes),
    "admission.refused_findings": ("refused_findings", _refused_findings),
    "admission.trusted_jwks": ("trusted_jwks", _trusted_jwks),
}

_SWITCHES = ("review_required", "distinct_approver_required", "etag_required")
_MASKABLE = frozenset({*_PLAIN, *_ADMISSION, *_SWITCHES, "admission"})


def _values(
    found: Violations, sent: Message, checks: Mapping[str, tuple[str, _Check]], fields: frozenset[str]
) -> dict[str, Any]:
    return {name: check(found, sent) for path, (name, check) in checks.items() if path in fields}


def _masked(found: Violations, request: pb.UpdateNamespaceRequest) -> frozenset[str]:
    populated = _populated(request.namespace)
    masked = found.update_mask(list(request.update_mask.paths), _MASKABLE, when_empty=populated)
    if not request.update_mask.paths and not populated:
        found.add("update_mask", "names nothing to change, and no field of namespace is set")
    return masked | _ADMISSION.keys() if "admission" in masked else masked


def _populated(namespace: pb.Namespace) -> frozenset[str]:
    plain = {descriptor.name for descriptor, _ in namespace.ListFields()} - {"admission"}
    admission = {f"admission.{descriptor.name}" for descriptor, _ in namespace.admission.ListFields()}
    return _MASKABLE & (plain | admission)
