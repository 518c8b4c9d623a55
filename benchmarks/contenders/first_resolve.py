"""Imports the library named in the arguments and resolves a handle from its cache, once."""

from __future__ import annotations

import importlib
import sys
import time

start = time.perf_counter()
library = importlib.import_module(sys.argv[1])
imported = time.perf_counter()
library.resolve(sys.argv[2])
print(imported - start, time.perf_counter() - imported)
