"""What the outside world fetches over HTTP: key sets, DIDs, status lists; by an environment's host or its path.

Behind the environment's own host the paths are those of the specifications (`/.well-known/jwks.json`,
`/agents/{SCID}/did.jsonl`); `/{environment}/…` serves the same where all environments share one address. Everything
here is public and read-only.
"""

from collections.abc import Awaitable, Callable

from ringfence.proofs.canonical_json import JsonObject
from ringfence.proofs.did import AgentDid, Host, RegistrarDid, Scid, is_scid
from ringfence_kit.errors import Failure
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ringfence_identity.environments import Environment, Environments
from ringfence_identity.errors import DidNotFound, EnvironmentUnknown
from ringfence_identity.http.problems import problem_of
from ringfence_identity.http.resolution import GONE, HttpResolution, wanted_version
from ringfence_identity.http.status_lists import HttpStatusLists
from ringfence_identity.issuer_keys.published import KeySets
from ringfence_identity.resolution import Resolver

CACHE_KEYS = "public, max-age=60"
CACHE_DIDS = "public, max-age=60"

Serve = Callable[[Request, Environment], Awaitable[Response]]


class HttpDocuments:
    """Serves them."""

    def __init__(
        self, *, environments: Environments, resolver: Resolver, key_sets: KeySets, status_lists: HttpStatusLists
    ) -> None:
        self._environments = environments
        self._resolver = resolver
        self._key_sets = key_sets
        self._status_lists = status_lists

    def routes(self) -> list[Route]:
        """Return the routes: each document by host and by environment, and every DID by its name."""
        served: dict[str, Serve] = {
            "/.well-known/jwks.json": self._jwks,
            "/.well-known/did.jsonl": self._registrar_log,
            "/.well-known/did.json": self._registrar_document,
            "/agents/{scid}/did.jsonl": self._agent_log,
            "/agents/{scid}/did.json": self._agent_document,
            "/agents/{scid}/whois.vp": self._whois,
            "/status/{number}": self._status_lists.serve,
        }
        documents = [
            Route(prefix + path, self._endpoint(serve))
            for prefix in ("", "/{environment}")
            for path, serve in served.items()
        ]
        return [HttpResolution(self._resolver).route(), *documents]

    def _endpoint(self, serve: Serve) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                return await serve(request, self._environment(request))
            except Failure as failure:
                return _problem(failure)

        return endpoint

    def _environment(self, request: Request) -> Environment:
        """Return the environment of the path, else of the Host header."""
        named = request.path_params.get("environment")
        if named is not None:
            return self._environments.get(named)
        host = request.headers.get("host", "").lower()
        environment = self._environments.of_host(Host(host.replace(":", "%3A")))
        if environment is None:
            raise EnvironmentUnknown(environment=host)
        return environment

    async def _jwks(self, _: Request, environment: Environment) -> Response:
        published = self._key_sets.of(environment.name)
        return JSONResponse(
            published.jwks, media_type="application/jwk-set+json", headers={"cache-control": CACHE_KEYS}
        )

    async def _registrar_log(self, _: Request, environment: Environment) -> Response:
        return await self._log(self._resolver.registrar(environment))

    async def _registrar_document(self, request: Request, environment: Environment) -> Response:
        return await self._document(self._resolver.registrar(environment), request)

    async def _agent_log(self, request: Request, environment: Environment) -> Response:
        return await self._log(_agent(request, environment))

    async def _agent_document(self, request: Request, environment: Environment) -> Response:
        return await self._document(_agent(request, environment), request)

    async def _whois(self, request: Request, environment: Environment) -> Response:
        presentation = await self._resolver.presentation(_agent(request, environment))
        return _json(presentation, "application/vp")

    async def _log(self, did: AgentDid | RegistrarDid) -> Response:
        return Response(await self._resolver.log(did), media_type="text/jsonl", headers={"cache-control": CACHE_DIDS})

    async def _document(self, did: AgentDid | RegistrarDid, request: Request) -> Response:
        """Serve the did:web form of the version asked for; a deactivated DID is gone (DID Resolution, HTTP binding)."""
        resolution = await self._resolver.resolve(did.alias, wanted_version(request))
        if resolution.document is None:
            return Response(status_code=GONE)
        return _json(resolution.document, "application/did+json")


def _agent(request: Request, environment: Environment) -> AgentDid:
    scid = request.path_params["scid"]
    if not is_scid(scid):
        raise DidNotFound(did=f"did:web:{environment.host}:agents:{scid}")
    return AgentDid(Scid(scid), environment.host)


def _json(document: JsonObject, media_type: str) -> Response:
    return JSONResponse(document, media_type=media_type, headers={"cache-control": CACHE_DIDS})


def _problem(failure: Failure) -> Response:
    problem = problem_of(failure)
    return JSONResponse(problem.details, status_code=problem.kind.status, media_type="application/problem+json")
