"""Spans of operations: named and filled by the GenAI conventions, in blocks and around functions, sync and async."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from support.senders.instrumented import Instrumented

ANALYST = "did:web:agents.example:analyst"
RESEARCHER = "did:web:agents.example:researcher"


def test_the_agents_own_work() -> None:
    agent = Instrumented(ANALYST, team="sales")
    with agent.telemetry.invoke_agent("analyst", session="s-1", skill="report") as work:
        work.used(input_tokens=12, output_tokens=3)
    span = agent.only()
    assert (span.name, span.kind, span.status.status_code) == (
        "invoke_agent analyst",
        SpanKind.INTERNAL,
        StatusCode.UNSET,
    )
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": ANALYST,
        "gen_ai.agent.name": "analyst",
        "gen_ai.agent.version": "1.2.0",
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 3,
        "ringfence.skill": "report",
        "ringfence.team": "sales",
        "session.id": "s-1",
    }


def test_what_it_calls_is_in_the_same_session_and_team() -> None:
    agent = Instrumented(ANALYST)
    with agent.telemetry.invoke_agent("analyst", session="s-1", team="sales"):
        with agent.telemetry.chat("example-model-1", provider="example") as call:
            call.used(
                input_tokens=100,
                output_tokens=20,
                cache_read_tokens=60,
                cache_write_tokens=5,
                reasoning_tokens=7,
                model="example-model-1-2026",
            )
        with agent.telemetry.execute_tool("warehouse.query", call_id="call-1"):
            pass
    both = {"gen_ai.agent.id": ANALYST, "session.id": "s-1", "ringfence.team": "sales"}
    assert agent.stated("chat example-model-1") == both | {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "example",
        "gen_ai.request.model": "example-model-1",
        "gen_ai.response.model": "example-model-1-2026",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 60,
        "gen_ai.usage.cache_write.input_tokens": 5,
        "gen_ai.usage.reasoning.output_tokens": 7,
    }
    assert agent.stated("execute_tool warehouse.query") == both | {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "warehouse.query",
        "gen_ai.tool.call.id": "call-1",
        "gen_ai.tool.type": "function",
    }


def test_usage_of_nothing_is_stated_too() -> None:
    agent = Instrumented(ANALYST)
    with agent.telemetry.chat("m", provider="example") as call:
        call.used(input_tokens=0, output_tokens=0)
    assert agent.stated("chat m")["gen_ai.usage.input_tokens"] == 0


def test_a_call_of_another_agent_names_it_only_when_the_credential_speaks_for_it() -> None:
    agent, gateway = Instrumented(ANALYST), Instrumented(speaks_for_others=True)
    for caller in (agent, gateway):
        with caller.telemetry.call_agent(RESEARCHER, skill="look-up", revision="7"):
            pass
        assert caller.only().kind is SpanKind.CLIENT
    assert dict(agent.only().attributes or {}) == {
        "gen_ai.agent.id": ANALYST,
        "ringfence.called_agent": RESEARCHER,
        "ringfence.called_skill": "look-up",
    }
    assert dict(gateway.only().attributes or {}) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": RESEARCHER,
        "ringfence.skill": "look-up",
        "ringfence.agent.revision": "7",
    }


def test_what_a_span_states_itself_is_left_as_it_is() -> None:
    agent = Instrumented(ANALYST, session="s-1")
    tracer = agent.telemetry.provider.get_tracer("a framework")
    with agent.telemetry.invoke_agent(), tracer.start_as_current_span("other", attributes={"session.id": "s-9"}):
        pass
    assert agent.stated("other") == {"session.id": "s-9", "gen_ai.agent.id": ANALYST}


def test_a_gateway_reports_the_work_of_agents_it_serves() -> None:
    gateway = Instrumented(speaks_for_others=True)
    telemetry = gateway.telemetry
    with telemetry.invoke_agent("researcher", agent=RESEARCHER, session="s-1"), telemetry.execute_tool("search"):
        pass
    assert gateway.stated("execute_tool search")["gen_ai.agent.id"] == RESEARCHER
    assert "gen_ai.agent.version" not in gateway.stated("invoke_agent researcher")


def test_an_exception_is_an_error_with_its_type() -> None:
    agent = Instrumented(ANALYST)
    with pytest.raises(TimeoutError), agent.telemetry.execute_tool("search"):
        raise TimeoutError("no answer within 2 s")
    span = agent.only()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "no answer within 2 s")
    assert (span.attributes or {})["error.type"] == "TimeoutError"
    assert span.events == ()  # a stack is the program's, and may hold what was asked


def test_an_exception_of_a_library_says_whose_it_is_and_is_cut() -> None:
    agent = Instrumented(ANALYST)
    with pytest.raises(_LibraryError), agent.telemetry.chat("m", provider="p"):
        raise _LibraryError("x" * 1_000)
    assert str((agent.only().attributes or {})["error.type"]).endswith("._LibraryError")
    assert len(agent.only().status.description or "") == 200


class _LibraryError(Exception):
    pass


def test_a_failure_without_an_exception_keeps_its_own_word() -> None:
    agent = Instrumented(ANALYST)
    with agent.telemetry.invoke_agent("b") as other:
        other.failed("tool_error", "the warehouse is closed")
        other.ended_by(ValueError("late"))
    assert (agent.only().attributes or {})["error.type"] == "tool_error"
    assert agent.only().status.description == "the warehouse is closed"


async def test_what_its_caller_gave_up_on_is_no_error_of_the_agents() -> None:
    agent = Instrumented(ANALYST)
    begun = asyncio.Event()

    @agent.telemetry.invoke_agent("a")
    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert agent.only().status.status_code is StatusCode.UNSET
    assert (agent.only().attributes or {})["error.type"] == "cancelled"


def test_a_decorated_function_is_a_span_with_every_call() -> None:
    agent = Instrumented(ANALYST)

    @agent.telemetry.execute_tool("double")
    def double(number: int) -> int:
        """Twice as much."""
        return number * 2 if number > 1 else double(number + 1)

    assert double(1) == 4
    assert double.__doc__ == "Twice as much."
    inner, outer = agent.spans
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id


async def test_coroutines_at_once_each_have_their_own_span() -> None:
    agent = Instrumented(ANALYST)

    @agent.telemetry.execute_tool("echo")
    async def echo(text: str) -> str:
        await asyncio.sleep(0)
        return text

    async with agent.telemetry.invoke_agent("a") as work:
        assert await asyncio.gather(*(echo(text) for text in "abc")) == ["a", "b", "c"]
    tools = [span for span in agent.spans if span.name == "execute_tool echo"]
    assert len(tools) == 3
    assert {span.parent and span.parent.span_id for span in tools} == {work.span.get_span_context().span_id}
    assert work.trace_id == tools[0].context.trace_id.to_bytes(16, "big")


def test_a_generator_is_refused_since_it_runs_after_it_was_called() -> None:
    def words() -> Iterator[str]:
        yield "one"

    async def words_async() -> AsyncIterator[str]:
        yield "one"

    operation = Instrumented(ANALYST).telemetry.execute_tool("t")
    for generator in (words, words_async):
        with pytest.raises(TypeError, match="as a block"):
            operation(generator)


def test_a_block_is_entered_once_at_a_time() -> None:
    operation = Instrumented(ANALYST).telemetry.execute_tool("t")
    with operation, pytest.raises(RuntimeError, match="runs already"), operation:
        raise AssertionError("entered twice")
    with pytest.raises(RuntimeError, match="does not run"):
        operation.__exit__(None, None, None)


def test_nothing_of_what_was_said_is_written(tmp_path: Path) -> None:
    agent = Instrumented(ANALYST)

    @agent.telemetry.execute_tool("read")
    def read(path: Path) -> str:
        return path.read_text()

    secret = tmp_path / "a secret path"
    secret.write_text("a secret text")
    read(secret)
    assert "secret" not in repr(agent.only().to_json())
