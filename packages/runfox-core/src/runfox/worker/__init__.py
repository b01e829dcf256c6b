"""`Worker`: a process's part in carrying workflows."""

from runfox.worker.worker import Worker

__all__ = ["Worker"]
