// Tests of module SQLExpressions.
