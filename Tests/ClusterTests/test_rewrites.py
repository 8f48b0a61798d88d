"""Types of columns and primary keys, changed while others read and write: the rows are copied."""

import decimal

import psycopg
import pytest

from traffic import Traffic


def refused(cluster, statement, gateway=1):
    """SQLSTATE, message and detail of a statement that must fail."""
    with cluster.connect(gateway) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement)
    return caught.value.sqlstate, caught.value.diag.message_primary, caught.value.diag.message_detail


def columns(cluster, table, gateway=2):
    return cluster.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        f" WHERE table_name = '{table}' ORDER BY ordinal_position", gateway=gateway)


def primary_key(cluster, table, gateway=2):
    return cluster.execute(f"SELECT indexdef FROM pg_indexes WHERE tablename = '{table}' AND indexname = '{table}_pkey'", gateway=gateway)


def test_rows_are_copied_under_traffic_without_a_failed_statement(cluster, table):
    cluster.fill(table, 20_000)
    cluster.execute(f"CREATE INDEX {table}_k ON {table} (k) INCLUDE (v)")
    cluster.execute(f"CREATE UNIQUE INDEX {table}_v ON {table} (v, id)")
    with Traffic(cluster, table, threads=4) as traffic:
        traffic.progress(50)
        for number, change in enumerate(
            [
                "ALTER COLUMN k TYPE numeric",
                "ALTER COLUMN v TYPE varchar(200)",
                "ALTER COLUMN v TYPE varchar(60) USING substr(v, 1, 60)",
                "ALTER COLUMN id TYPE numeric(20, 0)",
                "ALTER COLUMN k TYPE int8, ALTER COLUMN v TYPE text",
                f"DROP CONSTRAINT {table}_pkey, ADD PRIMARY KEY (k, id)",
                f"DROP CONSTRAINT {table}_pkey, ADD PRIMARY KEY (id)",
                "ALTER COLUMN id TYPE int8",
            ]
        ):
            cluster.execute(f"ALTER TABLE {table} {change}", gateway=1 + number % 2)
            traffic.progress(20)
        assert traffic.retries == 0, f"{traffic.retries} statements were refused: {traffic.disturbances[:3]}"
    traffic.verify()
    cluster.check_table(table)
    assert columns(cluster, table) == [("id", "bigint"), ("k", "bigint"), ("v", "text")]
    assert cluster.execute(f"SELECT count(*) FROM {table} WHERE id < 10000000", gateway=2) == [(20_000,)]


def test_values_defaults_and_order_of_columns(cluster, table):
    cluster.execute(f"ALTER TABLE {table} ADD COLUMN w int NOT NULL DEFAULT 7")
    cluster.execute(f"INSERT INTO {table} VALUES (1, 10, '100'), (2, 20, NULL), (3, 30, '-5')")
    cluster.execute(f"CREATE INDEX {table}_v ON {table} (v)")
    cluster.execute(f"ALTER TABLE {table} ALTER v TYPE numeric(8, 2) USING v::numeric / 4, ALTER w TYPE text")
    for gateway in (1, 2):
        assert cluster.execute(f"SELECT * FROM {table} ORDER BY id", gateway=gateway) == [
            (1, 10, decimal.Decimal("25.00"), "7"), (2, 20, None, "7"), (3, 30, decimal.Decimal("-1.25"), "7")]
    # Found by the index in the new order, and written with the new default.
    cluster.execute(f"INSERT INTO {table} VALUES (4, 40, 3)")
    assert cluster.execute(f"SELECT id, w FROM {table} WHERE v > -2 AND v < 20 ORDER BY v", gateway=2) == [(3, "7"), (4, "7")]
    assert cluster.execute(f"SELECT id FROM {table} WHERE v = 25") == [(1,)]
    cluster.check_table(table)
    # Columns and indexes made afterwards see the same rows.
    cluster.execute(f"ALTER TABLE {table} ADD COLUMN x int DEFAULT 5")
    cluster.execute(f"CREATE INDEX {table}_w ON {table} (w, x)")
    assert cluster.execute(f"SELECT count(*) FROM {table} WHERE w = '7' AND x = 5") == [(4,)]
    cluster.check_table(table)


def test_a_value_that_cannot_be_converted_is_named_and_nothing_is_left(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 5, '11'), (2, 6, 'two'), (3, 7, '33')")
    cluster.execute(f"CREATE INDEX {table}_v ON {table} (v)")
    assert refused(cluster, f"ALTER TABLE {table} ALTER v TYPE int") == (
        "42804", 'column "v" cannot be cast automatically to type integer', None)
    assert refused(cluster, f"ALTER TABLE {table} ALTER v TYPE int USING v::int") == (
        "22P02", 'invalid input syntax for type integer: "two"', "Failing row contains (2, 6, two).")
    assert refused(cluster, f"ALTER TABLE {table} ALTER k TYPE int2 USING k * 10000", 2)[0] == "22003"
    assert columns(cluster, table) == [("id", "bigint"), ("k", "bigint"), ("v", "text")]
    cluster.execute(f"UPDATE {table} SET v = 'drei' WHERE id = 3", gateway=2)
    assert cluster.execute(f"SELECT id FROM {table} WHERE v = 'drei'") == [(3,)]
    cluster.check_table(table)
    # A NULL where the column allows none; two rows whose keys become one.
    assert refused(cluster, f"ALTER TABLE {table} ALTER k TYPE int USING NULLIF(k, 6)")[0] == "23502"
    state, message, detail = refused(cluster, f"ALTER TABLE {table} ALTER id TYPE int8 USING id / 2")
    assert (state, message) == ("23505", f'could not create unique index "{table}_pkey"')
    assert detail == "Key (id)=(1) is duplicated."
    cluster.check_table(table)


def test_primary_keys(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 10, 'a'), (2, 20, 'b'), (3, 20, NULL)")
    cluster.execute(f"CREATE UNIQUE INDEX {table}_u ON {table} (id, k)")
    assert refused(cluster, f"ALTER TABLE {table} ADD PRIMARY KEY (k)")[0] == "42P16"
    swap = f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey, ADD PRIMARY KEY"
    assert refused(cluster, f"{swap} (k)")[::2] == ("23505", "Key (k)=(20) is duplicated.")
    assert refused(cluster, f"{swap} (v)")[0] == "23502"
    cluster.execute(f"{swap} (k, id)")
    assert primary_key(cluster, table) == [(f"CREATE UNIQUE INDEX {table}_pkey ON public.{table} USING btree (k, id)",)]
    assert refused(cluster, f"INSERT INTO {table} VALUES (2, 20, 'x')", 2)[0] == "23505"
    cluster.execute(f"INSERT INTO {table} VALUES (4, 20, 'd')", gateway=2)
    assert cluster.execute(f"SELECT id FROM {table} WHERE k = 20 ORDER BY id", gateway=2) == [(2,), (3,), (4,)]
    cluster.check_table(table)

    name = f"{table}_hidden"
    cluster.execute(f"CREATE TABLE {name} (a int, b text)")
    cluster.execute(f"INSERT INTO {name} VALUES (1, 'a'), (2, 'b'), (NULL, 'c')")
    assert refused(cluster, f"ALTER TABLE {name} ADD PRIMARY KEY (a)")[0] == "23502"
    cluster.execute(f"DELETE FROM {name} WHERE a IS NULL")
    cluster.execute(f"ALTER TABLE {name} ADD PRIMARY KEY (a)")
    assert cluster.execute(f"SELECT * FROM {name} ORDER BY a", gateway=2) == [(1, "a"), (2, "b")]
    assert refused(cluster, f"INSERT INTO {name} VALUES (1, 'z')", 2)[0] == "23505"
    cluster.check_table(name)
    cluster.execute(f"DROP TABLE {name}")


def test_a_transaction_that_spans_the_change(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 10, 'a'), (2, 20, 'b')")
    with cluster.connect(1, autocommit=False) as reader, cluster.connect(2, autocommit=False) as writer:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert reader.execute(f"SELECT k FROM {table} WHERE id = 1").fetchone() == (10,)
        writer.execute(f"UPDATE {table} SET k = 21 WHERE id = 2")
        # Both hold the old version longer than the change is willing to wait.
        cluster.execute(f"ALTER TABLE {table} ALTER k TYPE text")
        # Who read before goes on reading what was.
        assert reader.execute(f"SELECT id, k FROM {table} ORDER BY id").fetchall() == [(1, 10), (2, 20)]
        reader.commit()
        with pytest.raises(psycopg.errors.SerializationFailure) as caught:
            writer.commit()
        assert f'table "{table}" changed' in caught.value.diag.message_primary
        assert f"SHOW SCHEMA LOG FOR TABLE {table}" in caught.value.diag.message_hint
    assert cluster.execute(f"SELECT id, k FROM {table} ORDER BY id") == [(1, "10"), (2, "20")]
    cluster.check_table(table)


def test_truncate_empties_at_once_for_all_and_leaves_older_snapshots_alone(cluster, table):
    cluster.fill(table, 5_000)
    cluster.execute(f"CREATE UNIQUE INDEX {table}_k ON {table} (k)")
    with cluster.connect(1, autocommit=False) as reader, cluster.connect(2, autocommit=False) as writer:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert reader.execute(f"SELECT count(*) FROM {table}").fetchone() == (5_000,)
        writer.execute(f"UPDATE {table} SET v = 'late' WHERE id = 2")
        cluster.execute(f"TRUNCATE {table}")
        for gateway in (1, 2):
            assert cluster.execute(f"SELECT count(*) FROM {table}", gateway=gateway) == [(0,)]
        assert reader.execute(f"SELECT count(*) FROM {table}").fetchone() == (5_000,)
        reader.commit()
        with pytest.raises(psycopg.errors.SerializationFailure):
            writer.commit()
    # The keys are free again.
    cluster.execute(f"INSERT INTO {table} VALUES (2, 2 * 7919, 'new')", gateway=2)
    assert cluster.execute(f"SELECT * FROM {table} WHERE k = 2 * 7919") == [(2, 15838, "new")]
    cluster.check_table(table)
    with Traffic(cluster, table, threads=4) as traffic:
        for number in range(5):
            traffic.progress(20)
            other = f"{table}_other"
            cluster.execute(f"CREATE TABLE {other} (a int)")
            cluster.execute(f"INSERT INTO {other} VALUES (1)")
            cluster.execute(f"TRUNCATE TABLE {other}", gateway=1 + number % 2)
            assert cluster.execute(f"SELECT count(*) FROM {other}", gateway=2) == [(0,)]
            cluster.execute(f"DROP TABLE {other}")
        assert traffic.retries == 0
    traffic.verify()
