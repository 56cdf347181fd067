"""Where packages and their data lie; everything else about the project stands in pyproject.toml.

The kernels are a folder of their own at the top of the checkout, and ``cgan_raw.kernels`` once imported.  The
link of that name, which a checkout may lack, is for editors.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

version = re.search(r'__version__ = "(.+)"', Path("cgan_raw/__init__.py").read_text(encoding="utf-8"))[1]
program = find_packages(include=["cgan_raw", "cgan_raw.*"], exclude=["cgan_raw.kernels", "cgan_raw.kernels.*"])
kernels = ["cgan_raw.kernels", *(f"cgan_raw.kernels.{name}" for name in find_packages("kernels"))]

setup(
    version=version,
    packages=[*program, *kernels],
    package_dir={"cgan_raw.kernels": "kernels"},
    package_data={
        "cgan_raw.data": ["mnist/*"],
        "cgan_raw.evaluate": ["classifier.json", "classifier.safetensors"],
        "cgan_raw.export": ["web/*"],
        "cgan_raw.kernels": ["*.md", "*.json", "**/*.cuh", "**/*.cu", "**/*.h", "**/*.cpp"],
    },
)
