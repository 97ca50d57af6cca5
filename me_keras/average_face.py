"""Where the action-unit regions lie on an average aligned face."""

# Boxes (y1, x1, y2, x2) of `pipelines.schema.REGIONS`, as fractions: the mean over rendered faces,
# made symmetric. Taken where a model is given no regions.
AVERAGE_REGIONS = (
    (0.01, 0.09, 0.18, 0.46),
    (0.01, 0.54, 0.18, 0.91),
    (0.03, 0.38, 0.23, 0.62),
    (0.13, 0.16, 0.31, 0.44),
    (0.13, 0.56, 0.31, 0.84),
    (0.22, 0.33, 0.53, 0.67),
    (0.38, 0.16, 0.76, 0.53),
    (0.38, 0.47, 0.76, 0.84),
    (0.60, 0.33, 0.94, 0.67),
)
