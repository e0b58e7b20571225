"""Umami's collecting endpoints over HTTP: /api/send, /api/batch, /api/heartbeat."""

from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from . import faults as faulty
from . import validation
from .client import Sender
from .errors import Refused, ServerError
from .faults import Faults
from .ingest import Ingest, Taken, batch_answer
from .javascript import Json, NotJson, parse_json
from .problems import Problems
from .recorder import RecordedRequest, Recorder

LARGEST_BODY: Final = 10 * 1024 * 1024  # bytes; Next.js cuts a body here, without a word


class Collector:
    """Answers the collecting endpoints, or does what the faults say."""

    def __init__(self, ingest: Ingest, problems: Problems, faults: Faults, recorder: Recorder) -> None:
        self._ingest = ingest
        self._problems = problems
        self._faults = faults
        self._recorder = recorder

    async def send(self, request: Request) -> Response:
        """POST /api/send: one item."""
        return await self._answer(request)

    async def batch(self, request: Request) -> Response:
        """POST /api/batch: an array of items."""
        return await self._answer(request)

    async def heartbeat(self, _request: Request) -> Response:
        """GET /api/heartbeat: the process is alive, whatever its database does."""
        return JSONResponse({"ok": True})

    async def _answer(self, request: Request) -> Response:
        try:
            body = await _read(request)
        except ClientDisconnect:
            return Response(status_code=400)
        headers = dict(request.headers)
        self._recorder.add(RecordedRequest(request.method, request.url.path, headers, body))
        sender = Sender(request.client.host if request.client else "127.0.0.1", headers)
        fault = self._faults.next(request.url.path)
        if fault is None:
            return await self._work(request.url.path, body, sender)
        response = await self._work(request.url.path, body, sender) if fault.stored == "everything" else None
        match fault:
            case faulty.Answer():
                return faulty.as_response(fault)
            case faulty.Drop():
                return faulty.Dropped()
            case faulty.Hang():
                if not await self._faults.hang(request.receive):
                    return Response(status_code=400)
                return response or await self._work(request.url.path, body, sender)

    async def _work(self, path: str, body: bytes, sender: Sender) -> Response:
        work = self._take_batch if path == "/api/batch" else self._take_one
        return await run_in_threadpool(work, body, sender)

    def _take_one(self, body: bytes, sender: Sender) -> Response:
        try:
            content = parse_json(body)
        except NotJson:
            return self._refuse(validation.no_json("object").refusal())
        try:
            answer = self._ingest.take(content, sender).body
        except Refused as refused:
            return JSONResponse(refused.body, 400)
        except ServerError as error:
            return JSONResponse(error.body, 500)
        token = answer.get("cache")
        if self._faults.speaks_plainly() and token is not None:
            return PlainTextResponse(str(token))
        return JSONResponse(answer)

    def _take_batch(self, body: bytes, sender: Sender) -> Response:
        try:
            items = validation.check_batch(parse_json(body))
        except NotJson:
            return self._refuse(validation.no_json("array").refusal())
        except Refused as refused:
            return self._refuse(refused)
        answer = batch_answer([self._take_item(item, sender) for item in items])
        if self._faults.keeps_token_back():
            answer.pop("cache", None)
        return JSONResponse(answer)

    def _take_item(self, item: Json, sender: Sender) -> Taken | Refused | ServerError:
        try:
            return self._ingest.take(item, sender)
        except (Refused, ServerError) as outcome:
            return outcome

    def _refuse(self, refused: Refused) -> Response:
        self._problems.refused(None, refused)
        return JSONResponse(refused.body, 400)


async def _read(request: Request) -> bytes:
    """Return the body, without what is beyond the largest."""
    kept = bytearray()
    async for chunk in request.stream():
        kept += chunk[: LARGEST_BODY - len(kept)]
    return bytes(kept)
