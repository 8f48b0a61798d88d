"""The schema changes of the matrix. A new statement is one more row of `CHANGES`."""

import dataclasses

# Rows a table holds before its change begins. Where the fault comes while they are worked on there are many: then with
# BACKFILL_ROWS_PER_SECOND an index build takes about two seconds, and its validation long enough to be met.
ROWS = 300
ROWS_FOR_WORK = 40_000
BACKFILL_ROWS_PER_SECOND = 20_000
# Rows that a transaction writes beside its schema changes: so many that a fault can come while they are committed.
FIRST_OF_TRANSACTION = 60_000_000
ROWS_OF_TRANSACTION = 20_000
# What a piece of work over so many rows takes at most, as backfill rests half of the time beside the clients' writes.
WORK_SECONDS = 2 * ROWS_FOR_WORK / BACKFILL_ROWS_PER_SECOND


@dataclasses.dataclass(frozen=True)
class Elsewhere:
    """A statement of a set-up that is made in another database."""

    database: str
    statement: str


@dataclasses.dataclass(frozen=True)
class Change:
    """`{t}` stands for a table name of the cell's own, `{rows}` for the number of its rows, whose ids are 1…rows. A change may make
    or fill a second one, `{t}_b`. `{job}` is the last job of the set-up.

    What "public" is, is not written down here: the run does each change once undisturbed and keeps the catalog's text.
    """

    name: str
    # Several are sent between BEGIN and COMMIT.
    statement: str | tuple
    # Run after the table was made and filled, unless the change makes it.
    # Texts, or `Elsewhere`.
    setup: tuple = ()
    # SQLSTATE that ends the change, which then must leave nothing behind.
    error: str | None = None
    # The table's name afterwards, where it is another.
    renamed: str | None = None
    # The clients lose the table: 42P01 is the answer they have to expect.
    drops_table: bool = False
    # No row is left that was there before.
    empties_table: bool = False
    # A query that counts the rows which the transaction writes; no other ones are like them.
    transaction_rows: str | None = None
    # The change makes the table; clients come when it is there.
    makes_table: bool = False
    # A query that counts rows which are wrong once the change is public.
    wrong_rows: str | None = None

    @property
    def is_transaction(self):
        return isinstance(self.statement, tuple)

    @property
    def commits_rows(self):
        """Its phases are those that it went through: EXPLAIN (DDL) does not know of the rows."""
        return self.is_transaction or self.transaction_rows is not None

    @property
    def lines(self):
        """What the client sends; the last one does the change."""
        return ("BEGIN", *self.statement, "COMMIT") if self.is_transaction else (self.statement,)


TABLE = "CREATE TABLE {t} (id int8 PRIMARY KEY, k int8 NOT NULL, v text, u int8, spare int8)"
FILL = "INSERT INTO {t} SELECT g, g * 7919 % 1000003, 'row', g, g FROM generate_series({first}, {last}) g"
INDEX = "CREATE INDEX {t}_old ON {t} (spare)"
SECOND_TABLE = "CREATE TABLE {t}_b (id int8 PRIMARY KEY, n int8)"
FILL_SECOND_TABLE = (
    f"INSERT INTO {{t}}_b SELECT g, g % 7 FROM generate_series({FIRST_OF_TRANSACTION}, {FIRST_OF_TRANSACTION + ROWS_OF_TRANSACTION - 1}) g")
ROWS_OF_SECOND_TABLE = "SELECT count(*) FROM {t}_b"

CHANGES = [
    Change("CREATE TABLE", TABLE, makes_table=True),
    Change("CREATE TABLE with an identity column", TABLE.replace("spare int8", "spare int8, n int8 GENERATED ALWAYS AS IDENTITY"),
           makes_table=True, wrong_rows="SELECT count(*) - count(DISTINCT n) FROM {t}"),
    # The clients go on writing the table that is copied; the rows are those of one moment.
    Change("CREATE TABLE AS", f"CREATE TABLE {{t}}_b AS SELECT g AS id, (SELECT count(*) FROM {{t}} WHERE id <= 1000000) AS n"
           f" FROM generate_series({FIRST_OF_TRANSACTION}, {FIRST_OF_TRANSACTION + ROWS_OF_TRANSACTION - 1}) g",
           transaction_rows=ROWS_OF_SECOND_TABLE, wrong_rows="SELECT count(*) FROM {t}_b WHERE n <> {rows}"),
    Change("DROP TABLE", "DROP TABLE {t}", setup=(INDEX,), drops_table=True),
    Change("TRUNCATE", "TRUNCATE {t}", setup=(INDEX,), empties_table=True),
    # The clients' rows take their `spare` from it.
    Change("TRUNCATE RESTART IDENTITY", "TRUNCATE {t} RESTART IDENTITY", empties_table=True,
           setup=("CREATE SEQUENCE {t}_s OWNED BY {t}.spare", "ALTER TABLE {t} ALTER COLUMN spare SET DEFAULT nextval('{t}_s')",
                  "SELECT setval('{t}_s', 1000000)"),
           wrong_rows="SELECT count(*) - count(DISTINCT spare) + count(*) FILTER (WHERE spare >= 1000000) FROM {t}"),
    Change("UNDROP TABLE", "UNDROP TABLE {t}", setup=(TABLE, FILL, INDEX, "DROP TABLE {t}"), makes_table=True,
           wrong_rows="SELECT count(*) - {rows} FROM {t} WHERE spare = u"),
    Change("RENAME TABLE", "ALTER TABLE {t} RENAME TO {t}_new", renamed="{t}_new"),
    Change("COMMENT ON TABLE", "COMMENT ON TABLE {t} IS 'beside a fault'",
           wrong_rows="SELECT count(*) - 1 FROM pg_description WHERE objoid = '{t}'::regclass AND description = 'beside a fault'"),
    Change("COMMENT ON COLUMN", "COMMENT ON COLUMN {t}.spare IS 'beside a fault'",
           wrong_rows="SELECT count(*) - 1 FROM pg_description WHERE objoid = '{t}'::regclass AND description = 'beside a fault'"),
    Change("CREATE SCHEMA", "CREATE SCHEMA {t}_s",
           wrong_rows="SELECT count(*) - 1 FROM pg_namespace WHERE nspname = '{t}_s'"),
    Change("ALTER SCHEMA RENAME", "ALTER SCHEMA {t}_s RENAME TO {t}_r", setup=("CREATE SCHEMA {t}_s",),
           wrong_rows="SELECT count(*) - 1 FROM pg_namespace WHERE nspname IN ('{t}_s', '{t}_r')"),
    Change("DROP SCHEMA CASCADE", "DROP SCHEMA {t}_s CASCADE",
           setup=("CREATE SCHEMA {t}_s", "CREATE TABLE {t}_s.inside (id int8 PRIMARY KEY, up int8 REFERENCES {t})"),
           wrong_rows="SELECT count(*) FROM pg_class WHERE relname = 'inside' AND relnamespace IN "
                      "(SELECT oid FROM pg_namespace WHERE nspname = '{t}_s')"),
    Change("CREATE DATABASE", "CREATE DATABASE {t}_d",
           wrong_rows="SELECT count(*) - 1 FROM pg_database WHERE datname = '{t}_d'"),
    Change("ALTER DATABASE RENAME", "ALTER DATABASE {t}_d RENAME TO {t}_e",
           setup=("CREATE DATABASE {t}_d", Elsewhere("{t}_d", "CREATE TABLE inside (id int8 PRIMARY KEY)")),
           wrong_rows="SELECT count(*) - 1 FROM pg_database WHERE datname IN ('{t}_d', '{t}_e')"),
    Change("DROP DATABASE", "DROP DATABASE {t}_d",
           setup=("CREATE DATABASE {t}_d", Elsewhere("{t}_d", "CREATE TABLE inside (id int8 PRIMARY KEY, v text UNIQUE)"),
                  Elsewhere("{t}_d", "INSERT INTO inside SELECT g, g::text FROM generate_series(1, 300) g")),
           wrong_rows="SELECT count(*) FROM pg_database WHERE datname = '{t}_d'"),
    Change("SET SCHEMA", "ALTER TABLE {t} SET SCHEMA {t}_s", setup=("CREATE SCHEMA {t}_s", INDEX), renamed="{t}_s.{t}"),
    Change("CREATE VIEW", "CREATE VIEW {t}_v (number, twice) AS SELECT id, k * 2 FROM {t}",
           wrong_rows="SELECT count(*) FROM {t} a LEFT JOIN {t}_v b ON b.number = a.id WHERE b.twice IS DISTINCT FROM a.k * 2"),
    Change("CREATE OR REPLACE VIEW", "CREATE OR REPLACE VIEW {t}_v AS SELECT id, k * 2 AS twice, v FROM {t}",
           setup=("CREATE VIEW {t}_v AS SELECT id, k + k AS twice FROM {t}",),
           wrong_rows="SELECT count(*) FROM {t} a LEFT JOIN {t}_v b USING (id) WHERE b.twice IS DISTINCT FROM a.k * 2 OR b.v <> a.v"),
    Change("DROP VIEW", "DROP VIEW {t}_v", setup=("CREATE VIEW {t}_v AS SELECT id, k FROM {t}",),
           wrong_rows="SELECT count(*) FROM pg_class WHERE relname = '{t}_v'"),
    Change("DROP COLUMN CASCADE to a view", "ALTER TABLE {t} DROP COLUMN spare CASCADE",
           setup=("CREATE VIEW {t}_v AS SELECT id, spare FROM {t}",),
           wrong_rows="SELECT count(*) FROM pg_class WHERE relname = '{t}_v'"),
    Change("RENAME COLUMN that a view reads", "ALTER TABLE {t} RENAME COLUMN spare TO extra",
           setup=("CREATE VIEW {t}_v AS SELECT id, spare FROM {t}",),
           wrong_rows="SELECT count(*) FROM {t} a LEFT JOIN {t}_v b USING (id) WHERE b.spare IS DISTINCT FROM a.extra"),
    Change("ADD COLUMN, nullable", "ALTER TABLE {t} ADD COLUMN c int8",
           wrong_rows="SELECT count(*) FROM {t} WHERE c IS NOT NULL"),
    Change("ADD COLUMN with DEFAULT", "ALTER TABLE {t} ADD COLUMN c int8 DEFAULT 7",
           wrong_rows="SELECT count(*) FROM {t} WHERE c IS NULL OR c <> 7"),
    Change("ADD COLUMN NOT NULL DEFAULT", "ALTER TABLE {t} ADD COLUMN c text NOT NULL DEFAULT 'sound'",
           wrong_rows="SELECT count(*) FROM {t} WHERE c IS NULL OR c <> 'sound'"),
    Change("ADD COLUMN with constraints",
           "ALTER TABLE {t} ADD COLUMN c int8 DEFAULT 7 CHECK (c > 6), ADD COLUMN d text CONSTRAINT {t}_d UNIQUE",
           wrong_rows="SELECT count(*) FROM {t} WHERE c IS NULL OR c <> 7 OR d IS NOT NULL"),
    # The rows there are get a value each.
    Change("ADD COLUMN with a volatile DEFAULT", "ALTER TABLE {t} ADD COLUMN c float8 NOT NULL DEFAULT random()",
           wrong_rows="SELECT count(*) FROM {t} WHERE c IS NULL OR c < 0 OR c >= 1"),
    Change("ADD COLUMN BIGSERIAL", "ALTER TABLE {t} ADD COLUMN n bigserial",
           wrong_rows="SELECT count(*) - count(DISTINCT n) FROM {t}"),
    Change("ADD COLUMN IDENTITY UNIQUE", "ALTER TABLE {t} ADD COLUMN n int8 GENERATED ALWAYS AS IDENTITY CONSTRAINT {t}_n UNIQUE",
           wrong_rows="SELECT count(*) - count(DISTINCT n) FROM {t}"),
    Change("ADD COLUMN GENERATED", "ALTER TABLE {t} ADD COLUMN g int8 GENERATED ALWAYS AS (k * 2) STORED",
           wrong_rows="SELECT count(*) FROM {t} WHERE g IS DISTINCT FROM k * 2"),
    Change("ADD COLUMN GENERATED without a value", "ALTER TABLE {t} ADD COLUMN g int8 GENERATED ALWAYS AS (1 / (u - {rows})) STORED",
           error="22012"),
    Change("DROP EXPRESSION", "ALTER TABLE {t} ALTER COLUMN g DROP EXPRESSION",
           setup=("ALTER TABLE {t} ADD COLUMN g int8 GENERATED ALWAYS AS (u * 2) STORED",)),
    Change("DROP COLUMN CASCADE to a generated one", "ALTER TABLE {t} DROP COLUMN spare CASCADE",
           setup=("ALTER TABLE {t} ADD COLUMN g int8 GENERATED ALWAYS AS (spare * 2) STORED",)),
    Change("DROP COLUMN", "ALTER TABLE {t} DROP COLUMN spare"),
    Change("DROP COLUMN with its index", "ALTER TABLE {t} DROP COLUMN spare", setup=(INDEX,)),
    # The clients go on writing the table without it; rows that are there keep their values.
    Change("UNDROP COLUMN", "UNDROP COLUMN spare ON {t}", setup=(INDEX, "ALTER TABLE {t} DROP COLUMN spare"),
           wrong_rows="SELECT count(*) FROM {t} WHERE spare IS DISTINCT FROM u"),
    Change("UNDROP INDEX", "UNDROP INDEX {t}_old", setup=(INDEX, "DROP INDEX {t}_old")),
    Change("REVERT JOB", "REVERT JOB {job}", setup=(INDEX, "ALTER TABLE {t} ALTER COLUMN spare TYPE text"),
           wrong_rows="SELECT count(*) FROM {t} WHERE spare IS DISTINCT FROM u"),
    Change("RENAME COLUMN", "ALTER TABLE {t} RENAME COLUMN spare TO extra"),
    Change("RENAME INDEX", "ALTER INDEX {t}_old RENAME TO {t}_young", setup=(INDEX,)),
    # The clients write the other columns; rows are read by a label that comes beside them.
    Change("CREATE TYPE", "CREATE TYPE {t}_e AS ENUM ('a', 'b')",
           wrong_rows="SELECT count(*) - 2 FROM pg_enum WHERE enumtypid = '{t}_e'::regtype"),
    Change("ALTER TYPE ADD VALUE", "ALTER TYPE {t}_e ADD VALUE 'between' BEFORE 'b'",
           setup=("CREATE TYPE {t}_e AS ENUM ('a', 'b')", "ALTER TABLE {t} ADD COLUMN e {t}_e DEFAULT 'b'",
                  "CREATE INDEX {t}_old ON {t} (e, id)"),
           wrong_rows="SELECT count(*) FROM {t} WHERE e IS NULL OR e < 'b' OR NOT e > 'between'"),
    Change("ALTER TYPE RENAME VALUE", "ALTER TYPE {t}_e RENAME VALUE 'b' TO 'c'",
           setup=("CREATE TYPE {t}_e AS ENUM ('a', 'b')", "ALTER TABLE {t} ADD COLUMN e {t}_e DEFAULT 'b'"),
           wrong_rows="SELECT count(*) FROM {t} WHERE e IS NULL OR e <> 'c'"),
    Change("DROP TYPE CASCADE", "DROP TYPE {t}_e CASCADE",
           setup=("CREATE TYPE {t}_e AS ENUM ('a', 'b')", "ALTER TABLE {t} ADD COLUMN e {t}_e DEFAULT 'b'",
                  "CREATE INDEX {t}_old ON {t} (e, id)"),
           wrong_rows="SELECT count(*) FROM pg_type WHERE typname = '{t}_e'"),
    Change("ALTER COLUMN TYPE to an enumerated one",
           "ALTER TABLE {t} ALTER COLUMN spare TYPE {t}_e USING CASE spare % 2 WHEN 0 THEN 'a'::{t}_e ELSE 'b' END",
           setup=("CREATE TYPE {t}_e AS ENUM ('a', 'b')",),
           wrong_rows="SELECT count(*) FROM {t} WHERE u IS NOT NULL AND spare <> CASE u % 2 WHEN 0 THEN 'a'::{t}_e ELSE 'b' END"),
    Change("SET DEFAULT", "ALTER TABLE {t} ALTER COLUMN spare SET DEFAULT 7"),
    Change("ADD FOREIGN KEY", "ALTER TABLE {t} ADD CONSTRAINT {t}_tree FOREIGN KEY (spare) REFERENCES {t} ON DELETE SET NULL",
           setup=(INDEX,),
           wrong_rows="SELECT count(*) FROM {t} a LEFT JOIN {t} b ON b.id = a.spare WHERE a.spare IS NOT NULL AND b.id IS NULL"),
    Change("ADD FOREIGN KEY over a row that refers to nothing", "ALTER TABLE {t} ADD CONSTRAINT {t}_tree FOREIGN KEY (spare) REFERENCES {t}",
           setup=(INDEX, "UPDATE {t} SET spare = -1 WHERE id = {rows}"), error="23503"),
    Change("SET NOT NULL", "ALTER TABLE {t} ALTER COLUMN v SET NOT NULL",
           wrong_rows="SELECT count(*) FROM {t} WHERE v IS NULL"),
    # Of a column that the clients always give: what they write is judged from the first step on.
    Change("SET NOT NULL over a NULL", "ALTER TABLE {t} ALTER COLUMN v SET NOT NULL",
           setup=("UPDATE {t} SET v = NULL WHERE id = {rows}",), error="23502"),
    Change("DROP NOT NULL", "ALTER TABLE {t} ALTER COLUMN k DROP NOT NULL"),
    Change("ADD CHECK", "ALTER TABLE {t} ADD CONSTRAINT {t}_c CHECK (k >= 0)",
           wrong_rows="SELECT count(*) FROM {t} WHERE k < 0"),
    Change("ADD CHECK over a bad row", "ALTER TABLE {t} ADD CONSTRAINT {t}_c CHECK (u >= 0)",
           setup=("UPDATE {t} SET u = -1 WHERE id = {rows}",), error="23514"),
    Change("DROP CONSTRAINT", "ALTER TABLE {t} DROP CONSTRAINT {t}_c",
           setup=("ALTER TABLE {t} ADD CONSTRAINT {t}_c CHECK (k >= 0)",)),
    # The rows are copied, and the index of the column.
    Change("ALTER COLUMN TYPE", "ALTER TABLE {t} ALTER COLUMN spare TYPE text", setup=(INDEX,),
           wrong_rows="SELECT count(*) FROM {t} WHERE u::text <> spare"),
    Change("ALTER COLUMN TYPE with checks and indexes", "ALTER TABLE {t} ALTER COLUMN u TYPE numeric",
           setup=("ALTER TABLE {t} ADD CONSTRAINT {t}_c CHECK (u > -1)", "CREATE INDEX {t}_e ON {t} ((u * 2)) WHERE u % 2 = 0"),
           wrong_rows="SELECT (SELECT count(*) FROM {t} WHERE u <= -1) + 1 - (SELECT count(*) FROM pg_constraint"
                      " WHERE conrelid = '{t}'::regclass AND conname = '{t}_c' AND convalidated)"),
    Change("ALTER COLUMN TYPE that a check refuses", "ALTER TABLE {t} ALTER COLUMN spare TYPE int8",
           setup=("ALTER TABLE {t} ALTER COLUMN spare TYPE numeric", "UPDATE {t} SET spare = -0.6 WHERE id = {rows}",
                  "ALTER TABLE {t} ADD CONSTRAINT {t}_c CHECK (spare > -0.7)"), error="23514"),
    Change("ALTER COLUMN TYPE with foreign keys", "ALTER TABLE {t}_b ALTER COLUMN id TYPE int8",
           setup=("CREATE TABLE {t}_b (id int4 PRIMARY KEY)", "INSERT INTO {t}_b SELECT generate_series(1, 7)",
                  "ALTER TABLE {t} ADD COLUMN up int4 DEFAULT 7 CONSTRAINT {t}_f REFERENCES {t}_b"),
           wrong_rows="SELECT count(*) FROM {t} LEFT JOIN {t}_b b ON b.id = up WHERE b.id IS NULL"),
    Change("ALTER COLUMN TYPE of a bad value", "ALTER TABLE {t} ALTER COLUMN spare TYPE text USING 1 / (spare - {rows})",
           setup=(INDEX,), error="22012"),
    Change("ALTER PRIMARY KEY", "ALTER TABLE {t} DROP CONSTRAINT {t}_pkey, ADD PRIMARY KEY (id, k)", setup=(INDEX,)),
    Change("CREATE INDEX", "CREATE INDEX {t}_i ON {t} (k)"),
    Change("CREATE UNIQUE INDEX", "CREATE UNIQUE INDEX {t}_i ON {t} (k, id)"),
    Change("CREATE UNIQUE INDEX over duplicates", "CREATE UNIQUE INDEX {t}_i ON {t} (u)",
           setup=("UPDATE {t} SET u = 1 WHERE id = {rows}",), error="23505"),
    # The clients' rows are in it or not as their `k` says, which they change.
    Change("CREATE INDEX of some rows", "CREATE INDEX {t}_i ON {t} (v) INCLUDE (k) WHERE k >= 500000"),
    Change("CREATE UNIQUE INDEX of some rows", "CREATE UNIQUE INDEX {t}_i ON {t} (k, id) WHERE k % 2 = 1"),
    Change("CREATE UNIQUE INDEX of some rows over duplicates", "CREATE UNIQUE INDEX {t}_i ON {t} (u) WHERE u > 0",
           setup=("UPDATE {t} SET u = 1 WHERE id = {rows}",), error="23505"),
    Change("CREATE INDEX on an expression", "CREATE UNIQUE INDEX {t}_i ON {t} (lower(v || id::text), (k * 2))"),
    Change("CREATE INDEX on an expression without a value", "CREATE INDEX {t}_i ON {t} ((1 / (u - {rows})))", error="22012"),
    Change("ALTER INDEX visibility", "ALTER INDEX {t}_old SET (visible = false)", setup=(INDEX,)),
    Change("DROP INDEX", "DROP INDEX {t}_old", setup=(INDEX,)),
    # The clients' rows take their `spare` from it until it is gone.
    Change("DROP SEQUENCE CASCADE", "DROP SEQUENCE {t}_s CASCADE",
           setup=("CREATE SEQUENCE {t}_s", "ALTER TABLE {t} ALTER COLUMN spare SET DEFAULT nextval('{t}_s')")),
    Change("DROP COLUMN with its sequence", "ALTER TABLE {t} DROP COLUMN spare",
           setup=("CREATE SEQUENCE {t}_s OWNED BY {t}.spare",
                  "ALTER TABLE {t} ALTER COLUMN spare SET DEFAULT nextval('{t}_s')")),
    Change("BEGIN … COMMIT of schema changes",
           ("CREATE TABLE {t}_b (id int8 PRIMARY KEY, v text UNIQUE)", "ALTER TABLE {t} ADD COLUMN c int8 DEFAULT 7",
            "CREATE INDEX {t}_i ON {t} (c, k)", "ALTER TABLE {t} RENAME COLUMN spare TO extra"),
           wrong_rows="SELECT count(*) FROM {t} WHERE c IS NULL OR c <> 7"),
    Change("BEGIN … COMMIT of rows, a table and a column",
           (SECOND_TABLE, FILL_SECOND_TABLE, "ALTER TABLE {t} ADD COLUMN c int8 DEFAULT 7", "UPDATE {t} SET c = 8 WHERE id <= 100",
            "DELETE FROM {t}_b WHERE n = 0", FILL_SECOND_TABLE + " WHERE g % 7 = 0"),
           transaction_rows=ROWS_OF_SECOND_TABLE,
           wrong_rows="SELECT count(*) FROM {t} WHERE c <> CASE WHEN id <= 100 THEN 8 ELSE 7 END"),
    Change("BEGIN … COMMIT of a table that changes once it has rows",
           (SECOND_TABLE.replace(" PRIMARY KEY", ""), FILL_SECOND_TABLE, "ALTER TABLE {t}_b ADD PRIMARY KEY (id)",
            "CREATE INDEX {t}_n ON {t}_b (n)", "ALTER TABLE {t}_b ADD COLUMN s serial", "ALTER TABLE {t}_b ADD CHECK (s > 0)"),
           transaction_rows=ROWS_OF_SECOND_TABLE, wrong_rows="SELECT count(*) - count(DISTINCT s) FROM {t}_b"),
    Change("BEGIN … COMMIT of rows and an index", (FILL_SECOND_TABLE, "CREATE UNIQUE INDEX {t}_i ON {t} (k, id)"),
           setup=(SECOND_TABLE,), transaction_rows=ROWS_OF_SECOND_TABLE),
    Change("BEGIN … COMMIT of rows and an index over duplicates",
           (FILL_SECOND_TABLE, "ALTER TABLE {t} ADD COLUMN c int8 DEFAULT 7", "CREATE UNIQUE INDEX {t}_i ON {t} (u)"),
           setup=(SECOND_TABLE, "UPDATE {t} SET u = 1 WHERE id = {rows}"), transaction_rows=ROWS_OF_SECOND_TABLE, error="23505"),
]
