// Tests of module NodeRuntime.
