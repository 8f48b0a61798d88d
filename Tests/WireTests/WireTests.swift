// Tests of module Wire.
