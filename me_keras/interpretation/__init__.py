"""What a model saw, in words and pictures: motion of regions, action units, occlusion, gallery."""
