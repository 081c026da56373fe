"""The settings of issuer keys, as an operator writes them, and what they become on the wire."""

import pytest
from ringfence.identity.v1 import credential_pb2 as pb
from ringfence_identity.config import IdentityConfig
from ringfence_identity.convert.issuer_keys import STATES, key_to_proto
from ringfence_identity.environments import Environment
from ringfence_identity.issuer_keys.schedule import USUAL_SCHEDULE, IssuerKey, KeySchedule, KeyStanding, KeyState
from ringfence_kit.clock import DAY, HOUR, Instant, Millis
from ringfence_kit.config import ConfigInvalid, load

USUAL = 'name = "prod", host = "prod.id.example.com"'


def configured(lines: str) -> Environment:
    flags = {"identity.environments": f"[{{{USUAL}{lines}}}]"}
    return load({"identity": IdentityConfig}, flags=flags).section("identity", IdentityConfig).hosted().get("prod")


def test_what_holds_when_nothing_is_said() -> None:
    environment = configured("")
    assert environment.es256_audiences == frozenset()
    assert environment.key_schedule == USUAL_SCHEDULE == KeySchedule(period=Millis(30 * DAY), lead=HOUR)


def test_what_an_operator_writes() -> None:
    environment = configured(
        ', es256_audiences = ["https://a.example", "spiffe://b"], key_rotation = "7d", key_publication_lead = "2h"'
    )
    assert environment.es256_audiences == {"https://a.example", "spiffe://b"}
    assert environment.key_schedule == KeySchedule(period=Millis(7 * DAY), lead=Millis(2 * HOUR))


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (', key_publication_lead = "39m"', "key_publication_lead"),
        (', key_rotation = "79m"', "key_rotation"),
        (', key_rotation = "90m", key_publication_lead = "1h"', "at least twice key_publication_lead"),
        (', es256_audiences = ["with space"]', "no audience"),
        (', es256_audiences = [""]', "no audience"),
        (', es256_audiences = ["https://ex\u00e4mple.com"]', "no audience"),
        (', es256_audience = ["https://a.example"]', "es256_audience"),
    ],
)
def test_what_would_leave_gateways_behind_or_match_nobody_is_refused(lines: str, problem: str) -> None:
    with pytest.raises(ConfigInvalid) as invalid:
        configured(lines)
    assert problem in str(invalid.value)


def test_every_state_but_being_gone_has_a_word_on_the_wire() -> None:
    assert set(STATES) == set(KeyState) - {KeyState.GONE}
    assert set(STATES.values()) == set(pb.IssuerKeyState.values()) - {pb.ISSUER_KEY_STATE_UNSPECIFIED}


def test_a_key_on_the_wire_has_its_times_and_no_private_half() -> None:
    key = IssuerKey(
        environment="prod",
        key_id="kid",
        algorithm="ES256",
        jwk={"kty": "EC"},
        created_at=Instant(1_000),
        activates_at=Instant(2_000),
    )
    waiting = key_to_proto(KeyStanding(key=key, state=KeyState.PUBLISHED, removed_at=None))
    assert (waiting.key_id, waiting.algorithm, waiting.state) == ("kid", "ES256", pb.ISSUER_KEY_STATE_PUBLISHED)
    assert (waiting.create_time.seconds, waiting.activate_time.seconds) == (1, 2)
    assert not waiting.HasField("remove_time")
    gone = key_to_proto(KeyStanding(key=key, state=KeyState.REVOKED, removed_at=Instant(3_000)))
    assert (gone.state, gone.remove_time.seconds) == (pb.ISSUER_KEY_STATE_REVOKED, 3)
