"""`connect`, and what the clients of both transports share."""

from __future__ import annotations

import abc
import dataclasses
import ipaddress
import urllib.parse

import numpy as np

from me_keras.serving.errors import ServingError, invalid
from pipelines.schema import OptionError

PORTS = {"grpc": 8500, "grpcs": 8500, "http": 8501, "https": 8501}  # TF Serving's own
PREDICT_METHOD = "tensorflow/serving/predict"
START_ONE = "; is it running? `python -m me_keras.serve --model saved_models/frl_dgt` starts one"
# TensorFlow's names of types where they are not "DT_" and NumPy's name.
_TYPES = {"DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_HALF": "float16"}


@dataclasses.dataclass(frozen=True)
class TLS:
    """Paths of PEM files. Without a root certificate the system's are trusted."""

    root_certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None

    def __post_init__(self):
        if (self.client_certificate is None) != (self.client_key is None):
            raise OptionError("a client certificate and its key are given together, or neither")


@dataclasses.dataclass(eq=False)
class Client(abc.ABC):
    """A connection to one served model; `connect` makes it and says what the fields mean."""

    scheme: str
    host: str
    port: int
    model: str
    version: int | None
    timeout: float
    retries: int
    tls: TLS | None
    max_message_bytes: int

    def __post_init__(self):
        self.target = target(self.host, self.port)
        self.address = f"{self.scheme}://{self.target}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def predict(self, inputs: dict, signature: str = "serving_default") -> dict[str, np.ndarray]:
        """Asks the model.

        Args:
            inputs: dict of name to array; lists of bytes for encoded images. Floats are sent as
                float32.
            signature: "serving_default", "serving_uint8", "serving_bytes", …
        Returns:
            dict of name to array: float32, str (`<U`), or object arrays of bytes for outputs whose
            name ends in `_bytes`.
        Raises:
            ServingError: the server's code and one line.
        """
        return self._predict({n: as_input(n, v) for n, v in inputs.items()}, signature)

    def metadata(self) -> dict:
        """Name, version and signatures of the model that answers now.

        Returns:
            dict of "name", "version" and "signatures": name -> {"inputs", "outputs"} -> name ->
            {"dtype": "float32", "shape": [None, 128, 128, 1]}.
        """
        found = self._metadata()
        try:
            spec, table = found["model_spec"], found["metadata"]["signature_def"]["signature_def"]
            signatures = {
                name: {side: _described(entry.get(side, {})) for side in ("inputs", "outputs")}
                for name, entry in sorted(table.items())
                if entry.get("method_name") == PREDICT_METHOD
            }
            version = int(spec["version"])
            return {"name": spec["name"], "version": version, "signatures": signatures}
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._strange("metadata") from None

    def status(self) -> list[dict]:
        """The versions the server knows: list of {"version": 1, "state": "AVAILABLE"}."""
        try:
            return [
                {"version": int(each["version"]), "state": each["state"]}
                for each in self._status()["model_version_status"]
            ]
        except (KeyError, TypeError, ValueError):
            raise self._strange("status") from None

    @abc.abstractmethod
    def close(self) -> None:
        """Closes the connections."""

    @abc.abstractmethod
    def _predict(self, inputs, signature) -> dict[str, np.ndarray]: ...

    @abc.abstractmethod
    def _metadata(self) -> dict: ...  # as the JSON of REST holds it

    @abc.abstractmethod
    def _status(self) -> dict: ...  # as the JSON of REST holds it

    def _late(self, remark=""):
        text = f"no answer from {self.address} within {self.timeout:g} s{remark}"
        return ServingError("DEADLINE_EXCEEDED", text)

    def _unreachable(self, reason, remark=""):
        if not remark and "refused" in reason.lower():
            remark = START_ONE
        return ServingError("UNAVAILABLE", f"no answer from {self.address} ({reason}){remark}")

    def _strange(self, what):
        return ServingError("UNKNOWN", f"{self.address}: its {what} is not what TF Serving sends")


def connect(
    address: str,
    model: str = "frl_dgt",
    version: int | None = None,
    timeout: float = 10.0,
    retries: int = 3,
    tls: TLS | None = None,
    max_message_bytes: int = 64 * 2**20,
) -> Client:
    """A client of the TF Serving (or of `python -m me_keras.serve`) at `address`.

    Nothing is sent yet. The client may be shared by threads; it closes as a context manager. REST
    goes straight to the server; gRPC through the proxy that grpc_proxy, https_proxy or http_proxy
    names, but not to servers on this machine and those in no_proxy.

    Args:
        address: "grpc://host:8500", "http://host:8501", or grpcs, https for TLS; the port may be
            left out.
        model: name the server knows the model by.
        version: whole number; None for the newest that is served.
        timeout: seconds for a call, its retries included.
        retries: further tries, 0 to 4, where the server is unavailable (gRPC UNAVAILABLE, HTTP 503,
            connections that fail). The pause doubles, with jitter.
        tls: `TLS`, for grpcs and https.
        max_message_bytes: the longest answer, and over gRPC the longest request too.
    Raises:
        OptionError: an address or an option that cannot be used.
    """
    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise OptionError(
            f"{address!r} is no server address: give grpc://host:8500 or http://host:8501 "
            "(grpcs, https for TLS)"
        )
    try:
        port = parts.port or PORTS[parts.scheme]
    except ValueError:
        raise OptionError(f"{address!r}: the port must be a number up to 65535") from None
    secure = parts.scheme.endswith("s")
    if tls is not None and not secure:
        raise OptionError(f"{address!r}: TLS options need grpcs:// or https://")
    if timeout <= 0 or not 0 <= retries <= 4:
        raise OptionError(f"timeout must be positive, retries 0 to 4: got {timeout}, {retries}")
    tls = (tls or TLS()) if secure else None
    kind: type[Client]
    if parts.scheme.startswith("grpc"):
        from me_keras.serving.grpc_client import GrpcClient as kind
    else:
        from me_keras.serving.rest_client import RestClient as kind
    server = (parts.scheme, parts.hostname, port)
    return kind(*server, model, version, timeout, retries, tls, max_message_bytes)


def as_input(name: str, value) -> np.ndarray:
    """`value` as an array that both transports send alike: float32, uint8, bool, or bytes.

    Other integers are refused: over REST, TF Serving would wrap 300 to 44 for a uint8 input.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        raise invalid(f"{name}: the rows differ in length") from None
    if array.dtype.kind == "f":
        return array.astype(np.float32, copy=False)
    if array.dtype in (np.uint8, np.bool_):
        return array
    if array.dtype.kind in "SUO":
        flat = np.asarray(value, object).reshape(-1).tolist()  # "S" would drop trailing zero bytes
        if all(isinstance(item, (bytes, str)) for item in flat):
            strings = np.empty(len(flat), object)
            strings[:] = [item.encode() if isinstance(item, str) else item for item in flat]
            return strings.reshape(array.shape)
    raise invalid(
        f"{name}: {array.dtype} cannot be sent; give float32, uint8 or encoded images as bytes"
    )


def target(host: str, port: int) -> str:
    """host:port, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def on_this_machine(host: str) -> bool:
    """Whether `host` is loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _described(tensors):
    """The inputs or outputs of a signature, with NumPy's names of types and None for open sizes."""
    found = {}
    for name, info in sorted(tensors.items()):
        dtype, shape = info["dtype"], info.get("tensor_shape", {})  # a scalar has none
        sizes = [int(dim["size"]) for dim in shape.get("dim", [])]
        found[name] = {
            "dtype": _TYPES.get(dtype, dtype.replace("DT_", "").lower()),
            "shape": [None if size < 0 else size for size in sizes],
        }
        if shape.get("unknown_rank"):
            found[name]["shape"] = None
    return found
