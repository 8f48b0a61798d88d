// Tests of module SchemaChange.
