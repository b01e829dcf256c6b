"""All checks: to import this registers them, in the order of the contract."""

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
    store_sequences,
)

from runfox_testing.checks import (  # isort: skip
    runner_claims,
    runner_json,
    runner_dispatch,
    runner_dispatch_again,
    runner_local,
    runner_limit,
    runner_gather,
    runner_list,
    runner_take,
    runner_lease,
    runner_lease_tokens,
    runner_lease_races,
    runner_submit,
    runner_submit_races,
    runner_forget,
    runner_held,
    runner_wait,
    runner_poll,
    runner_durable,
    runner_shared,
    runner_threads,
    runner_close,
    runner_model,
)

from runfox_testing.checks import (  # isort: skip
    flow_steps,
    flow_runs,
    flow_recover,
    flow_kills,
    flow_race,
    flow_clean,
)
