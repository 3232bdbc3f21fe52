from tests.defs.heads_world import (  # noqa: F401 - fixtures
    events,
    instance,
    killer,
    launch,
    run,
    succeeded,
    world,
)
