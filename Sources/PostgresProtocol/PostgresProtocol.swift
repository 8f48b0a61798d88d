// Module PostgresProtocol.
