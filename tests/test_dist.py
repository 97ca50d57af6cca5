"""What a release holds: the packages with their data, and nothing that belongs to the checkout."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

import me_keras

ROOT = pathlib.Path(__file__).parents[1]
NAME = f"me_keras-{me_keras.__version__}"
PACKAGES = ("me_keras", "pipelines")


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """A folder with the wheel and the source archive, built in a copy of the checkout."""
    copy, out = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("dist")
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, copy)
    for name in (*PACKAGES, "benchmarks", "deploy", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(copy)]
    environment = {**os.environ, "ME_KERAS_STACK": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return out


def test_the_changelog_begins_with_this_version():
    first = re.search(r"^## \[(.+)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert first[1] == me_keras.__version__


@pytest.mark.slow
def test_the_wheel_holds_the_packages_with_their_data_and_nothing_else(dist):
    with zipfile.ZipFile(dist / f"{NAME}-py3-none-any.whl") as wheel:
        names = wheel.namelist()
        entries = wheel.read(f"{NAME}.dist-info/entry_points.txt").decode()
        asked = wheel.read(f"{NAME}.dist-info/METADATA").decode()
    held = {name for name in names if not name.startswith(f"{NAME}.dist-info/")}
    sources = [p for top in PACKAGES for p in (ROOT / top).rglob("*") if p.is_file()]
    assert held == {
        path.relative_to(ROOT).as_posix() for path in sources if "__pycache__" not in path.parts
    }
    assert {"me_keras/weights/displacement.npz", "me_keras/__main__.py"} <= held
    assert any(re.fullmatch(r"me_keras/evaluation/pages/templates/.+\.j2", n) for n in held)
    assert "me-keras = me_keras.__main__:main" in entries
    for stack, python in (("2.15.1", '< "3.12"'), ("2.19.1", '>= "3.12"')):
        assert f"Requires-Dist: tensorflow=={stack}; python_version {python}" in asked


@pytest.mark.slow
def test_the_source_archive_builds_and_holds_the_constraints_but_no_tests(dist):
    with tarfile.open(dist / f"{NAME}.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.py", "LICENSE", "CHANGELOG.md", "constraints.txt"} <= names
    assert not [name for name in names if name.split("/")[0] in ("tests", "benchmarks", "deploy")]
    assert {"me_keras/weights/displacement.npz"} <= names
