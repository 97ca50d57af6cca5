"""What a synthetic database holds, before a single face is painted: clips, names and numbers."""

import dataclasses

import numpy as np

from pipelines.synthetic import clip as clips
from pipelines.synthetic import layouts, motion
from pipelines.synthetic.options import SynthesisConfig

__all__ = ["Job", "SynthesisConfig", "draw_spec", "plan"]

# Words of the databases that `motion.EMOTIONS` has under another name, or for which others do.
SYNONYMS = {"sad": "sadness", "happy": "happiness", "other": "others", "tense": "anger"}


@dataclasses.dataclass(frozen=True)
class Job:
    """A clip to write: its row in the sheet, its specification, frame -> path below the root."""

    row: layouts.Row
    spec: clips.ClipSpec
    paths: dict


def draw_spec(config, subject, number, emotion):
    """Draws clip `number` (0-based, of all the subject's clips) of `subject` (1-based)."""
    rng = np.random.default_rng([config.seed, subject, number])
    length = max(4, round(config.num_frames * rng.uniform(0.8, 1.2)))
    apex = int(np.clip(round((length - 1) * rng.normal(0.5, 0.07)), 1, length - 2))
    emotion = SYNONYMS.get(emotion, emotion)
    unit = config.frame_size[0] / 640
    pose = (rng.uniform(0.95, 1.05), rng.normal(0, 2.5), *(unit * rng.uniform(-12, 12, 2)))
    return clips.ClipSpec(
        subject=config.seed * 10007 + subject,
        seed=int(rng.integers(2**31)),
        emotion=emotion,
        units=motion.draw_units(rng, emotion, config.blend),
        amplitude=config.amplitude_px * round(float(rng.uniform(0.75, 1.25)), 3),
        num_frames=length,
        apex=apex,
        end_level=round(float(rng.uniform(0.1, 0.7)), 3),
        frame_size=tuple(config.frame_size),
        eye_distance=layouts.LAYOUTS[config.layout].eye_distance * config.frame_size[0],
        pose=tuple(round(float(value), 4) for value in pose),
        drift=config.drift,
        flicker=config.flicker,
        noise=config.noise,
    )


def plan(config: SynthesisConfig) -> list[Job]:
    """The clips of a synthetic database, in order of subject and class."""
    layout = layouts.LAYOUTS[config.layout]
    jobs, recorded = [], 90_000
    for subject in range(1, config.num_subjects + 1):
        number = 0
        for label, words in enumerate(layout.words):
            for i in range(1, config.clips_per_class + 1):
                word = words[(i - 1) % len(words)]
                spec = draw_spec(config, subject, number, word)
                # SMIC's numbers are those of the recording; elsewhere img100 comes before img99.
                first = recorded if config.layout == "smic" else 90 + i
                names = layout.name(subject, label, i, number + 1, first)
                apex, last = first + spec.apex, first + spec.num_frames - 1
                row = layouts.Row(*names, first, apex, last, "+".join(spec.action_units), word)
                paths = {t: str(layout.path(row, first + t)) for t in range(spec.num_frames)}
                jobs.append(Job(row, spec, paths))
                recorded += spec.num_frames + 1000
                number += 1
    return jobs
