"""The REST client: JSON over HTTP, on urllib3; needs no TensorFlow."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time
import urllib.parse

import numpy as np
import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, TimeoutError

from me_keras.serving.client import Client
from me_keras.serving.errors import CODE_OF_HTTP, ServingError
from me_keras.serving.json_tensors import write_bytes
from pipelines.schema import OptionError

CONNECTIONS = 32  # kept open; further ones are closed after use


class RestClient(Client):
    """Connections to one server; see `connect`.

    JSON has no types, so the first `predict` asks the server for the types of the outputs.
    """

    def __post_init__(self):
        super().__post_init__()
        options = {} if self.tls is None else {"ssl_context": _context(self.tls)}
        self._pool = urllib3.connection_from_url(self.address, maxsize=CONNECTIONS, **options)
        self._outputs: dict[str, dict] = {}  # of each signature asked for
        version = "" if self.version is None else f"/versions/{self.version}"
        self.path = f"/v1/models/{urllib.parse.quote(self.model, safe='')}{version}"

    def close(self):
        self._pool.close()

    def _metadata(self):
        return self._call("GET", "/metadata")

    def _status(self):
        return self._call("GET", "")

    def _predict(self, inputs, signature):
        columns = {
            name: write_bytes(value) if value.dtype == object else value.tolist()
            for name, value in inputs.items()
        }
        body = json.dumps({"signature_name": signature, "inputs": columns}).encode()
        values = self._call("POST", ":predict", body).get("outputs")
        outputs = self._outputs.get(signature)
        if outputs is None or (isinstance(values, dict) and set(values) - set(outputs)):
            known = self.metadata()["signatures"].get(signature, {})
            outputs = self._outputs[signature] = known.get("outputs", {})
        if len(outputs) == 1:  # TF Serving leaves the name of a single output out
            values = {next(iter(outputs)): values}
        try:
            return {
                name: _array(name, value, outputs.get(name, {}).get("dtype"))
                for name, value in values.items()
            }
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._strange("prediction") from None

    def _call(self, method, path, body=None):
        until = time.monotonic() + self.timeout
        try:
            response = self._pool.urlopen(
                method,
                self.path + path,
                body=body,
                headers={"Content-Type": "application/json"},
                retries=_retry(self.retries, until),
                timeout=_TimeLeft(until),
                redirect=False,
                preload_content=False,
            )
            return self._understood(response.status, self._read(response, until))
        except HTTPError as error:
            raise self._failure(getattr(error, "reason", None) or error) from None

    def _read(self, response, until):
        """The whole body, within its bounds of length and of time, however slowly it drips in."""
        content = bytearray()
        with response:
            while part := response.read1(2**16):
                content += part
                if len(content) > self.max_message_bytes:
                    text = f"the answer of {self.address} is longer than {self.max_message_bytes}"
                    raise ServingError("RESOURCE_EXHAUSTED", f"{text} bytes")
                if time.monotonic() > until:
                    raise self._late()
            response.release_conn()
        return content

    def _failure(self, error):
        if isinstance(error, TimeoutError) and not isinstance(error, NewConnectionError):
            return self._late()
        cause = next((a for a in reversed(error.args) if isinstance(a, Exception)), error)
        if isinstance(cause, http.client.BadStatusLine) and not isinstance(cause, ConnectionError):
            text = f"it does not speak HTTP; if it is the gRPC port, ask grpc://{self.target}"
            return self._unreachable(text)
        return self._unreachable(str(cause).rpartition(": ")[2] or type(cause).__name__)

    def _understood(self, status, content):
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if status == 200 and isinstance(answer, dict):
            return answer
        code = "UNKNOWN" if status == 200 else CODE_OF_HTTP.get(status, "UNKNOWN")
        if isinstance(answer, dict) and isinstance(answer.get("error"), str):
            raise ServingError(code, answer["error"])
        text = f"{self.address} answered HTTP {status} without the JSON of TF Serving"
        raise ServingError(code, text)


class _TimeLeft(urllib3.Timeout):
    """What is left until a moment, for whichever try asks."""

    def __init__(self, until):
        super().__init__()
        self.until = until

    def clone(self):
        return urllib3.Timeout(total=max(self.until - time.monotonic(), 1e-3))


class _Retry(urllib3.Retry):
    """Connections that fail and 503 are tried again, as long as the next try begins in time."""

    until = 0.0  # a moment of time.monotonic()

    def new(self, **changes):
        made = super().new(**changes)
        made.until = self.until
        return made

    def is_exhausted(self):
        late = time.monotonic() + self.get_backoff_time() >= self.until
        return late or super().is_exhausted()


def _retry(retries, until):
    made = _Retry(
        retries,
        allowed_methods=None,  # POST too: a prediction changes nothing
        status_forcelist=[503],
        backoff_factor=0.1,
        backoff_max=2.0,
        backoff_jitter=0.1,
        raise_on_status=False,
        respect_retry_after_header=False,
    )
    made.until = until
    return made


def _context(tls):
    try:
        context = ssl.create_default_context(cafile=tls.root_certificate)
        if tls.client_certificate:
            context.load_cert_chain(tls.client_certificate, tls.client_key)
    except OSError as error:
        raise OptionError(f"{tls} cannot be used: {error}") from None
    return context


def _array(name, value, dtype):
    if name.endswith("_bytes") and dtype in ("string", None):
        boxes = np.asarray(value, object)
        return np.vectorize(lambda box: base64.b64decode(box["b64"]), otypes=[object])(boxes)
    return np.asarray(value, None if dtype == "string" else dtype)
