// Tests of module PostgresParser.
