"""AlertService over the wire: told once, in order, over cuts and restarts; acknowledged, silenced, and refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from ringfence.telemetry.v1 import alert_pb2 as pb
from ringfence_kit.callers import ANONYMOUS, Caller
from ringfence_kit.clock import HOUR, MINUTE, SECOND, ManualClock, Millis
from ringfence_kit.wire import to_instant
from support.serving import OPERATOR, SERVICE
from support.telemetry.mesh import AGENT, AUDITOR, GATEWAY, OWNER, TelemetryMesh, telemetry_mesh
from support.telemetry.spenders import BILLING, SHOP, alerts, created, next_alert, next_answer, spends
from support.wire import refusal

FIRED, RESOLVED, ACKED = pb.ALERT_EVENT_TYPE_FIRED, pb.ALERT_EVENT_TYPE_RESOLVED, pb.ALERT_EVENT_TYPE_ACKED
READERS = [OPERATOR, AUDITOR, SERVICE]


@pytest.fixture
async def telemetry(tmp_path: Path) -> AsyncIterator[TelemetryMesh]:
    async with telemetry_mesh(tmp_path, clock=ManualClock()) as running:
        await created(running, soft_levels=[0.5], hard=True)
        yield running


@asynccontextmanager
async def watching(telemetry: TelemetryMesh, caller: Caller = SERVICE, **request: Any) -> AsyncIterator[Any]:
    """Watch, and be past the first bookmark where there is one."""
    call = alerts(telemetry, caller).WatchAlerts(pb.WatchAlertsRequest(**request))
    stream = aiter(call)
    try:
        if not request.get("from_sequence"):
            while not (await anext(stream)).HasField("bookmark"):
                continue
        yield stream
    finally:
        call.cancel()


async def listed(telemetry: TelemetryMesh, caller: Caller = OPERATOR, **request: Any) -> list[pb.Alert]:
    return [*(await alerts(telemetry, caller).ListAlerts(pb.ListAlertsRequest(**request))).alerts]


async def silenced(telemetry: TelemetryMesh, caller: Caller = OPERATOR, **fields: Any) -> pb.Silence:
    lasts = fields.pop("lasts", Duration(seconds=3_600))
    values: dict[str, Any] = {"kind": pb.ALERT_KIND_BUDGET, "reason": "planned"} | fields
    request = pb.CreateSilenceRequest(silence=pb.Silence(**values), duration=lasts)
    return (await alerts(telemetry, caller).CreateSilence(request)).silence


def advance(telemetry: TelemetryMesh, by: Millis) -> None:
    assert isinstance(telemetry.clock, ManualClock)
    telemetry.clock.advance(by)


class TestWatching:
    async def test_an_alert_is_on_the_stream_as_soon_as_it_fires(self, telemetry: TelemetryMesh) -> None:
        async with watching(telemetry) as stream:
            before = telemetry.clock.now()
            await spends(telemetry, 50)
            event = (await anext(stream)).event
            assert (event.sequence, event.type, event.alert.state) == (1, FIRED, pb.ALERT_STATE_FIRING)
            assert (event.alert.agent, event.alert.subject) == (SHOP, "budgets/daily")
            assert event.alert.evidence["level"] == "0.5"
            assert to_instant(event.event_time) - before <= 2 * SECOND

    async def test_a_stream_cut_for_ten_minutes_gives_every_event_once(self, telemetry: TelemetryMesh) -> None:
        async with watching(telemetry) as stream:
            await spends(telemetry, 50)
            heard = [await next_alert(telemetry, stream)]
        for number in range(10):
            await spends(telemetry, 50, agent=f"{BILLING}-{number}")
            advance(telemetry, MINUTE)
        async with watching(telemetry, from_sequence=heard[-1].sequence + 1) as stream:
            await spends(telemetry, 50)
            heard += [await next_alert(telemetry, stream) for _ in range(11)]
        assert [event.sequence for event in heard] == [*range(1, 13)]
        assert [event.alert.agent for event in heard[1:11]] == [f"{BILLING}-{number}" for number in range(10)]

    async def test_a_restart_changes_nothing(self, tmp_path: Path) -> None:
        clock = ManualClock()
        async with telemetry_mesh(tmp_path, clock=clock) as before:
            await created(before)
            for agent in (SHOP, BILLING):
                await spends(before, 100, agent=agent)
        async with telemetry_mesh(tmp_path, clock=clock) as after:
            async with watching(after, from_sequence=2) as stream:
                await spends(after, 100, agent="third")
                heard = [await next_alert(after, stream) for _ in range(2)]
            assert [(event.sequence, event.alert.agent) for event in heard] == [(2, BILLING), (3, "third")]

    async def test_what_fires_comes_first_where_it_is_asked_for(self, telemetry: TelemetryMesh) -> None:
        for agent in (SHOP, BILLING):
            await spends(telemetry, 50, agent=agent)
        call = alerts(telemetry).WatchAlerts(pb.WatchAlertsRequest(send_firing=True))
        stream = aiter(call)
        answers = [await anext(stream) for _ in range(3)]
        assert [answer.firing.agent for answer in answers[:2]] == [SHOP, BILLING]
        assert answers[2].bookmark.next_sequence == 3
        await spends(telemetry, 50)
        assert (await next_alert(telemetry, stream)).sequence == 3
        call.cancel()

    async def test_quiet_times_have_bookmarks_with_the_number_to_go_on_from(self, telemetry: TelemetryMesh) -> None:
        await spends(telemetry, 50)
        async with watching(telemetry, agent="somebody else") as stream:
            await spends(telemetry, 50)
            found = set()
            for _ in range(3):
                found.add((await next_answer(telemetry, stream)).bookmark.next_sequence)
            assert max(found) == 3

    async def test_a_hundred_watchers_hear_the_same(self, telemetry: TelemetryMesh) -> None:
        calls = [alerts(telemetry).WatchAlerts(pb.WatchAlertsRequest()) for _ in range(100)]
        streams = [aiter(call) for call in calls]
        await asyncio.gather(*(anext(stream) for stream in streams))
        for number in range(5):
            await spends(telemetry, 50, agent=f"a{number}")
        heard = [[(await next_alert(telemetry, stream)).sequence for _ in range(5)] for stream in streams]
        assert heard == [[1, 2, 3, 4, 5]] * 100
        for call in calls:
            call.cancel()

    async def test_the_end_is_told_as_the_beginning_was(self, telemetry: TelemetryMesh) -> None:
        async with watching(telemetry) as stream:
            await spends(telemetry, 50)
            advance(telemetry, Millis(24 * HOUR))
            heard = [await next_alert(telemetry, stream) for _ in range(2)]
        assert [(event.type, event.alert.name) for event in heard] == [(FIRED, "alerts/1"), (RESOLVED, "alerts/1")]
        assert heard[1].alert.HasField("resolve_time")

    @pytest.mark.parametrize(
        ("request_", "reason"),
        [
            (pb.WatchAlertsRequest(from_sequence=-1), "INVALID_REQUEST"),
            (pb.WatchAlertsRequest(from_sequence=1, send_firing=True), "INVALID_REQUEST"),
            (pb.WatchAlertsRequest(agent="x" * 2_000), "INVALID_REQUEST"),
            (pb.WatchAlertsRequest(from_sequence=9), "REVISION_IN_FUTURE"),
        ],
    )
    async def test_what_cannot_be_watched_is_said(
        self, telemetry: TelemetryMesh, request_: pb.WatchAlertsRequest, reason: str
    ) -> None:
        assert (await refusal(anext(aiter(alerts(telemetry).WatchAlerts(request_))))).reason == reason


class TestListing:
    async def test_the_newest_come_first_in_pages(self, telemetry: TelemetryMesh) -> None:
        for number in range(5):
            await spends(telemetry, 50, agent=f"a{number}")
        first = await alerts(telemetry).ListAlerts(pb.ListAlertsRequest(page_size=3))
        rest = await alerts(telemetry).ListAlerts(pb.ListAlertsRequest(page_size=3, page_token=first.next_page_token))
        assert [alert.agent for alert in (*first.alerts, *rest.alerts)] == ["a4", "a3", "a2", "a1", "a0"]
        assert (bool(first.next_page_token), rest.next_page_token) == (True, "")
        again = pb.ListAlertsRequest(page_size=3, page_token=first.next_page_token, firing_only=True)
        refused = await refusal(alerts(telemetry).ListAlerts(again))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")

    async def test_a_question_narrows(self, telemetry: TelemetryMesh) -> None:
        await spends(telemetry, 100)
        await spends(telemetry, 50, agent=BILLING)
        assert [alert.agent for alert in await listed(telemetry, agent=BILLING)] == [BILLING]
        assert not await listed(telemetry, kinds=[pb.ALERT_KIND_DRIFT])
        assert len(await listed(telemetry, kinds=[pb.ALERT_KIND_BUDGET], firing_only=True)) == 3

    @pytest.mark.parametrize(
        ("request_", "field"),
        [
            (pb.ListAlertsRequest(page_size=-1), "page_size"),
            (pb.ListAlertsRequest(kinds=[99]), "kinds[0]"),  # type: ignore[list-item] # a value nobody knows
            (pb.ListAlertsRequest(kinds=[1, 1]), "kinds[1]"),  # type: ignore[list-item] # by their numbers
        ],
    )
    async def test_what_is_wrong_is_named(
        self, telemetry: TelemetryMesh, request_: pb.ListAlertsRequest, field: str
    ) -> None:
        refused = await refusal(alerts(telemetry).ListAlerts(request_))
        assert (refused.reason, list(refused.violations)) == ("INVALID_REQUEST", [field])


class TestLookingAfter:
    async def test_who_looks_at_it_is_known_to_all(self, telemetry: TelemetryMesh) -> None:
        await spends(telemetry, 50, agent=BILLING)
        async with watching(telemetry) as stream:
            answer = await alerts(telemetry, OWNER).AckAlert(pb.AckAlertRequest(name="alerts/1"))
            event = await next_alert(telemetry, stream)
        assert (answer.alert.acked_by, answer.alert.HasField("ack_time")) == (OWNER.principal, True)
        assert (event.type, event.alert.acked_by) == (ACKED, OWNER.principal)

    async def test_what_is_over_needs_nobody(self, telemetry: TelemetryMesh) -> None:
        await spends(telemetry, 50)
        advance(telemetry, Millis(24 * HOUR))
        async with watching(telemetry, from_sequence=2) as stream:
            await next_alert(telemetry, stream)
        refused = await refusal(alerts(telemetry).AckAlert(pb.AckAlertRequest(name="alerts/1")))
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "ALERT_NOT_FIRING")

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("alerts/77", "ALERT_NOT_FOUND"),
            ("alerts/0", "INVALID_REQUEST"),
            ("alerts/1/x", "INVALID_REQUEST"),
            ("", "INVALID_REQUEST"),
            (f"alerts/{10**40}", "INVALID_REQUEST"),
        ],
    )
    async def test_what_is_not_there_is_not_acknowledged(
        self, telemetry: TelemetryMesh, name: str, reason: str
    ) -> None:
        assert (await refusal(alerts(telemetry).AckAlert(pb.AckAlertRequest(name=name)))).reason == reason

    async def test_a_silence_keeps_quiet_and_ends(self, telemetry: TelemetryMesh) -> None:
        silence = await silenced(telemetry, agent=SHOP)
        async with watching(telemetry) as stream, watching(telemetry, show_silenced=True) as all_of_it:
            await spends(telemetry, 50)
            event = await next_alert(telemetry, all_of_it)
            assert (event.sequence, event.alert.silence) == (1, silence.name)
            advance(telemetry, HOUR)
            event = await next_alert(telemetry, stream)
            assert (event.sequence, event.type, event.alert.silence) == (2, FIRED, "")
        assert not (await alerts(telemetry).ListSilences(pb.ListSilencesRequest())).silences

    async def test_a_silence_taken_back_tells_what_goes_on(self, telemetry: TelemetryMesh) -> None:
        silence = await silenced(telemetry)
        await spends(telemetry, 50)
        request = pb.DeleteSilenceRequest(name=silence.name)
        async with watching(telemetry, from_sequence=1) as stream:
            await alerts(telemetry).DeleteSilence(request)
            assert (await next_alert(telemetry, stream)).sequence == 2
        refused = await refusal(alerts(telemetry).DeleteSilence(request))
        assert (refused.code, refused.reason) == ("NOT_FOUND", "SILENCE_NOT_FOUND")

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"reason": ""}, "silence.reason"),
            ({"reason": "x" * 501}, "silence.reason"),
            ({"kind": 0}, "silence"),
            ({"kind": 99}, "silence.kind"),
            ({"lasts": None}, "duration"),
            ({"lasts": Duration()}, "duration"),
            ({"lasts": Duration(seconds=31 * 86_400)}, "duration"),
        ],
    )
    async def test_what_is_wrong_with_a_silence_is_named(
        self, telemetry: TelemetryMesh, fields: dict[str, Any], field: str
    ) -> None:
        refused = await refusal(silenced(telemetry, **fields))
        assert (refused.reason, list(refused.violations)) == ("INVALID_REQUEST", [field])

    async def test_silences_come_in_pages(self, telemetry: TelemetryMesh) -> None:
        made = sorted([(await silenced(telemetry)).name for _ in range(3)])
        first = await alerts(telemetry).ListSilences(pb.ListSilencesRequest(page_size=2))
        request = pb.ListSilencesRequest(page_size=2, page_token=first.next_page_token)
        rest = await alerts(telemetry).ListSilences(request)
        assert [each.name for each in (*first.silences, *rest.silences)] == made
        assert rest.next_page_token == ""


class TestWhoMay:
    @pytest.mark.parametrize("caller", READERS)
    async def test_readers_see_all(self, telemetry: TelemetryMesh, caller: Caller) -> None:
        for agent in (SHOP, BILLING):
            await spends(telemetry, 50, agent=agent)
        assert len(await listed(telemetry, caller)) == 2

    async def test_an_owner_sees_what_is_about_its_agents(self, telemetry: TelemetryMesh) -> None:
        async with watching(telemetry, OWNER) as stream:
            for agent in (SHOP, BILLING):
                await spends(telemetry, 50, agent=agent)
            event = await next_alert(telemetry, stream)
            assert (event.sequence, event.alert.agent) == (2, BILLING)
        assert [alert.agent for alert in await listed(telemetry, OWNER)] == [BILLING]
        refused = await refusal(alerts(telemetry, OWNER).AckAlert(pb.AckAlertRequest(name="alerts/1")))
        assert (refused.code, refused.reason) == ("NOT_FOUND", "ALERT_NOT_FOUND")

    async def test_an_owner_silences_its_agents_only(self, telemetry: TelemetryMesh) -> None:
        for agent in (SHOP, ""):
            assert (await refusal(silenced(telemetry, OWNER, agent=agent))).reason == "NOT_PERMITTED"
        of_all, others = await silenced(telemetry), await silenced(telemetry, agent=SHOP)
        own = await silenced(telemetry, OWNER, agent=BILLING)
        seen = (await alerts(telemetry, OWNER).ListSilences(pb.ListSilencesRequest())).silences
        assert {each.name for each in seen} == {of_all.name, own.name}
        for each in (of_all, others):
            refused = await refusal(alerts(telemetry, OWNER).DeleteSilence(pb.DeleteSilenceRequest(name=each.name)))
            assert refused.reason == "SILENCE_NOT_FOUND"
        await alerts(telemetry, OWNER).DeleteSilence(pb.DeleteSilenceRequest(name=own.name))

    @pytest.mark.parametrize("caller", [AGENT, GATEWAY])
    async def test_others_may_not_look(self, telemetry: TelemetryMesh, caller: Caller) -> None:
        for call in (
            listed(telemetry, caller),
            anext(aiter(alerts(telemetry, caller).WatchAlerts(pb.WatchAlertsRequest()))),
            alerts(telemetry, caller).AckAlert(pb.AckAlertRequest(name="alerts/1")),
            silenced(telemetry, caller),
        ):
            refused = await refusal(call)
            assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")

    async def test_nobody_may_nothing(self, telemetry: TelemetryMesh) -> None:
        assert (await refusal(listed(telemetry, ANONYMOUS))).code == "UNAUTHENTICATED"

    @pytest.mark.parametrize("caller", [AUDITOR, SERVICE])
    async def test_readers_change_nothing(self, telemetry: TelemetryMesh, caller: Caller) -> None:
        for call in (
            alerts(telemetry, caller).AckAlert(pb.AckAlertRequest(name="alerts/1")),
            silenced(telemetry, caller),
            alerts(telemetry, caller).DeleteSilence(pb.DeleteSilenceRequest(name="silences/x")),
        ):
            assert (await refusal(call)).reason == "NOT_PERMITTED"
