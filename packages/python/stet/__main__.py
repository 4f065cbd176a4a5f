# SPDX-License-Identifier: BSD-3-Clause
"""python -m stet ARGS: the program itself."""
import os
import sys

from .server import binary


def main():
    os.execv(binary(), [binary(), *sys.argv[1:]])


if __name__ == "__main__":
    main()
