"""A run, first step to last: opening, loop, checkpoints, folder, telemetry. Of methods it may know the protocol."""
