"""Installs `me_keras` and `pipelines`. Versions are pinned in constraints.txt, not here."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "me_keras" / "__init__.py").read_text())[1]

TEST = [
    "pytest",
    "pytest-xdist",  # both cores for the tests
    "hypothesis",  # properties over many inputs instead of a few chosen ones
    "scipy",  # independent reference values
    "check-jsonschema",  # carries the schema of Compose files, for deploy/
    "kubernetes-validate",  # carries the schemas of Kubernetes, for deploy/
    "pyyaml",  # reads both
    "requests",  # a second HTTP client, for the development server
]
RAY = ["ray>=2.40; python_version >= '3.10'"]  # folds on a cluster

setup(
    name="me-keras",
    version=VERSION,
    description="FRL-DGT: micro-expression recognition in TensorFlow/Keras, from frames to serving",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    packages=find_packages(include=["me_keras*", "pipelines*"]),
    python_requires=">=3.9,<3.12",  # the Pythons of TensorFlow 2.15
    install_requires=[
        # The last set in which all of these work together; numpy 2 breaks TensorFlow 2.15.
        "tensorflow==2.15.1",
        "keras==2.15.0",
        "numpy>=1.23.5,<2",
        "scikit-learn",  # splits by subject
        "joblib",  # its loky: processes for clips, folds and trials, which notices one that died
        "filelock",  # one process at a time prepares a database, also on macOS
        "keras-tuner==1.4.8",
        # Face landmarks, the model inside the wheel. It requires opencv-contrib-python, which
        # holds all of opencv-python: listing that too would put two wheels over one cv2 folder.
        "mediapipe==0.10.21",
        "pandas<3",  # annotation tables; pandas 3 asks for numpy 2
        "openpyxl",  # .xlsx annotation sheets, for pandas
        "xlrd",  # .xls annotation sheets, for pandas
        "tensorflow-serving-api==2.15.1",  # gRPC stubs of TensorFlow Serving, warm-up records
        "grpcio",  # channels and servers for them
        "aiohttp",  # REST side of the development server
        "urllib3>=2",  # REST client, with its retries
        "jsonschema",  # checks contract.json of an exported model
        "jinja2",  # its model card
        "tqdm",  # progress bars
        "matplotlib",  # figures
    ],
    extras_require={
        "ray": RAY,
        "test": [*TEST, *RAY],
        "dev": [*TEST, *RAY, "ruff", "mypy"],
    },
    entry_points={
        "console_scripts": [
            "me-keras-loso = me_keras.loso:main",
            "me-keras-tune = me_keras.tune:main",
            "me-keras-export = me_keras.export:main",
            "me-keras-predict = me_keras.predict:main",
            "me-keras-serve = me_keras.serve:main",
            "me-keras-prepare = pipelines.prepare:main",
            "me-keras-doctor = pipelines.doctor.__main__:main",
        ]
    },
)
