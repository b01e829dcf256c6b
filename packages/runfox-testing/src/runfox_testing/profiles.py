"""How much the kit does: ``--runfox-profile=quick|ci|thorough``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The numbers that a profile chooses.

    `rounds` is how often a race is run, `contenders` how many threads race, `processes` how many processes, `kills`
    how many processes are killed in one check, `examples` and `steps` how many examples Hypothesis generates and how
    many steps each state machine takes. After `patience` seconds a call counts as hanging, after `deadline` a check.
    """

    name: str
    rounds: int
    contenders: int
    processes: int
    kills: int
    examples: int
    steps: int
    patience: float
    deadline: float


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "quick": Profile(
            name="quick", rounds=5, contenders=6, processes=3, kills=4, examples=25, steps=20, patience=30, deadline=120
        ),
        "ci": Profile(
            name="ci", rounds=15, contenders=8, processes=4, kills=12, examples=100, steps=30, patience=60, deadline=600
        ),
        "thorough": Profile(
            name="thorough",
            rounds=60,
            contenders=16,
            processes=6,
            kills=60,
            examples=1_000,
            steps=50,
            patience=120,
            deadline=7_200,
        ),
    }
)
