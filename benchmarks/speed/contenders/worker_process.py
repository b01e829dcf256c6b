"""A worker as in production: a process of its own on a file. Begins when it is told, ends when it is killed."""

from __future__ import annotations

import sys

from this_runfox import Executor

import runfox as rfx

with rfx.open_backend(sys.argv[1], executor=Executor()) as backend:
    worker = rfx.Worker(backend)
    print("ready", flush=True)
    sys.stdin.readline()
    worker.run()
