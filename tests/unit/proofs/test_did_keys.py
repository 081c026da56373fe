"""Which key a DID had when, read off its log as the service writes it."""

from ringfence.proofs.canonical_json import Json, JsonObject
from ringfence.proofs.did import AgentDid, KeyDid, RegistrarDid, parse_did
from ringfence.proofs.did_document import LostKey, agent_document
from ringfence.proofs.did_keys import KeyPeriod, key_periods, only_key
from ringfence.proofs.did_log import LogEntry
from ringfence.proofs.public_keys import PublicKey, public_key_of
from ringfence_kit.clock import HOUR, MINUTE, SECOND, Instant
from support.identity.delegation_chains import HOST, NOW, did_of
from support.identity.keys import seeded_key

ONE, TWO = public_key_of(seeded_key(1)), public_key_of(seeded_key(2))


def entry(number: int, at: int, *, key: PublicKey | None, lost: tuple[LostKey, ...] = (), **said: Json) -> LogEntry:
    """Return a version of a DID that shows these keys."""
    did = parse_did(did_of(0))
    assert isinstance(did, AgentDid)
    registrar = RegistrarDid(did.scid, HOST)
    state = agent_document(did=did, key=key, registrar=registrar, card_url="", lost=lost)
    parameters: JsonObject = dict(said)
    return LogEntry(
        number=number, version_id=f"{number}-Qm", version_time=Instant(at), parameters=parameters, state=state, proof={}
    )


def test_a_key_counts_from_its_first_version_on() -> None:
    assert key_periods([entry(1, NOW, key=ONE)]) == (KeyPeriod(key=ONE, since=NOW),)
    assert key_periods([]) == ()


def test_a_version_that_changes_something_else_ends_no_key() -> None:
    history = [entry(1, NOW, key=ONE), entry(2, NOW + HOUR, key=ONE), entry(3, NOW + 2 * HOUR, key=ONE)]
    assert key_periods(history) == (KeyPeriod(key=ONE, since=NOW),)


def test_a_rotation_ends_one_key_and_begins_another() -> None:
    rotated = Instant(NOW + HOUR)
    history = [entry(1, NOW, key=ONE), entry(2, rotated, key=TWO), entry(3, NOW + 2 * HOUR, key=TWO)]
    assert key_periods(history) == (KeyPeriod(key=ONE, since=NOW, until=rotated), KeyPeriod(key=TWO, since=rotated))


def test_a_lost_key_is_lost_since_when_the_newest_version_says() -> None:
    lost = LostKey(key=ONE, since=Instant(NOW + MINUTE))
    history = [entry(1, NOW, key=ONE), entry(2, NOW + HOUR, key=TWO, lost=(lost,))]
    old, new = key_periods(history)
    assert old == KeyPeriod(key=ONE, since=NOW, until=Instant(NOW + HOUR), compromised_since=lost.since)
    assert new.compromised_since is None
    assert not old.lost_at(Instant(lost.since - SECOND))
    assert old.lost_at(lost.since)
    assert old.in_force_at(NOW)
    assert not old.in_force_at(Instant(NOW + HOUR))


def test_a_lost_key_without_a_successor_is_nobodys_key_any_more() -> None:
    lost = LostKey(key=ONE, since=NOW)
    (only,) = key_periods([entry(1, NOW, key=ONE), entry(2, NOW + HOUR, key=None, lost=(lost,))])
    assert (only.until, only.compromised_since) == (NOW + HOUR, NOW)


def test_a_deactivated_did_has_no_key() -> None:
    (only,) = key_periods([entry(1, NOW, key=ONE), entry(2, NOW + HOUR, key=ONE, deactivated=True)])
    assert only.until == NOW + HOUR


def test_a_key_that_may_not_delegate_is_not_counted() -> None:
    shown = entry(1, NOW, key=ONE)
    shown.state["capabilityDelegation"] = []
    assert key_periods([shown]) == ()
    assert key_periods([shown], "authentication") == (KeyPeriod(key=ONE, since=NOW),)


def test_what_is_not_a_key_of_ours_is_passed_over() -> None:
    for spoil in ("type", "publicKeyMultibase"):
        shown = entry(1, NOW, key=ONE)
        methods = shown.state["verificationMethod"]
        assert isinstance(methods, list)
        assert isinstance(methods[0], dict)
        methods[0][spoil] = "x"
        assert key_periods([shown]) == ()
    shown.state["verificationMethod"] = "none"
    assert key_periods([shown]) == ()


def test_a_did_key_is_its_key_for_ever() -> None:
    (period,) = only_key(KeyDid(ONE))
    assert period.key == ONE
    assert period.in_force_at(NOW)
