"""What a store could claim and does not."""

from runfox_testing.case import StoreCase


def probe_store(case: StoreCase) -> list[str]:
    """Sentences about claims too few. Being written."""
    return []
