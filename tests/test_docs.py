"""The pages: links lead somewhere, code runs, flags exist, what is said agrees with the code."""

import ast
import doctest
import importlib
import pathlib
import re
import subprocess
import sys

import pytest
from docs_fixture import ELSEWHERE, PAGES, ROOT, anchors, blocks, commands, drawn_files, links

from pipelines import cli, databases
from pipelines.databases.flow_images import FlowImages
from pipelines.databases.tree import find_sheet
from pipelines.protocols.table import PROTOCOLS
from pipelines.protocols.types import HOLDOUT, LOSO, SPLITS

SOURCES = sorted(p for top in ("me_keras", "pipelines") for p in (ROOT / top).rglob("*.py"))
WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in SOURCES
    if re.search(r"^\s+>>> ", path.read_text(), re.MULTILINE)
]


def of_pages(pages):
    return pytest.mark.parametrize("page", pages, ids=[str(p.relative_to(ROOT)) for p in pages])


@of_pages([*PAGES, *ELSEWHERE])
def test_links_lead_somewhere(page):
    for link in links(page):
        target, _, anchor = link.partition("#")
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), link
        if anchor:
            assert anchor in anchors(place), link


@of_pages(PAGES)
def test_each_block_says_where_it_runs_or_what_it_needs(page):
    assert not re.search(r"^    (python|pip|make) ", page.read_text(), re.MULTILINE), "fence it"
    for block in blocks(page):
        assert block.language, "name its language"
        if block.language in ("bash", "sh", "shell"):
            assert block.mark in ("needs", "runs in"), f"mark it: {block.text}"
        if block.mark == "runs in":
            text = (ROOT / block.said).read_text()
            run = re.findall(r"python -m ([\w.]+)|(make [\w-]+)", block.text)
            named = [module.split(".")[-1] or target for module, target in run]
            assert all(name in text for name in named), f"{block.said} does not run {named}"


class _Understood(Exception):
    """A command has understood its flags."""


@of_pages([*PAGES, *ELSEWHERE])
def test_flags_of_commands_exist(page, monkeypatch, capsys):
    def parse_only(*args, **kwargs):
        parse(*args, **kwargs)
        raise _Understood

    parse = cli.parse
    monkeypatch.setattr(cli, "parse", parse_only)
    monkeypatch.setattr(cli, "read_json", lambda *_: {})  # what --config names
    for module, words in commands(page):
        path = ROOT.joinpath(*module.split("."))
        name = f"{module}.__main__" if path.is_dir() else module
        try:
            importlib.import_module(name).main(words)
        except _Understood:
            continue
        except SystemExit as stopped:  # --help
            said = capsys.readouterr().err
            assert not stopped.code, f"python -m {module} {' '.join(words)}: {said}"


@of_pages([page for page in PAGES if any(b.language == "python" for b in blocks(page))])
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for block in blocks(page):
        if block.language == "python":
            code = compile(block.text, str(page), "exec")
            if not block.mark:
                exec(code, {})


def test_comments_in_python_blocks_are_what_is_printed(capsys):
    (block,) = [b for b in blocks(ROOT / "docs" / "protocols.md") if b.language == "python"]
    exec(block.text, {})
    assert capsys.readouterr().out.strip() == block.text.rpartition("# ")[2].strip()


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_of_docstrings_hold(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted and not found.failed


def test_the_functions_that_people_call_have_examples():
    assert {"me_keras.metrics", "me_keras.losses", "pipelines.flow", "pipelines.cli"} <= set(
        WITH_EXAMPLES
    )


DRAWN = [b for b in blocks(ROOT / "docs" / "databases.md") if b.mark == "tree"]


@pytest.mark.parametrize("block", DRAWN, ids=[f"{b.said}-{i}" for i, b in enumerate(DRAWN)])
def test_a_drawn_layout_is_what_the_reader_looks_for(block, tmp_path):
    for path in drawn_files(block.text):
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    database = databases.load(block.said)
    if isinstance(database, FlowImages):
        assert len(database.find_clips(tmp_path, [])) == len(drawn_files(block.text))
        return
    tree = database.tree(tmp_path)
    (folders,) = tree.folders.values()
    assert len(folders) == 1 and len(folders[0].images) == 2
    sheets = [path for path in drawn_files(block.text) if path.endswith(".xlsx")]
    if block.said == "dfme":  # a sheet for each part
        assert sorted(map(pathlib.Path, tree.sheets)) == sorted(tmp_path / s for s in sheets)
    elif database.sheet and sheets:
        found = find_sheet(tree, database.sheet.is_one, database.sheet.prefer)
        assert found == str(tmp_path / sheets[0])


def test_databases_are_all_there_with_their_protocols_and_where_to_apply():
    from pipelines import protocols

    text = (ROOT / "docs" / "databases.md").read_text()
    drawn = {block.said for block in DRAWN}
    for name in databases.DATABASES:
        row = re.search(rf"^\| `{name}` \|.*$", text, re.MULTILINE)
        assert row, name
        if not name.startswith("megc2019") and not name.endswith("-flow"):
            assert re.findall(r"`([^`]+)`", row[0])[1:] == list(protocols.names(name))
        for link in re.findall(r"https?://[^\s;)]+", databases.load(name).help):
            assert f"<{link}>" in text, link
        assert name in drawn or name in ("synthetic", "megc2019", "smic-flow")


HELD_OUT = {LOSO: "a subject", HOLDOUT: "a database", SPLITS: "its tested parts"}


def test_the_table_of_protocols_is_that_of_the_code():
    text = (ROOT / "docs" / "protocols.md").read_text()
    rows = [line for line in text.splitlines() if re.match(r"\| `[a-z0-9]+-?", line)]
    assert rows == [_row(protocol) for protocol in PROTOCOLS.values()]


def _row(protocol):
    def number(of_a_part):
        return sum(of_a_part) if isinstance(of_a_part, tuple) else of_a_part

    parts = [p for e in protocol.expected.values() for p in (e.splits or {"": e.counts}).values()]
    clips = "" if None in parts else sum(map(number, parts))
    people = [expected.subjects for expected in protocol.expected.values()]
    star = "*" if any(expected.recalled for expected in protocol.expected.values()) else ""
    cells = [f"`{protocol.name}`", protocol.title, len(protocol.classes), f"{clips}{star}"]
    cells += ["" if None in people else sum(people), HELD_OUT[protocol.evaluation]]
    return f"| {' | '.join(map(str, cells))} |"


def _texts(path):
    """The texts of a source, with `…` for what is filled in."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            parts = (v.value if isinstance(v, ast.Constant) else "…" for v in node.values)
            yield "".join(map(str, parts))


def test_messages_that_are_explained_are_messages_of_the_code():
    known = "\n".join(text for path in SOURCES for text in _texts(path))
    page = (ROOT / "docs" / "errors.md").read_text()
    messages = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    assert len(messages) > 40
    lost = [message for message in messages if message.removeprefix("…: ") not in known]
    assert not lost


def test_commands_are_all_listed():
    page = (ROOT / "docs" / "commands.md").read_text()
    entries = re.findall(r'"me-keras[\w-]* = ([\w.]+):main"', (ROOT / "setup.py").read_text())
    listed = re.findall(r"^\| `python -m ([\w.]+)` \|", page, re.MULTILINE)
    wanted = {name.removesuffix(".__main__") for name in entries} - {"me_keras"}
    assert wanted <= set(listed)


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_needs_no_network(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings_handlers.python")
    pytest.importorskip("material")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = {str(p.relative_to(tmp_path)): p.read_text() for p in tmp_path.rglob("*.html")}
    assert {"index.html", "contributing.html", "tensorflow_serving.html"} <= set(pages)
    for name, text in pages.items():
        loaded = re.findall(r"<(?:script|img|iframe)[^>]* src=[\"']?([^\"'\s>]+)", text)
        loaded += re.findall(r"<link[^>]* rel=stylesheet href=([^\s>]+)|@import", text)
        assert not [place for place in loaded if place.startswith(("http", "//"))], name
    assert "--data-root" in pages["commands.html"] and "me_keras.tune" in pages["commands.html"]
    assert "dense_warp" in pages["api/models.html"]
