"""A served model: the stand-in on the embedded server, and a real TF Serving where there is one."""

import os
import pathlib
import subprocess

import pytest
import stand_in
from embedded_server import ROOT, Served, serving


@pytest.fixture(scope="session")
def export(tmp_path_factory):
    """Folder of versions: version 1 of the stand-in."""
    return stand_in.write(tmp_path_factory.mktemp("models") / "frl_dgt")


@pytest.fixture(scope="session")
def served(export, tmp_path_factory):
    """The stand-in on the embedded server, in a process of its own."""
    with serving(export, tmp_path_factory.mktemp("log") / "stderr.txt") as running:
        yield running


@pytest.fixture(scope="session")
def real():
    """A real TF Serving, where the environment names one.

    TF_SERVING_ADDRESS="grpc://host:8500 http://host:8501" (one or both), TF_SERVING_MODEL the
    model's name (default frl_dgt), TF_SERVING_MODEL_DIR the folder it serves, here on this disk.
    """
    addresses = os.environ.get("TF_SERVING_ADDRESS", "").replace(",", " ").split()
    if not addresses:
        pytest.skip("no TF_SERVING_ADDRESS: no tensorflow_model_server to test")
    by_scheme = {address.partition(":")[0]: address for address in addresses}
    name = os.environ.get("TF_SERVING_MODEL", "frl_dgt")
    folder = os.environ.get("TF_SERVING_MODEL_DIR", ROOT / "saved_models" / name)
    return Served(by_scheme.get("http"), by_scheme.get("grpc"), name, pathlib.Path(folder))


@pytest.fixture(scope="session")
def exported_model(tmp_path_factory):
    """An exported model of random weights on the embedded server."""
    import exported

    version = exported.export_short(tmp_path_factory.mktemp("models") / "tiny")
    with serving(version.parent, tmp_path_factory.mktemp("log") / "stderr.txt") as running:
        yield running


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Paths of certificate and key for localhost, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    command += " -addext subjectAltName=DNS:localhost -keyout key.pem -out certificate.pem"
    try:
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no openssl to make a certificate with: {error}")
    return str(folder / "certificate.pem"), str(folder / "key.pem")
