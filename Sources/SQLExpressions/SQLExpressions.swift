// Module SQLExpressions.
