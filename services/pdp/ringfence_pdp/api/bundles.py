"""`ringfence.pdp.v1.BundleService`."""

from collections.abc import Callable, Sequence

import grpc.aio
from ringfence.pdp.v1 import bundle_pb2 as pb
from ringfence.pdp.v1 import bundle_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.service import Face
from ringfence_kit.store import Writer
from ringfence_kit.wire import mutation_of

from ringfence_pdp import bundles
from ringfence_pdp.api.pending import PendingBundles
from ringfence_pdp.bundle import Bundle, PolicyFile
from ringfence_pdp.compile import CompiledBundle
from ringfence_pdp.convert import bundles as convert
from ringfence_pdp.store import PolicyTx


class BundleApi(PendingBundles, bundle_pb2_grpc.BundleServiceServicer):
    """Pushes and shows bundles.

    `compile_files` raises `BundleInvalid`, and remembers what it compiled a moment ago. `active` returns the bundle in
    force, or raises `BundleNotFound`.
    """

    def __init__(
        self,
        writer: Writer[PolicyTx],
        *,
        clock: Clock,
        compile_files: Callable[[Sequence[PolicyFile]], CompiledBundle],
        active: Callable[[], Bundle],
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._compile_files = compile_files
        self._active = active

    async def PushBundle(
        self,
        request: pb.PushBundleRequest,
        context: grpc.aio.ServicerContext[pb.PushBundleRequest, pb.PushBundleResponse],
    ) -> pb.PushBundleResponse:
        """Check, compile and activate a bundle."""
        command, now = convert.push_bundle(request), self._clock.now()
        principal = current_caller().principal
        bundle = await bundles.push_bundle(
            self._writer,
            files=command.files,
            compile_files=self._compile_files,
            etag=command.etag,
            mutation=mutation_of(request, request_id=command.request_id, principal=principal, now=now),
            validate_only=command.validate_only,
        )
        findings = self._compile_files(bundle.files).findings
        return pb.PushBundleResponse(
            bundle=convert.bundle_to_proto(bundle), findings=map(convert.finding_to_proto, findings)
        )

    async def GetBundle(
        self, request: pb.GetBundleRequest, context: grpc.aio.ServicerContext[pb.GetBundleRequest, pb.GetBundleResponse]
    ) -> pb.GetBundleResponse:
        """Return the active bundle with its files."""
        bundle = self._active()
        return pb.GetBundleResponse(bundle=convert.bundle_to_proto(bundle), files=convert.files_to_proto(bundle.files))


def bundle_face(api: BundleApi) -> Face:
    """Return the service as the server takes it."""
    return Face(bundle_pb2_grpc.add_BundleServiceServicer_to_server, api)
