// The syntax values have no behaviour of their own; PostgresParserTests makes and compares them.
