"""RUN-CLAIM: what a runner says of itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from runfox.protocols import Runner
from runfox.times import LATEST
from runfox_testing.abilities import ATTRIBUTES, RUNNER_ATTRIBUTES, RUNNER_PROTOCOLS, methods_of
from runfox_testing.case import RunnerCase
from runfox_testing.check import check, expect, violated
from runfox_testing.comparing import short
from runfox_testing.observing import ObservedRunner
from runfox_testing.sample_jobs import EXECUTION, job


@check(
    "RUN-CLAIM-01",
    causes=["a parameter has another name than the contract's", "a parameter is missing, or has no default"],
)
def methods_take_the_contracts_arguments(case: RunnerCase) -> None:
    """Each method takes the arguments that the contract names, by position and by name, and does without those that
    have a default.
    """
    raw = case.client().raw
    for protocol in (Runner, *(optional for optional in RUNNER_PROTOCOLS.values() if isinstance(raw, optional))):
        for method in methods_of(protocol):
            _expect_arguments(getattr(raw, method, None), getattr(protocol, method), method)


def _expect_arguments(found: Any, wanted: Callable[..., object], method: str) -> None:
    expect(callable(found), f"there is no method {method}")
    taken = inspect.signature(found)
    named = list(inspect.signature(wanted).parameters.values())[1:]
    required = [parameter.name for parameter in named if parameter.default is inspect.Parameter.empty]
    every = [parameter.name for parameter in named]
    for how, positions, keywords in (
        ("by position", every, []),
        ("by name", [], every),
        ("where only those without a default are given", required, []),
    ):
        try:
            bound = taken.bind(*positions, **{name: name for name in keywords})
        except TypeError as error:
            violated(f"{method}{taken} does not take ({', '.join(every)}) {how}: {error}")
        else:
            given = {name: bound.arguments[name] for name in every if name in bound.arguments}
            swapped = [name for name, value in given.items() if value != name]
            expect(not swapped, f"{method}{taken} takes {', '.join(swapped)} in another place than the contract")


@check(
    "RUN-CLAIM-02",
    causes=["the attribute is a method or a property that gives something else than True or False"],
)
def attributes_are_booleans(case: RunnerCase) -> None:
    """`durable`, `shared` and `ordered` are True or False where they are there, and the same for every client."""
    one, two = case.clients(2)
    for name in (*ATTRIBUTES, *RUNNER_ATTRIBUTES):
        missing = name in RUNNER_ATTRIBUTES
        value, again = getattr(one.raw, name, missing), getattr(two.raw, name, missing)
        expect(isinstance(value, bool), f"{name} is {short(value)}, not True or False")
        expect(value is again, f"{name} is {value} for one client and {short(again)} for another of the same namespace")
        claimed = name in case.abilities
        expect(value is claimed, f"{name} is {value} for one client and was {claimed} for the first client of all")


@check(
    "RUN-CLAIM-03",
    needs=("shared",),
    causes=["the harness hands out one client again and again", "`shared` is claimed by what lives in one process"],
)
def clients_of_a_shared_runner_are_independent(case: RunnerCase) -> None:
    """Two clients of a runner that processes share are two objects."""
    one, two = case.clients(2)
    expect(one.raw is not two.raw, "two opens of one namespace gave the same object, although `shared` is claimed")


@check(
    "RUN-CLAIM-04",
    causes=["a generator or a tuple is given where the contract says list", "a count is given where it says bool"],
)
def methods_give_what_the_contract_names(case: RunnerCase) -> None:
    """Every call gives the type that the contract names: lists, True or False, and None."""
    client = case.client()
    made = job()
    for name, answer, wanted in (
        ("dispatch", client.dispatch(EXECUTION, [made]), list),
        ("list_pending_jobs", client.list_pending_jobs(), list),
        ("take_pending_jobs", client.take_pending_jobs(), list),
        ("extend_lease", client.extend_lease(made), bool),
        ("submit_work_result", _answer(client, "submit_work_result", EXECUTION, made.op, {}, 1), type(None)),
        ("gather", client.gather(EXECUTION), list),
        ("held", client.held(LATEST), list),
        ("forget", _answer(client, "forget", EXECUTION), type(None)),
    ):
        expect(type(answer) is wanted, f"{name} gave {short(answer)} ({type(answer).__name__}), not {wanted.__name__}")


def _answer(client: ObservedRunner, method: str, *arguments: object) -> object:
    return getattr(client.raw, method)(*arguments)
