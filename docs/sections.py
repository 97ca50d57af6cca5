"""For mkdocstrings: griffe asks for a blank line above a section of a docstring; we leave none."""

import re

import griffe

_NAMES = "Args|Call arguments|Attributes|Returns|Raises|Reference|Examples"
SECTION = re.compile(rf"\n+(?=(?:{_NAMES}):)")


class BlankLineAboveSections(griffe.Extension):
    """Adds it to every docstring that is read."""

    def on_instance(self, *, obj, **kwargs):
        if obj.docstring:
            obj.docstring.value = SECTION.sub("\n\n", obj.docstring.value)
