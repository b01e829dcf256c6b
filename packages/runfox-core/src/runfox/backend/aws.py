"""The parts that `runfox-aws` brings, under the name that older code imports them by."""

from runfox.backend import __getattr__

__all__ = ["__getattr__"]
