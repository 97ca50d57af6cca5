"""push_model.sh with a stand-in for kubectl that runs the pod's commands here."""

import os
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("tar")), reason="bash or tar is not installed"
)

KUBECTL = """#!/usr/bin/env bash
echo "$*" | head -n 1 >> "$LOG"
[ "$1 $2" = "--namespace frl-dgt" ] || exit 9
shift 2
if [ "$1" = exec ]; then
    shift 4  # exec -i model-writer --
    exec "${@/#\\/models/$VOLUME}"
fi
"""


@pytest.fixture
def version(tmp_path):
    folder = tmp_path / "saved_models" / "frl_dgt" / "7"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    os.chmod(folder / "variables", 0o700)
    return folder


@pytest.fixture
def push(tmp_path, folder):
    """push(path) -> (exit status, standard error)"""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "kubectl").write_text(KUBECTL)
    (tools / "kubectl").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "VOLUME": str(tmp_path / "volume"),
        "LOG": str(tmp_path / "log"),
    }

    def run(path):
        command = ["bash", str(folder / "kubernetes" / "push_model.sh"), str(path)]
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=30
        )
        return result.returncode, result.stderr

    return run


def test_the_version_arrives_whole_and_readable(push, version, tmp_path):
    assert push(version) == (0, "")
    arrived = tmp_path / "volume" / "frl_dgt" / "7"
    assert (arrived / "saved_model.pb").read_bytes() == b"graph"
    assert (arrived / "variables" / "variables.index").read_bytes() == b"index"
    assert (arrived / "variables").stat().st_mode & 0o055 == 0o055
    assert [p.name for p in arrived.parent.iterdir()] == ["7"], "something was left behind"


def test_an_older_writer_is_awaited_and_the_new_one_removed(push, version, tmp_path):
    push(version)
    calls = [line.split()[2:] for line in (tmp_path / "log").read_text().splitlines()]
    assert [call[0] for call in calls] == ["delete", "apply", "wait", "exec", "delete"]
    assert "--wait" in calls[0] and "--wait=false" in calls[-1]


def test_an_existing_version_is_kept(push, version, tmp_path):
    push(version)
    (version / "saved_model.pb").write_bytes(b"another graph")
    status, error = push(version)
    assert status == 2 and "version 7 is there already" in error
    kept = tmp_path / "volume" / "frl_dgt" / "7" / "saved_model.pb"
    assert kept.read_bytes() == b"graph"
    assert (tmp_path / "log").read_text().splitlines()[-1].split()[2] == "delete"


def test_what_an_interrupted_push_left_does_not_mix_in(push, version, tmp_path):
    left = tmp_path / "volume" / "frl_dgt" / ".incoming-7"
    left.mkdir(parents=True)
    (left / "stale").write_text("")
    assert push(version)[0] == 0
    assert not (tmp_path / "volume" / "frl_dgt" / "7" / "stale").exists()


def test_mistakes_are_one_clear_line(push, version, tmp_path):
    for path, message in (
        (version.parent, "holds no saved_model.pb: give the version folder"),
        (version.rename(version.with_name("best")), "must be the version, a number"),
    ):
        status, error = push(path)
        assert status == 2 and message in error and error.count("\n") == 1
    assert not (tmp_path / "log").exists(), "the cluster was asked"
