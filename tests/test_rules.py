"""Rules of the repository: one-way imports, names, length, docstrings, a test for every module."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
SOURCES = sorted(p for top in ("me_keras", "pipelines") for p in (ROOT / top).rglob("*.py"))
MODULES = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in SOURCES}
COMMANDS = dict(re.findall(r'"(me-keras-\S+) = ([\w.]+):main"', (ROOT / "setup.py").read_text()))
MAX_LINES = 400
# Of me_keras: they know no files and no faces.
INNER = ("known_warps", "layers", "losses", "metrics", "models")
HEAVY = {"cv2", "keras", "mediapipe", "numpy", "pandas", "sklearn", "tensorflow"}
PRINT_ERRORS = ("pipelines.exits", "me_keras.predict")
UNTOLD = set(  # names that do not say what is inside
    "answer census copies crew evidence examination helpers knobs misc observation outcome session "
    "speaker study utils work".split()
)
each_source = pytest.mark.parametrize("path", SOURCES, ids=MODULES.values())


def imported(path):
    """Names of all modules that a source imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in NAMES else node.module


NAMES = {name.removesuffix(".__init__") for name in MODULES.values()}


def package(module):
    """The folder or top-level module that it belongs to: "pipelines.faces", "me_keras.options"."""
    return ".".join(module.removesuffix(".__init__").split(".")[:2])


def test_imports_between_packages_run_one_way():
    graph = {}
    for path, module in MODULES.items():
        known = {package(name) for name in imported(path) if name in NAMES}
        graph.setdefault(package(module), set()).update(known - {package(module)})
    assert not [p for p in graph if p.startswith("pipelines") if any("me_k" in n for n in graph[p])]
    while leaves := {name for name in graph if not graph[name] & graph.keys()}:
        graph = {name: graph[name] for name in graph.keys() - leaves}
    circle = {name: sorted(graph[name] & graph.keys()) for name in graph}
    assert not circle, "packages that import each other in a circle, or are imported by such"


@each_source
def test_a_source_imports_only_what_lies_below_it(path):
    names, module = list(imported(path)), MODULES[path]
    assert not set(names) & set(COMMANDS.values()), "nothing imports a command"
    assert "benchmarks" not in names and "tests" not in names
    if module.startswith(tuple(f"me_keras.{part}" for part in INNER)):
        assert not {"pipelines", "cv2", "mediapipe"} & {name.split(".")[0] for name in names}


def test_what_one_of_the_stacks_lacks_is_imported_nowhere():
    assert not [p for p in SOURCES if "tensorflow_addons" in imported(p)]
    assert not [p for p in SOURCES if any(n.startswith("keras.src") for n in imported(p))]


def test_only_one_module_asks_which_keras_this_is():
    asks = [MODULES[p] for p in SOURCES if re.search(r"keras\.__version__|KERAS_3", p.read_text())]
    assert asks == ["me_keras.compat"]


def test_neither_the_library_nor_help_loads_anything_heavy():
    code = "import sys, me_keras, me_keras.options\n"
    for module in COMMANDS.values():
        code += f"import {module}\ntry: {module}.main(['--help'])\nexcept SystemExit: pass\n"
    code += f"print(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr


@each_source
def test_a_source_is_short_documented_and_named_for_what_is_in_it(path):
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "the module needs a docstring"
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} needs a docstring"
    assert text.count("\n") <= MAX_LINES, "does this file hold two ideas?"
    assert not UNTOLD & set(re.split(r"[._]", MODULES[path])), "say what is inside"


@each_source
def test_a_source_keeps_to_public_and_current_interfaces(path):
    text = path.read_text()
    for words in ("tf.compat.v1", "tf.keras", "keras.src", "get_input_at", "keras_tuner.src"):
        assert words not in text
    # predict prints an error for each clip that it cannot use, and goes on
    if MODULES[path] not in PRINT_ERRORS:
        assert '"error: ' not in text, "raise it: pipelines.exits prints errors"


# Modules that only make sense together, tested through the one that people call.
TESTED_BY = {f"pipelines.synthetic.{n}": "test_face" for n in ("anatomy", "features")}
TESTED_BY |= {"pipelines.synthetic.painter": "test_face", "pipelines.synthetic.plan": "test_write"}


@each_source
def test_a_source_has_its_test(path):
    if path.name in ("__init__.py", "__main__.py"):
        pytest.skip("re-exports and entry points are tested through what they call")
    name = TESTED_BY.get(MODULES[path], f"test_{path.stem}")
    assert (ROOT / "tests" / path.relative_to(ROOT).parent / f"{name}.py").exists()
