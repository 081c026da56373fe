"""What a service said when it refused, turned into a `Problem`: what happened, the reason code, what to do about it.

The exit code follows the status code, because that is what tells a retry loop what to do (AIP-193); the advice follows
the reason, because that is what went wrong. Every reason any service documents has its advice here, by test.
"""

from collections.abc import Mapping

import grpc
from ringfence.errors import RingfenceError

from ringfence_launcher.endpoints import Sourced
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Detail, Problem

EXIT_CODES: Mapping[grpc.StatusCode, ExitCode] = {
    grpc.StatusCode.CANCELLED: ExitCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN: ExitCode.DEFECT,
    grpc.StatusCode.INVALID_ARGUMENT: ExitCode.INVALID,
    grpc.StatusCode.DEADLINE_EXCEEDED: ExitCode.UNAVAILABLE,
    grpc.StatusCode.NOT_FOUND: ExitCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: ExitCode.CONFLICT,
    grpc.StatusCode.PERMISSION_DENIED: ExitCode.NOT_PERMITTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ExitCode.UNAVAILABLE,
    grpc.StatusCode.FAILED_PRECONDITION: ExitCode.CONFLICT,
    grpc.StatusCode.ABORTED: ExitCode.CONFLICT,
    grpc.StatusCode.OUT_OF_RANGE: ExitCode.INVALID,
    grpc.StatusCode.UNIMPLEMENTED: ExitCode.USAGE,  # another service's address, or a version without this method
    grpc.StatusCode.INTERNAL: ExitCode.DEFECT,
    grpc.StatusCode.UNAVAILABLE: ExitCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS: ExitCode.DEFECT,
    grpc.StatusCode.UNAUTHENTICATED: ExitCode.NOT_PERMITTED,
}

ADVICE: Mapping[str, str] = {
    "INVALID_REQUEST": "correct what is listed and try again",
    "REQUEST_ID_REUSED": "leave --request-id out, or give a new UUID",
    "PAGE_TOKEN_INVALID": "start the listing again from its beginning",
    "ETAG_MISMATCH": "read it again, see what changed, and repeat the command with the new --etag",
    "UNAUTHENTICATED": "give a token with --token-file or RINGFENCE_TOKEN_FILE; `ringfence doctor` shows which is used",
    "NOT_PERMITTED": "ask somebody with the role it needs, or use another credential",
    "QUOTA_EXCEEDED": "wait and try again",
    "REVISION_COMPACTED": "watch from the present: leave --from out",
    "REVISION_IN_FUTURE": "the store was replaced: watch from the present, leave --from out",
    "WATCHER_TOO_SLOW": "watch again from the revision it names; nothing was lost",
    "UNAVAILABLE": "wait a moment and try again; `ringfence doctor` shows what is missing",
    "MALFORMED_MESSAGE": "use a ringfence of the same version as the services",
    "MESSAGE_TOO_LARGE": "send less at once",
    "METHOD_UNKNOWN": "check the address with `ringfence doctor`, and that both sides have the same version",
    "DEADLINE_EXCEEDED": "try again, with a longer --timeout if needed; a change may have happened: look first",
    "INTERNAL": "look up the reference in the service's log and report it",
    "AGENT_NOT_FOUND": "see what there is with `ringfence agent list`; enrol an agent with `ringfence did enrol`",
    "AGENT_ALREADY_EXISTS": "change it with `ringfence agent update`, or take another name; names are not reused",
    "AGENT_RETIRED": "a retired agent stays as it is: register a new one",
    "CARD_INVALID": "correct the card at the JSON pointers listed; `catalog namespace set` can admit worse",
    "FILTER_INVALID": "see `ringfence agent list --help` for the fields a filter may name",
    "ILLEGAL_STATE_TRANSITION": "see its state with `ringfence agent get`; the message says when this can be done",
    "READINESS_NOT_MET": "supply what is listed; `ringfence agent readiness` shows every gate",
    "REVISION_NOT_FOUND": "see its revisions with `ringfence agent revisions`",
    "CARD_SIGNATURE_REFUSED": "sign the card with a key that is trusted here; see `ringfence agent validate`",
    "CARD_INCOMPATIBLE": "keep what callers use, or register the new card as another agent",
    "LOOK_ALIKE_NAME": "choose a --display-name that people can tell apart",
    "CARD_NOT_ATTESTABLE": "the message says why: take empty values and unknown members out, or let the agent serve",
    "AGENT_NOT_DELETED": "there is nothing to bring back: `ringfence agent get` shows it",
    "ETAG_REQUIRED": "read it again and repeat the command with its --etag",
    "TOOL_NOT_FOUND": "see what there is with `ringfence tool list`",
    "TOOL_ALREADY_EXISTS": "take another id: agents call a tool by its id alone, so it is unique in the mesh",
    "TOOL_SCHEMA_INVALID": "correct the schema at the JSON pointers listed; it is JSON Schema 2020-12",
    "EXTERNAL_SYSTEM_NOT_FOUND": "see what there is with `ringfence boundary system list`",
    "EXTERNAL_SYSTEM_ALREADY_EXISTS": "use the one that is there, or take another name",
    "EXTERNAL_SYSTEM_NOT_TRUSTED": "an approver decides with `ringfence boundary trust`",
    "EXTERNAL_SYSTEM_IN_USE": "change or delete what names it first",
    "BOUNDARY_NOT_FOUND": "see what there is with `ringfence boundary list`",
    "BOUNDARY_ALREADY_EXISTS": "use the one that is there, or take another name",
    "AGENT_ALREADY_ENROLLED": "see it with `ringfence did get`; one agent has one identity in an environment",
    "AGENT_REVOKED": "revocation is for good: register and enrol a new agent",
    "AGENT_SUSPENDED": "it is suspended after a confirmed incident: whoever confirmed it decides how to go on",
    "SPONSOR_NOT_FOUND": "register the person first with `ringfence sponsor register`",
    "SPONSOR_ALREADY_EXISTS": "use the sponsor that is there, or take another name",
    "BIRTH_CERTIFICATE_INCOMPLETE": "add what is listed to the certificate file; see `ringfence did certificate`",
    "EVALUATION_GATE_UNMET": "run the evaluation and enter its result, or outside prod let a sponsor waive the gate",
    "CHALLENGE_INVALID": "run the command again: a challenge is good for 120 s",
    "PROOF_INVALID": "the certificate changed on its way, or the versions differ: run the command again",
    "KEY_REFUSED": "make a new key: name another file with --key",
    "ASSERTION_INVALID": "check this machine's clock (`ringfence doctor`), and that the key is the agent's",
    "ASSERTION_REPLAYED": "run the command again: every assertion is good once",
    "SCOPE_NOT_GRANTED": "ask only for scopes its birth certificate permits: `ringfence did get` lists them",
    "ENVIRONMENT_UNKNOWN": "name an environment this identity service hosts, for example dev",
    "DID_INVALID": "check the DID; it starts with did:webvh:, did:web: or did:key:",
    "DID_NOT_FOUND": "check the DID and the environment's identity service",
    "KEY_ALREADY_USED": "one key, one agent: let `ringfence did enrol` make a new key file",
    "AGENT_EXPIRED": "its time is over: enrol the agent again, with a key of its own",
    "AGENT_NOT_SUSPENDED": "there is nothing to reinstate: `ringfence did get` shows its status",
    "NEW_KEY_REQUIRED": "its key is in other hands: `ringfence did rotate` to a new key first",
    "DID_METHOD_FIXED": "a did:key is its key: enrol the agent anew with the new key",
    "DID_VERSION_MISMATCH": "the DID moved on meanwhile: run the command again",
    "DID_VERSION_NOT_FOUND": "see its versions with `ringfence did log`",
    "DID_LOG_FULL": "its history is full: enrol the agent anew",
    "SPONSOR_OFFBOARDED": "name a person who still answers for agents: `ringfence sponsor list`",
    "BIRTH_CERTIFICATE_NOT_FOUND": "leave --serial out for the newest",
    "STATUS_LIST_NOT_FOUND": "take the number from the certificate's statusListCredential",
    "ISSUER_KEY_NOT_FOUND": "see the keys with `ringfence token keys`",
    "DELEGATION_INVALID": "the rule and the link it names are broken; `ringfence verify chain` checks without a server",
    "DELEGATION_REVOKED": "ask its delegator for a new grant",
    "DELEGATION_NOT_FOUND": "see what there is with `ringfence delegate list`; a grant is known once it was exchanged",
    "DELEGATION_BUDGET_EXHAUSTED": "ask for less, or the delegator for another grant",
    "RING_NOT_EARNED": "see what it lacks with `ringfence trust explain`",
    "ELEVATION_NOT_FOUND": "check its id; an elevation ends by itself",
    "LOG_ENTRY_NOT_FOUND": "ask for an entry the log has reached: `ringfence audit checkpoint --log identity`",
    "BUNDLE_INVALID": "correct the files at the lines listed; `ringfence policy lint` checks without a server",
    "BUNDLE_NOT_FOUND": "see what is kept with `ringfence policy bundles`, or push: `ringfence policy push FILE…`",
    "APPROVAL_NOT_FOUND": "see what waits with `ringfence approval list`; you see what one of your groups is asked",
    "APPROVAL_NOT_PENDING": "it is over: the same question asked again opens another, once its answer has rested",
    "APPROVER_NOT_ELIGIBLE": "somebody else has to vote: in a group that is asked, and no party to the call",
    "ALREADY_VOTED": "one vote a person: see how it stands with `ringfence approval get`",
    "LIMIT_NOT_FOUND": "name a limit of the active bundle, as POLICY/LIMIT",
    "BUNDLE_TESTS_FAILED": "mend the policies or their tests: `ringfence policy test`; --ignore-tests keeps it anyway",
    "ROLLOUT_CONFLICT": "see what decides and what is tried with `ringfence policy status`",
    "KILL_SWITCH_NOT_FOUND": "see what is engaged with `ringfence kill list`",
    "KILL_SWITCH_ALREADY_ENGAGED": "it is stopped already: `ringfence kill list`",
    "ENTRY_NOT_FOUND": "check the decision id; a decision reaches the log within a second",
    "TREE_SIZE_OUT_OF_RANGE": "ask for a size the log has reached: `ringfence audit checkpoint`",
    "DECISION_ENTRY_INVALID": "use a ringfence of the same version as the services",
    "DECISION_CONFLICT": "entries are never replaced: give the decision an id of its own",
    "INGEST_OVERLOADED": "wait and send the same batch again",
    "OUTCOME_CONFLICT": "each reporter judges a piece of work once",
    "BUDGET_NOT_FOUND": "see what there is: `ringfence budget list`",
    "BUDGET_ALREADY_EXISTS": "choose another id, or change it: `ringfence budget update`",
    "PRICE_CONFLICT": "prices of the past stay: give the new one a later date",
    "SLO_NOT_FOUND": "see what there is: `ringfence slo list`",
    "SLO_ALREADY_EXISTS": "choose another id, or change it: `ringfence slo update`",
    "SLO_INFEASIBLE": "ask for less, or give a dependency a retry or a fallback: `ringfence slo feasible`",
    "OPENSLO_INVALID": "correct the fields listed, and import again",
    "ALERT_NOT_FOUND": "see what there is: `ringfence alert list`",
    "ALERT_NOT_FIRING": "it is over; see what fires with `ringfence alert list --firing`",
    "SILENCE_NOT_FOUND": "a silence ends by itself; see those in force with `ringfence alert silences`",
    "BASELINE_NOT_FOUND": "pin how it did in a good time: `ringfence eval pin`",
    "BASELINE_TOO_SMALL": "choose a longer time, or wait for more work",
    "WORKFLOW_NOT_FOUND": "check the trace id; raw traces are kept for three days unless configured otherwise",
    "COSIGNATURE_INVALID": "compare the witness' key with the one telemetry is configured with",
    "CHECKPOINT_NOT_FOUND": "see how far each witness has come: ringfence audit witnesses",
    "TILE_NOT_FOUND": "ask for a tile of the tree as it is: ringfence audit checkpoint says how large",
}
"""Reason to what the person at the keyboard can do about it."""


_NOBODY_THERE = "start it with `ringfence up`, or name its address with --addr; `ringfence doctor` looks closer"
_CONNECTION_ADVICE: Mapping[str, str] = {
    "Failed parsing HTTP/2": "no gRPC is spoken there: name the gRPC port, not the one of metrics and health",
    "WRONG_VERSION_NUMBER": "no TLS is spoken there: leave --tls-ca and RINGFENCE_TLS_CA out, or name a port with TLS",
    "CERTIFICATE_VERIFY_FAILED": "name who signed its certificate with --tls-ca; has the certificate expired?",
    "Hostname Verification": "its certificate is for another name: write the address with the name it has",
    "Socket closed": "it hung up: if it speaks TLS give --tls-ca, and with mutual TLS --tls-cert and --tls-key as well",
    "resolving": "check the name in the address: nothing on this machine knows where that is",
}
"""What a connection failed with, in gRPC's own words, and what to do; the first that is said counts."""


def problem_of(error: RingfenceError, *, service: str, address: Sourced) -> Problem:
    """Return what a call to `service` that failed means to the person who typed the command."""
    if not error.reason:
        return _transport_problem(error, where=f"{service} at {address.value} (from {address.source})")
    return Problem(
        f"{service}: {_headline(error)}",
        code=EXIT_CODES[error.code],
        reason=error.reason,
        mend=_mend(error),
        details=tuple(Detail(where=violation.field, what=violation.problem) for violation in error.violations),
    )


def _headline(error: RingfenceError) -> str:
    """Return the message without what is listed below it anyway."""
    head, separator, rest = error.message.partition(": ")
    return head if separator and any(violation.problem in rest for violation in error.violations) else error.message


def _transport_problem(error: RingfenceError, *, where: str) -> Problem:
    """Explain an error that no Ringfence service sent: the connection, a proxy, or another program on the port."""
    said = error.message or "no details"
    if error.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return Problem(
            f"{where} did not answer: {said}",
            code=ExitCode.UNAVAILABLE,
            mend=next((mend for words, mend in _CONNECTION_ADVICE.items() if words in said), _NOBODY_THERE),
        )
    if error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Problem(f"{where} did not answer in time", code=ExitCode.UNAVAILABLE, mend=ADVICE["DEADLINE_EXCEEDED"])
    return Problem(
        f"{where} answered {error.code.name}: {said}",
        code=EXIT_CODES[error.code],
        mend="check with `ringfence doctor` that this is the right address",
    )


def _mend(error: RingfenceError) -> str:
    advice = ADVICE.get(error.reason, "")
    seconds = error.retry_after.total_seconds() if error.retry_after else 0
    return f"{advice} (in {seconds:g} s)" if seconds else advice
