// Module SQLSyntax.
