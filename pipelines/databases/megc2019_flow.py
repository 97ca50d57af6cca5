"""The MEGC2019 composite as flow images, in STSTNet's tree or with a list such as HTNet's."""

from pipelines.databases.flow_images import FlowImages
from pipelines.protocols.table import COMPOSITE

DATABASE = FlowImages(
    "megc2019-flow",
    """\
megc2019-flow is a folder of square PNG images of optical flow (as OpenCV reads them: blue strain,
green v, red u) of the composite, with a list (CSV: dataset, sub, filename_o, label, imagename) or
in STSTNet's tree <subject>/u_test/<class>/<subject>_<clip>.png. Labels: 0 negative, 1 positive,
2 surprise.""",
    parts=COMPOSITE,
)
