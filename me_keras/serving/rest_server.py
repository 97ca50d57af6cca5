"""The REST API of TensorFlow Serving, as an aiohttp application."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import logging

from aiohttp import web
from google.protobuf.json_format import MessageToDict
from tensorflow_serving.apis.model_pb2 import ModelSpec

from me_keras.serving import json_tensors
from me_keras.serving.errors import HTTP_STATUS, ServingError, bug, invalid
from me_keras.serving.models import Models

SECONDS = 30.0  # for a request, its body included; TF Serving's default
WAITING = 64  # predictions at once, those that wait included; beyond it 503


def make_application(
    models: Models, pool: concurrent.futures.ThreadPoolExecutor, max_body: int
) -> web.Application:
    """The application; its predictions run on the threads of `pool`.

    Args:
        max_body: bytes of a request's body, unpacked where it comes as gzip.
    """
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)  # garbage on the wire is no news
    application = web.Application(client_max_size=max_body, middlewares=[_errors_as_json])
    places = asyncio.Semaphore(WAITING)

    async def ask(request):
        if places.locked():
            raise ServingError("UNAVAILABLE", "too many requests at once: try again")
        async with places:
            body, loop = await request.read(), asyncio.get_running_loop()
            return _answer(await loop.run_in_executor(pool, _ask, models, _spec(request), body))

    async def metadata(request):
        return _answer(_as_json(models.metadata(_spec(request))))

    async def status(request):
        return _answer(_as_json(models.status(_spec(request))))

    for at in ("", "/versions/{version:[0-9]{1,18}}", "/labels/{label:[^/:]+}"):
        model = "/v1/models/{name:[^/:]+}" + at
        application.router.add_post(model + ":predict", ask)
        application.router.add_get(model, status)
        application.router.add_get(model + "/metadata", metadata)
    return application


@web.middleware
async def _errors_as_json(request, handler):
    try:
        return await asyncio.wait_for(handler(request), SECONDS)
    except ServingError as error:
        status, message = HTTP_STATUS[error.code], error.message
    except web.RequestPayloadError:  # cut short, or no gzip where it says so
        status, message = 400, "the body of the request cannot be read"
    except asyncio.TimeoutError:
        status, message = 504, "Deadline Exceeded"
    except web.HTTPException as error:  # aiohttp's own: no such route, a body too long
        status, message = error.status, error.reason
        if status in (404, 405) and request.path.startswith("/v1/"):
            status, message = 400, f"Malformed request: {request.method} {request.path}"
    except Exception as error:
        status, message = 500, bug(f"{request.method} {request.path}", error).message
    return _answer(_json({"error": message}), status)


def _ask(models, spec, body):
    document = json_tensors.parse_object(body)
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid("not formatted correctly. 'signature_name' key must be a string value.")
    _, model = models.find(spec)
    signature = model.signatures.get(name or "serving_default")
    if signature is None:
        raise invalid(f'Serving signature name: "{name}" not found in signature def')
    dtypes = {name: tensor.dtype for name, tensor in signature.inputs.items()}
    by_row, inputs = json_tensors.read_inputs(document, {n: t.name for n, t in dtypes.items()})
    signature.check({n: (dtypes[n].as_datatype_enum, a.shape) for n, a in inputs.items()})
    return _json(json_tensors.write_outputs(signature.run(inputs), by_row))


def _spec(request):
    """The `ModelSpec` that a path means."""
    found = request.match_info
    spec = ModelSpec(name=found["name"], version_label=found.get("label", ""))
    if "version" in found:
        spec.version.value = int(found["version"])
    return spec


def _as_json(message):
    """A protocol buffer as TF Serving writes it, what is empty included."""
    return _json(
        MessageToDict(
            message, preserving_proto_field_name=True, including_default_value_fields=True
        )
    )


def _json(value):
    return json.dumps(value).encode() + b"\n"


def _answer(body, status=200):
    return web.Response(body=body, status=status, content_type="application/json")
