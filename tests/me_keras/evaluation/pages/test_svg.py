import re
from xml.etree import ElementTree

from me_keras.evaluation.pages import svg


def drawn(name="a", title="t", label="x", description="d"):
    with svg.new_axes((3, 2)) as axes:
        axes.plot([0, 1], [0, 5], color=svg.SERIES[0], marker="o")
        axes.fill_between([0, 1], 0, 2, color=svg.SERIES[1], alpha=0.5)
        axes.set(title=title, xlabel=label)
        return svg.inline(axes, name, title, description)


def ids(text):
    return re.findall(r'\bid="([^"]+)"', text)


def test_it_is_the_same_text_each_time_and_holds_no_date():
    text = drawn()
    assert text == drawn()
    assert "metadata" not in text and "<style" not in text and "dc:" not in text


def test_ids_begin_with_its_name_and_all_references_lead_somewhere():
    one, other = drawn("one"), drawn("other")
    assert ids(one) and all(each.startswith("one-") for each in ids(one))
    assert not set(ids(one)) & set(ids(other))
    used = re.findall(r"url\(#([^)]+)\)", one) + re.findall(r'href="#([^"]+)"', one)
    assert used and set(used) <= set(ids(one))


def test_it_has_the_pages_colours_and_says_what_it_is():
    text = drawn(title="Loss", description="falls")
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img" and root.get("aria-labelledby") == "a-title a-desc"
    assert [child.text for child in list(root)[:2]] == ["Loss", "falls"]
    assert "currentColor" in text and "var(--series-1)" in text and "var(--line)" in text
    assert not re.search(r"#0101\d\d|#000000|#ffffff", text)
    assert "width" not in root.attrib and root.get("style") == "max-width: 288px"  # 3 inches
    assert "<text" in text  # not outlines of letters


def test_names_from_outside_are_text():
    text = drawn(title="$x$ <b>&", label=svg.printable("a\x00\x1bb"), description="<script>")
    assert "$x$ &lt;b&gt;&amp;" in text and "<script" not in text and "<b>" not in text
    assert "a\ufffd\ufffdb" in text
    ElementTree.fromstring(text)
