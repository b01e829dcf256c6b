"""Runfox on files: a store and a runner in one folder."""

from ._runner import FilesRunner
from ._store import FilesStore

__all__ = ["FilesRunner", "FilesStore"]
