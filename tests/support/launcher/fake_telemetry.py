"""A telemetry service of the tests' own: usage as set, and a real Merkle log over the entries it is given."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import grpc
from ringfence.proofs.merkle import consistency_proof, inclusion_proof, leaf_hash
from ringfence.telemetry.v1 import audit_pb2 as pb
from ringfence.telemetry.v1 import (
    audit_pb2_grpc,
    budget_pb2,
    budget_pb2_grpc,
    telemetry_pb2,
    telemetry_pb2_grpc,
    workflow_pb2,
)

from support.launcher.audit_logs import AuditLog, numbered_log
from support.launcher.refusals import Saw, refuse

Answer = TypeVar("Answer")


class FakeTelemetry(
    telemetry_pb2_grpc.UsageServiceServicer,
    budget_pb2_grpc.PriceServiceServicer,
    telemetry_pb2_grpc.WorkflowServiceServicer,
    audit_pb2_grpc.AuditServiceServicer,
):
    """`log` is what it keeps; `lies` are applied to answers by method name, to see them caught."""

    def __init__(self, saw: Saw) -> None:
        self._saw = saw
        self.usage = telemetry_pb2.GetUsageResponse()
        self.prices: list[budget_pb2.Price] = []
        self.workflow = workflow_pb2.GetWorkflowResponse()
        self.workflows: list[workflow_pb2.Workflow] = []
        self.log: AuditLog = numbered_log(5)
        self.lies: dict[str, Callable[[Any], object]] = {}
        self.page_limit = 1_000
        self.histories: list[AuditLog] = []
        """What the log comes to while it is watched."""

    def GetUsage(self, request: Any, context: Any) -> telemetry_pb2.GetUsageResponse:
        self._saw(request, context)
        return self.usage

    def PutPrices(self, request: Any, context: Any) -> budget_pb2.PutPricesResponse:
        self._saw(request, context)
        self.prices += request.prices
        return budget_pb2.PutPricesResponse(added=len(request.prices))

    def ListPrices(self, request: Any, context: Any) -> budget_pb2.ListPricesResponse:
        self._saw(request, context)
        start = int(request.page_token or 0)
        end = min(start + min(request.page_size, self.page_limit), len(self.prices))
        following = str(end) if end < len(self.prices) else ""
        return budget_pb2.ListPricesResponse(prices=self.prices[start:end], next_page_token=following)

    def ReportOutcome(self, request: Any, context: Any) -> telemetry_pb2.ReportOutcomeResponse:
        self._saw(request, context)
        return telemetry_pb2.ReportOutcomeResponse()

    def GetWorkflow(self, request: Any, context: Any) -> workflow_pb2.GetWorkflowResponse:
        self._saw(request, context)
        if request.trace_id != self.workflow.workflow.trace_id:
            refuse(context, grpc.StatusCode.NOT_FOUND, "WORKFLOW_NOT_FOUND", "no span of this trace is kept")
        return self.workflow

    def ListWorkflows(self, request: Any, context: Any) -> workflow_pb2.ListWorkflowsResponse:
        self._saw(request, context)
        start = int(request.page_token or 0)
        end = min(start + min(request.page_size, self.page_limit), len(self.workflows))
        following = str(end) if end < len(self.workflows) else ""
        return workflow_pb2.ListWorkflowsResponse(workflows=self.workflows[start:end], next_page_token=following)

    def AppendDecisions(self, request: Any, context: Any) -> pb.AppendDecisionsResponse:
        self._saw(request, context)
        first = len(self.log.bodies)
        self.log.bodies += [entry.body for entry in request.entries]
        return pb.AppendDecisionsResponse(indexes=range(first, len(self.log.bodies)), checkpoint=self._checkpoint())

    def GetCheckpoint(self, request: Any, context: Any) -> pb.GetCheckpointResponse:
        self._saw(request, context)
        size = min(request.at_most or len(self.log.bodies), len(self.log.bodies))
        return self._told("GetCheckpoint", pb.GetCheckpointResponse(checkpoint=self._checkpoint(size)))

    def ListWitnesses(self, request: Any, context: Any) -> pb.ListWitnessesResponse:
        self._saw(request, context)
        listed = []
        for cosigner in self.log.witnesses:
            sizes = [size for size, behind in self.log.cosigned.items() if cosigner in behind]
            served = pb.Witness(name=cosigner.witness.name, verifier_key=str(cosigner.witness))
            if sizes:
                served.tree_size = max(sizes)
            listed.append(served)
        return self._told("ListWitnesses", pb.ListWitnessesResponse(witnesses=listed))

    def WatchCheckpoints(self, request: Any, context: Any) -> Iterator[pb.WatchCheckpointsResponse]:
        """Show the newest head, and then those the test has the log come to."""
        self._saw(request, context)
        yield pb.WatchCheckpointsResponse(checkpoint=self._checkpoint())
        for log in self.histories:
            self.log = log
            yield pb.WatchCheckpointsResponse(checkpoint=self._checkpoint())

    def GetEntry(self, request: Any, context: Any) -> pb.GetEntryResponse:
        self._saw(request, context)
        index = self._place(request)
        if index >= len(self.log.bodies):
            refuse(context, grpc.StatusCode.NOT_FOUND, "ENTRY_NOT_FOUND", "the log has no such entry")
        return self._told("GetEntry", pb.GetEntryResponse(entry=self._entry(index)))

    def ListEntries(self, request: Any, context: Any) -> pb.ListEntriesResponse:
        self._saw(request, context)
        start = int(request.page_token or request.start_index)
        end = min(start + min(request.page_size, self.page_limit), len(self.log.bodies))
        following = str(end) if end < len(self.log.bodies) else ""
        entries = [self._entry(index) for index in range(start, end)]
        return self._told("ListEntries", pb.ListEntriesResponse(entries=entries, next_page_token=following))

    def GetInclusionProof(self, request: Any, context: Any) -> pb.GetInclusionProofResponse:
        self._saw(request, context)
        size, index = len(self.log.bodies), self._place(request)
        if index >= size:
            refuse(context, grpc.StatusCode.NOT_FOUND, "ENTRY_NOT_FOUND", "the log has no such entry")
        proof = pb.GetInclusionProofResponse(
            index=index,
            leaf_hash=leaf_hash(self.log.bodies[index]),
            hashes=inclusion_proof(index, size, self.log.subtree),
            tree_size=size,
            checkpoint=self._checkpoint(),
        )
        return self._told("GetInclusionProof", proof)

    def GetConsistencyProof(self, request: Any, context: Any) -> pb.GetConsistencyProofResponse:
        self._saw(request, context)
        hashes = consistency_proof(request.first_tree_size, request.second_tree_size, self.log.subtree)
        response = pb.GetConsistencyProofResponse(hashes=hashes, second_tree_size=request.second_tree_size)
        return self._told("GetConsistencyProof", response)

    def _checkpoint(self, size: int | None = None) -> pb.Checkpoint:
        size = len(self.log.bodies) if size is None else size
        note = self.log.checkpoint(size)
        return pb.Checkpoint(tree_size=size, signed_note=note, verifier_key=self.log.verifier_key)

    def _place(self, request: Any) -> int:
        """Return where an entry is, one past the end when it is nowhere."""
        if request.WhichOneof("key") == "index":
            return int(request.index)
        wanted = f'"decision_id":"{request.decision_id}"'.encode()
        return next((i for i, body in enumerate(self.log.bodies) if wanted in body), len(self.log.bodies))

    def _entry(self, index: int) -> pb.AuditEntry:
        body = self.log.bodies[index]
        entry = pb.AuditEntry(index=index, body=body, leaf_hash=leaf_hash(body))
        entry.append_time.FromJsonString("2026-01-01T00:00:00Z")
        return entry

    def _told(self, method: str, answer: Answer) -> Answer:
        self.lies.get(method, lambda _: None)(answer)
        return answer
