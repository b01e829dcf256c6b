"""What a runner could claim and does not."""

from runfox_testing.case import RunnerCase


def probe_runner(case: RunnerCase) -> list[str]:
    """Sentences about claims too few. Being written."""
    return []
