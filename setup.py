"""Installs the front rooms and the machinery: pip install .  (with [test] what the tests need, with [gpu] CUDA)"""
from glob import glob

from setuptools import setup

setup(
    name="gantut",
    version="1.0.0",
    description="The tutorial 'Generative Adversarial Network (GAN) in TensorFlow', running on today's TensorFlow",
    license="MIT",
    python_requires=">=3.10,<3.14",
    py_modules=sorted(name[:-3] for name in glob("gantut_*.py")),
    packages=["gantut"],
    package_data={"gantut": ["*.html", "tfjs/*"]},
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
        "filelock>=3.12,<4",
    ],
    extras_require={
        "test": ["pytest>=8,<10", "scikit-image>=0.22,<1", "selenium>=4.20,<5", "ruff",
                 "mtcnn==1.0.0", "scikit-learn>=1.4,<2", "pytest-xdist>=3.5,<4", "kubernetes>=29", "nbclient>=0.10,<1",
                 "ipykernel>=6.29,<8", "tf2onnx>=1.17,<2", "onnxruntime>=1.20,<2", "ai-edge-litert>=2.0,<3"],
        "export": ["tf2onnx>=1.17,<2"],
        "variants": ["matplotlib>=3.8,<4"],
        "faces": ["mtcnn==1.0.0", "scikit-learn>=1.4,<2"],
        "kubernetes": ["kubernetes>=29"],
        "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],
    },
)
