"""The pages people read, and what is in them: links, blocks of code, commands."""

import pathlib
import re
import shlex
import typing

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
ELSEWHERE = [ROOT / "deploy" / "README.md", ROOT / "saved_models" / "README.md"]
_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>needs|runs in|tree): (?P<said>[^\n]+) -->\n)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_COMMAND = re.compile(r"python -m ((?:me_keras|pipelines|benchmarks)[\w.]*)([^\n`|;>']*)")

# What stands for a value of the reader's -> such a value.
_FOR_EXAMPLE = {
    "$SLURM_ARRAY_TASK_ID": "1",
    "--model NAME": "--model frl_dgt",
    "--dataset NAME": "--dataset smic",
    "…": "",
}


class Block(typing.NamedTuple):
    """A fenced block, and the comment above it: `mark` is needs, runs in, tree, or ""."""

    mark: str
    said: str
    language: str
    text: str


def blocks(page) -> list[Block]:
    """The fenced blocks of a page."""
    found = _BLOCK.finditer(page.read_text())
    return [Block(*(part or "" for part in match.group(*Block._fields))) for match in found]


def commands(page) -> list[tuple[str, list[str]]]:
    """Module and arguments of each of our commands on a page, in blocks or in the text."""
    found = []
    for module, rest in _COMMAND.findall(page.read_text()):
        for placeholder, value in _FOR_EXAMPLE.items():
            rest = rest.replace(placeholder, value)
        found.append((module.rstrip("."), shlex.split(rest, comments=True)))
    return found


def prose(page) -> str:
    """A page without code: links and headings are found in it."""
    return re.sub(r"`[^`\n]*`(?!\])", "", _BLOCK.sub("", page.read_text()))


def links(page) -> list[str]:
    """Where the links and pictures of a page lead, those to the network left out."""
    return re.findall(r"\]\((?!https?:)([^)\s]+)\)", prose(page))


def anchors(page) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", _BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).strip().replace(" ", "-") for text in headings}


def drawn_files(text: str) -> list[str]:
    """The paths of the files of a drawing of folders: what lies in one is indented by two."""
    paths, above = [], []
    for line in text.splitlines():
        depth, name = (len(line) - len(line.lstrip())) // 2, line.strip()
        above = [*above[:depth], name]
        if not name.endswith("/"):
            paths.append("".join(above))
    return paths
