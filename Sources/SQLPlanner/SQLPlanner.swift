// Module SQLPlanner.
