"""Upkeep of issuer keys: the first ones at the start, the next one when it is due, and an end to those nobody needs.

It runs at every start and each minute after, on every replica; whatever two of them do at once is done once. What
cannot be done now, because the database or the key file is in trouble, is done a minute later: until then the keys
that signed go on signing.
"""

from collections.abc import Callable, Sequence

import structlog
from ringfence.proofs.jwk_set import Algorithm
from ringfence_kit.clock import MINUTE, Clock, Instant
from ringfence_kit.errors import Unavailable
from ringfence_kit.sealed_keys import JwsSigner, KeyStoreError
from ringfence_kit.store import Mutation, Writer

from ringfence_identity.environments import Environment, Environments
from ringfence_identity.issuer_keys import changes
from ringfence_identity.issuer_keys.schedule import (
    ALGORITHMS,
    IssuerKey,
    KeyState,
    coming_key,
    next_activation,
    signing_key,
    standing_of_key,
)
from ringfence_identity.issuer_keys.signers import IssuerSigners
from ringfence_identity.signing_clock import SigningClock
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.store import IdentityTx

PRINCIPAL = "service:identity"
"""Who makes keys in good time: the service itself."""

EVERY = MINUTE

LOST = "its private half was lost before it signed anything"

_OF_USE = (KeyState.PUBLISHED, KeyState.ACTIVE)

_log = structlog.get_logger(__name__)


class IssuerKeyUpkeep:
    """Keeps the keys of every environment hosted here."""

    def __init__(
        self,
        *,
        environments: Environments,
        snapshot: IdentitySnapshot,
        signers: IssuerSigners,
        writer: Writer[IdentityTx],
        clock: SigningClock,
    ) -> None:
        self._environments = environments
        self._snapshot = snapshot
        self._signers = signers
        self._writer = writer
        self._clock = clock

    async def start(self) -> None:
        """Make what is missing: afterwards a key of each algorithm signs in each environment."""
        now = self._clock.reading()  # a clock that stands behind is for whoever asks for a token to hear of
        for environment in self._environments:
            for algorithm in ALGORITHMS:
                await self._found(environment, algorithm, now)
                await self._replace_lost(environment, algorithm, now)
        await self.keep(now=now)

    async def run(self, clock: Clock) -> None:
        """Keep the keys until cancelled."""
        while True:
            await clock.sleep(EVERY)
            try:
                await self.keep(now=self._clock.now())
            except (Unavailable, KeyStoreError, OSError) as error:
                _log.warning("issuer_key_upkeep_put_off", problem=str(error))

    async def keep(self, *, now: Instant) -> None:
        """Make the keys that are due and destroy those that are of no use any more."""
        for environment in self._environments:
            for algorithm in ALGORITHMS:
                await self._make_due(environment, algorithm, now)
                self._destroy_useless(environment, algorithm, now)

    async def _found(self, environment: Environment, algorithm: Algorithm, now: Instant) -> None:
        """Take in what the key store has for an algorithm the database knows no key of, or make the first one."""
        if any(key.algorithm == algorithm for key in self._snapshot.issuer_keys(environment.name)):
            return
        signers = self._signers.of(environment.name, algorithm)
        first = signers or (self._signers.make(environment.name, algorithm, at=now),)
        await self._write(lambda tx: changes.found_line(tx, environment.name, first, at=now), now)

    async def _replace_lost(self, environment: Environment, algorithm: Algorithm, now: Instant) -> None:
        """Let others sign where the key file, restored from an older copy, lacks what the database relies on."""
        keys = self._snapshot.issuer_keys(environment.name)
        relied_on = (signing_key(keys, algorithm, now=now), coming_key(keys, algorithm, now=now))
        lost = [key for key in relied_on if key is not None and not self._signers.holds(key)]
        if not lost:
            return
        _log.warning("issuer_keys_lost", environment=environment.name, keys=[key.key_id for key in lost])
        signer = self._signers.make(environment.name, algorithm, at=now)
        await self._write(lambda tx: _do_without(tx, lost, signer, at=now), now)

    async def _make_due(self, environment: Environment, algorithm: Algorithm, now: Instant) -> None:
        schedule = environment.key_schedule
        if next_activation(self._snapshot.issuer_keys(environment.name), algorithm, schedule, now=now) is None:
            return
        signer = self._signers.make(environment.name, algorithm, at=now)
        await self._write(lambda tx: changes.add_when_due(tx, environment.name, signer, schedule, at=now), now)
        _log.info("issuer_key_made", environment=environment.name, algorithm=algorithm, key=signer.key_id)

    def _destroy_useless(self, environment: Environment, algorithm: Algorithm, now: Instant) -> None:
        keys = self._snapshot.issuer_keys(environment.name)
        standings = [standing_of_key(key, keys, now=now) for key in keys]
        self._signers.keep(
            environment.name,
            algorithm,
            known={key.key_id for key in keys},
            needed={standing.key.key_id for standing in standings if standing.state in _OF_USE},
            now=now,
        )

    async def _write(self, work: Callable[[IdentityTx], None], now: Instant) -> None:
        await self._writer.write(work, mutation=Mutation(principal=PRINCIPAL, at=now), result=type(None))


def _do_without(tx: IdentityTx, lost: Sequence[IssuerKey], signer: JwsSigner, *, at: Instant) -> None:
    """Let no key of `lost` sign, now or later; tokens that one has signed stay good."""
    environment, algorithm = lost[0].environment, lost[0].algorithm
    keys, gone = tx.issuer_keys(environment), {key.key_id for key in lost}
    coming, signing = (key_at(keys, algorithm, now=at) for key_at in (coming_key, signing_key))
    if coming is not None and coming.key_id in gone:
        changes.revoke(tx, coming, reason=LOST, at=at)
    if signing is not None and signing.key_id in gone:
        held = {key.key_id for key in keys} - gone
        changes.take_over(tx, environment, algorithm, held=held, signer=signer, at=at)
