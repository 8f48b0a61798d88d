"""Types of columns and primary keys, changed while others read and write: the rows are copied."""

import decimal
import random
import threading
import time

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


def patient_change(cluster, statement):
    """Waits for transactions that hold it up."""
    with cluster.connect(1) as connection:
        connection.execute("SET theseus.ddl_wait = '60s'")
        connection.execute(statement)


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


def definitions(cluster, table, gateway=2):
    return [
        definition for (definition,) in cluster.execute(
            f"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '{table}'::regclass AND contype <> 'p' ORDER BY conname",
            gateway=gateway)]


def test_checks_and_indexes_follow_the_type_under_traffic(cluster, table):
    cluster.fill(table, 5_000)
    for statement in (
            f"ALTER TABLE {table} ADD CONSTRAINT {table}_a CHECK (k >= 0 AND k < 10000000)",
            f"ALTER TABLE {table} ADD CONSTRAINT {table}_b CHECK (k > -1.5 OR v IS NULL) NOT VALID",
            f"ALTER TABLE {table} ADD CONSTRAINT {table}_c CHECK (length(v) < 100)",
            f"CREATE INDEX {table}_d ON {table} ((k * 2)) WHERE k > 100",
            f"CREATE UNIQUE INDEX {table}_e ON {table} (id, upper(v)) WHERE k % 2 = 0"):
        cluster.execute(statement)
    with Traffic(cluster, table, threads=4) as traffic:
        traffic.progress(50)
        for number, change in enumerate(
                ["ALTER COLUMN k TYPE numeric", "ALTER COLUMN v TYPE varchar(120)", "ALTER COLUMN v TYPE varchar(150)",
                 "ALTER COLUMN k TYPE int8, ALTER COLUMN v TYPE text USING v || ''"]):
            cluster.execute(f"ALTER TABLE {table} {change}", gateway=1 + number % 2)
            traffic.progress(20)
            cluster.check_table(table)
            if number == 0:
                plan = cluster.execute(f"EXPLAIN SELECT id FROM {table} WHERE k * 2 = 31676 AND k > 100", gateway=2)
                assert any(f"{table}_d" in line for line, in plan), plan
        assert traffic.retries == 0, f"{traffic.retries} statements were refused: {traffic.disturbances[:3]}"
    traffic.verify()
    cluster.check_table(table)
    assert cluster.execute(
        f"SELECT conname, convalidated FROM pg_constraint WHERE conrelid = '{table}'::regclass AND contype = 'c' ORDER BY 1", gateway=2
    ) == [(f"{table}_a", True), (f"{table}_b", False), (f"{table}_c", True)]
    # They are enforced, and used.
    for gateway in (1, 2):
        assert refused(cluster, f"INSERT INTO {table} VALUES (-1, -1, 'x')", gateway)[1].endswith(f'"{table}_a"')
        assert refused(cluster, f"INSERT INTO {table} VALUES (-1, 1, repeat('x', 100))", gateway)[1].endswith(f'"{table}_c"')
        assert cluster.execute(f"SELECT id FROM {table} WHERE k * 2 = 31676 AND k > 100", gateway=gateway) == [(2,)]


def test_a_check_or_an_index_that_does_not_fit_the_new_type(cluster, table):
    cluster.execute(f"ALTER TABLE {table} ADD COLUMN n numeric, ADD COLUMN g int8 GENERATED ALWAYS AS (k * 1.5) STORED")
    cluster.execute(f"INSERT INTO {table} (id, k, v, n) VALUES (1, 10, '100', 1.2), (2, 21, '200', 9.6)")
    cluster.execute(f"ALTER TABLE {table} ADD CONSTRAINT {table}_n CHECK (n < 9.7), ADD CONSTRAINT {table}_v CHECK (v <> '')")
    assert refused(cluster, f"ALTER TABLE {table} ALTER v TYPE int USING v::int") == (
        "42883", "operator does not exist: integer <> text", None)
    # 9.6 is 10 as an integer.
    state, message, detail = refused(cluster, f"ALTER TABLE {table} ALTER n TYPE int")
    assert (state, message) == ("23514", f'check constraint "{table}_n" of relation "{table}" is violated by some row')
    assert detail.startswith("Failing rows: (2, 21, 200, 9.6, 32"), detail
    rows = cluster.execute(f"EXPLAIN (DDL, VALIDATE) ALTER TABLE {table} ALTER n TYPE int")
    assert any("(2, 21, 200, 9.6, 32" in str(row) for row in rows), rows
    cluster.execute(f"CREATE UNIQUE INDEX {table}_u ON {table} ((n + 1)) WHERE n < 50")
    cluster.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_n")
    cluster.execute(f"INSERT INTO {table} (id, k, v, n) VALUES (3, 1, '300', 10.2)")
    assert refused(cluster, f"ALTER TABLE {table} ALTER n TYPE int8")[:2] == ("23505", f'could not create unique index "{table}_u"')
    assert refused(cluster, f"ALTER TABLE {table} ALTER n TYPE boolean USING true")[0] == "42883"
    # What is generated from the column keeps it as it is; what is generated may have another type.
    assert refused(cluster, f"ALTER TABLE {table} ALTER k TYPE numeric") == (
        "0A000", "cannot alter type of a column used by a generated column", 'Column "k" is used by generated column "g".')
    assert refused(cluster, f"ALTER TABLE {table} ALTER g TYPE numeric USING 1") == (
        "42611", "cannot specify USING when altering type of generated column", 'Column "g" is a generated column.')
    assert cluster.execute(f"SELECT g FROM {table} WHERE id = 2") == [(32,)]
    cluster.execute(f"ALTER TABLE {table} ALTER g TYPE numeric(9, 1)")
    assert cluster.execute(f"SELECT g FROM {table} WHERE id = 2", gateway=2) == [(decimal.Decimal("31.5"),)]
    cluster.execute(f"UPDATE {table} SET k = 5 WHERE id = 2")
    assert cluster.execute(f"SELECT g FROM {table} WHERE id = 2", gateway=2) == [(decimal.Decimal("7.5"),)]
    cluster.check_table(table)


def test_foreign_keys_follow_the_type_of_either_side_under_traffic(cluster, table):
    parent, child = f"{table}_p", f"{table}_c"
    cluster.execute(f"CREATE TABLE {parent} (id int4 PRIMARY KEY, k int4, v text)")
    cluster.execute(f"INSERT INTO {parent} SELECT g, g, 'row' FROM generate_series(1, 200) g")
    cluster.execute(f"CREATE TABLE {child} (id int8 PRIMARY KEY, k int8, v text, up int4 CONSTRAINT {child}_up REFERENCES {parent})")
    cluster.execute(f"CREATE INDEX {child}_i ON {child} (up)")
    stop = threading.Event()
    counts, failures = [0, 0], []

    def work(number):
        """Gives rows to parents and takes parents away: one of both has to fail where they meet."""
        choose = random.Random(number)
        with cluster.connect(1 + number % 2) as connection:
            while not stop.is_set():
                key = choose.randrange(1, 200)
                statement = choose.choice((
                    f"INSERT INTO {child} (id, up) VALUES ({number * 1_000_000 + counts[0] * 7 + choose.randrange(10**9)}, {key})",
                    f"DELETE FROM {child} WHERE up = {key}", f"DELETE FROM {parent} WHERE id = {key}",
                    f"INSERT INTO {parent} VALUES ({key}, 1, 'again') ON CONFLICT DO NOTHING"))
                try:
                    connection.execute(statement)
                    counts[0] += 1
                except psycopg.Error as error:
                    if error.sqlstate == "23503":
                        counts[1] += 1
                    elif error.sqlstate not in ("40001", "23505"):
                        failures.append((error.sqlstate, str(error)))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    try:
        for statement in (
                f"ALTER TABLE {parent} ALTER id TYPE int8", f"ALTER TABLE {child} ALTER up TYPE int8",
                f"ALTER TABLE {child} ALTER up TYPE int4", f"ALTER TABLE {parent} ALTER id TYPE int4, ALTER k TYPE text"):
            before = counts[0]
            cluster.execute(statement)
            deadline = time.monotonic() + 30
            while counts[0] < before + 40 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert cluster.execute(
                f"SELECT count(*) FROM {child} LEFT JOIN {parent} ON {parent}.id = up WHERE up IS NOT NULL AND {parent}.id IS NULL",
                gateway=2) == [(0,)]
    finally:
        stop.set()
        for worker in workers:
            worker.join(60)
    assert not failures, failures[:3]
    assert counts[1] > 0, "no row was ever refused"
    for name in (parent, child):
        cluster.check_table(name)
    assert definitions(cluster, child) == [f"FOREIGN KEY (up) REFERENCES {parent}(id)"]
    assert refused(cluster, f"ALTER TABLE {child} ALTER up TYPE text") == (
        "42804", f'foreign key constraint "{child}_up" cannot be implemented',
        'Key columns "up" and "id" are of incompatible types: text and integer.')
    assert refused(cluster, f"ALTER TABLE {parent} ALTER id TYPE numeric")[0] == "0A000"
    assert refused(cluster, f"ALTER TABLE {child} ALTER up TYPE int8 USING up + 1") == (
        "0A000", "changing the values of a column that a foreign key is about is not supported yet", None)
    with cluster.connect(1) as connection:
        connection.execute("BEGIN")
        connection.execute(f"ALTER TABLE {parent} ALTER id TYPE int8")
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            connection.execute(f"INSERT INTO {child} (id, up) VALUES (1, 1)")
        connection.execute("ROLLBACK")
        connection.execute("BEGIN")
        connection.execute(f"ALTER TABLE {parent} ALTER id TYPE int8")
        connection.execute("COMMIT")
    assert columns(cluster, parent)[0] == ("id", "bigint")
    cluster.execute(f"DROP TABLE {child}")
    cluster.execute(f"DROP TABLE {parent}")


def test_a_writer_meets_the_new_rule_while_the_type_changes(cluster, table):
    """A row that the new type's rule refuses is refused from the moment at which the change could no longer allow it."""
    cluster.execute(f"ALTER TABLE {table} ADD COLUMN n numeric, ADD CONSTRAINT {table}_n CHECK (n < 9.7)")
    cluster.execute(f"INSERT INTO {table} SELECT g, g, 'x', 1.5 FROM generate_series(1, 50) g")
    with cluster.connect(1) as holder, cluster.connect(2) as writer:
        holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        holder.execute(f"SELECT count(*) FROM {table}")
        change = threading.Thread(target=patient_change, args=(cluster, f"ALTER TABLE {table} ALTER n TYPE int8"))
        change.start()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                writer.execute(f"INSERT INTO {table} VALUES (1000, 1, 'x', 9.6)")
                writer.execute(f"DELETE FROM {table} WHERE id = 1000")
            except psycopg.errors.CheckViolation as error:
                assert error.diag.message_primary == f'new row for relation "{table}" violates check constraint "{table}_n"'
                break
            time.sleep(0.01)
        else:
            raise AssertionError("the new rule is not enforced")
        # The old one is, too.
        with pytest.raises(psycopg.errors.CheckViolation):
            writer.execute(f"INSERT INTO {table} VALUES (1001, 1, 'x', 9.8)")
        holder.execute("COMMIT")
        change.join(60)
        assert not change.is_alive()
    assert columns(cluster, table)[-1] == ("n", "bigint")
    assert definitions(cluster, table) == [f"CHECK (((n)::numeric < 9.7))"]
    cluster.check_table(table)
