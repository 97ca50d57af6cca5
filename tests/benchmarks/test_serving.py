"""The load benchmark: its figures, errors told, and a swap under load without one."""

import json
import threading

import numpy as np
import pytest
import stand_in

from benchmarks import serving
from me_keras.serving import ServingError


class Server:
    """What `connect` gives, where the third request fails."""

    asked, lock = 0, threading.Lock()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def metadata(self):
        inputs = {"onset": {"shape": [None, 8, 8, 1]}}
        return {"version": 1, "signatures": {"serving_default": {"inputs": inputs}}}

    def predict(self, inputs, signature):
        with Server.lock:  # several clients are threads
            Server.asked += 1
            third = Server.asked == 3
        if third:
            raise ServingError("UNAVAILABLE", "no")


def test_a_failed_call_is_named_and_is_the_exit_code(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(serving, "connect", lambda *_, **__: Server())
    out = tmp_path / "x.json"
    options = ["--address", "grpc://x", "--seconds", "0.2", "--clients", "2", "--json", str(out)]
    assert serving.main(options) == 1
    [found] = json.loads(out.read_text())["rows"].values()
    assert found["errors"] == 1
    assert found["requests"] == Server.asked - 1 and found["p50 ms"] <= found["p99 ms"]
    assert found["requests/s"] == pytest.approx(found["requests"] / found["seconds"])
    assert "1 calls failed, the first: UNAVAILABLE: no" in capsys.readouterr().err


@pytest.mark.parametrize("signature", serving.SIGNATURES)
def test_requests_suit_the_model(signature):
    options = serving.ServingOptions(signature=signature, batch=3)
    made = serving.request(options, Server().metadata()["signatures"])
    for values in made.values():
        assert len(values) == 3
    if signature == "serving_bytes":
        assert made["onset_bytes"][0].startswith(b"\x89PNG")
    else:
        assert made["onset"].shape == (3, 8, 8, 1)
        highest = 1 if signature == "serving_default" else 255
        assert 0.9 * highest < made["onset"].max() <= highest
        assert not np.array_equal(made["onset"], made["apex"])


def test_wrong_use(capsys, tmp_path):
    with pytest.raises(SystemExit):
        serving.main(["--clients", "0"])
    assert serving.main(["--model", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("transport, seconds", [("grpc", 10), ("rest", 4)])
def test_eight_clients_and_a_swap_without_an_error(tmp_path, transport, seconds):
    base, out = stand_in.write(tmp_path / "frl_dgt"), tmp_path / "x.json"
    options = ["--model", str(base), "--transports", transport, "--seconds", str(seconds)]
    options += ["--json", str(out)]
    assert serving.main(options) == 0
    [found] = json.loads(out.read_text())["rows"].values()
    assert found["errors"] == 0
    assert found["requests"] > 100 and found["seconds"] >= seconds
