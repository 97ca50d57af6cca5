import numpy as np

from me_keras.rendered_faces import CLIPS, FRAMES, rendered_faces


def test_people_are_rendered_aligned_and_move():
    faces = rendered_faces(2, image_size=64, jobs=1)
    assert len(faces) == 2 * CLIPS and faces.frames.shape == (2 * CLIPS * FRAMES, 80, 80)
    clips = faces.frames.reshape(2 * CLIPS, FRAMES, 80, 80).astype(float)
    between = np.abs(clips[:, 1:] - clips[:, :1]).mean(axis=(2, 3))  # of frame and onset
    assert (between > 0.2).all() and (between < 8).all()
    people = clips[:, 0].reshape(2, CLIPS, 80, 80)
    own = np.abs(people[:, 0] - people[:, 1]).mean()
    assert np.abs(people[0] - people[1]).mean() > 2 * own
    assert sorted(set(faces.subject_keys)) == ["rendered/s001", "rendered/s002"]


def test_none_of_them_is_in_the_demo_or_the_benchmarks():
    from me_keras import rendered_faces as module
    from pipelines.synthetic import plan
    from pipelines.synthetic.options import SynthesisConfig

    def people(seed, first=1):
        config = SynthesisConfig(seed=seed)
        return {plan.draw_spec(config, first + n, 0, "positive").subject for n in range(500)}

    ours = people(module.SEED)
    assert not ours & (people(0) | people(1) | people(11))
