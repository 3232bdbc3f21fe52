"""What a job may set of the executor, as its config and as a record."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import dagster as dg

from chimera_pipelines.defs._dagster_internals import get_retries_config

MAX_REGENERATIONS = 3
POOL_SECONDS = 300.0

SCHEMA: Mapping[str, Any] = {
    "chain": dg.Field(
        bool,
        default_value=True,
        description="send the later phases of a kernel along with a ready one",
    ),
    "max_regenerations": dg.Field(
        int,
        default_value=MAX_REGENERATIONS,
        description="deaths of heads after which a step that was running each time fails",
    ),
    "pool_seconds": dg.Field(
        float,
        default_value=POOL_SECONDS,
        description="how long a run waits for a pool that has no slots at all",
    ),
    "retries": get_retries_config(),  # type: ignore[no-untyped-call]
}


@dataclass(frozen=True)
class Options:
    """What a job may set.

    Attributes:
        chain: send later phases of a kernel along with a ready one.
        max_regenerations: deaths of heads after which the step that ran each time fails.
        pool_seconds: for how long a run waits for a pool without any slot.
    """

    chain: bool = True
    max_regenerations: int = MAX_REGENERATIONS
    pool_seconds: float = POOL_SECONDS

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The options of an executor's resolved config."""
        return cls(
            bool(config["chain"]),
            int(config["max_regenerations"]),
            float(config["pool_seconds"]),
        )
