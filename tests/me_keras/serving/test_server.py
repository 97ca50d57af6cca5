"""The whole server in a process of its own: starts, swaps versions under load, and stops."""

import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import stand_in
from embedded_server import ROOT, serving, wait_until

from me_keras.serving import ServingError, connect


def command(*arguments):
    return [sys.executable, "-m", "me_keras.serve", *map(str, arguments)]


@pytest.mark.slow
def test_ctrl_c_lets_the_requests_under_way_end(export, tmp_path, rng):
    """Stops while clients ask: each gets an answer or a clean refusal, and the exit code is 0."""
    results = []
    pair = {name: rng.random((64, 16, 16, 1), np.float32) for name in ("onset", "apex")}

    def ask(address):
        with connect(address, retries=0, timeout=20) as client:
            try:
                while True:
                    results.append(client.predict(pair)["probabilities"].shape)
            except ServingError as error:
                results.append(error.code)

    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(
            command("--model", export, "--rest-port", 0, "--grpc-port", 0),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    lines = [process.stdout.readline() for _ in range(3)]
    addresses = [lines[1].split()[1].partition("/v1/")[0], lines[2].split()[1]]
    threads = [threading.Thread(target=ask, args=(address,)) for address in addresses * 2]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(results) > 20)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    for thread in threads:
        thread.join(30)
    assert process.stdout.read() == "stopping\n"
    process.stdout.close()
    refused = [result for result in results if isinstance(result, str)]
    assert len(refused) == 4 and set(refused) <= {"UNAVAILABLE", "CANCELLED"}


@pytest.mark.slow
def test_versions_are_swapped_under_load_without_a_failed_call(export, tmp_path, rng):
    """1, then 2, then a broken 3, then 3 whole: every answer is that of a version served."""
    folder = shutil.copytree(export, tmp_path / "frl_dgt")
    onset, apex = rng.random((2, 4, 16, 16, 1), np.float32)
    expected = {v: stand_in.probabilities(onset, apex, v) for v in (1, 2, 3)}
    answers, stop = [], threading.Event()

    def ask(address):
        with connect(address, retries=0, timeout=30) as client:
            while not stop.is_set():
                got = client.predict({"onset": onset, "apex": apex})["probabilities"]
                near = [v for v, p in expected.items() if np.allclose(got, p, atol=1e-5)]
                answers.append((time.monotonic(), near))

    with serving(folder, tmp_path / "log") as served, connect(served.grpc) as client:
        threads = [
            threading.Thread(target=ask, args=(address,)) for address in (served.rest, served.grpc)
        ]
        for thread in threads:
            thread.start()
        served_now = lambda: client.metadata()["version"]  # noqa: E731
        stand_in.write(folder, 2)
        wait_until(lambda: served_now() == 2)
        with connect(served.rest, version=1) as old:
            old.predict({"onset": onset, "apex": apex})
        (folder / "3").mkdir()
        (folder / "3" / "saved_model.pb").write_bytes(b"broken")
        wait_until(lambda: {"version": 3, "state": "END"} in client.status())
        assert served_now() == 2
        shutil.rmtree(folder / "3")
        stand_in.write(folder, 3)
        wait_until(lambda: served_now() == 3)
        wait_until(lambda: {"version": 1, "state": "END"} in client.status())
        with pytest.raises(ServingError, match=r"Specific\(frl_dgt, 1\)"):
            with connect(served.rest, version=1) as old:
                old.predict({"onset": onset, "apex": apex})
        time.sleep(0.3)
        stop.set()
        for thread in threads:
            thread.join(30)
        log = (tmp_path / "log").read_text()
    assert all(len(near) == 1 for _, near in answers)
    order = [near[0] for _, near in sorted(answers)]
    assert {1, 2, 3} <= set(order) and order[-1] == 3
    assert "version 3 cannot be served (loaded: 1, 2)" in log


@pytest.mark.slow
def test_one_version_under_another_name_over_ipv6_with_limits_and_labels(export, tmp_path):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    options = ("--host", "::1", "--name", "other", "--max-batch", "2", "--labels", "stable=1")
    with serving(export / "1", tmp_path / "log", *options) as served:
        faces = np.full((2, 16, 16, 1), 0.5, np.float32)
        # Clips of more than 32 MiB: of ten digits a value as text, of four bytes over gRPC.
        for address, clips in ((served.rest, 7000), (served.grpc, 17000)):
            assert "[::1]" in address
            with connect(address, "other") as client:
                client.predict({"onset": faces, "apex": faces})
                faces3 = np.concatenate([faces, faces[:1]])
                with pytest.raises(ServingError, match="maximum input batch size 2"):
                    client.predict({"onset": faces3, "apex": faces3})
                vast = np.full((clips, 16, 16, 1), 0.1234567, np.float32)
                with pytest.raises(ServingError, match="RESOURCE_EXHAUSTED"):
                    client.predict({"onset": vast, "apex": vast})


@pytest.mark.slow
def test_the_other_port_is_named(served):
    """As a person mistypes it: http:// at the gRPC port, grpc:// at the REST port."""
    rest, grpc = (address.partition("://")[2] for address in (served.rest, served.grpc))
    for wrong, right in ((f"http://{grpc}", served.grpc), (f"grpc://{rest}", served.rest)):
        with connect(wrong, retries=0) as client:
            with pytest.raises(ServingError, match=f"ask {right}"):
                client.status()


@pytest.mark.slow
def test_loading_an_export_says_one_line(exported_model):
    """Nothing of the graph optimiser's cost model, whatever TensorFlow's level of logging."""
    log = exported_model.log.read_text().splitlines()
    assert len(log) == 1 and "version 1 of tiny loaded" in log[0]
