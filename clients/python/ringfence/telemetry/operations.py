"""Spans by the GenAI conventions, as a block or around a function, sync or async.

    with telemetry.chat("example-model-1", provider="example") as call:
        answer = ask(...)
        call.used(input_tokens=answer.input, output_tokens=answer.output)

    @telemetry.execute_tool("warehouse.query")
    async def query(table: str) -> list[Row]: ...

The rules:

- a block that raises is a span in error, with `error.type`; a task that is cancelled is no error of the agent's;
- nothing of what was said or done is written: no prompts, no arguments, no results;
- usage is stated once, by whoever made the call: a wrapper that repeats it is counted once by telemetry all the same.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Token
from functools import wraps
from types import TracebackType
from typing import ParamSpec, Self, TypeVar, cast

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from ringfence.telemetry.work_labels import WorkLabels, labelled

P = ParamSpec("P")
R = TypeVar("R")

CANCELLED = "cancelled"
"""The `error.type` of what its caller gave up on."""
_SENTENCE_MAX = 200


class Running:
    """An operation that runs: what it used, and how it went, can be told."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self._failed = False

    @property
    def trace_id(self) -> bytes:
        """The 16 bytes that name the whole piece of work."""
        return self.span.get_span_context().trace_id.to_bytes(16, "big")

    def used(
        self,
        *,
        input_tokens: int,
        output_tokens: int,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
        reasoning_tokens: int = 0,
        model: str = "",
    ) -> None:
        """State what it used: input with cached tokens in it, output with reasoning; and the model that answered."""
        self.span.set_attribute("gen_ai.usage.input_tokens", input_tokens)
        self.span.set_attribute("gen_ai.usage.output_tokens", output_tokens)
        kinds = {
            "gen_ai.usage.cache_read.input_tokens": cache_read_tokens,
            "gen_ai.usage.cache_write.input_tokens": cache_write_tokens,
            "gen_ai.usage.reasoning.output_tokens": reasoning_tokens,
        }
        for key, count in kinds.items():
            if count:
                self.span.set_attribute(key, count)
        if model:
            self.span.set_attribute("gen_ai.response.model", model)

    def failed(self, kind: str, sentence: str = "") -> None:
        """Say that it failed without an exception: `kind` is one of few words, `sentence` for people."""
        self._failed = True
        self.span.set_attribute("error.type", kind)
        self.span.set_status(Status(StatusCode.ERROR, sentence[:_SENTENCE_MAX] or None))

    def ended_by(self, error: BaseException) -> None:
        """Say what an exception that left the block means."""
        if isinstance(error, asyncio.CancelledError):
            self.span.set_attribute("error.type", CANCELLED)
        elif not self._failed:
            self.failed(_kind_of(error), str(error))


class Operation:
    """A span to be: a block makes it once, a decorated function with every call."""

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        *,
        kind: SpanKind,
        attributes: Mapping[str, str],
        labels: Callable[[], WorkLabels] | None = None,
        context: Context | None = None,
    ) -> None:
        """`labels` are at work beneath it, else those around it. `context` is the parent's, else the current one."""
        self._tracer = tracer
        self._name = name
        self._kind = kind
        self._attributes = attributes
        self._labels = labels
        self._context = context
        self._entered: tuple[Running, Token[Context]] | None = None

    def __enter__(self) -> Running:
        if self._entered is not None:
            raise RuntimeError(f"{self._name} runs already; an operation is one block, make another")
        context = self._context
        if self._labels is not None:
            context = labelled(context, self._labels())
        span = self._tracer.start_span(
            self._name, context, kind=self._kind, attributes=self._attributes, record_exception=False
        )
        running = Running(span)
        self._entered = running, attach(set_span_in_context(span, context))
        return running

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entered is None:
            raise RuntimeError(f"{self._name} does not run")
        (running, token), self._entered = self._entered, None
        detach(token)
        if error is not None:
            running.ended_by(error)
        running.span.end()

    async def __aenter__(self) -> Running:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Wrap a function, or a coroutine function. Raises TypeError for a generator: it runs after it was called."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__qualname__} is a generator; put {self._name} into it as a block")
        if inspect.iscoroutinefunction(function):
            coroutine = cast(Callable[P, Awaitable[object]], function)

            @wraps(function)
            async def in_span_async(*args: P.args, **kwargs: P.kwargs) -> object:
                async with self._again():
                    return await coroutine(*args, **kwargs)

            return cast(Callable[P, R], in_span_async)

        @wraps(function)
        def in_span(*args: P.args, **kwargs: P.kwargs) -> R:
            with self._again():
                return function(*args, **kwargs)

        return in_span

    def _again(self) -> Self:
        return type(self)(
            self._tracer,
            self._name,
            kind=self._kind,
            attributes=self._attributes,
            labels=self._labels,
            context=self._context,
        )


def stated(attributes: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes that say something."""
    return {key: value for key, value in attributes.items() if value}


def _kind_of(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
