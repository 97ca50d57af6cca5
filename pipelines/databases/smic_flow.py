"""SMIC-HS as the flow images published with STSTNet: 164 clips of 16 people."""

from pipelines.databases.flow_images import FlowImages

DATABASE = FlowImages(
    "smic-flow",
    """\
smic-flow is a folder of square PNG images of optical flow (as OpenCV reads them: blue strain,
green v, red u; 28x28 as published with STSTNet) and labels.csv with the columns file, subject,
clip, label (0 negative, 1 positive, 2 surprise).""",
    parts=("smic",),
    listed_in="labels.csv",
)
