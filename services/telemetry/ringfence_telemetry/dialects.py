"""What the many senders call the same thing: attribute names and values of each dialect, as data.

Where a field has several names, the one named first wins, so a span that carries old and new names side by side (as
senders do while they migrate) is read by the newer one. Names and values not listed here mean nothing to us.

Sources: OpenTelemetry GenAI and MCP semantic conventions (`cache_creation` became `cache_write` there, and both are in
the wild), OpenInference, OpenLLMetry, and the names GenAI used before. CHAIN and `task` steps are not agents: taking
them for agents, as some collectors do, inflates the count of agents.
"""

import enum
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


NAMES: Mapping[Field, tuple[str, ...]] = {
    Field.OPERATION: ("gen_ai.operation.name",),
    Field.SPAN_KIND: ("openinference.span.kind", "traceloop.span.kind"),
    Field.AGENT_ID: ("gen_ai.agent.id",),
    Field.AGENT_NAME: ("gen_ai.agent.name", "agent.name"),
    Field.SESSION: (
        "session.id",
        "gen_ai.conversation.id",
        "a2a.context_id",
        "a2a.context.id",
        "a2a.contextId",
        "traceloop.association.properties.session_id",
    ),
    Field.MODEL: ("gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "embedding.model_name"),
    Field.TOOL: ("gen_ai.tool.name", "tool.name"),
    Field.MCP_METHOD: ("mcp.method.name",),
    Field.INPUT_TOKENS: (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "llm.usage.prompt_tokens",
    ),
    Field.OUTPUT_TOKENS: (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
    ),
    Field.CACHE_READ_TOKENS: (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
        "llm.usage.cache_read_input_tokens",
    ),
    Field.CACHE_WRITE_TOKENS: (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
        "llm.usage.cache_creation_input_tokens",
    ),
    Field.REASONING_TOKENS: (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
    ),
    Field.TOTAL_TOKENS: ("gen_ai.usage.total_tokens", "llm.token_count.total", "llm.usage.total_tokens"),
    # Which revision of the registered agent a caller was given: a name of ours, since no convention has one.
    Field.AGENT_REVISION: ("ringfence.agent.revision",),
}
"""Field → its names, best first. R3 orders the sessions: session, then conversation, then A2A context."""

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
}

MCP_TOOL_CALL = "tools/call"
"""The `mcp.method.name` of a tool call (MCP specification, Tools)."""

MERGED_TOOLS = "(merged tools)"
"""The pseudo-tool under which ADK repeats several calls that have spans of their own."""

TRANSPARENT = frozenset({"", "chain", "task", OTHER})
"""Operations that only wrap others: what is above them is above what they wrap."""
