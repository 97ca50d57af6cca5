from pipelines import schema


def test_mirrored_regions_swap_sides_and_are_their_own_inverse():
    names = [schema.REGIONS[i] for i in schema.MIRRORED_REGIONS]
    assert names[:3] == ["brow_left", "brow_right", "glabella"]
    assert [schema.MIRRORED_REGIONS[i] for i in schema.MIRRORED_REGIONS] == list(range(9))


def test_keys_hold_the_database():
    clip = schema.Clip("smic", "s01", "s01_ne_01", ("a", "b"), (1, 2), 0, None, 1, 0, "negative")
    assert (clip.subject_key, clip.key) == ("smic/s01", "smic/s01/s01_ne_01")
