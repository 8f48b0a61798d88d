// Module PostgresParser.
