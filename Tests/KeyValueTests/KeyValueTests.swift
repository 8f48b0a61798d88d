// Tests of module KeyValue.
