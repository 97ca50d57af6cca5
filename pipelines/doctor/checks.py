"""What can be wrong with a copy of a database, and the checks that find it.

Each check returns findings. Severity "error": the clip cannot be used or is not what it seems;
"warning": a person should look; "note": known or corrected by the loader, nothing to do.
"""

from __future__ import annotations

import collections
import dataclasses
import fnmatch
import os
import re
import statistics

from pipelines import protocols
from pipelines.doctor import inventory
from pipelines.doctor.reading import Reading

ERROR, WARNING, NOTE = "error", "warning", "note"

# kind -> (severity, remedy)
KINDS = {
    "not recognised": (ERROR, "arrange the copy as the message says, or choose another --dataset"),
    "archive": (WARNING, "unpack it, then move it out of the copy"),
    "link loop": (WARNING, "remove the link"),
    "broken link": (ERROR, "copy here what it should point to"),
    "other database": (WARNING, "give every database a root of its own"),
    "not an image": (WARNING, "move it out of the folder of frames"),
    "unnumbered image": (WARNING, "give it the frame's number for a name, or move it out"),
    "second copy": (ERROR, "keep one and move the other out"),
    "counts": (WARNING, "look for what is missing, or choose the --protocol that the copy is for"),
    "counts in doubt": (NOTE, "compare with your sheet: the expected count is from memory"),
    "clip lost": (ERROR, "correct what the message names; the clip is left out until then"),
    "unreadable cell": (ERROR, "correct the cell in the sheet; the clip is left out until then"),
    "renumbered": (ERROR, "get frames under their own numbers, or a sheet that counts as they do"),
    "no frames": (ERROR, "copy the clip's folder again"),
    "no row": (WARNING, "add its row to the sheet, or move the folder out"),
    "apex outside": (ERROR, "correct the sheet: the apex lies between onset and offset"),
    "onset is offset": (ERROR, "correct onset and offset in the sheet: a clip has two frames"),
    "onset after offset": (ERROR, "correct onset and offset in the sheet"),
    "two files, one number": (ERROR, "keep one of the two"),
    "known": (NOTE, "nothing to do"),
    "frames missing": (WARNING, "copy the clip again, unless the release is without them"),
    "apex on onset": (WARNING, "correct the sheet; training takes the middle frame meanwhile"),
    "apex on offset": (WARNING, "compare with the frames; correct the sheet if it is wrong"),
    "long clip": (WARNING, "compare onset and offset with the frames"),
    "unreadable frame": (ERROR, "copy the file again"),
    "mixed sizes": (ERROR, "copy the clip again: all its frames come from one camera"),
    "unusual size": (WARNING, "check that the clip is of the same release as the others"),
    "duplicate clip": (ERROR, "find out which name is right and remove the other"),
    "still clip": (WARNING, "copy the clip again: its frames repeat"),
    "no face": (ERROR, "look at the onset frame; is it a face, upright and lit?"),
    "small face": (WARNING, "use a release of higher resolution"),
    "eye distance": (ERROR, "look at the onset frame; is it this subject, is the face found?"),
    "mirrored": (ERROR, "compare with the subject's other clips; mirror it back"),
}

# What the loaders say, in the order of asking -> the kind of finding it is.
_SKIPPED = (
    (r"is no whole number", "unreadable cell"),
    (r"renumbered\?", "renumbered"),
    (r"a second (copy|row)", "second copy"),
    (r"two files for frame", "two files, one number"),
    (r"no row", "no row"),
    (r"apex .* outside", "apex outside"),
    (r"before onset", "onset after offset"),
    (r"frames (\d+)-\1\b", "onset is offset"),
    (r"no folder|holds|no numbered image|\d frame", "no frames"),
)
_NOTES = (
    (r"(are|is) missing", "frames missing"),
    (r"is the onset", "apex on onset"),
    (r"a micro-expression\?", "long clip"),
)

# Field of an erratum -> what it explains; one without a field says what a release lacks.
_FORETOLD = {
    "apex": ("apex on onset", "apex on offset"),
    "offset": ("frames missing",),
    "": ("frames missing",),
}

LONG = 3.0  # times the median length of the database's clips
COMMON = 0.8  # a size that so many clips share is the usual one
SHARED = 0.5  # of the frames of the shorter clip: more, and two clips are one
LEAST_EYES = 24  # px between the eyes: less leaves nothing to see at 128 px
EYES_OFF = 1.3  # times the subject's median distance of the eyes, or its inverse
MIRRORED = -0.3  # correlation of the left-right differences with the subject's other clips


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing found: what kind, of which clip ("" if of none), in which file or folder."""

    kind: str
    clip: str
    path: str
    detail: str
    known: bool = False

    @property
    def severity(self) -> str:
        return NOTE if self.known else KINDS[self.kind][0]

    @property
    def remedy(self) -> str:
        return KINDS["known" if self.known else self.kind][1]

    def to_json(self) -> dict:
        names = ("severity", "kind", "clip", "path", "detail", "remedy")
        return {name: getattr(self, name) for name in names}


def of_inventory(stock: inventory.Inventory) -> list[Finding]:
    """Findings of what lies beside the clips."""
    found = [Finding("archive", "", path, "not unpacked") for path in stock.archives]
    found += [Finding("link loop", "", p, "leads to a folder above itself") for p in stock.loops]
    found += [Finding("broken link", "", path, "leads nowhere") for path in stock.broken]
    for name, path in stock.others.items():
        found.append(Finding("other database", "", path, f"belongs to {name}"))
    for path, count in stock.litter.items():
        more = f", and {count - 1} more here" if count > 1 else ""
        found.append(Finding("not an image", "", path, f"among the frames{more}"))
    for path in stock.unnumbered:
        found.append(Finding("unnumbered image", "", path, "among the frames, not read"))
    return found


def of_skipped(skipped, protocol: protocols.Protocol | None = None) -> list[Finding]:
    """Findings of the clips that the loader could not use.

    Args:
        protocol: a clip that it would not take anyway is a note; None: it would take all.
    """
    lost = skipped if protocol is None else protocols.lost(skipped, protocol)
    return [
        Finding(_kind(s.reason, _SKIPPED, "clip lost"), s.key, s.path, s.reason, s not in lost)
        for s in skipped
    ]


def of_clips(clips, errata=()) -> list[Finding]:
    """Findings of annotations and frame numbers, no file being opened.

    Args:
        clips: as the loader returns them.
        errata: `annotated.Erratum`s of the database: what they say is known.
    """
    found: list[Finding] = []
    twins: set[str] = set()
    lengths = [clip.numbers[-1] - clip.numbers[0] + 1 for clip in clips]
    usual = statistics.median(lengths) if lengths else 0
    for clip, length in zip(clips, lengths):
        own, where = [], os.path.dirname(clip.frames[0])
        for note in clip.notes:
            twin = re.fullmatch(r"a second copy in (.*): not read", note)
            if twin is None:
                own.append((_kind(note, _NOTES, "known"), note))
            elif twin[1] not in twins:  # a recording may hold several clips
                twins.add(twin[1])
                said = f"a second copy of the clip in {where}, which is the one read"
                found.append(Finding("second copy", clip.key, twin[1], said))
        kinds = {kind for kind, _ in own}
        lost = length - len(clip.numbers)
        if lost and "frames missing" not in kinds:
            have = set(clip.numbers)
            gaps = [n for n in range(clip.numbers[0], clip.numbers[-1]) if n not in have]
            some = ", ".join(map(str, gaps[:3])) + ", …" * (len(gaps) > 3)
            own.append(("frames missing", f"{lost} of {length} frames are missing: {some}"))
        if clip.apex is not None and clip.onset < clip.offset:
            for kind, place in (("apex on onset", clip.onset), ("apex on offset", clip.offset)):
                if clip.apex == place:
                    own.append((kind, f"frame {clip.numbers[place]} is both"))
        if length > LONG * usual and "long clip" not in kinds:
            own.append(("long clip", f"{length} frames, where {usual:.0f} are usual"))
        known = _known(clip, errata)
        found += [Finding(kind, clip.key, where, said, kind in known) for kind, said in own]
    return found


def _kind(text, table, default):
    return next((kind for pattern, kind in table if re.search(pattern, text)), default)


def _known(clip, errata):
    """The kinds of findings that errata of the clip foretell."""
    names = (clip.clip, f"{clip.subject}/{clip.clip}")
    own = [e for e in errata if any(fnmatch.fnmatchcase(name, e.clip) for name in names)]
    return {kind for erratum in own for kind in _FORETOLD.get(erratum.field, ())}


def of_files(readings: list[Reading]) -> list[Finding]:
    """Findings of what frames hold, and of faces where looked for."""
    found = []
    for seen in readings:
        for path, reason in seen.faults:
            found.append(Finding("unreadable frame", seen.clip.key, path, reason))
        if len(seen.sizes) > 1:
            (first, _), (other, path), *_ = seen.sizes.items()
            detail = f"{_size(other)} after {_size(first)}"
            found.append(Finding("mixed sizes", seen.clip.key, path, detail))
        if seen.num_read > 2 and len(seen.digests) <= seen.num_read / 2:
            detail = f"only {len(seen.digests)} of {seen.num_read} frames differ"
            where = os.path.dirname(seen.clip.frames[0])
            found.append(Finding("still clip", seen.clip.key, where, detail))
    return found + _unusual(readings) + _duplicates(readings) + _faces(readings)


def _size(size):
    return f"{size[0]}x{size[1]}"


def _unusual(readings):
    """Clips of another size than most; registered releases have no usual size."""
    own = [(seen, next(iter(seen.sizes))) for seen in readings if len(seen.sizes) == 1]
    counts = collections.Counter((seen.clip.dataset, size) for seen, size in own)
    totals = collections.Counter(seen.clip.dataset for seen, _ in own)
    usual = {d: size for (d, size), count in counts.items() if count >= COMMON * totals[d]}
    found = []
    for seen, size in own:
        common = usual.get(seen.clip.dataset, size)
        if size != common:
            detail = f"{_size(size)}, where {_size(common)} is usual"
            found.append(Finding("unusual size", seen.clip.key, seen.sizes[size], detail))
    return found


def _duplicates(readings):
    """Clips that hold the same pictures; several clips cut from one recording share files."""
    first_holders: dict[bytes, tuple[int, str]] = {}
    shared: collections.Counter = collections.Counter()
    for index, seen in enumerate(readings):
        for digest, path in seen.digests.items():
            holder, original = first_holders.setdefault(digest, (index, path))
            if holder != index and original != path:
                shared[holder, index] += 1
    found = []
    for (a, b), count in sorted(shared.items()):
        first, second = readings[a], readings[b]
        shorter = min(len(first.digests), len(second.digests))
        if count > SHARED * shorter:
            where = os.path.dirname(second.clip.frames[0])
            detail = f"{count} of its pictures are those of {first.clip.key}"
            found.append(Finding("duplicate clip", second.clip.key, where, detail))
    return found


def _faces(readings):
    found, subjects = [], collections.defaultdict(list)
    for seen in readings:
        onset = seen.clip.frames[seen.clip.onset]
        if seen.no_face:
            found.append(Finding("no face", seen.clip.key, onset, seen.no_face))
        if seen.portrait:
            subjects[seen.clip.subject_key].append((seen, onset))
            if seen.portrait.eye_distance < LEAST_EYES:
                detail = f"{seen.portrait.eye_distance:.0f} px between the eyes"
                found.append(Finding("small face", seen.clip.key, onset, detail))
    for own in subjects.values():
        found += _eyes(own) + _mirrored(own)
    return found


def _eyes(own):
    """Clips of one subject whose eyes are too near or too far."""
    usual = statistics.median(seen.portrait.eye_distance for seen, _ in own)
    found = []
    for seen, onset in own:
        distance = seen.portrait.eye_distance
        if len(own) > 2 and not 1 / EYES_OFF < distance / usual < EYES_OFF:
            detail = f"{distance:.0f} px, where {usual:.0f} are usual for the subject"
            found.append(Finding("eye distance", seen.clip.key, onset, detail))
    return found


def _mirrored(own):
    """Clips of one subject whose left is the others' right; of two, neither can be told right."""
    found = []
    for seen, onset in own:
        others = [o.portrait.likeness(seen.portrait) for o, _ in own if o is not seen]
        if others and statistics.median(others) < MIRRORED:
            detail = "left and right are those of the subject's other clips, exchanged"
            if len(others) == 1:
                detail = "one of the subject's two clips is mirrored, this or the other"
            found.append(Finding("mirrored", seen.clip.key, onset, detail))
    return found
