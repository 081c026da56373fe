"""What the many senders call the same thing: attribute names and values of each dialect, as data.

Where a field has several names, the one named first wins, so a span that carries old and new names side by side (as
senders do while they migrate) is read by the newer one. Names and values not listed here mean nothing to us.

Sources: OpenTelemetry GenAI and MCP semantic conventions (`cache_creation` became `cache_write` there, and both are in
the wild), OpenInference, OpenLLMetry, the names GenAI used before, and what the AI SDK, ADK, Pydantic AI, Strands,
Semantic Kernel, Azure's agents, Langfuse and LangSmith add of their own. CHAIN and `task` steps are not agents: taking
them for agents, as some collectors do, inflates the count of agents. `aggregated_usage` is what a run used with all
beneath it, which R1 expects of any wrapper.
"""

import enum
import re
from collections.abc import Mapping


class Field(enum.IntEnum):
    """What a span may say that we understand. The value is the field's place in a row of values."""

    OPERATION = 0
    SPAN_KIND = 1
    AGENT_ID = 2
    AGENT_NAME = 3
    SESSION = 4
    MODEL = 5
    TOOL = 6
    MCP_METHOD = 7
    INPUT_TOKENS = 8
    OUTPUT_TOKENS = 9
    CACHE_READ_TOKENS = 10
    CACHE_WRITE_TOKENS = 11
    REASONING_TOKENS = 12
    TOTAL_TOKENS = 13
    AGENT_REVISION = 14
    ENTITY_NAME = 15
    CALL_STATUS = 16
    USAGE_DETAILS = 17
    # What makes a SpanDetail, from here on.
    TEAM = 18
    SKILL = 19
    PROVIDER = 20
    AGENT_VERSION = 21
    USER = 22
    ERROR_TYPE = 23
    ATTEMPT = 24
    COST = 25
    CURRENCY = 26
    TASK_STATE = 27
    FIRST_CHUNK_SECONDS = 28
    FIRST_CHUNK_MILLIS = 29
    WAITED_MILLIS = 30


NAMES: Mapping[Field, tuple[str, ...]] = {
    Field.OPERATION: ("gen_ai.operation.name",),
    Field.SPAN_KIND: (
        "openinference.span.kind",
        "traceloop.span.kind",
        "ai.operationId",
        "langfuse.observation.type",
        "langsmith.span.kind",
        "llm.request.type",
    ),
    Field.AGENT_ID: ("gen_ai.agent.id",),
    Field.AGENT_NAME: ("gen_ai.agent.name", "agent.name", "agent_name"),
    Field.SESSION: (
        "session.id",
        "gen_ai.conversation.id",
        "a2a.context_id",
        "a2a.context.id",
        "a2a.contextId",
        "traceloop.association.properties.session_id",
        "ai.telemetry.metadata.sessionId",
        "gcp.vertex.agent.session_id",
        "langfuse.session.id",
        "gen_ai.thread.id",
    ),
    Field.MODEL: (
        "gen_ai.response.model",
        "gen_ai.request.model",
        "llm.response.model_name",
        "llm.model_name",
        "llm.request.model_name",
        "embedding.model_name",
        "ai.response.model",
        "ai.model.id",
        "langfuse.observation.model.name",
        "llm.response.model",
        "llm.request.model",
        "reranker.model_name",
    ),
    Field.TOOL: ("gen_ai.tool.name", "tool.name", "mcp.tool.name", "ai.toolCall.name"),
    Field.MCP_METHOD: ("mcp.method.name",),
    Field.INPUT_TOKENS: (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "llm.usage.prompt_tokens",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
        "ai.usage.tokens",
        "gen_ai.response.prompt_tokens",
        "gen_ai.aggregated_usage.input_tokens",
    ),
    Field.OUTPUT_TOKENS: (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
        "gen_ai.response.completion_tokens",
        "gen_ai.aggregated_usage.output_tokens",
    ),
    Field.CACHE_READ_TOKENS: (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
        "llm.usage.cache_read_input_tokens",
        "ai.usage.inputTokenDetails.cacheReadTokens",
        "ai.usage.cachedInputTokens",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.aggregated_usage.cache_read.input_tokens",
        "gen_ai.usage.prompt_tokens_details.cached_tokens",
    ),
    Field.CACHE_WRITE_TOKENS: (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
        "llm.usage.cache_creation_input_tokens",
        "ai.usage.inputTokenDetails.cacheWriteTokens",
        "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.aggregated_usage.cache_creation.input_tokens",
        "gen_ai.usage.prompt_tokens_details.cache_creation_tokens",
    ),
    Field.REASONING_TOKENS: (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "ai.usage.outputTokenDetails.reasoningTokens",
        "ai.usage.reasoningTokens",
        "gen_ai.usage.details.reasoning_tokens",
        "gen_ai.usage.experimental.reasoning_tokens",
        "gen_ai.aggregated_usage.details.reasoning_tokens",
        "gen_ai.usage.completion_tokens_details.reasoning_tokens",
        "llm.usage.reasoning_tokens",
    ),
    Field.TOTAL_TOKENS: (
        "gen_ai.usage.total_tokens",
        "llm.token_count.total",
        "llm.usage.total_tokens",
        "ai.usage.totalTokens",
    ),
    # Counts as JSON text, for spans that state none in attributes of their own.
    Field.USAGE_DETAILS: ("langfuse.observation.usage_details",),
    # Which revision of the registered agent a caller was given: a name of ours, since no convention has one.
    Field.AGENT_REVISION: ("ringfence.agent.revision",),
    # OpenLLMetry's name of whatever `traceloop.span.kind` says it is: an agent, or a tool.
    Field.ENTITY_NAME: ("traceloop.entity.name",),
    Field.TEAM: ("ringfence.team", "mesh.team", "team.id", "traceloop.association.properties.team_id"),
    Field.SKILL: ("ringfence.skill", "a2a.skill.id"),
    Field.PROVIDER: ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider"),
    Field.AGENT_VERSION: ("gen_ai.agent.version",),
    Field.USER: (
        "user.id",
        "enduser.id",
        "traceloop.association.properties.user_id",
        "ai.telemetry.metadata.userId",
        "langfuse.user.id",
    ),
    Field.ERROR_TYPE: ("error.type",),
    Field.ATTEMPT: ("http.request.resend_count", "http.resend_count", "ringfence.resend_count"),
    Field.COST: (
        "gen_ai.usage.cost.amount",
        "gen_ai.usage.cost",
        "llm.cost.total",
        "gen_ai.usage.total_cost",
        "operation.cost",
    ),
    Field.CURRENCY: ("gen_ai.usage.cost.currency",),
    Field.CALL_STATUS: ("rpc.response.status_code", "rpc.grpc.status_code", "http.response.status_code"),
    Field.TASK_STATE: ("a2a.task.state",),
    Field.FIRST_CHUNK_SECONDS: ("gen_ai.response.time_to_first_chunk",),
    Field.FIRST_CHUNK_MILLIS: ("ai.response.msToFirstChunk",),
    # How long a person was waited for: a name of ours; senders that have none are read by their events.
    Field.WAITED_MILLIS: ("ringfence.human_wait_ms",),
}
"""Field → its names, best first. R3 orders the sessions: session, then conversation, then A2A context."""

DETAILS_FROM = int(Field.TEAM)
"""Fields from this on make a SpanDetail, and so does a tool."""

ATTRIBUTES: Mapping[str, tuple[int, int]] = {
    name: (int(field), rank) for field, names in NAMES.items() for rank, name in enumerate(names)
}
"""Attribute name → its field and its rank among the field's names."""

EXECUTE_TOOL = "execute_tool"
INVOKE_AGENT = "invoke_agent"
OTHER = "other"
"""The operation of a span that names one we do not know: operations stay a short list whoever sends."""

OPERATIONS = frozenset(
    {
        "chat",
        "create_agent",
        "create_memory",
        "create_memory_store",
        "delete_memory",
        "delete_memory_store",
        "embeddings",
        EXECUTE_TOOL,
        "generate_content",
        INVOKE_AGENT,
        "invoke_workflow",
        "plan",
        "retrieval",
        "search_memory",
        "text_completion",
        "update_memory",
        "upsert_memory",
    }
)
"""What OpenTelemetry GenAI defines for `gen_ai.operation.name`."""

OPERATIONS_BEFORE: Mapping[str, str] = {
    # Semantic Kernel
    "chat.completions": "chat",
    "text.completions": "text_completion",
    # OpenLLMetry
    "rerank": "rerank",
    "execute_task": "task",
}
"""What some senders call them instead, and what has a name only there."""

RUN_ID = re.compile(r"(?i:[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12})|[0-9]+")
"""What some senders put into `gen_ai.agent.id` anew for each run, or object, of an agent: a UUID (OpenLLMetry's
LangChain and crewAI), or where it lies in memory (OpenLIT)."""

OPERATION_BY_SPAN_KIND: Mapping[str, str] = {
    # OpenInference `openinference.span.kind`
    "AGENT": INVOKE_AGENT,
    "LLM": "chat",
    "TOOL": EXECUTE_TOOL,
    "EMBEDDING": "embeddings",
    "RETRIEVER": "retrieval",
    "CHAIN": "chain",
    "RERANKER": "rerank",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluate",
    # OpenLLMetry `traceloop.span.kind`
    "agent": INVOKE_AGENT,
    "tool": EXECUTE_TOOL,
    "workflow": "invoke_workflow",
    "task": "task",
    # Vercel AI SDK `ai.operationId`: the outer span of each pair repeats what the inner one used
    "ai.generateText": "chain",
    "ai.streamText": "chain",
    "ai.generateObject": "chain",
    "ai.streamObject": "chain",
    "ai.embed": "chain",
    "ai.embedMany": "chain",
    "ai.generateText.doGenerate": "chat",
    "ai.streamText.doStream": "chat",
    "ai.generateObject.doGenerate": "chat",
    "ai.streamObject.doStream": "chat",
    "ai.embed.doEmbed": "embeddings",
    "ai.embedMany.doEmbed": "embeddings",
    "ai.toolCall": EXECUTE_TOOL,
    # Langfuse `langfuse.observation.type` and LangSmith `langsmith.span.kind`, but for what others call the same
    "generation": "chat",
    "llm": "chat",
    "chain": "chain",
    "retriever": "retrieval",
    "guardrail": "guardrail",
    "evaluator": "evaluate",
    # OpenLLMetry's old `llm.request.type`
    "chat": "chat",
    "completion": "text_completion",
    "embedding": "embeddings",
    "rerank": "rerank",
}

MCP_TOOL_CALL = "tools/call"
"""The `mcp.method.name` of a tool call (MCP specification, Tools)."""

MERGED_TOOLS = "(merged tools)"
"""The pseudo-tool under which ADK repeats several calls that have spans of their own."""

TRANSPARENT = frozenset({"", "chain", "task", OTHER})
"""Operations that only wrap others: what is above them is above what they wrap."""

CURRENCY = "USD"
"""What a stated cost is in when it does not say: the senders that state one without a currency mean this one."""

CANCELLATIONS = frozenset(
    {
        "CANCELLED",
        "cancelled",
        "canceled",
        "CancelledError",
        "asyncio.CancelledError",
        "asyncio.exceptions.CancelledError",
        "AbortError",
        "context canceled",
        "context.Canceled",
    }
)
"""What `error.type` says when the caller gave up."""

CANCELLED_STATUS = frozenset({"1", "CANCELLED", "499"})
"""The same as a status of a call: gRPC by number or name, HTTP as proxies write it."""

CANCELLED_TASK = frozenset({"TASK_STATE_CANCELED", "canceled", "TASK_STATE_CANCELLED", "cancelled"})
"""The same as a state of an A2A task, in the spelling of its protobuf or its JSON."""

WAITING_TASK = frozenset({"TASK_STATE_INPUT_REQUIRED", "input-required", "TASK_STATE_AUTH_REQUIRED", "auth-required"})
"""States of an A2A task in which a person is waited for."""

FIRST_CHUNK_EVENTS = frozenset({"ai.stream.firstChunk", "First Token Stream Event", "gen_ai.first_chunk"})
"""Names of the events that mark the first chunk of a stream (AI SDK, OpenInference)."""
