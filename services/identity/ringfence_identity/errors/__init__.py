"""Every way identity refuses: one class a failure, with its data, kind and reason (`errors.proto` documents each)."""

from ringfence_kit.errors import COMMON_FAILURES, Failure

from ringfence_identity.errors.agents import (
    AgentAlreadyEnrolled,
    AgentExpired,
    AgentNotFound,
    AgentNotSuspended,
    AgentRevoked,
    AgentSuspended,
)
from ringfence_identity.errors.certificates import (
    BirthCertificateIncomplete,
    BirthCertificateNotFound,
    EvaluationGateUnmet,
    StatusListNotFound,
)
from ringfence_identity.errors.delegations import (
    DelegationBudgetExhausted,
    DelegationInvalid,
    DelegationNotFound,
    DelegationRevoked,
)
from ringfence_identity.errors.dids import (
    DidInvalid,
    DidLogFull,
    DidMethodFixed,
    DidNotFound,
    DidVersionMismatch,
    DidVersionNotFound,
    EnvironmentUnknown,
)
from ringfence_identity.errors.keys import (
    ChallengeInvalid,
    IssuerKeyNotFound,
    KeyAlreadyUsed,
    NewKeyRequired,
    ProofInvalid,
    WeakKeyRefused,
)
from ringfence_identity.errors.sponsors import SponsorAlreadyExists, SponsorNotFound, SponsorOffboarded
from ringfence_identity.errors.tokens import AssertionInvalid, AssertionReplayed, ScopeNotGranted
from ringfence_identity.errors.transparency import LogEntryNotFound, TreeSizeOutOfRange
from ringfence_identity.errors.trust import ElevationNotFound, RingNotEarned

FAILURES: tuple[type[Failure], ...] = (
    *COMMON_FAILURES,
    AgentNotFound,
    AgentAlreadyEnrolled,
    AgentRevoked,
    AgentSuspended,
    AgentExpired,
    AgentNotSuspended,
    NewKeyRequired,
    SponsorNotFound,
    SponsorAlreadyExists,
    BirthCertificateIncomplete,
    EvaluationGateUnmet,
    ChallengeInvalid,
    ProofInvalid,
    WeakKeyRefused,
    KeyAlreadyUsed,
    AssertionInvalid,
    AssertionReplayed,
    ScopeNotGranted,
    EnvironmentUnknown,
    DidInvalid,
    DidNotFound,
    DidMethodFixed,
    DidVersionMismatch,
    DidVersionNotFound,
    DidLogFull,
    SponsorOffboarded,
    BirthCertificateNotFound,
    StatusListNotFound,
    IssuerKeyNotFound,
    DelegationInvalid,
    DelegationRevoked,
    DelegationNotFound,
    DelegationBudgetExhausted,
    RingNotEarned,
    ElevationNotFound,
    LogEntryNotFound,
    TreeSizeOutOfRange,
)
"""Each has exactly one value in `ringfence.identity.v1.ErrorReason`; a test holds the two together."""

__all__ = [
    "FAILURES",
    "AgentAlreadyEnrolled",
    "AgentExpired",
    "AgentNotFound",
    "AgentNotSuspended",
    "AgentRevoked",
    "AgentSuspended",
    "AssertionInvalid",
    "AssertionReplayed",
    "BirthCertificateIncomplete",
    "BirthCertificateNotFound",
    "ChallengeInvalid",
    "DelegationBudgetExhausted",
    "DelegationInvalid",
    "DelegationNotFound",
    "DelegationRevoked",
    "DidInvalid",
    "DidLogFull",
    "DidMethodFixed",
    "DidNotFound",
    "DidVersionMismatch",
    "DidVersionNotFound",
    "ElevationNotFound",
    "EnvironmentUnknown",
    "EvaluationGateUnmet",
    "IssuerKeyNotFound",
    "KeyAlreadyUsed",
    "LogEntryNotFound",
    "NewKeyRequired",
    "ProofInvalid",
    "RingNotEarned",
    "ScopeNotGranted",
    "SponsorAlreadyExists",
    "SponsorNotFound",
    "SponsorOffboarded",
    "StatusListNotFound",
    "TreeSizeOutOfRange",
    "WeakKeyRefused",
]
