// Tests of module SQLPlanner.
