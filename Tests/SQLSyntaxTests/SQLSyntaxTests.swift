// Tests of module SQLSyntax.
