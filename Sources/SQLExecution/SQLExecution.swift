// Module SQLExecution.
