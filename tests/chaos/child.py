"""One process of the chaos suite, a fresh interpreter: ``child.py ORDERS``, these as JSON.

SIGTERM is heard from the first line on; what a process does is imported after that, which takes longest. Standard input
is a pipe from the parent: when that has ended, however it did, so does this process.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import logging
import os
import signal
import sys
import threading

from orders import NOT_YET, Orders


def _end_with_parent() -> None:
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(NOT_YET))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    faulthandler.register(signal.SIGUSR1)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    importlib.import_module("roles").main(Orders(**json.loads(sys.argv[1])))
