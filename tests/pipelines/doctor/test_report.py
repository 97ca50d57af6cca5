"""The command on a healthy tree and on one damaged in two dozen ways, each named with a remedy."""

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import time

import cv2
import disk
import numpy as np
import openpyxl
import pytest
from rendered import layouts

from pipelines import databases
from pipelines.doctor import __main__ as doctor
from pipelines.doctor import checks
from pipelines.synthetic import plan, write

FRAMES = pathlib.Path("CASME2_RAW_selected")
LINES = layouts.LAYOUTS["casme2"].sheet


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """24 clips of four people in CASME II's layout."""
    root = tmp_path_factory.mktemp("copy") / "root"
    config = plan.SynthesisConfig(
        layout="casme2", num_subjects=4, clips_per_class=2, num_frames=6, frame_size=(320, 240)
    )
    write.generate(root, config)
    return root


def digest(root):
    """Names, contents, times and links of all that lies below `root`."""
    facts = []
    for path in sorted(root.rglob("*")):
        content = path.read_bytes() if path.is_file() else path.is_symlink()
        facts.append((str(path), path.lstat().st_mtime_ns, content))
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def change_all(folder, change):
    """Rewrites all frames of a clip; `change` maps (h, w, 3) to another image."""
    for path in folder.glob("*.jpg"):
        cv2.imwrite(str(path), change(cv2.imread(str(path))))


def enlarge(image, by=1.5):
    height, width = image.shape[:2]
    matrix = np.float64([[by, 0, (1 - by) * width / 2], [0, by, (1 - by) * height / 2]])
    return cv2.warpAffine(image, matrix, (width, height))


class Tree:
    """A copy to be damaged; each damage returns what the doctor should name."""

    def __init__(self, root):
        self.root = root
        self.book = openpyxl.load_workbook(root / LINES)
        self.sheet = self.book.worksheets[0]
        self.header = [cell.value for cell in self.sheet[1]]

    def folder(self, clip):
        return self.root / FRAMES / clip

    def frames(self, clip):
        return sorted(self.folder(clip).glob("*.jpg"), key=lambda path: int(path.stem[3:]))

    def row(self, clip):
        """The row of "sub01/EP01_01", and its number."""
        names = [clip[3:5], clip[6:]]
        return next(
            (row, i)
            for i, row in enumerate(self.sheet.iter_rows(), start=1)
            if [row[0].value, row[1].value] == names
        )

    def edit(self, clip, **values):
        """Sets cells of a clip's row: frames counted from its first; returns "sheet: line n"."""
        row, number = self.row(clip)
        first = int(self.frames(clip)[0].stem[3:])
        for name, value in values.items():
            row[self.header.index(name)].value = first + value
        return f"{LINES}: line {number}"

    def save(self):
        self.book.save(self.root / LINES)


def damage(tree):
    """Damages a tree in every way that the doctor knows; returns [(kind, end of the path)]."""
    expected = []

    def named(kind, path):
        expected.append((kind, str(path).removeprefix(str(tree.root))))

    # 1 a frame lacks
    tree.frames("sub01/EP01_01")[2].unlink()
    named("frames missing", tree.folder("sub01/EP01_01"))
    # 2 a file was cut short, 3 another is empty
    cut = tree.frames("sub01/EP01_02")[3]
    cut.write_bytes(cut.read_bytes()[:-2000])
    named("unreadable frame", cut)
    empty = tree.frames("sub01/EP02_01")[1]
    empty.write_bytes(b"")
    named("unreadable frame", empty)
    # 4 one frame of another size
    small = tree.frames("sub01/EP02_02")[2]
    cv2.imwrite(str(small), cv2.resize(cv2.imread(str(small)), (160, 120)))
    named("mixed sizes", small)
    # 5-9 the sheet
    named("apex outside", tree.edit("sub01/EP03_01", ApexFrame=500))
    row, _ = tree.row("sub01/EP03_02")
    last = len(tree.frames("sub01/EP03_02")) - 1
    tree.edit("sub01/EP03_02", ApexFrame=last)
    named("apex on offset", tree.folder("sub01/EP03_02"))
    tree.edit("sub02/EP01_01", ApexFrame=0)
    named("apex on onset", tree.folder("sub02/EP01_01"))
    named("onset after offset", tree.edit("sub02/EP01_02", OnsetFrame=4, OffsetFrame=1))
    named("onset is offset", tree.edit("sub02/EP02_01", ApexFrame=0, OffsetFrame=0))
    # 10 one clip under two names
    for source, target in zip(tree.frames("sub02/EP03_02"), tree.frames("sub02/EP03_01")):
        shutil.copy(source, target)
    named("duplicate clip", tree.folder("sub02/EP03_02"))
    # 11 a second row for a clip, 12 a second folder
    row, _ = tree.row("sub02/EP02_02")
    tree.sheet.append([cell.value for cell in row])
    named("second copy", f"{LINES}: line {tree.sheet.max_row}")
    nested = tree.root / FRAMES / FRAMES / "sub03" / "EP01_01"
    shutil.copytree(tree.folder("sub03/EP01_01"), nested)
    named("second copy", tree.folder("sub03/EP01_01"))  # nested folders are read first
    # 13 no face, 14 another face's size, 15 left and right exchanged, 16 another frame size
    onset = tree.frames("sub03/EP01_02")[0]
    cv2.imwrite(str(onset), np.tile(np.uint8(np.arange(320) % 256)[None, :, None], (240, 1, 3)))
    named("no face", onset)
    change_all(tree.folder("sub03/EP02_01"), enlarge)
    named("eye distance", tree.frames("sub03/EP02_01")[0])
    change_all(tree.folder("sub03/EP02_02"), lambda image: image[:, ::-1])
    named("mirrored", tree.frames("sub03/EP02_02")[0])
    change_all(tree.folder("sub03/EP03_01"), lambda image: cv2.resize(image, (288, 216)))
    named("unusual size", tree.frames("sub03/EP03_01")[0])
    # 17-22 what does not belong there
    (tree.root / "Part2.zip").write_bytes(b"PK")
    named("archive", tree.root / "Part2.zip")
    (tree.folder("sub04/EP01_01") / "list.txt").write_bytes(b"?")
    named("not an image", tree.folder("sub04/EP01_01") / "list.txt")
    (tree.root / FRAMES / "again").symlink_to(tree.root)
    named("link loop", tree.root / FRAMES / "again")
    (tree.root / "SAMM" / "006").mkdir(parents=True)
    named("other database", tree.root / "SAMM")
    (tree.folder("sub04/EP01_02") / "img900.jpg").symlink_to(tree.root / "gone.jpg")
    named("broken link", tree.folder("sub04/EP01_02") / "img900.jpg")
    shutil.copy(tree.frames("sub04/EP03_01")[0], tree.folder("sub04/EP03_01") / "preview.jpg")
    named("unnumbered image", tree.folder("sub04/EP03_01") / "preview.jpg")
    # 23 a folder without a row, 24 a row without a folder
    shutil.copytree(tree.folder("sub04/EP02_01"), tree.folder("sub04/EP09_09"))
    named("no row", tree.folder("sub04/EP09_09"))
    shutil.rmtree(tree.folder("sub04/EP02_01"))
    named("no frames", f"{LINES}: line {tree.row('sub04/EP02_01')[1]}")
    # 25 frames that repeat, 26 two files for one frame
    first, *others = tree.frames("sub04/EP02_02")
    for path in others:
        shutil.copy(first, path)
    named("still clip", tree.folder("sub04/EP02_02"))
    twin = tree.frames("sub04/EP03_02")[0]
    shutil.copy(twin, twin.with_name(f"img0{twin.stem[3:]}.jpg"))
    named("two files, one number", f"{LINES}: line {tree.row('sub04/EP03_02')[1]}")
    tree.save()
    return expected


def run(*arguments):
    return doctor.main([*map(str, arguments), "--jobs", "1"])


def test_a_healthy_copy(healthy, tmp_path, capsys):
    before = digest(healthy)
    files = "--json", tmp_path / "report.json", "--sheet", tmp_path / "sheet.png"
    assert run("--data-root", healthy, *files, "--sheet-clips", 2) == 0
    said = capsys.readouterr().out
    assert "CASME2_RAW_selected/*/*/img##.jpg (24 clips)" in said
    assert "24 clips of 4 subjects (negative 8, positive 8, surprise 8)" in said
    assert "healthy: 0 errors, 0 warnings, 0 notes" in said
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["healthy"] and report["findings"] == [] and report["num_subjects"] == 4
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[1] > 1000
    assert digest(healthy) == before


def test_each_damage_is_named_with_file_and_remedy(healthy, tmp_path, capsys):
    root = tmp_path / "root"
    shutil.copytree(healthy, root)
    expected = damage(Tree(root))
    assert len({kind for kind, _ in expected}) >= 24
    before = digest(root)
    assert run("--data-root", root, "--all", "--json", tmp_path / "report.json") == 1
    assert digest(root) == before
    said = capsys.readouterr().out
    found = json.loads((tmp_path / "report.json").read_text())["findings"]
    assert sorted((f["kind"], f["path"].removeprefix(str(root))) for f in found) == sorted(
        (kind, path if path.startswith("/") else f"/{path}") for kind, path in expected
    )
    for finding in found:
        assert finding["remedy"] == checks.KINDS[finding["kind"]][1]
        assert finding["path"] in said and finding["remedy"] in said
    assert "not healthy" in said


def test_counts_are_compared_with_the_protocol(healthy, capsys):
    assert run("--dataset", "casme2", "--data-root", healthy, "--sample", 0) == 1
    said = capsys.readouterr().out
    assert "casme2-3: casme2: 8 clips of negative, expected 88" in said
    assert run("--dataset", "casme2", "--data-root", healthy, "--protocol", "casme2-5") == 1
    assert "casme2-5: casme2: 4 clips of disgust, expected 63" in capsys.readouterr().out


def test_counts_without_a_source_are_no_finding(tmp_path, capsys):
    row = layouts.Row("sub01", "EP01_5", 98, 99, 101, "4", "tense")
    disk.write_copy(tmp_path, "casme", [row])
    assert run("--dataset", "casme", "--data-root", tmp_path, "--sample", 0) == 1  # repeated frames
    said = capsys.readouterr().out
    assert "NOTE  counts in doubt" in said and "1 clips of tense, expected 69" in said


def test_a_copy_that_is_still_packed_is_a_finding(tmp_path, capsys):
    (tmp_path / "SMIC_all_raw.zip").write_bytes(b"PK")
    assert run("--dataset", "smic", "--data-root", tmp_path) == 1
    said = capsys.readouterr().out
    assert "ERROR  not recognised" in said and "unpack it" in said and "SMIC_all_raw.zip" in said


def test_a_tree_of_three_databases(healthy, tmp_path, capsys):
    """Each copy by name; what the two others lack is said."""
    named = f"casme2={healthy}"
    assert run("--dataset", "megc2019", "--data-root", named, "--sample", 0) == 1
    said = capsys.readouterr().out
    assert "megc2019: smic: no clip, expected 164" in said
    assert "other database" not in said


def test_flow_images_of_the_composite(tmp_path, tmp_path_factory, capsys):
    report = tmp_path_factory.mktemp("report") / "report.json"
    image = cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (28, 28, 3)))[1]
    for name in ("s01/u_test/0/s01_s01_ne_01.png", "sub01/u_test/1/sub01_EP02_01f.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(image.tobytes() + name.encode())
    assert run("--dataset", "megc2019-flow", "--data-root", tmp_path, "--json", report) == 1
    said = capsys.readouterr().out
    assert "2 frames read: 28x28" in said and "samm: no clip, expected 133" in said
    findings = json.loads(report.read_text())["findings"]
    assert {finding["kind"] for finding in findings} == {"counts"}


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--data-root", "/nowhere"], "no such folder: /nowhere"),
        (
            ["--dataset", "samm"],
            "--dataset samm needs --data-root (or ME_KERAS_DATA). Apply for SAMM",
        ),
        (["--dataset", "casme2", "--data-root", ".", "."], "one --data-root, got 2"),
        (["--dataset", "casme2", "--data-root", ".", "--protocol", "x"], "unknown protocol 'x'"),
        (["--dataset", "casme2", "--data-root", ".", "--json", "./x.json"], "lies in the copy"),
        (["--dataset", "casme2", "--data-root", ".", "--sheet", "/nowhere/x.png"], "no such fold"),
    ],
)
def test_misuse_is_one_line_and_code_2(arguments, said, capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("ME_KERAS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert doctor.main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error and error.startswith("error: ") and error.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--sample", "-1"], ["--dataset", "nosuch"], ["--colour"]])
def test_a_wrong_flag_exits_with_2(arguments):
    with pytest.raises(SystemExit) as exit:
        doctor.main(arguments)
    assert exit.value.code == 2


def test_help_needs_nothing_heavy():
    script = (
        "import sys, pipelines.doctor.__main__ as d\n"
        "try: d.main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'cv2', 'numpy', 'pandas', 'tensorflow', 'mediapipe'} & set(sys.modules)))"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0 and "--data-root" in done.stdout
    assert time.perf_counter() - start < 2  # 0.1 s on an idle machine


def test_motion_images_are_examined_too(tmp_path, capsys):
    """Ready-made motion has no faces to look for and no sheet to draw."""
    assert databases.load("smic-flow").precomputed
    (tmp_path / "a.png").write_bytes(b"no image")
    (tmp_path / "labels.csv").write_text("file,subject,clip,label\na.png,s01,s01_ne_01,0\n")
    assert run("--dataset", "smic-flow", "--data-root", tmp_path) == 1
    said = capsys.readouterr().out
    assert "unreadable frame" in said and "a.png" in said and "no face" not in said
