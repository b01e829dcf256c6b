"""Hypothesis profiles for every package's tests, `pytester` for the tests of our pytest plugin, and an interrupt that
interrupts.

`small` under CI, `default` elsewhere; ``--hypothesis-profile=thorough`` or RUNFOX_HYPOTHESIS_PROFILE asks for more.
No profile has a deadline: no test is one of a time limit.
"""

import os
import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]

settings.register_profile(
    "small", max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("default", max_examples=100, deadline=None)
settings.register_profile("thorough", max_examples=2_000, deadline=None)
settings.load_profile(os.environ.get("RUNFOX_HYPOTHESIS_PROFILE") or ("small" if os.environ.get("CI") else "default"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores it, and some tests interrupt themselves and the processes that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
