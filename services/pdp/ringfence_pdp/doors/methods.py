"""What MCP and A2A methods are called here, and what of their parameters is decided about.

The rules:

- a method that is in no table is denied: nobody decided about it (COAZ-MCP says the same);
- an action is named as policies name actions: `delete_rows` for a call of the tool `warehouse.delete_rows`, and for
  other methods what they do, so that the ring gate sees `list_tools` as the reading it is;
- both spellings of an A2A method (0.3 `message/send`, 1.0 `SendMessage`) are one action;
- what only keeps a connection going passes without a decision: the handshake, `ping`, notifications, and responses to
  what the other side asked.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from ringfence_pdp.doors.json_reading import Json
from ringfence_pdp.doors.json_rpc import RpcMessage
from ringfence_pdp.doors.paths import PATH_MAX, uri_of
from ringfence_pdp.doors.refusal import Refused
from ringfence_pdp.filters.finding import Origin
from ringfence_pdp.model import Protocol, Reason

RESOURCE_ID_MAX: Final = PATH_MAX


class Asked(NamedTuple):
    """What one message wants to do. `name` is what the Mcp-Name header would say."""

    action: str
    protocol: Protocol
    tool: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    arguments: Mapping[str, Json] = {}
    name: str | None = None
    session: str | None = None
    origins: Mapping[str, Origin] = {}
    """Where arguments come from, by JSON Pointer."""


PASSING: Final = frozenset({"initialize", "ping", "server/discover"})
NOTIFICATIONS: Final = "notifications/"

_MCP: Final[Mapping[str, str]] = {
    "tools/list": "list_tools",
    "resources/list": "list_resources",
    "resources/templates/list": "list_resource_templates",
    "prompts/list": "list_prompts",
    "completion/complete": "get_completion",
    "logging/setLevel": "set_logging_level",
    "subscriptions/listen": "list_notifications",
}
_MCP_RESOURCES: Final[Mapping[str, str]] = {
    "resources/read": "read_resource",
    "resources/subscribe": "list_resource_updates",
    "resources/unsubscribe": "list_resource_updates",
}
_A2A: Final[Mapping[str, str]] = {
    "message/send": "send_message",
    "message/stream": "send_streaming_message",
    "agent/getAuthenticatedExtendedCard": "get_extended_agent_card",
    "SendMessage": "send_message",
    "SendStreamingMessage": "send_streaming_message",
    "ListTasks": "list_tasks",
    "GetExtendedAgentCard": "get_extended_agent_card",
}
_A2A_TASKS: Final[Mapping[str, str]] = {
    "tasks/resubscribe": "list_task_updates",
    "tasks/pushNotificationConfig/set": "create_task_push_notification_config",
    "tasks/pushNotificationConfig/get": "get_task_push_notification_config",
    "tasks/pushNotificationConfig/list": "list_task_push_notification_configs",
    "tasks/pushNotificationConfig/delete": "delete_task_push_notification_config",
    "GetTask": "get_task",
    "CancelTask": "cancel_task",
    "SubscribeToTask": "list_task_updates",
    "CreateTaskPushNotificationConfig": "create_task_push_notification_config",
    "GetTaskPushNotificationConfig": "get_task_push_notification_config",
    "ListTaskPushNotificationConfigs": "list_task_push_notification_configs",
    "DeleteTaskPushNotificationConfig": "delete_task_push_notification_config",
}
_TWO_IDS: Final = frozenset(method for method in _A2A_TASKS if "PushNotificationConfig" in method)
"""Methods of A2A 1.0 whose `taskId` is the task and whose `id` the configuration (A2A 1.0, 3.1.7 to 3.1.10)."""

_TASKS: Final[Mapping[str, str]] = {
    "tasks/get": "get_task",
    "tasks/list": "list_tasks",
    "tasks/cancel": "cancel_task",
    "tasks/result": "get_task_result",
    "tasks/update": "update_task",
}
"""Tasks have the same names in MCP and in A2A 0.3."""

_PUSH: Final = "pushnotification"
_TOOL: Final = re.compile(r"[a-z0-9._-]{1,128}")


def passes(message: RpcMessage) -> bool:
    """Say whether a message needs no decision."""
    return message.method is None or message.method in PASSING or message.method.startswith(NOTIFICATIONS)


def asked_by(message: RpcMessage, protocols: frozenset[Protocol], tool_prefix: str) -> Asked:
    """Return what a message that does not pass by itself wants, or raise Refused.

    `protocols` are those the route speaks; `tool_prefix` stands before the names its server has for tools.
    """
    method = message.method or ""
    for protocol in (Protocol.MCP, Protocol.A2A):
        if protocol in protocols:
            read = _READERS[protocol].get(method)
            if read is not None:
                return read(message, tool_prefix)
    spoken = " or ".join(sorted(protocol.name for protocol in protocols))
    raise Refused(Reason.METHOD_UNKNOWN, f"{method!a} is no method of {spoken} that anybody decides about")


def asked_besides(message: RpcMessage) -> Sequence[Asked]:
    """Return what a message wants besides: one sent to an agent may say where to push what becomes of it.

    That is a call of `CreateTaskPushNotificationConfig` in all but name, and who may not do the one does not get it so.
    """
    configuration = message.params.get("configuration")
    if message.method not in _A2A or not isinstance(configuration, dict):
        return ()
    pushed = {name: value for name, value in configuration.items() if _PUSH in name.casefold().replace("_", "")}
    if all(value is None for value in pushed.values()):
        return ()
    action = _A2A_TASKS["CreateTaskPushNotificationConfig"]
    return (Asked(action, Protocol.A2A, None, "task", None, pushed, session=_context_of(message)),)


def action_of(tool: str) -> str:
    """Return what a call of a tool is decided as: its own name, without whose it is."""
    return tool.rpartition(".")[2]


def _tool_call(message: RpcMessage, tool_prefix: str) -> Asked:
    name = _text(message, "name")
    tool = tool_prefix + name
    if _TOOL.fullmatch(tool) is None or not action_of(tool):
        problem = "is no tool of the registry: those are named with a-z, 0-9 and . _ -, in at most 128 characters"
        raise Refused(Reason.TOOL_UNKNOWN, f"{tool[:160]!a} {problem}")
    return Asked(
        action=action_of(tool),
        protocol=Protocol.MCP,
        tool=tool,
        resource_type="tool",
        resource_id=tool,
        arguments=_arguments(message),
        name=name,
    )


def _prompt(message: RpcMessage, _tool_prefix: str) -> Asked:
    name = _text(message, "name")
    return Asked("get_prompt", Protocol.MCP, None, "prompt", name, _arguments(message), name)


def _plain(action: str, protocol: Protocol) -> Callable[[RpcMessage, str], Asked]:
    def read(message: RpcMessage, _tool_prefix: str) -> Asked:
        return Asked(action, protocol, arguments=message.params, session=_context_of(message))

    return read


def _resource(action: str) -> Callable[[RpcMessage, str], Asked]:
    def read(message: RpcMessage, _tool_prefix: str) -> Asked:
        uri = _text(message, "uri")
        return Asked(action, Protocol.MCP, None, "resource", uri_of(uri), {}, uri)

    return read


def _task(action: str, protocol: Protocol) -> Callable[[RpcMessage, str], Asked]:
    def read(message: RpcMessage, _tool_prefix: str) -> Asked:
        return Asked(action, protocol, None, "task", _task_id(message), message.params)

    return read


def _task_id(message: RpcMessage) -> str | None:
    """Return the task that is meant, which is `taskId` to some methods and `id` to others."""
    said = [message.params[member] for member in ("taskId", "id") if message.params.get(member) is not None]
    if not all(isinstance(one, str) and len(one) <= RESOURCE_ID_MAX for one in said):
        problem = f"params.taskId and params.id are texts of at most {RESOURCE_ID_MAX} characters"
        raise Refused(Reason.BODY_MALFORMED, f"{message.method}: {problem}")
    if len(set(said)) > 1 and message.method not in _TWO_IDS:
        raise Refused(Reason.BODY_MALFORMED, f"{message.method}: params.taskId and params.id name different tasks")
    return str(said[0]) if said else None


def _context_of(message: RpcMessage) -> str | None:
    """Return the conversation an A2A message belongs to: for the log and for usage only."""
    sent = message.params.get("message")
    context = sent.get("contextId") if isinstance(sent, dict) else None
    return context if isinstance(context, str) and len(context) <= 256 else None


def _text(message: RpcMessage, member: str) -> str:
    value = message.params.get(member)
    if not isinstance(value, str) or not 1 <= len(value) <= RESOURCE_ID_MAX:
        problem = f"params.{member} is no text of 1 to {RESOURCE_ID_MAX} characters"
        raise Refused(Reason.BODY_MALFORMED, f"{message.method}: {problem}")
    return value


def _arguments(message: RpcMessage) -> Mapping[str, Json]:
    arguments = message.params.get("arguments")
    if arguments is None:
        return {}
    if not isinstance(arguments, dict):
        raise Refused(Reason.BODY_MALFORMED, f"{message.method}: params.arguments is no object")
    if len({name.casefold() for name in arguments}) != len(arguments):
        problem = "two arguments differ in large and small letters only, and are one to some servers"
        raise Refused(Reason.BODY_MALFORMED, f"{message.method}: {problem}")
    return arguments


_READERS: Final[Mapping[Protocol, Mapping[str, Callable[[RpcMessage, str], Asked]]]] = {
    Protocol.MCP: {
        "tools/call": _tool_call,
        "prompts/get": _prompt,
        **{method: _plain(action, Protocol.MCP) for method, action in _MCP.items()},
        **{method: _resource(action) for method, action in _MCP_RESOURCES.items()},
        **{method: _task(action, Protocol.MCP) for method, action in _TASKS.items()},
    },
    Protocol.A2A: {
        **{method: _plain(action, Protocol.A2A) for method, action in _A2A.items()},
        **{method: _task(action, Protocol.A2A) for method, action in {**_A2A_TASKS, **_TASKS}.items()},
    },
}
