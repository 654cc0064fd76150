"""The public face of the package."""

import subprocess
import sys
from importlib.metadata import version

import ptmtorrent


def test_the_version_is_that_of_the_installed_package():
    assert ptmtorrent.__version__ == version("ptmtorrent")


def test_importing_the_package_loads_neither_duckdb_nor_arrow():
    code = "import sys, ptmtorrent; print({'duckdb', 'pyarrow', 'aiohttp'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
