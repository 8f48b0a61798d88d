// Module SchemaChange.
