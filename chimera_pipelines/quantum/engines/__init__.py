"""Engines: simulators that compile a circuit structure once and run it many times."""
