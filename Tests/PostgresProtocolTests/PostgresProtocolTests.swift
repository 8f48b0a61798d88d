// Tests of module PostgresProtocol.
