"""Hundreds of hostile requests: no crash, no hang, no wrong answer, no memory kept.

Valid requests are broken at random, by a fixed seed, as bytes, as JSON and as protocol buffers,
and sent over REST, raw sockets and gRPC at once.
"""

import base64
import collections
import concurrent.futures
import contextlib
import http.client
import json
import random
import re
import socket
import time

import cv2
import grpc
import numpy as np
import pytest
import stand_in
import tensorflow as tf
from embedded_server import serving
from tensorflow_serving.apis import predict_pb2

from me_keras.serving import connect

PATH = "/v1/models/frl_dgt"
REST_COUNT, SOCKET_COUNT, GRPC_COUNT = 400, 200, 400
WORDS = b"""1e999 -1e999 NaN -Infinity Infinity Inf null true {} [] "" "\\ud800" "\\u0000" \xff\xfe
0x10 1.0 -1 256 16777217 99999999999999999999999999999 1e-999 {"b64":""} {"b64":"A"} {"b64":1}
"b64" "instances" "inputs" "signature_name" [[[[[[[[[[[[ ]]]]] {{{{ \x00 /* */ 00 +1 .5""".split()


def png(size=8, seed=0):
    image = np.random.default_rng(seed).integers(0, 256, (size, size), np.uint8)
    return cv2.imencode(".png", image)[1].tobytes()


def jpeg(size=8):
    return cv2.imencode(".jpg", cv2.imdecode(np.frombuffer(png(size), np.uint8), 0))[1].tobytes()


def mutated(rng, content, words=WORDS):
    """`content` with one to four random injuries."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(content) + 1)
        end = min(len(content), at + rng.choice((1, 1, 2, 8, 64)))
        kind = rng.randrange(6)
        if kind == 0:
            content[at:end] = rng.randbytes(end - at)
        elif kind == 1:
            del content[at:end]
        elif kind == 2:
            content[at:at] = rng.choice(words)
        elif kind == 3:
            content[at:at] = content[at:end] * rng.choice((1, 2, 50))
        elif kind == 4:
            content[at:end] = rng.choice(words)
        else:
            del content[at:]
    return bytes(content)


def image(rng):
    """An encoded image, as a rule injured; now and then one that claims another size."""
    content = rng.choice((png, jpeg))()
    if rng.random() < 0.2:
        content = bytearray(content)
        content[16:24] = rng.choice((0, 1, 2**14, 2**31 - 1, 2**32 - 1)).to_bytes(4, "big") * 2
        return bytes(content)
    return content if rng.random() < 0.3 else mutated(rng, content, [b"\xff\xd8", b"IHDR", b"IEND"])


def value(rng, depth=0):
    """Any JSON value, with a liking for those that nearly fit."""
    kind = rng.randrange(9 if depth < 4 else 6)
    if kind < 4:
        return rng.choice((0, 1, 0.5, -1, 2, 255, 256, 1e39, 10**30, float("nan"), float("inf")))
    if kind < 6:
        return rng.choice((None, True, "", "x", {"b64": base64.b64encode(image(rng)).decode()}))
    if kind < 8:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(("onset", "apex", "b64", "x")): value(rng, depth + 1) for _ in range(3)}


def document(rng):
    """A predict request; about a third of them are right."""
    signature = rng.choice(("serving_bytes", "serving_bytes", "serving_default", "", "x", 5, None))
    if signature == "serving_bytes":
        content = {"b64": base64.b64encode(image(rng)).decode()}
        row = {"onset_bytes": content, "apex_bytes": content}
    else:
        side = rng.choice((16, 16, 16, 15))
        face = [[[rng.choice((0, 1, 0.5))]] * side] * side
        row = {"onset": face, "apex": face}
    if rng.random() < 0.3:
        row[rng.choice(("onset", "apex", "onset_bytes", "x"))] = value(rng)
    if rng.random() < 0.1:
        row.pop(rng.choice(list(row)))
    rows = [row] * rng.choice((1, 1, 2))
    made = {"instances": rows if rng.random() < 0.9 else value(rng)}
    if rng.random() < 0.4:
        columns = {name: [each[name] for each in rows] for name in row}
        made = {"inputs": columns if rng.random() < 0.9 else value(rng)}
    return {**made, "signature_name": signature} if signature is not None else made


def body(rng):
    if rng.random() < 0.01:
        return rng.choice((b"[", b'{"instances":', b'[{"a":')) * 10**5
    content = json.dumps(document(rng)).encode()
    return content if rng.random() < 0.4 else mutated(rng, content)


def check_rest(status, content):
    """An answer is a prediction that adds up, or an error of the client's with a line."""
    answer = json.loads(content)
    if status == 200:
        if "predictions" in answer:
            found = [row["probabilities"] for row in answer["predictions"]]
        else:
            found = answer["outputs"]["probabilities"]
        np.testing.assert_allclose(np.sum(found, 1), 1, atol=1e-5)
    else:
        assert status in (400, 404, 413), (status, content)
        assert answer["error"] and "Traceback" not in answer["error"]
    return status


def fuzz_rest(address, seed, count):
    """Broken bodies on a kept connection."""
    rng, seen = random.Random(seed), collections.Counter()
    connection = http.client.HTTPConnection(address, timeout=30)
    for _ in range(count):
        path = PATH + rng.choice(
            (":predict",) * 20 + ("/versions/1:predict", "/versions/2:predict")
        )
        connection.request("POST", path, body(rng))
        answer = connection.getresponse()
        seen[check_rest(answer.status, answer.read())] += 1
    connection.close()
    return seen


def raw_request(rng):
    content = json.dumps({"instances": [1]}).encode()
    length = rng.choice((len(content),) * 4 + (0, -1, 5, 10**9, "x", ""))
    verb = rng.choice(("POST", "GET", "PUT", "HEAD", "XYZ", "post"))
    path = rng.choice((PATH + ":predict", PATH, PATH + "/metadata", "/", "//", "/v1/models/../.."))
    version = rng.choice(("1.1", "1.1", "1.0", "2.0", "0.9", "x"))
    lines = [
        f"{verb} {path} HTTP/{version}",
        f"Content-Length: {length}",
        rng.choice(("Host: x", "Transfer-Encoding: chunked", "Expect: 100-continue", "A: b")),
    ]
    whole = "\r\n".join(lines).encode() + b"\r\n\r\n" + content
    words = [
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b" ",
        b":",
        b"\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 9,
    ]
    return whole if rng.random() < 0.2 else mutated(rng, whole, words)


def fuzz_sockets(address, seed, count):
    """Broken HTTP, a connection each; some clients leave without waiting for the answer."""
    rng, seen = random.Random(seed), collections.Counter()
    host, port = address.split(":")
    for _ in range(count):
        with socket.create_connection((host, int(port)), 0.3) as connection:
            answer = b""
            with contextlib.suppress(ConnectionError, socket.timeout):  # half a request waits
                connection.sendall(raw_request(rng))
                if rng.random() < 0.1:
                    seen["left"] += 1
                    continue
                answer = connection.recv(65536)
        status = re.match(rb"HTTP/\d\.\d (\d{3}) ", answer)
        assert not answer or status, answer[:200]
        assert b"Traceback" not in answer
        seen[int(status.group(1)) if status else "silent"] += 1
        assert 500 not in seen, answer[:2000]
    return seen


def proto(rng):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = rng.choice(("frl_dgt",) * 9 + ("x",))
    request.model_spec.signature_name = rng.choice(("serving_bytes", "serving_default", "", "x"))
    if rng.random() < 0.1:
        request.model_spec.version.value = rng.choice((1, 2, -1, 2**62))
    if request.model_spec.signature_name == "serving_bytes":
        tensor = tf.make_tensor_proto([image(rng)])
        request.inputs["onset_bytes"].CopyFrom(tensor)
        request.inputs["apex_bytes"].CopyFrom(tensor)
    else:
        face = np.full((1, 16, 16, 1), rng.choice((0.5, 1, 2, np.nan)), np.float32)
        for name in ("onset", "apex"):
            request.inputs[name].CopyFrom(tf.make_tensor_proto(face))
            shape = request.inputs[name].tensor_shape
            if rng.random() < 0.2:
                shape.dim[rng.randrange(4)].size = rng.choice((-1, 0, 2, 300, 2**40, 2**62))
            if rng.random() < 0.1:
                request.inputs[name].dtype = rng.choice((0, 2, 4, 7, 14, 101, 20))
    if rng.random() < 0.1:
        request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0]))
    if rng.random() < 0.1:
        request.output_filter.append(rng.choice(("predicted", "x")))
    return request


def fuzz_grpc(address, seed, count):
    """Broken messages: as protocol buffers that mean nonsense, and as bytes that are none."""
    rng, seen = random.Random(seed), collections.Counter()
    with grpc.insecure_channel(address) as channel:
        method = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        for _ in range(count):
            content = proto(rng).SerializeToString()
            if rng.random() < 0.5:
                content = mutated(rng, content, [b"\xff" * 9, b"\x0a\x80\x80", b"\x00"])
            try:
                answer = predict_pb2.PredictResponse.FromString(method(content, timeout=30))
                if "probabilities" in answer.outputs:
                    found = tf.make_ndarray(answer.outputs["probabilities"])
                    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
                seen["OK"] += 1
            except grpc.RpcError as error:
                seen[error.code().name] += 1
                assert "Traceback" not in error.details()
    assert set(seen) <= {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"}, seen
    return seen


def memory(process):
    """Resident memory of a process, MiB."""
    with open(f"/proc/{process.pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) / 1024


def check_right(served):
    """Both ways give the answer worked out by hand."""
    onset, apex = np.random.default_rng(5).random((2, 3, 16, 16, 1), np.float32)
    for address in (served.rest, served.grpc):
        with connect(address, timeout=30) as client:
            answer = client.predict({"onset": onset, "apex": apex})
        expected = stand_in.probabilities(onset, apex)
        np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)


@pytest.mark.slow
def test_hostile_requests(export, tmp_path):
    with serving(export, tmp_path / "log") as served:
        rest, target = (a.partition("://")[2] for a in (served.rest, served.grpc))
        jobs = [
            *((fuzz_rest, rest, seed, REST_COUNT // 2) for seed in (1, 2)),
            *((fuzz_sockets, rest, seed, SOCKET_COUNT // 2) for seed in (3, 4)),
            *((fuzz_grpc, target, seed, GRPC_COUNT // 2) for seed in (5, 6)),
        ]
        check_right(served)
        for function, address, seed, _ in jobs[::2]:  # what a first request of a kind allocates
            function(address, 100 + seed, 100)
        before, start = memory(served.process), time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
            futures = [pool.submit(job[0], *job[1:]) for job in jobs]
            seen = [future.result() for future in futures]
        seconds, grown = time.monotonic() - start, memory(served.process) - before
        check_right(served)
        log = (tmp_path / "log").read_text()
    together = sum(seen, collections.Counter())
    print(
        f"{sum(together.values())} requests in {seconds:.1f} s, {grown:+.0f} MiB: {dict(together)}"
    )
    assert sum(together.values()) >= 1000 and seconds < 120
    assert grown < 60
    # The fuzz reaches the model, and is refused at every door before it.
    assert together[200] > 25 and together["OK"] > 25 and together["FAILED_PRECONDITION"] > 10
    assert together[400] > 150 and together["INVALID_ARGUMENT"] > 100 and together[404] > 5
    assert "failed" not in log, log[-2000:]


@pytest.mark.slow
def test_messages_that_are_none_keep_no_memory(served):
    """grpc's own reading of messages would keep 16 kB of each: 48 MiB here."""
    target = served.grpc.partition("://")[2]
    with grpc.insecure_channel(target, [("grpc.enable_http_proxy", 0)]) as channel:
        method = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")

        def ask(count):
            for _ in range(count):
                with pytest.raises(grpc.RpcError):
                    method(b"\xff" * 50, timeout=30)

        ask(200)
        before = memory(served.process)
        ask(3000)
    assert memory(served.process) - before < 20
