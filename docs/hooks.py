"""What MkDocs cannot do by itself: pages that lie beside docs/, and each command's --help.

Links in the sources are those of the repository, so that they lead somewhere on disk, too.
"""

import contextlib
import importlib
import io
import os
import pathlib
import re
import sys

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parents[1]
# Pages that lie elsewhere in the repository -> their names on the site.
PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "deploy/README.md": "tensorflow_serving.md",
    "saved_models/README.md": "saved_models.md",
}
SOURCES = {page: source for source, page in PAGES.items()}
HELP = "<!-- the help of each command -->"
LINK = re.compile(r"(?<!!)\[([^\[\]]+)\]\((?!https?:|#)([^)#\s]*)(#[^)\s]*)?\)")


def on_files(files, config):
    """Adds the pages that lie elsewhere."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turns links of the repository into those of the site, and fills in what commands print."""
    source = SOURCES.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    here = os.path.dirname(page.file.src_uri)

    def link(match):
        words, target, anchor = match[1], match[2], match[3] or ""
        place = os.path.normpath(os.path.join(os.path.dirname(source), target))
        on_site = PAGES.get(place) or place.removeprefix("docs/")
        if place not in PAGES and not place.startswith("docs/"):
            return words  # a source: its name is enough
        return f"[{words}]({os.path.relpath(on_site, here or '.')}{anchor})"

    # Each link but those in code: fenced blocks, and between backticks.
    parts = re.split(r"(^```.*?^```|`[^`\n]*`(?!\]))", markdown, flags=re.DOTALL | re.MULTILINE)
    markdown = "".join(part if i % 2 else LINK.sub(link, part) for i, part in enumerate(parts))
    if HELP in markdown:
        markdown = markdown.replace(HELP, "\n".join(map(_help, commands())))
    return markdown


def commands():
    """The modules that people run, in the order of setup.py."""
    text = (ROOT / "setup.py").read_text()
    found = re.findall(r'"me-keras[\w-]* = ([\w.]+):main"', text)
    named = [name.removesuffix(".__main__") for name in found]
    return [*dict.fromkeys([*named, "pipelines.synthetic"])]


def _help(name):
    """A section with all that `python -m NAME --help-all` prints."""
    sys.path.insert(0, str(ROOT))
    path = ROOT.joinpath(*name.split("."))
    module = importlib.import_module(f"{name}.__main__" if path.is_dir() else name)
    os.environ["COLUMNS"] = "100"
    brief = _printed(module, "--help")
    text = _printed(module, "--help-all") if "--help-all" in brief else brief
    return f"## {name}\n\n```text\n{text.strip()}\n```\n"


def _printed(module, flag):
    """What a command prints before it exits."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        module.main([flag])
    return printed.getvalue()
