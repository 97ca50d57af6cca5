"""What a page holds, read with the parser of the standard library."""

import html.parser
import re

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(html.parser.HTMLParser):
    """A page that was parsed: its tags, ids, addresses, and the text of each element by tag.

    Raises:
        AssertionError: a tag that is closed but not open, or never closed.
    """

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.addresses, self.parts = [], [], [], []
        self._open = []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("href", "src", "xlink:href", "action", "srcset", "poster"):
                self.addresses.append(value)
            self.addresses += re.findall(r"url\(([^)]*)\)", value or "")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        assert self._open and self._open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        if data.strip() and "style" not in self._open[-1:]:
            self.parts.append((self._open[-1], " ".join(data.split())))

    @property
    def text(self):
        """All that is to be read."""
        return " ".join(part for _, part in self.parts)


def check_whole(text):
    """Parses a page, and fails where it needs the network, scripts, or repeats an id."""
    page = Page(text)
    assert len(page.ids) == len(set(page.ids)), "an id twice"
    assert "script" not in {tag for tag, _ in page.tags}
    for address in page.addresses:
        assert address.startswith(("#", "data:", "./")), address
        if address.startswith("#"):
            assert address[1:] in page.ids, f"{address} leads nowhere"
    assert not re.search(r"@import|@font-face", text)
    for tag, attributes in page.tags:
        assert tag != "img" or attributes.get("alt"), "a picture without words"
        assert tag != "svg" or attributes.get("aria-labelledby"), "a chart without words"
        assert not any(name.startswith("on") for name in attributes), "a script in an attribute"
    return page
