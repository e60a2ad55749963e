"""Installs the tutorial's files and the package: pip install .

The extras: [gpu]: CUDA, [faces]: align_faces.py and LFW, [export]: ONNX, [kubernetes] and [ray]: docs/cluster.md,
[docs]: the site, [test]: the tests, with all extras but gpu and ray.
"""
import os
import runpy
from glob import glob

from setuptools import setup


def files(folder, pattern="**"):
    """The files in a folder that match, as paths below it; none if there is no such folder."""
    paths = glob(os.path.join(folder, pattern), recursive=True)
    return sorted(os.path.relpath(path, folder) for path in paths if os.path.isfile(path))


# a clone's folder data is installed as the package gantut_data, and so on
FOLDERS = [name for name in ("data", "course", "variants", "pretrained") if os.path.isdir(name)]

EXTRAS = {
    "export": ["tf2onnx>=1.17,<2"],
    "faces": ["mtcnn==1.0.0", "scikit-learn>=1.4,<2"],
    "kubernetes": ["kubernetes>=29"],
    "docs": ["sphinx>=8.1,<10", "myst-parser>=4,<6", "furo>=2024.8"],
}
TEST = [requirement for extra in EXTRAS.values() for requirement in extra]
TEST += ["pytest>=8,<10", "pytest-xdist>=3.5,<4", "ruff", "setuptools>=77", "wheel", "scikit-image>=0.22,<1",
         "selenium>=4.20,<5", "nbclient>=0.10,<1", "ipykernel>=6.29,<8", "onnxruntime>=1.20,<2",
         "ai-edge-litert>=2.0,<3", "kubernetes-validate>=1.34,<2", "kubeflow-trainer-api>=2.3,<3", "pyyaml>=6"]
RAY = ["ray[train]>=2.60,<3"]  # 150 MB, so a test that wants it is skipped without it

with open("README.md", encoding="utf-8") as readme:
    README = readme.read()

setup(
    name="gantut",
    version=runpy.run_path(os.path.join("gantut", "__init__.py"))["__version__"],
    description="The tutorial 'Generative Adversarial Network (GAN) in TensorFlow', running on today's TensorFlow",
    long_description=README,
    long_description_content_type="text/markdown",
    author="gantut developers",
    author_email="developers@gantut.invalid",  # no such address: open an issue instead
    license_expression="MIT",
    project_urls={"Tutorial": "https://mlnotebook.github.io/post/GAN1/"},
    keywords=["gan", "dcgan", "generative adversarial network", "tensorflow", "tutorial", "image completion"],
    classifiers=[
        "Development Status :: 5 - Production/Stable",
        "Environment :: Console",
        "Intended Audience :: Education",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in (10, 11, 12, 13)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Processing",
    ],
    python_requires=">=3.10,<3.14",
    py_modules=sorted(name[:-3] for name in glob("gantut_*.py")),
    packages=["gantut", *("gantut_" + name for name in FOLDERS)],
    package_dir={"gantut_" + name: name for name in FOLDERS},
    package_data={"gantut": ["*.html", "tfjs/*"], "gantut_data": ["*.npz", *files("data", "aligned/*.jpg"),
                                                              *files("data", "portraits/*.jpg")],
                  "gantut_pretrained": files("pretrained")},
    entry_points={"console_scripts": [
        "gantut-train=gantut_trainer:command",
        "gantut-sample=gantut_sample:command",
        "gantut-complete=gantut_complete:command",
        "gantut-judge=gantut_judge:command",
        "gantut-align=gantut_data.align_faces:command",
        "gantut-faces=gantut_data.make_faces:command",
        "gantut-course=gantut_course.__main__:command",
    ]},
    install_requires=[
        "tensorflow>=2.21,<2.22",
        "tensorboard>=2.21,<2.22",
        "numpy>=1.26,<3",
        "six>=1.16,<2",
        "scipy>=1.11,<2",
        "imageio>=2.31,<3",
        "pillow>=10.1,<14",
        "tqdm>=4.60,<5",
        "matplotlib>=3.8,<4",
        "filelock>=3.12,<5",
    ],
    extras_require={**EXTRAS, "test": TEST, "ray": RAY, "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"]},
)
