// Module NodeRuntime.
