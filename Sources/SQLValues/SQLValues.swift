// Module SQLValues.
