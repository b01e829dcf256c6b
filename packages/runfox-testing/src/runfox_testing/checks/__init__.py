"""All checks, a module for each subject. To import this registers them, in the order of the contract."""

# ruff: noqa: F401  # they are imported for what their decorators do

from runfox_testing.checks import (  # isort: skip  # the contract has another order than the alphabet
    store_claim,
    store_load,
    store_iso,
    store_json,
    store_refusals,
    store_cas,
    store_races,
    store_fresh,
    store_limit,
    store_durable,
    store_patch,
    store_patch_values,
    store_patch_races,
    store_refresh,
    store_list,
    store_list_filters,
    store_delete,
    store_wake,
    store_close,
    store_machine,
)
