// Tests of module SQLExecution.
