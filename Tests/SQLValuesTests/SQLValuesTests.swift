// Tests of module SQLValues.
