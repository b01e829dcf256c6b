"""Processes of their own that use the implementation under test, and can be killed.

A child is a fresh interpreter. It makes the harness from its class, opens clients, and calls functions of modules with
them: ``function(*clients, *arguments)``. What a function gives comes back; a generator's items come back one by one,
each as soon as it is there, so that the parent knows what was acknowledged when it kills the child.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import GeneratorType
from typing import IO, Any

from runfox_testing.check import Violation, describe
from runfox_testing.harness import Harness, HarnessFailure

_GRACE = 0.5
"""Seconds."""

_LENGTH = struct.Struct(">Q")
_CODE = "from runfox_testing.processes import serve; serve()"


@dataclass(frozen=True, slots=True)
class HarnessPlan:
    """What a child needs to make a harness like the parent's."""

    module: str
    file: str
    name: str
    folder: str
    endpoint_url: str | None
    now: float | None

    @classmethod
    def of(cls, harness: Harness[Any]) -> HarnessPlan:
        """Raises `HarnessFailure` for a class that a child can't find."""
        kind = type(harness)
        if "<locals>" in kind.__qualname__:
            raise HarnessFailure(
                f"the harness {kind.__qualname__} is made inside a function, where a child process can't find it: "
                "move the class to the top level of its module"
            )
        module = sys.modules.get(kind.__module__)
        if _named(module, kind.__qualname__) is not kind:
            raise HarnessFailure(
                f"{kind.__module__}.{kind.__qualname__} leads to something else than the harness of that name: "
                "where two files are called conftest.py, say, move it to a module with a name of its own"
            )
        return cls(
            module=kind.__module__,
            file=getattr(module, "__file__", None) or "",
            name=kind.__qualname__,
            folder=str(harness.folder),
            endpoint_url=harness.endpoint_url,
            now=None if harness.clock is None else harness.clock.now,
        )

    def make(self) -> Harness[Any]:
        """The harness, in the child. Raises `HarnessFailure`."""
        try:
            harness: Harness[Any] = _named(_imported(self.module, self.file), self.name)()
        except Exception as error:
            raise HarnessFailure(f"a child process can't make the harness {self.name}: {describe(error)}") from error
        harness.folder = Path(self.folder)
        harness.endpoint_url = self.endpoint_url
        if harness.clock is not None and self.now is not None:
            harness.clock.now = self.now
        return harness


@dataclass(frozen=True, slots=True)
class _Open:
    plans: tuple[HarnessPlan, ...]
    namespace: str


@dataclass(frozen=True, slots=True)
class _Call:
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    at: float
    """When to begin, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class _Item:
    value: Any


@dataclass(frozen=True, slots=True)
class _Returned:
    value: Any


@dataclass(frozen=True, slots=True)
class _Raised:
    error: Exception


class ChildDied(Exception):
    """The child has ended and will answer no more."""


@dataclass(slots=True, eq=False)
class Child:
    """The parent's end of a child process."""

    patience: float
    is_busy: bool = field(default=False, init=False)
    """True while a call is under way."""
    _process: subprocess.Popen[bytes] = field(init=False)
    _answers: queue.SimpleQueue[_Item | _Returned | _Raised | None] = field(init=False)
    _reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        # What the child has to say besides its answers goes where the parent's own errors go.
        self._process = subprocess.Popen(  # noqa: S603  # the interpreter that runs this
            [sys.executable, "-c", _CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the parent, which ends its children
        )
        self._answers = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def open(self, harnesses: Sequence[Harness[Any]], namespace: str) -> None:
        """Close what is open, and open one client of each harness."""
        self._send(_Open(tuple(HarnessPlan.of(harness) for harness in harnesses), namespace))
        self.result()

    def start(self, function: Callable[..., Any], *arguments: object, at: float = 0.0) -> None:
        """Begin a call, at the moment `at` where it is given. `function` stands at the top level of a module."""
        self._send(_Call(function, arguments, at))

    def result(self) -> Any:
        """What the call gave; raises what it raised, and `ChildDied`."""
        while True:
            answer = self._next()
            if isinstance(answer, _Returned):
                return answer.value

    def call(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Call and wait."""
        self.start(function, *arguments)
        return self.result()

    def items(self) -> Iterator[Any]:
        """The items of a generator, as they come; ends when it returns or the child has died."""
        while True:
            try:
                answer = self._next()
            except ChildDied:
                return
            if isinstance(answer, _Returned):
                return
            yield answer.value

    def kill(self) -> None:
        """SIGKILL, now. What it had said before can still be read with `items`."""
        self._process.kill()

    def end(self) -> None:
        """Kill the child and what it has started, and give back what it held."""
        if self._process.poll() is None and hasattr(os, "killpg"):
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._reader.join(_GRACE)
        if self._reader.is_alive():
            return  # a process that left the child's group holds the pipe
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()

    def _send(self, message: _Open | _Call) -> None:
        assert self._process.stdin is not None
        try:
            _write(self._process.stdin, message)
        except OSError as error:
            raise ChildDied("the child process has ended") from error
        self.is_busy = True

    def _next(self) -> _Item | _Returned:
        answer = self._awaited()
        if answer is None:
            self._answers.put(None)
            raise ChildDied(f"the child process has ended (exit status {self._process.wait()})")
        if not isinstance(answer, _Item):
            self.is_busy = False
        if isinstance(answer, _Raised):
            raise answer.error
        return answer

    def _awaited(self) -> _Item | _Returned | _Raised | None:
        """The next answer, None where there will be none."""
        ends_at = time.monotonic() + self.patience
        while time.monotonic() < ends_at:
            # What the child has started may hold the pipe open after its end.
            has_ended = self._process.poll() is not None
            try:
                return self._answers.get(timeout=_GRACE)
            except queue.Empty:
                if has_ended:
                    return None
        self.kill()
        raise Violation(f"a process had not answered after {self.patience:g} s")

    def _read(self) -> None:
        with contextlib.suppress(EOFError, OSError, ValueError):
            while True:
                self._answers.put(self._read_one())
        self._answers.put(None)

    def _read_one(self) -> Any:
        assert self._process.stdout is not None
        data = _read_data(self._process.stdout)
        try:
            return pickle.loads(data)  # noqa: S301  # what the other end of our own pipe wrote
        except Exception as error:  # noqa: BLE001  # the caller's to judge
            return _Raised(error)


def race_of_processes(
    children: Sequence[Child],
    function: Callable[..., Any],
    arguments: Sequence[tuple[Any, ...]],
) -> list[Any]:
    """What the calls gave, or the exception that they raised, in the children's order. All begin at one moment."""
    at = time.time() + 0.01
    for child, own in zip(children, arguments, strict=True):
        child.start(function, *own, at=at)
    outcomes: list[Any] = []
    for child in children:
        try:
            outcomes.append(child.result())
        except Violation:
            raise
        except Exception as error:  # noqa: BLE001  # the outcome
            outcomes.append(error)
    return outcomes


# The child's side


def serve() -> None:
    """The child: answers what comes in on standard input until it is closed."""
    # What an implementation prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests = sys.stdin.buffer
    clients: list[Any] = []
    opened: list[tuple[Harness[Any], Any]] = []
    while True:
        try:
            request = _read(requests)
        except EOFError:
            break
        except Exception as error:  # noqa: BLE001  # a function that the child can't import
            _write(answers, _Raised(_portable(error)))
            continue
        try:
            if isinstance(request, _Open):
                for harness, client in opened:
                    harness.close(client)
                harnesses = [plan.make() for plan in request.plans]
                opened = [(harness, harness.open(request.namespace)) for harness in harnesses]
                clients = [client for _, client in opened]
                _write(answers, _Returned(None))
            else:
                _answer(answers, request, clients)
        except BaseException as error:  # noqa: BLE001  # the parent's to judge
            _write(answers, _Raised(_portable(error)))


def _answer(answers: IO[bytes], request: _Call, clients: list[Any]) -> None:
    while (left := request.at - time.time()) > 0:
        if left > 0.002:
            time.sleep(left - 0.001)
    value = request.function(*clients, *request.arguments)
    if isinstance(value, GeneratorType):
        for item in value:
            _write(answers, _Item(item))
        value = None
    _write(answers, _Returned(value))


def _portable(error: BaseException) -> Exception:
    """The error, if it is one, and survives the way to another process; else one that tells of it."""
    if not isinstance(error, Exception):
        return RuntimeError(describe(error))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    except Exception:  # noqa: BLE001  # whatever its class does
        return RuntimeError("".join(traceback.format_exception_only(error)).strip())
    return error


def _write(stream: IO[bytes], message: object) -> None:
    data = pickle.dumps(message)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def _read(stream: IO[bytes]) -> Any:
    return pickle.loads(_read_data(stream))  # noqa: S301  # what the other end of our own pipe wrote


def _read_data(stream: IO[bytes]) -> bytes:
    header = stream.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(header)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _imported(module: str, file: str) -> Any:
    """The module, by its name or, where it has none that can be imported (a test file), from its file."""
    known = sys.modules.get(module)
    if known is not None and (getattr(known, "__file__", None) or "") == file:
        return known
    if not _is_importable(module, file):
        spec = importlib.util.spec_from_file_location(module, file)
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[module] = loaded
        spec.loader.exec_module(loaded)
        return loaded
    return importlib.import_module(module)


def _named(module: Any, qualified_name: str) -> Any:
    """What a module has under a name with dots, None where it has nothing."""
    return functools.reduce(lambda found, part: getattr(found, part, None), qualified_name.split("."), module)


def _is_importable(module: str, file: str) -> bool:
    """True if the name leads to that very file."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return False
    return spec is not None and (not file or (spec.origin is not None and Path(spec.origin) == Path(file)))
