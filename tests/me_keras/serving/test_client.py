import subprocess
import sys

import numpy as np
import pytest

from me_keras.serving import TLS, ServingError, connect
from me_keras.serving.client import as_input, on_this_machine
from pipelines.schema import OptionError


@pytest.mark.parametrize(
    "address",
    ["localhost:8500", "ftp://x", "grpc://", "http://", "http://x/v1", "http://x?y", "", "grpc:x"],
)
def test_addresses_that_are_none(address):
    with pytest.raises(OptionError, match="give grpc://host:8500"):
        connect(address)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"address": "http://x:99999"}, "up to 65535"),
        ({"address": "http://x:y"}, "up to 65535"),
        ({"tls": TLS()}, "https://"),
        ({"timeout": 0}, "positive"),
        ({"retries": -1}, "0 to 4"),
        ({"retries": 5}, "0 to 4"),
    ],
)
def test_options_that_cannot_be_used(options, said):
    with pytest.raises(OptionError, match=said):
        connect(**{"address": "http://x", **options})


@pytest.mark.parametrize("scheme", ["grpcs", "https"])
def test_certificates_that_cannot_be_read(scheme, tmp_path):
    with pytest.raises(OptionError, match="absent.pem.* cannot be used: .*No such file"):
        connect(f"{scheme}://x", tls=TLS(str(tmp_path / "absent.pem")))


def test_a_client_certificate_comes_with_its_key():
    with pytest.raises(OptionError, match="together"):
        TLS(client_certificate="a.pem")


@pytest.mark.parametrize(
    "address, url",
    [
        ("http://host", "http://host:8501/v1/models/a%2Fb"),
        ("HTTP://host:80/", "http://host:80/v1/models/a%2Fb"),
        ("https://[::1]:9", "https://[::1]:9/v1/models/a%2Fb"),
    ],
)
def test_addresses_and_default_ports(address, url):
    with connect(address, "a/b") as made:
        assert made.address + made.path == url
    with connect(address, "a/b", version=3) as made:
        assert made.address + made.path == url + "/versions/3"


@pytest.mark.parametrize(
    "value, dtype, shape",
    [
        ([[0.5, 1.0]], "float32", (1, 2)),
        (np.zeros(3, np.float64), "float32", (3,)),
        (np.zeros((2, 0), np.uint8), "uint8", (2, 0)),
        ([True], "bool", (1,)),
        ([b"a\x00", "é"], "object", (2,)),
        (b"x", "object", ()),
        (np.array([b"ab", b"c"]), "object", (2,)),
    ],
)
def test_inputs_become_arrays_of_what_can_be_sent(value, dtype, shape):
    array = as_input("x", value)
    assert array.dtype == dtype and array.shape == shape


def test_strings_become_bytes_to_the_last():
    assert as_input("x", [b"a\x00", "é"]).tolist() == [b"a\x00", "é".encode()]


@pytest.mark.parametrize(
    "value, said",
    [
        ([1, 300], "int64 cannot be sent"),
        ([[1.0], [1.0, 2.0]], "rows differ"),
        ([None], "cannot be sent"),
        ([1j], "complex128 cannot be sent"),
        ([b"a", 5], "cannot be sent"),
    ],
)
def test_what_cannot_be_sent_is_said(value, said):
    with pytest.raises(ServingError, match=said) as caught:
        as_input("x", value)
    assert caught.value.code == "INVALID_ARGUMENT"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1", "a.localhost"])
def test_hosts_that_are_this_machine(host):
    assert on_this_machine(host)


@pytest.mark.parametrize("host", ["example.org", "10.0.0.1", "localhost.example.org", "::2"])
def test_hosts_that_are_not(host):
    assert not on_this_machine(host)


def test_a_rest_client_loads_neither_tensorflow_nor_grpc():
    code = "import sys; from me_keras.serving import connect; connect('http://x').close()"
    code += "; assert not {'tensorflow', 'grpc', 'aiohttp'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
