"""What holds of every namespace, whoever set it up in which order."""

from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_registry.cards.model import CardVerdict, FindingKind
from ringfence_registry.namespaces.audience import Audience, Visibility
from ringfence_registry.namespaces.book import NamespaceBook
from ringfence_registry.namespaces.model import Namespace, NamespaceDefaults, loosened
from ringfence_registry.namespaces.patch import NamespacePatch, set_by_admin, set_by_owner
from ringfence_registry.namespaces.policy import SignatureRequirement


def _in_order(kinds: set[FindingKind]) -> tuple[FindingKind, ...]:
    return tuple(kind for kind in FindingKind if kind in kinds)


IDS = ("red", "green", "blue", "black")
HOMES = st.frozensets(st.sampled_from(IDS))
VERDICTS = st.sampled_from([each for each in CardVerdict if each is not CardVerdict.UNREADABLE])
DEFAULTS = st.builds(
    NamespaceDefaults,
    visibility=st.sampled_from([Visibility.PRIVATE, Visibility.PUBLIC]),
    least_verdict=VERDICTS,
)
AUDIENCES = st.builds(Audience, visibility=st.sampled_from(Visibility), entitled=HOMES)
PATCHES = st.builds(
    NamespacePatch,
    plain=st.fixed_dictionaries(
        {}, optional={"visibility": st.none() | st.sampled_from(Visibility), "entitled": HOMES}
    ),
    policy=st.fixed_dictionaries(
        {},
        optional={name: st.booleans() for name in ("review_required", "distinct_approver_required", "etag_required")},
    ),
    admission=st.fixed_dictionaries(
        {},
        optional={
            "least_verdict": st.none() | VERDICTS,
            "signatures": st.sampled_from(SignatureRequirement),
            "refuse_breaking_changes": st.booleans(),
            "refuse_look_alikes": st.booleans(),
            "refused_findings": st.sets(st.sampled_from(FindingKind)).map(_in_order),
            "trusted_jwks": st.sampled_from(["", "one", "two"]),
        },
    ),
)
STEPS = st.lists(st.tuples(st.booleans(), PATCHES), max_size=8)


def after(steps: list[tuple[bool, NamespacePatch]], defaults: NamespaceDefaults) -> Namespace:
    """Take each step that is allowed; the others change nothing, as a refused call does."""
    namespace = Namespace(id="red")
    for by_admin, patch in steps:
        if by_admin:
            namespace = set_by_admin(namespace, patch, defaults)
            continue
        changed, refused = set_by_owner(namespace, patch, defaults)
        namespace = namespace if refused else changed
    return namespace


@given(STEPS, DEFAULTS)
def test_no_sequence_of_changes_gets_below_what_a_platform_admin_asks(
    steps: list[tuple[bool, NamespacePatch]], defaults: NamespaceDefaults
) -> None:
    namespace = after(steps, defaults)
    assert list(loosened(namespace.policy, namespace.floor, defaults.least_verdict)) == []
    if namespace.ceiling is not None:
        assert namespace.audience(defaults.visibility).within(namespace.ceiling)


@given(STEPS, PATCHES, STEPS, DEFAULTS)
def test_what_a_platform_admin_set_last_binds_every_owner_after(
    before: list[tuple[bool, NamespacePatch]],
    patch: NamespacePatch,
    later: list[tuple[bool, NamespacePatch]],
    defaults: NamespaceDefaults,
) -> None:
    steps = [*before, (True, patch), *[(False, each) for _, each in later]]
    namespace, set_up = after(steps, defaults), after([*before, (True, patch)], defaults)
    for field in ("review_required", "distinct_approver_required", "etag_required"):
        if field in patch.policy:
            assert getattr(namespace.policy, field) >= patch.policy[field]
    asked = patch.admission
    if "least_verdict" in asked:
        least = namespace.policy.in_force(defaults.least_verdict).admission.least_verdict
        assert least is not None
        assert not least.is_worse_than(asked["least_verdict"] or defaults.least_verdict)
    if "refused_findings" in asked:
        assert {*namespace.policy.admission.refused_findings} >= {*asked["refused_findings"]}
    assert namespace.policy.admission.trusted_jwks == set_up.policy.admission.trusted_jwks
    if patch.of_audience and set_up.visibility is not None:
        assert namespace.audience(defaults.visibility).within(set_up.audience(defaults.visibility))


@given(STEPS, DEFAULTS)
def test_an_owner_can_always_keep_or_take_back_its_own_tightening(
    steps: list[tuple[bool, NamespacePatch]], defaults: NamespaceDefaults
) -> None:
    namespace = after(steps, defaults)
    floor = namespace.floor
    back = NamespacePatch(
        policy={"review_required": floor.review_required, "etag_required": floor.etag_required},
        admission={"least_verdict": floor.admission.least_verdict, "signatures": floor.admission.signatures},
    )
    for patch in (NamespacePatch(), back):
        assert set_by_owner(namespace, patch, defaults)[1] == ()


@given(AUDIENCES, AUDIENCES)
def test_within_means_that_whoever_is_in_the_one_is_in_the_other(one: Audience, other: Audience) -> None:
    every_home = [frozenset(), *(frozenset({each}) for each in IDS), frozenset({"elsewhere"})]
    assert one.within(other) is all(other.admits(home) for home in every_home if one.admits(home))


@given(st.dictionaries(st.sampled_from(IDS), AUDIENCES), HOMES, DEFAULTS)
def test_what_is_seen_is_what_each_audience_says(
    audiences: dict[str, Audience], homes: frozenset[str], defaults: NamespaceDefaults
) -> None:
    book = NamespaceBook(defaults)
    set_up = [
        Namespace(id=name, visibility=audience.visibility, entitled=audience.entitled)
        for name, audience in audiences.items()
    ]
    book.fill(set_up, ())
    owner = Caller(principal="o", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=homes)
    visible = book.visible(owner)
    for name in (*IDS, "elsewhere"):
        audience = audiences.get(name, Audience(visibility=defaults.visibility))
        expected = name in homes or audience.admits(homes)
        assert visible.sees(name) is expected
        assert book.sees_with(owner, name, audience) is expected


@given(STEPS, DEFAULTS)
def test_what_is_stored_is_what_was_set(steps: list[tuple[bool, NamespacePatch]], defaults: NamespaceDefaults) -> None:
    namespace = after(steps, defaults)
    assert records.decode(records.encode(namespace), Namespace) == namespace
