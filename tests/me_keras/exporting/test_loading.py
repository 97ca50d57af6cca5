"""The exported model, loaded the ways a server may load it, none of which knows this package.

It is exported by this stack and by the other one, where `make` has made its environment too.
No TensorFlow Serving binary can be had where this was written. `tensorflow::LoadSavedModel` is
the function it loads models with.
"""

import importlib.util
import os
import pathlib
import pickle
import shutil
import struct
import subprocess
import sys

import exported
import numpy as np
import pytest
from exported import png_of

pytestmark = pytest.mark.slow

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
WRITTEN = ROOT / "tests" / "written" / "keras2.keras"
EXPORT = "import sys, exported; print(exported.export_file(*sys.argv[1:]))"
BATCHES = (1, 7, 64)
TENSORFLOW = importlib.util.find_spec("tensorflow").submodule_search_locations[0]
INVALID_ARGUMENT = 3


@pytest.fixture(scope="module")
def tiny():
    """A model that either Keras reads, so that what the other one exports can be checked here."""
    return exported.of_file(WRITTEN)


@pytest.fixture(scope="module", params=["this stack", "the other stack"])
def version(request, tmp_path_factory):
    base = tmp_path_factory.mktemp("models") / "tiny"
    if request.param == "this stack":
        return exported.export_file(WRITTEN, base)
    folders = [ROOT / name for name in (".venv", ".venv-current")]
    others = [
        f for f in folders if f.exists() and f.resolve() != pathlib.Path(sys.prefix).resolve()
    ]
    if not others:
        pytest.skip("only this stack is installed: make .venv, and make .venv STACK=current")
    command = [others[0] / "bin" / "python", "-c", EXPORT, WRITTEN, base]
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return pathlib.Path(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def good(tiny):
    """(signature, inputs, answers of the Keras model) for every signature and batch."""
    found = []
    for batch in BATCHES:
        requests = exported.requests(batch)
        asked = ("serving_default", "serving_regions", "displacement")
        wanted = {name: exported.expected(tiny, name, requests[name]) for name in asked}
        for signature, inputs in requests.items():  # the others hold the default's frames
            answer = wanted.get(signature, wanted["serving_default"])
            found.append((signature, inputs, answer))
    return found


@pytest.fixture(scope="module")
def bad():
    """(signature, inputs, what the refusal says)."""
    requests = exported.requests(2)
    floats, encoded = requests["serving_default"], requests["serving_bytes"]
    regions = requests["displacement"]
    nan = np.full_like(floats["onset"], np.nan)
    none = {name: value[:0] for name, value in floats.items()}
    wide = np.zeros((2, 32, 40, 1), np.float32)
    compatible = "not compatible with expected shape"
    return [
        ("serving_default", {**floats, "onset": nan}, "onset: values must be numbers"),
        ("serving_default", {**floats, "apex": floats["apex"] * 255}, "apex: values must be"),
        ("serving_default", none, "onset: the batch is empty"),
        ("serving_default", {**floats, "onset": wide}, compatible),
        ("serving_default", {**floats, "onset": floats["onset"][..., 0]}, compatible),
        ("serving_default", {**floats, "apex": floats["apex"][:1]}, "as many examples"),
        ("displacement", {**regions, "regions": regions["regions"][:, :5]}, compatible),
        ("displacement", {**regions, "regions": -regions["regions"]}, "regions: boxes must be"),
        ("serving_bytes", {**encoded, "apex_bytes": [b"no image"] * 2}, "neither PNG nor JPEG"),
        ("serving_bytes", {n: [v[0][:-30]] for n, v in encoded.items()}, "PNG"),
        ("serving_bytes", {n: [png_of(60000, 60000)] for n in encoded}, "sides of 1 to 1024 px"),
    ]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The C++ program, compiled against the installed TensorFlow."""
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler here: install g++")
    binary = tmp_path_factory.mktemp("program") / "load_and_run"
    libraries = ["-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"]
    flags = ["-std=c++17", "-D_GLIBCXX_USE_CXX11_ABI=1", "-w", f"-I{TENSORFLOW}/include"]
    command = [compiler, *flags, str(HERE / "load_and_run.cc"), f"-L{TENSORFLOW}", *libraries]
    command += [f"-Wl,-rpath,{TENSORFLOW}", "-o", str(binary)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-3000:]
    return binary


def test_by_the_class_that_tensorflow_serving_loads_with(program, version, good, bad, tmp_path):
    import tensorflow as tf
    from tensorflow.core.protobuf import named_tensor_pb2

    lines = []
    for number, (signature, inputs, _) in enumerate([*good, *bad]):
        with open(tmp_path / f"{number}.in", "wb") as file:
            for name, value in inputs.items():
                tensor = tf.make_tensor_proto(value)
                data = named_tensor_pb2.NamedTensorProto(name=name, tensor=tensor)
                data = data.SerializeToString()
                file.write(struct.pack("<Q", len(data)) + data)
        lines.append(f"{signature} {tmp_path / f'{number}.in'} {tmp_path / f'{number}.out'}\n")
    command = [program, version]
    ran = subprocess.run(command, input="".join(lines), capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-3000:]
    said = ran.stdout.splitlines()
    assert said[: len(good)] == ["ok"] * len(good)
    for number, (_, _, wanted) in enumerate(good):
        data, outputs = (tmp_path / f"{number}.out").read_bytes(), {}
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            named = named_tensor_pb2.NamedTensorProto.FromString(data[8 : 8 + length])
            outputs[named.name] = tf.make_ndarray(named.tensor)
            data = data[8 + length :]
        exported.assert_answers(wanted, outputs)
    for line, (_, _, message) in zip(said[len(good) :], bad):
        assert line.startswith("INVALID_ARGUMENT") and message in line


def test_by_the_c_api_with_no_tensorflow_in_the_process(version, good, bad, tmp_path):
    requests = [(signature, inputs) for signature, inputs, _ in [*good, *bad]]
    (tmp_path / "requests").write_bytes(pickle.dumps(requests))
    files = [tmp_path / "requests", tmp_path / "answers"]
    command = [sys.executable, "-I", HERE / "capi.py", TENSORFLOW, version, *files]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-3000:]
    answers = pickle.loads((tmp_path / "answers").read_bytes())
    for (_, _, wanted), outputs in zip(good, answers):
        exported.assert_answers(wanted, outputs)
    for (code, said), (_, _, message) in zip(answers[len(good) :], bad):
        assert code == INVALID_ARGUMENT and message in said


CLEAN = """
import pickle, resource, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("me_keras", "pipelines", "tensorflow_addons"):
            raise ImportError(f"{name} is not on this machine")

sys.meta_path.insert(0, Absent())
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
found = []

def ask(signature, inputs):
    inputs = {name: tf.constant(value) for name, value in inputs.items()}
    return model.signatures[signature](**inputs)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

with open(sys.argv[2], "rb") as file:
    good, hostile = pickle.load(file)
for signature, inputs in good:
    found.append({name: value.numpy() for name, value in ask(signature, inputs).items()})
before = peak()
for signature, inputs in hostile:
    try:
        ask(signature, inputs)
        raise SystemExit("a hostile image was taken")
    except tf.errors.InvalidArgumentError:
        pass
with open(sys.argv[3], "wb") as file:
    pickle.dump((found, peak() - before), file)
"""


def test_in_a_process_without_this_package_and_bounded_in_memory(version, good, tmp_path):
    hostile = [png_of(60000, 60000), png_of(2**31 - 1, 1), png_of(20000, 20000, bytes(10**8))]
    hostile = [
        ("serving_bytes", dict.fromkeys(("onset_bytes", "apex_bytes"), [h])) for h in hostile
    ]
    requests = [(signature, inputs) for signature, inputs, _ in good]
    (tmp_path / "requests").write_bytes(pickle.dumps((requests, hostile)))
    files = [tmp_path / "requests", tmp_path / "answers"]
    command = [sys.executable, "-I", "-c", CLEAN, version, *files]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-3000:]
    answers, grown_mib = pickle.loads((tmp_path / "answers").read_bytes())
    for (_, _, wanted), outputs in zip(good, answers):
        exported.assert_answers(wanted, outputs)
    assert grown_mib < 50
