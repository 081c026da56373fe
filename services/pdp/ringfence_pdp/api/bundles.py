"""`ringfence.pdp.v1.BundleService`."""

import asyncio
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message
from ringfence.pdp.v1 import bundle_pb2 as pb
from ringfence.pdp.v1 import bundle_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.pages import PageTokens
from ringfence_kit.service import Face
from ringfence_kit.store import Mutation, Writer
from ringfence_kit.wire import mutation_of, page_arguments

from ringfence_pdp import bundles
from ringfence_pdp.compile import CompiledBundle
from ringfence_pdp.convert import bundles as convert
from ringfence_pdp.convert import reviews as review
from ringfence_pdp.policy_state import PolicyState
from ringfence_pdp.reviews import Reviews
from ringfence_pdp.rollout import rollouts
from ringfence_pdp.rollout.flips import WouldFlips
from ringfence_pdp.store import PolicyTx


class BundleApi(bundle_pb2_grpc.BundleServiceServicer):
    """Keeps bundles, tries them, lets them decide, and shows what does.

    `flips` returns the counts of what is tried, or raises `RolloutConflict` when nothing is.
    """

    def __init__(
        self,
        writer: Writer[PolicyTx],
        *,
        clock: Clock,
        policy: PolicyState[CompiledBundle],
        flips: Callable[[], WouldFlips],
        tokens: PageTokens,
    ) -> None:
        self._reviews = Reviews()
        self._writer = writer
        self._clock = clock
        self._policy = policy
        self._flips = flips
        self._tokens = tokens

    async def PushBundle(self, request: pb.PushBundleRequest, context: Any) -> pb.PushBundleResponse:
        """Check, compile and activate a bundle."""
        command = convert.push_bundle(request)
        bundle = await bundles.push_bundle(
            self._writer,
            files=command.files,
            compile_files=self._policy.compiled,
            etag=command.etag,
            mutation=await self._large_mutation(request, command.request_id),
            validate_only=command.validate_only,
        )
        findings = map(convert.finding_to_proto, self._policy.compiled_bundle(bundle).findings)
        return pb.PushBundleResponse(bundle=convert.bundle_to_proto(bundle), findings=findings)

    async def UploadBundle(self, request: pb.UploadBundleRequest, context: Any) -> pb.UploadBundleResponse:
        """Check, compile, test and keep a bundle."""
        command = convert.upload_bundle(request)
        tests = await self._reviews.pass_tests(command.files, self._policy.compiled, ignoring=command.ignore_tests)
        bundle = await bundles.upload_bundle(
            self._writer,
            files=command.files,
            compile_files=self._policy.compiled,
            mutation=await self._large_mutation(request, command.request_id),
        )
        findings = map(convert.finding_to_proto, self._policy.compiled_bundle(bundle).findings)
        return pb.UploadBundleResponse(
            bundle=convert.bundle_to_proto(bundle), findings=findings, tests=review.report_to_proto(tests)
        )

    async def ValidateBundle(self, request: pb.ValidateBundleRequest, context: Any) -> pb.ValidateBundleResponse:
        """Say everything that is wrong with a bundle."""
        files = review.validate_bundle(request)
        return review.examined_to_proto(files, await self._reviews.examine(files))

    async def TestBundle(self, request: pb.TestBundleRequest, context: Any) -> pb.TestBundleResponse:
        """Run the tests of a bundle."""
        files, chosen = review.test_bundle(request)
        return pb.TestBundleResponse(report=review.report_to_proto(await self._reviews.test(files, chosen)))

    async def GetBundle(self, request: pb.GetBundleRequest, context: Any) -> pb.GetBundleResponse:
        """Return a kept bundle, or the active one, with its files."""
        digest = convert.get_bundle(request)
        bundle = self._policy.kept(digest) if digest else self._policy.active()
        return pb.GetBundleResponse(bundle=convert.bundle_to_proto(bundle), files=convert.files_to_proto(bundle.files))

    async def ListBundles(self, request: pb.ListBundlesRequest, context: Any) -> pb.ListBundlesResponse:
        """List the bundles that are kept."""
        query, caller, now = convert.list_bundles(request), current_caller().principal, self._clock.now()
        arguments = page_arguments(request)
        before = b""
        if query.page_token:
            before = self._tokens.open(query.page_token, caller=caller, arguments=arguments, now=now)
        page, more = bundles.page_of(self._policy.bundles, before=int(before or 0), size=query.page_size)
        response = pb.ListBundlesResponse(bundles=map(convert.bundle_to_proto, page))
        if more:
            last = str(page[-1].revision).encode()
            response.next_page_token = self._tokens.seal(last, caller=caller, arguments=arguments, now=now)
        return response

    async def GetRollout(self, request: pb.GetRolloutRequest, context: Any) -> pb.GetRolloutResponse:
        """Return what decides, and what is tried."""
        return pb.GetRolloutResponse(rollout=convert.rollout_to_proto(self._policy.rollout))

    async def SetRollout(self, request: pb.SetRolloutRequest, context: Any) -> pb.SetRolloutResponse:
        """Try a kept bundle beside the active one."""
        command = convert.set_rollout(request)
        rollout = await rollouts.set_rollout(
            self._writer,
            self._policy,
            candidate=command.candidate,
            mode=command.mode,
            percent=command.percent,
            auto_abort=command.auto_abort,
            etag=command.etag,
            mutation=self._mutation(request, command.request_id),
        )
        return pb.SetRolloutResponse(rollout=convert.rollout_to_proto(rollout))

    async def PromoteBundle(self, request: pb.PromoteBundleRequest, context: Any) -> pb.PromoteBundleResponse:
        """Let what is tried decide everything."""
        command = convert.promote_bundle(request)
        mutation = self._mutation(request, command.request_id)
        rollout = await rollouts.promote_bundle(self._writer, etag=command.etag, mutation=mutation)
        return pb.PromoteBundleResponse(rollout=convert.rollout_to_proto(rollout))

    async def RollbackBundle(self, request: pb.RollbackBundleRequest, context: Any) -> pb.RollbackBundleResponse:
        """Let an earlier bundle decide again."""
        command = convert.roll_back(request)
        rollout = await rollouts.roll_back(
            self._writer,
            self._policy,
            digest=command.digest,
            reason=command.reason,
            etag=command.etag,
            mutation=self._mutation(request, command.request_id),
        )
        return pb.RollbackBundleResponse(rollout=convert.rollout_to_proto(rollout))

    async def GetWouldFlips(self, request: pb.GetWouldFlipsRequest, context: Any) -> pb.GetWouldFlipsResponse:
        """Say how what is tried differs from what decides."""
        return convert.would_flips_to_proto(self._flips())

    async def _large_mutation(self, request: Message, request_id: str) -> Mutation:
        """Return the same in a thread: megabytes are recognised again by their SHA-256, which takes milliseconds."""
        return await asyncio.to_thread(self._mutation, request, request_id)

    def _mutation(self, request: Message, request_id: str) -> Mutation:
        principal = current_caller().principal
        return mutation_of(request, request_id=request_id, principal=principal, now=self._clock.now())


def bundle_face(api: BundleApi) -> Face:
    """Return the service as the server takes it."""
    return Face(bundle_pb2_grpc.add_BundleServiceServicer_to_server, api)
