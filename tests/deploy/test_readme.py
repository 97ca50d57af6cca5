"""The examples of deploy/README.md: they name what exists, and fit the model's signatures."""

import ast
import base64
import inspect
import json
import re
import shlex
import shutil
import subprocess

import pytest

SIGNATURES = {
    "serving_default": {"onset", "apex"},
    "serving_uint8": {"onset", "apex"},
    "serving_regions": {"onset", "apex", "regions"},
    "serving_bytes": {"onset_bytes", "apex_bytes"},
    "displacement": {"onset", "apex", "regions"},
}
ANSWERS = {"probabilities", "classes", "predicted"}  # of all but `displacement`


@pytest.fixture(scope="module")
def readme(folder):
    return (folder / "README.md").read_text()


def blocks(readme, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)


def commands(readme):
    prose = re.sub(r"^```.*?^```$", "", readme, flags=re.MULTILINE | re.DOTALL)
    return [line[4:] for line in prose.splitlines() if line.startswith("    ")]


@pytest.fixture
def request_of_curl(readme, tmp_path):
    """(arguments, body) that the example hands to curl, run in bash with a stand-in."""
    if not shutil.which("bash"):
        pytest.skip("bash is not installed")
    (script,) = blocks(readme, "bash")
    (tmp_path / "onset.png").write_bytes(bytes(range(256)))
    (tmp_path / "apex.png").write_bytes(b"apex")
    stand_in = 'curl() { printf "%s\\n" "$@" > arguments; cat > body; }\n'
    subprocess.run(["bash", "-euc", stand_in + script], cwd=tmp_path, check=True, timeout=10)
    return (tmp_path / "arguments").read_text().split("\n"), (tmp_path / "body").read_text()


def test_the_curl_example_is_a_request_the_model_takes(request_of_curl, flags):
    arguments, body = request_of_curl
    assert f"http://127.0.0.1:{flags['rest_api_port']}/v1/models/frl_dgt:predict" in arguments
    request = json.loads(body)
    assert set(request) == {"signature_name", "instances"}
    (pair,) = request["instances"]
    assert set(pair) == SIGNATURES[request["signature_name"]]
    assert base64.b64decode(pair["onset_bytes"]["b64"], validate=True) == bytes(range(256))
    assert pair["apex_bytes"] == {"b64": base64.b64encode(b"apex").decode()}


def test_the_answer_shown_has_the_models_outputs(readme):
    (answer,) = re.findall(r'answers `\{"predictions": \[\{(.*)\}\]\}`', readme)
    assert set(re.findall(r'"(\w+)":', answer)) == ANSWERS


def test_the_python_example_is_a_request_the_model_takes(readme, flags, tmp_path, monkeypatch):
    serving = pytest.importorskip("me_keras.serving")
    (script,) = blocks(readme, "python")
    asked = {}

    class Client:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def predict(self, inputs, signature="serving_default"):
            asked.update(inputs=inputs, signature=signature)
            return dict.fromkeys(ANSWERS)

    def connect(*args, **kwargs):
        asked["connect"] = inspect.signature(real).bind(*args, **kwargs).arguments
        return Client()

    real = serving.connect
    monkeypatch.setattr(serving, "connect", connect)
    monkeypatch.chdir(tmp_path)
    for name in ("onset.png", "apex.png"):
        (tmp_path / name).write_bytes(name.encode())
    exec(compile(ast.parse(script), "README", "exec"), {})
    assert asked["connect"]["address"] == f"grpc://127.0.0.1:{flags['port']}"
    assert asked["connect"]["model"] == "frl_dgt"
    assert set(asked["inputs"]) == SIGNATURES[asked["signature"]]
    assert asked["inputs"]["onset_bytes"] == [b"onset.png"]


def test_three_commands_each_way(readme):
    assert len(commands(readme)) == 6


def test_commands_name_files_that_exist(readme, folder):
    root = folder.parent
    for command in commands(readme):
        for word in shlex.split(command):
            if word.split("/")[0] == "deploy":
                assert (root / word).exists(), command
    for path in re.findall(r"`((?:kubernetes|tf_serving|prometheus)/[\w.-]+)`", readme):
        assert (folder / path).is_file(), path


def test_commands_run_modules_that_exist(readme, folder):
    root = folder.parent
    modules = set(re.findall(r"python -m (me_keras[\w.]*)", readme))
    assert {"me_keras.export", "me_keras.predict", "me_keras.serve"} <= modules
    missing = [m for m in modules if not (root / (m.replace(".", "/") + ".py")).exists()]
    missing = [m for m in missing if not (root / m.replace(".", "/") / "__init__.py").exists()]
    assert not missing


def test_addresses_are_the_clusters(readme, manifests, flags):
    addresses = set(re.findall(r"(\w+)://(/?[\w-]+)\.frl-dgt\.svc:(\d+)", readme))
    assert addresses == {
        ("http", "frl-dgt", flags["rest_api_port"]),
        ("grpc", "frl-dgt-grpc", flags["port"]),
        ("dns", "/frl-dgt-grpc", flags["port"]),
    }
    assert {("Service", "frl-dgt"), ("Service", "frl-dgt-grpc")} <= set(manifests)


def test_version_snippets_are_a_models_configuration(readme, messages):
    """Rollback and labels, set into models.config, parse and say what the text says."""
    text_format = pytest.importorskip("google.protobuf.text_format")
    config = messages["ModelServerConfig"]
    rollback, labels = (
        text_format.Parse(
            f"model_config_list {{ config {{ {text} }} }}", config()
        ).model_config_list.config[0]
        for text in blocks(readme, "")
        if "model_version_policy" in text
    )
    assert list(rollback.model_version_policy.specific.versions) == [1]
    versions = labels.model_version_policy.specific.versions
    assert dict(labels.version_labels) == {"stable": 1, "canary": 2}
    assert set(labels.version_labels.values()) <= set(versions)


def test_labels_can_be_given_from_the_start(flags):
    assert flags["allow_version_labels_for_unavailable_models"] == "true"


def test_limits_said_are_the_limits_set(readme, configs):
    (pairs,) = re.findall(r"More than (\d+) pairs", readme)
    assert int(pairs) == configs["batching"].max_batch_size.value
    (threads,) = re.findall(r"are one number, (\d+)", readme)
    assert int(threads) == configs["batching"].num_batch_threads.value


def test_it_says_what_cannot_be_switched_off_and_who_may_write(readme, manifests):
    assert "HandleReloadConfigRequest" in readme and "Port 8500 stays inside" in readme
    user = manifests["Pod", "model-writer"]["spec"]["securityContext"]["runAsUser"]
    assert f"user and group {user}" in readme and "fsGroupPolicy: File" in readme


def test_it_says_what_was_not_run(readme):
    assert "Not run here against a real `tensorflow_model_server`" in readme
