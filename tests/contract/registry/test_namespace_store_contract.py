"""What every store of namespaces owes: the same on memory, SQLite and PostgreSQL."""

from dataclasses import replace

import pytest
from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision
from ringfence_registry.cards.model import CardVerdict, FindingKind
from ringfence_registry.namespaces.audience import Audience, Visibility
from ringfence_registry.namespaces.model import Namespace
from ringfence_registry.namespaces.policy import Admission, NamespacePolicy, SignatureRequirement
from ringfence_registry.store.namespaces import NamespaceTx
from support.backends import Backend
from support.registry.catalogs import whole
from support.registry.opened import opened_registry

STRICT = NamespacePolicy(
    admission=Admission(
        least_verdict=CardVerdict.VALID,
        signatures=SignatureRequirement.FULL_COVERAGE,
        refused_findings=(FindingKind.SECRET, FindingKind.HIDDEN_TEXT),
        trusted_jwks='{"keys": ["ü"]}',
    ),
    review_required=True,
)
FINANCE = Namespace(
    id="finance",
    display_name="Finanzen \U0001f9ed",
    visibility=Visibility.ENTITLED,
    entitled=frozenset({"travel", "audit"}),
    policy=STRICT,
    ceiling=Audience(visibility=Visibility.PUBLIC),
    revision=Revision(3),
    created_at=Instant(1),
    updated_at=Instant(2),
)


async def test_what_was_put_is_read_in_the_same_transaction_and_after_a_restart(backend: Backend) -> None:
    def work(tx: NamespaceTx) -> None:
        for namespace in (FINANCE, Namespace(id="audit"), replace(FINANCE, id="a-b")):
            assert tx.namespace(namespace.id) is None
            tx.put_namespace(namespace)
            assert tx.namespace(namespace.id) == namespace

    async with opened_registry(backend) as registry:
        await registry.writer.write(work, mutation=registry.asked(), result=type(None))
    async with opened_registry(backend) as registry:
        _, stored = await registry.store.load(whole)
        assert stored.namespaces == (replace(FINANCE, id="a-b"), Namespace(id="audit"), FINANCE)


async def test_a_namespace_put_again_replaces_the_first(backend: Backend) -> None:
    later = replace(FINANCE, visibility=None, updated_at=Instant(9))

    def work(tx: NamespaceTx) -> None:
        tx.put_namespace(FINANCE)
        tx.put_namespace(later)
        assert tx.namespace("finance") == later

    async with opened_registry(backend) as registry:
        await registry.writer.write(work, mutation=registry.asked(), result=type(None))
        _, stored = await registry.store.load(whole)
        assert stored.namespaces == (later,)


async def test_what_a_failed_mutation_put_is_not_kept(backend: Backend) -> None:
    class RefusedError(Exception):
        pass

    def work(tx: NamespaceTx) -> None:
        tx.put_namespace(FINANCE)
        raise RefusedError

    async with opened_registry(backend) as registry:
        with pytest.raises(RefusedError):
            await registry.writer.write(work, mutation=registry.asked(), result=type(None))
        _, stored = await registry.store.load(whole)
        assert stored.namespaces == ()
