"""Installs `me_keras` and `pipelines`. constraints*.txt pin what is left open here.

Two stacks from one source, each the last set in which its TensorFlow works with all the others:
"design" (TensorFlow 2.15, Keras 2) for Python 3.9 to 3.11, and "current" (TensorFlow 2.19, Keras 3)
for Python 3.12. ME_KERAS_STACK=current in the environment chooses the current one on any Python;
`make STACK=current` sets it.
"""

import os
import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "pipelines" / "__init__.py").read_text())[1]

# From which Python on the current stack is installed.
FROM = {"": "3.12", "design": "3.13", "current": "3.9"}.get(os.environ.get("ME_KERAS_STACK", ""))
if FROM is None:
    raise SystemExit("error: ME_KERAS_STACK is design or current, or is not set")
DESIGN, CURRENT = f"; python_version < '{FROM}'", f"; python_version >= '{FROM}'"

TEST = [
    "tensorflow-addons==0.23.0" + DESIGN,  # reference values of the warp; ended with Keras 2
    "pytest",
    "pytest-xdist",  # both cores for the tests
    "hypothesis",  # properties over many inputs instead of a few chosen ones
    "scikit-image",  # a real photograph: the astronaut, public domain
    "check-jsonschema",  # carries the schema of Compose files, for deploy/
    "kubernetes-validate",  # carries the schemas of Kubernetes, for deploy/
    "pyyaml",  # reads both
    "requests",  # a second HTTP client, for the development server
    "nbclient",  # runs the notebook
    "ipykernel",  # its kernel
    "playwright",  # drives Chromium, where there is one, to see the HTML pages as people do
]
# Extras, of which some have no release for Python 3.9
LATER = "; python_version >= '3.10'"
RAY = ["ray>=2.40" + LATER]  # folds on a cluster
MLFLOW = ["mlflow-skinny>=3.10" + LATER]  # its client: runs, trials, models
WEB = ["gradio>=6" + LATER]  # the page to try it
ONNX = [
    "tf2onnx>=1.17" + LATER,  # writes ONNX files
    "onnx<1.19" + LATER,  # for it; 1.19 needs a newer ml_dtypes than TensorFlow 2.15 takes
    "onnxruntime" + LATER,  # runs them
]
DOCS = ["mkdocs-material" + LATER, "mkdocstrings[python]" + LATER]  # the documentation site
EXTRAS = [*RAY, *MLFLOW, *WEB, *ONNX]

setup(
    name="me-keras",
    version=VERSION,
    description="FRL-DGT: micro-expression recognition in TensorFlow/Keras, from frames to serving",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    packages=find_packages(include=["me_keras*", "pipelines*"]),
    package_data={
        "me_keras": [
            "weights/displacement.npz",  # where the generator starts from
            "evaluation/pages/templates/*.j2",  # HTML
            "webpage/templates/*",  # of the page to try it
        ]
    },
    python_requires=">=3.9,<3.13",  # mediapipe, below, has no wheel for 3.13
    install_requires=[
        "tensorflow==2.15.1" + DESIGN,
        "tensorflow==2.19.1" + CURRENT,
        "keras==2.15.0" + DESIGN,
        "keras>=3.10,<=3.15.1" + CURRENT,  # Python 3.9 has it up to 3.10.0, 3.10 up to 3.12.4
        # gRPC stubs of TensorFlow Serving, warm-up records
        "tensorflow-serving-api==2.15.1" + DESIGN,
        "tensorflow-serving-api==2.19.1" + CURRENT,
        "grpcio",  # channels and servers for these stubs
        "numpy>=1.23.5,<2",  # numpy 2 breaks TensorFlow 2.15 and mediapipe 0.10.21
        "scikit-learn",  # splits by subject
        "scipy",  # the permutation test, peaks along a film; scikit-learn brings it anyway
        "joblib",  # its loky: processes for clips, folds and trials, which notices one that died
        "filelock",  # one process at a time prepares a database, also on macOS
        "keras-tuner==1.4.8",
        # Face landmarks; the last with their model inside the wheel. It requires
        # opencv-contrib-python, which holds all of opencv-python: listing that too would put
        # two wheels over one cv2 folder.
        "mediapipe==0.10.21",
        "pandas<3",  # annotation tables; pandas 3 asks for numpy 2
        "openpyxl",  # .xlsx annotation sheets, for pandas
        "xlrd",  # .xls annotation sheets, for pandas
        "aiohttp",  # REST side of the development server
        "urllib3>=2",  # REST client, with its retries
        "jsonschema",  # checks contract.json of an exported model
        "jinja2",  # its model card, HTML pages
        "tqdm",  # progress bars
        "setuptools<82",  # TensorBoard imports its pkg_resources, which 82 left out
        "matplotlib",  # figures
    ],
    extras_require={
        "ray": RAY,
        "mlflow": MLFLOW,
        "web": WEB,
        "onnx": ONNX,
        "docs": DOCS,
        "test": [*TEST, *EXTRAS],
        "dev": [*TEST, *EXTRAS, *DOCS, "build", "ruff", "mypy"],  # build: the wheel
    },
    entry_points={
        "console_scripts": [
            "me-keras = me_keras.__main__:main",
            "me-keras-loso = me_keras.loso:main",
            "me-keras-tune = me_keras.tune:main",
            "me-keras-ablate = me_keras.ablate:main",
            "me-keras-compare = me_keras.compare:main",
            "me-keras-export = me_keras.export:main",
            "me-keras-predict = me_keras.predict:main",
            "me-keras-web = me_keras.web:main",
            "me-keras-serve = me_keras.serve:main",
            "me-keras-pretrain = me_keras.pretrain:main",
            "me-keras-machine = me_keras.doctor:main",
            "me-keras-prepare = pipelines.prepare:main",
            "me-keras-doctor = pipelines.doctor.__main__:main",
        ]
    },
)
