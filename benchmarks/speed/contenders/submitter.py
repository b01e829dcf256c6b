"""Executes a runner's jobs at odd moments, and tells for each step when it began to hand in the result."""

from __future__ import annotations

import json
import random
import sys
import time

from serving import Workload  # noqa: F401  # finds the folder of the next
from workloads import total

import runfox as rfx

url, steps = sys.argv[1], int(sys.argv[2])
runner = rfx.open_runner(url)
handed_in: dict[str, float] = {}
print("ready", flush=True)
sys.stdin.readline()
while len(handed_in) < steps:
    for job in runner.take_pending_jobs(1):
        # Whoever waits has been waiting for a while, and the moment has nothing to do with when it looks.
        time.sleep(random.uniform(0.02, 0.06))
        handed_in[job.op] = time.monotonic()
        runner.submit_work_result(job.workflow_execution_id, job.op, {"value": total(job.inputs)}, job.run_id)
    time.sleep(0.001)
print(json.dumps(handed_in), flush=True)
