"""The parts that `runfox-aws` brings, under the name that older code imports them by."""


def __getattr__(name: str) -> object:
    if not name.startswith("_"):
        from runfox.plugins import exported

        found = exported(name)
        if found is not None:
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
