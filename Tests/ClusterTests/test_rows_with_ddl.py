"""Rows and schema changes between BEGIN and COMMIT: visible at one moment, or not at all."""

import os
import pathlib
import random
import signal
import subprocess
import threading

import psycopg
import pytest

from cluster import wait_until

DUMP = pathlib.Path(__file__).parent / "dump"


def columns(cluster, table, gateway=2):
    return [row[0] for row in cluster.execute(
        "SELECT column_name FROM information_schema.columns"
        f" WHERE table_name = '{table}' ORDER BY ordinal_position", gateway=gateway)]


def block(connection, *statements):
    connection.execute("BEGIN")
    for statement in statements:
        connection.execute(statement)
    connection.execute("COMMIT")


def test_a_migration_creates_a_table_fills_it_and_records_itself(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 1, 'first')")
    with cluster.connect(1) as connection:
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE {table}_kinds (id serial PRIMARY KEY, name text UNIQUE)")
        assert connection.execute(
            f"INSERT INTO {table}_kinds (name) VALUES ('a'), ('b') RETURNING id, name").fetchall() == [(1, "a"), (2, "b")]
        connection.execute(f"UPDATE {table}_kinds SET name = 'c' WHERE name = 'b'")
        with pytest.raises(psycopg.errors.UniqueViolation), connection.transaction():
            connection.execute(f"INSERT INTO {table}_kinds (name) VALUES ('c')")
        connection.execute(f"INSERT INTO {table} VALUES (2, 2, 'second')")
        connection.execute(f"CREATE TABLE {table}_uses (kind int REFERENCES {table}_kinds, t int8 REFERENCES {table})")
        connection.execute(f"INSERT INTO {table}_uses VALUES (2, 1), (1, 2)")
        with pytest.raises(psycopg.errors.ForeignKeyViolation), connection.transaction():
            connection.execute(f"INSERT INTO {table}_uses VALUES (9, 1)")
        joined = (
            f"SELECT k.name, t.v FROM {table}_uses u JOIN {table}_kinds k ON k.id = u.kind JOIN {table} t ON t.id = u.t"
            " ORDER BY 1")
        expected = [("a", "second"), ("c", "first")]
        assert connection.execute(joined).fetchall() == expected
        assert cluster.execute(f"SELECT count(*) FROM {table}", gateway=2) == [(1,)]
        assert columns(cluster, f"{table}_kinds") == []
        connection.execute("COMMIT")
        for gateway in (1, 2):
            assert cluster.execute(joined, gateway=gateway) == expected
        # The numbers go on where the transaction left them.
        assert connection.execute(
            f"INSERT INTO {table}_kinds (name) VALUES ('d') RETURNING id > 2").fetchone() == (True,)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            cluster.execute(f"DELETE FROM {table} WHERE id = 1", gateway=2)
    for name in (table, f"{table}_kinds", f"{table}_uses"):
        cluster.check_table(name)
    cluster.execute(f"DROP TABLE {table}_uses, {table}_kinds")


def test_a_new_column_is_filled_in_the_transaction_that_adds_it(cluster, table):
    cluster.fill(table, 500)
    with cluster.connect(1) as connection:
        block(
            connection, f"UPDATE {table} SET v = 'seen' WHERE id <= 10",
            f"ALTER TABLE {table} ADD COLUMN twice int8, ADD COLUMN kind text DEFAULT 'old'",
            f"UPDATE {table} SET twice = k * 2", f"ALTER TABLE {table} RENAME COLUMN k TO once",
            f"INSERT INTO {table} (id, once, twice, kind) VALUES (1000, 7, 14, 'new')")
    for gateway in (1, 2):
        assert cluster.execute(
            f"SELECT count(*), count(*) FILTER (WHERE twice = once * 2), count(*) FILTER (WHERE kind = 'old'),"
            f" count(*) FILTER (WHERE v = 'seen') FROM {table}", gateway=gateway) == [(501, 501, 500, 10)]
    cluster.check_table(table)


def test_neither_rows_nor_changes_are_there_when_the_block_fails_or_is_rolled_back(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 5, 'a'), (2, 5, 'b')")
    other = f"{table}_other"
    cluster.execute(f"CREATE TABLE {other} (id int8 PRIMARY KEY, note text)")
    with cluster.connect(1) as connection:
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE {table}_new (id int8 PRIMARY KEY)")
        connection.execute(f"INSERT INTO {table}_new VALUES (1)")
        connection.execute(f"INSERT INTO {other} VALUES (1, 'rolled back')")
        connection.execute("ROLLBACK")
        # A row in the way of a change keeps the rows of the block from being written.
        connection.execute("BEGIN")
        connection.execute(f"INSERT INTO {other} VALUES (2, 'with an index')")
        connection.execute(f"CREATE UNIQUE INDEX {table}_u ON {table} (k)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("COMMIT")
        # A row that somebody else has written keeps the changes from being made.
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        assert connection.execute(f"SELECT count(*) FROM {other}").fetchone() == (0,)
        connection.execute(f"ALTER TABLE {table} ADD COLUMN c int8")
        cluster.execute(f"INSERT INTO {other} VALUES (3, 'theirs')", gateway=2)
        with pytest.raises((psycopg.errors.UniqueViolation, psycopg.errors.SerializationFailure)):
            connection.execute(f"INSERT INTO {other} VALUES (3, 'ours')")
            connection.execute("COMMIT")
        connection.execute("ROLLBACK")
    for gateway in (1, 2):
        assert cluster.execute(f"SELECT * FROM {other}", gateway=gateway) == [(3, "theirs")]
        assert columns(cluster, f"{table}_new", gateway) == []
        assert columns(cluster, table, gateway) == ["id", "k", "v"]
    # Nothing is locked any more.
    cluster.execute(f"INSERT INTO {other} VALUES (1, 'free'), (2, 'free')", gateway=2)
    assert not [job for job in cluster.jobs() if job["state"] in ("running", "reverting", "queued")]
    cluster.execute(f"DROP TABLE {other}")


def test_others_see_rows_and_changes_at_one_moment(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (0, 0, 'begin')")
    stop, wrong, seen = threading.Event(), [], set()

    def watch(gateway):
        with cluster.connect(gateway) as connection:
            while not stop.is_set():
                rows, names = connection.execute(
                    f"SELECT max(k), (SELECT count(*) FROM information_schema.tables WHERE table_name LIKE '{table}\\_s%')"
                    f" FROM {table}").fetchone()
                seen.add(rows)
                if rows != names:
                    wrong.append((gateway, rows, names))

    watchers = [threading.Thread(target=watch, args=(gateway,)) for gateway in (1, 2)]
    for watcher in watchers:
        watcher.start()
    try:
        with cluster.connect(1) as connection:
            for number in range(1, 9):
                block(
                    connection, f"CREATE TABLE {table}_s{number} (id int8 PRIMARY KEY, v text)",
                    f"INSERT INTO {table} VALUES ({number}, {number}, 'v')",
                    f"INSERT INTO {table}_s{number} SELECT g, 'row' FROM generate_series(1, 50) g")
    finally:
        stop.set()
        for watcher in watchers:
            watcher.join()
    assert not wrong and len(seen) > 1
    for number in range(1, 9):
        assert cluster.execute(f"SELECT count(*) FROM {table}_s{number}", gateway=2) == [(50,)]
        cluster.execute(f"DROP TABLE {table}_s{number}")


def test_a_block_sent_again_with_its_operation_id_writes_once(cluster, table):
    for gateway in (1, 2, 1):
        with cluster.connect(gateway) as connection:
            connection.execute(f"SET theseus.operation_id = '{table}-release'")
            block(
                connection, f"INSERT INTO {table} VALUES (1, 1, 'first')", f"CREATE TABLE {table}_new (id int8 PRIMARY KEY)",
                f"INSERT INTO {table}_new VALUES (7)", f"UPDATE {table} SET k = k + 1")
    assert cluster.execute(f"SELECT * FROM {table}") == [(1, 2, "first")]
    assert cluster.execute(f"SELECT * FROM {table}_new") == [(7,)]
    cluster.execute(f"DROP TABLE {table}_new")


def commit_around_the_end_of(victim, cluster, connection):
    """Kills the gateway of `connection` or the metadata leader about when the block commits; the cluster is whole again afterwards."""
    target = cluster.member("gateway-1" if victim == "gateway-1" else cluster.metadata_leader())
    killer = threading.Timer(random.random() * 0.08, os.kill, (target["pid"], signal.SIGKILL))
    killer.start()
    try:
        connection.execute("COMMIT")
        outcome = "committed"
    except psycopg.Error as error:
        outcome = getattr(error, "sqlstate", None) or "gone"
    killer.join()
    wait_until(lambda: not cluster.is_alive(target), 10, "the end of the process")
    cluster.restart()
    return outcome


@pytest.mark.parametrize("victim", ["gateway-1", "leader"])
def test_a_process_killed_around_the_commit_leaves_both_or_neither(cluster, table, victim):
    random.seed(victim)
    outcomes = []
    for number in range(1, 7):
        name = f"{table}_{victim[:1]}{number}"
        with cluster.connect(1) as connection:
            connection.execute("BEGIN")
            connection.execute(f"CREATE TABLE {name} (id int8 PRIMARY KEY)")
            connection.execute(f"INSERT INTO {name} SELECT g FROM generate_series(1, 20) g")
            connection.execute(f"INSERT INTO {table} VALUES ({number}, {number}, '{name}')")
            outcome = commit_around_the_end_of(victim, cluster, connection)
        # Whoever meets the rows of the transaction waits until its job has ended them.
        there = cluster.execute(f"SELECT count(*) FROM {table} WHERE id = {number}", gateway=2)[0][0] == 1
        assert (columns(cluster, name) == ["id"]) == there, (outcome, there)
        if there:
            assert cluster.execute(f"SELECT count(*) FROM {name}", gateway=2) == [(20,)]
        if outcome == "committed":
            assert there
        cluster.execute(f"INSERT INTO {table} VALUES ({number}, 0, 'again') ON CONFLICT (id) DO NOTHING", gateway=2)
        cluster.execute(f"UPDATE {table} SET k = 0 WHERE id = {number}", gateway=2)
        outcomes.append((outcome, there))
        wait_until(
            lambda: not [job for job in cluster.jobs(2) if job["state"] in ("running", "reverting", "queued")], 30,
            "the end of the jobs")
        cluster.execute(f"DROP TABLE IF EXISTS {name}", gateway=2)
    cluster.check_table(table)
    print(outcomes)


def test_who_commits_is_told_when_the_job_is_canceled_while_its_rows_are_written(cluster, table):
    cluster.execute(f"CREATE TABLE {table}_new (id int8 PRIMARY KEY)")

    def commit(name, answers):
        with cluster.connect(1) as connection:
            connection.execute(f"SET theseus.operation_id = '{name}'")
            try:
                block(
                    connection, f"INSERT INTO {table}_new SELECT g FROM generate_series(1, 20000) g",
                    f"CREATE INDEX {name} ON {table} (k)")
                answers.append(None)
            except psycopg.Error as error:
                answers.append(error.sqlstate)

    def waits_for_rows(name):
        return next((job["job_id"] for job in cluster.jobs(2) if job["operation_id"] == name
                     and job["wait_reason"] == "the rows of its transaction"), None)

    for number in range(20):
        name, answers = f"{table}_i{number}", []
        committing = threading.Thread(target=commit, args=(name, answers))
        committing.start()
        job = None
        while committing.is_alive() and job is None:
            job = waits_for_rows(name)
        try:
            is_canceled = job is not None and bool(cluster.execute(f"CANCEL JOB {job}", gateway=2))
        except psycopg.errors.ObjectNotInPrerequisiteState:
            is_canceled = False
        committing.join()
        assert answers == ["57014" if is_canceled else None]
        assert cluster.execute(f"SELECT count(*) FROM {table}_new", gateway=2) == [(0 if is_canceled else 20_000,)]
        if is_canceled:
            break
        cluster.execute(f"TRUNCATE {table}_new")
    else:
        pytest.fail("the rows were always written before the job could be canceled")
    cluster.execute(f"DROP TABLE {table}_new")


# A table that the block creates and fills, and then changes.

def test_a_new_table_with_rows_gets_keys_indexes_columns_and_constraints(cluster, table):
    new = f"{table}_new"
    cluster.execute(f"INSERT INTO {table} SELECT g, g, 'v' FROM generate_series(0, 9) g")
    with cluster.connect(1) as connection:
        block(
            connection, f"CREATE TABLE {new} (id int4, a int4, t text, gone text)",
            f"INSERT INTO {new} SELECT g, g % 10, 'row ' || g, 'gone' FROM generate_series(1, 2000) g",
            f"DELETE FROM {new} WHERE id > 1990", f"UPDATE {new} SET a = NULL WHERE id = 7",
            f"ALTER TABLE {new} ADD PRIMARY KEY (id)", f"CREATE INDEX {new}_a ON {new} (a)",
            f"CREATE UNIQUE INDEX {new}_t ON {new} (lower(t)) INCLUDE (a) WHERE a < 10",
            f"ALTER TABLE {new} ADD COLUMN fixed int8 DEFAULT 5 NOT NULL, ADD COLUMN number serial,"
            " ADD COLUMN twice int8 GENERATED ALWAYS AS (a * 2) STORED",
            f"ALTER TABLE {new} ADD CONSTRAINT {new}_c CHECK (fixed = 5 AND number > 0)",
            f"ALTER TABLE {new} ADD CONSTRAINT {new}_f FOREIGN KEY (a) REFERENCES {table}",
            f"ALTER TABLE {new} ALTER t SET NOT NULL, DROP COLUMN gone", f"ALTER TABLE {new} ALTER id TYPE int8",
            f"ALTER TABLE {new} RENAME COLUMN t TO text", f"INSERT INTO {new} (id, text) VALUES (5000, 'last')",
            f"ALTER TABLE {new} RENAME TO {new}er")
    new = f"{new}er"
    for gateway in (1, 2):
        assert columns(cluster, new, gateway) == ["id", "a", "text", "fixed", "number", "twice"]
        assert cluster.execute(
            f"SELECT count(*), count(a), sum(fixed), count(DISTINCT number), sum(twice) = 2 * sum(a),"
            f" max(text) FROM {new}", gateway=gateway) == [(1991, 1989, 1991 * 5, 1991, True, "row 999")]
        assert cluster.execute(f"SELECT id FROM {new} WHERE lower(text) = 'row 77' AND a < 10", gateway=gateway) == [(77,)]
        assert cluster.execute(f"SELECT count(*) FROM {new} WHERE a = 3", gateway=gateway) == [(199,)]
    cluster.check_table(new)
    for statement, error in (
            (f"INSERT INTO {new} (id, text) VALUES (1, 'x')", psycopg.errors.UniqueViolation),
            (f"INSERT INTO {new} (id, text, a) VALUES (6000, 'ROW 99', 1)", psycopg.errors.UniqueViolation),
            (f"INSERT INTO {new} (id, text, a) VALUES (6000, 'x', 99)", psycopg.errors.ForeignKeyViolation),
            (f"INSERT INTO {new} (id, text, fixed) VALUES (6000, 'x', 6)", psycopg.errors.CheckViolation),
            (f"DELETE FROM {table} WHERE id = 3", psycopg.errors.ForeignKeyViolation)):
        with pytest.raises(error):
            cluster.execute(statement, gateway=2)
    # The sequence of the new column goes on behind the numbers of the rows.
    assert cluster.execute(f"INSERT INTO {new} (id, text) VALUES (6001, 'y') RETURNING number > 1991", gateway=2) == [(True,)]
    cluster.execute(f"DROP TABLE {new}")


# In a block with a new table {new} of (id, a), with the rows (1, 5), (2, 5), (3, NULL).
@pytest.mark.parametrize("statements, error, message, detail", [
    (["CREATE UNIQUE INDEX {new}_u ON {new} (a)"], psycopg.errors.UniqueViolation,
     'could not create unique index "{new}_u"', "Key (a)=(5) is duplicated."),
    (["ALTER TABLE {new} ADD CONSTRAINT {new}_k UNIQUE (a)"], psycopg.errors.UniqueViolation,
     'could not create unique index "{new}_k"', "Key (a)=(5) is duplicated."),
    (["ALTER TABLE {new} ALTER a SET NOT NULL"], psycopg.errors.NotNullViolation,
     'column "a" of relation "{new}" contains null values', None),
    (["CREATE TABLE {new}_p AS SELECT id, NULLIF(a, 5) AS a FROM {new}", "ALTER TABLE {new}_p ADD PRIMARY KEY (a)"],
     psycopg.errors.NotNullViolation, 'column "a" of relation "{new}_p" contains null values', None),
    (["ALTER TABLE {new} ADD COLUMN b int8 NOT NULL"], psycopg.errors.NotNullViolation,
     'column "b" of relation "{new}" contains null values', None),
    (["ALTER TABLE {new} ADD CONSTRAINT {new}_c CHECK (a > 5)"], psycopg.errors.CheckViolation,
     'check constraint "{new}_c" of relation "{new}" is violated by some row', "Failing rows: (1, 5), (2, 5)."),
    (["ALTER TABLE {new} ADD CONSTRAINT {new}_f FOREIGN KEY (a) REFERENCES {table}"], psycopg.errors.ForeignKeyViolation,
     'insert or update on table "{new}" violates foreign key constraint "{new}_f"',
     'Key (a)=(5) is not present in table "{table}".'),
    (["CREATE TABLE {new}_p (id int8 PRIMARY KEY)", "INSERT INTO {new}_p VALUES (4)",
      "ALTER TABLE {new} ADD CONSTRAINT {new}_f FOREIGN KEY (a) REFERENCES {new}_p"], psycopg.errors.ForeignKeyViolation,
     'insert or update on table "{new}" violates foreign key constraint "{new}_f"',
     'Key (a)=(5) is not present in table "{new}_p".'),
    (["ALTER TABLE {new} ADD CONSTRAINT {new}_c CHECK (a > 5) NOT VALID", "ALTER TABLE {new} VALIDATE CONSTRAINT {new}_c"],
     psycopg.errors.CheckViolation, 'check constraint "{new}_c" of relation "{new}" is violated by some row',
     "Failing rows: (1, 5), (2, 5)."),
    (["ALTER TABLE {new} ADD COLUMN q int8 GENERATED ALWAYS AS (1 / (a - 5)) STORED"], psycopg.errors.DivisionByZero,
     "division by zero", "Failing row contains (1, 5)."),
    (["ALTER TABLE {new} ALTER a TYPE int2 USING 1 / (a - 5)"], psycopg.errors.DivisionByZero, "division by zero", None),
])
def test_a_row_in_the_way_of_a_change_of_a_new_table_fails_the_statement(cluster, table, statements, error, message, detail):
    new = f"{table}_new"

    def text(template):
        return template.format(new=new, table=table)

    with cluster.connect(1) as connection:
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE {new} (id int8 PRIMARY KEY, a int8)")
        connection.execute(f"INSERT INTO {new} VALUES (1, 5), (2, 5), (3, NULL)")
        *before, last = statements
        for statement in before:
            connection.execute(text(statement))
        connection.execute("SAVEPOINT s")
        with pytest.raises(error) as raised:
            connection.execute(text(last))
        assert raised.value.diag.message_primary == text(message)
        if detail is not None:
            assert raised.value.diag.message_detail == text(detail)
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        # Nothing of the statement is left, and the rows may be put right.
        connection.execute("ROLLBACK TO SAVEPOINT s")
        assert connection.execute(f"SELECT * FROM {new} ORDER BY id").fetchall() == [(1, 5), (2, 5), (3, None)]
        connection.execute(f"DELETE FROM {new} WHERE id <> 1")
        connection.execute(f"UPDATE {new} SET a = 6")
        connection.execute(f"INSERT INTO {table} VALUES (6, 6, 'there')")
        if "b int8 NOT NULL" not in last and "PRIMARY KEY" not in last:
            connection.execute(text(last.replace("{new}_p", "{table}")))
        connection.execute("COMMIT")
    assert cluster.execute(f"SELECT id FROM {new}", gateway=2) == [(1,)]
    cluster.check_table(new)
    cluster.execute(f"DROP TABLE IF EXISTS {new}, {new}_p")


def test_savepoints_take_back_rows_and_changes_of_a_new_table_together(cluster, table):
    new = f"{table}_new"
    with cluster.connect(1) as connection:
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE {new} (id int8, a int8)")
        connection.execute(f"INSERT INTO {new} SELECT g, g FROM generate_series(1, 100) g")
        for _ in range(3):
            connection.execute("SAVEPOINT s")
            connection.execute(f"ALTER TABLE {new} ADD PRIMARY KEY (id)")
            connection.execute(f"CREATE UNIQUE INDEX {new}_a ON {new} (a)")
            connection.execute(f"ALTER TABLE {new} ADD COLUMN b serial")
            connection.execute(f"INSERT INTO {new} VALUES (1000, 1000)")
            assert connection.execute(f"SELECT max(b) FROM {new} WHERE a >= 99").fetchone() == (101,)
            connection.execute(f"TRUNCATE {new}")
            assert connection.execute(f"SELECT count(*) FROM {new}").fetchone() == (0,)
            connection.execute(f"DROP TABLE {new}")
            connection.execute(f"CREATE TABLE {new} (other text)")
            connection.execute(f"INSERT INTO {new} VALUES ('other')")
            connection.execute("ROLLBACK TO SAVEPOINT s")
            assert connection.execute(f"SELECT count(*), sum(a) FROM {new}").fetchone() == (100, 5050)
        connection.execute(f"ALTER TABLE {new} ADD COLUMN c text DEFAULT 'c'")
        connection.execute(f"CREATE INDEX {new}_c ON {new} (c, a)")
        connection.execute("COMMIT")
    assert cluster.execute(f"SELECT count(*), sum(a), max(c) FROM {new} WHERE c = 'c'", gateway=2) == [(100, 5050, "c")]
    assert columns(cluster, new) == ["id", "a", "c"]
    cluster.check_table(new)
    cluster.execute(f"DROP TABLE {new}")


def test_a_new_table_with_rows_may_be_emptied_or_dropped_again(cluster, table):
    new = f"{table}_new"
    with cluster.connect(1) as connection:
        block(
            connection, f"CREATE TABLE {new} (id serial PRIMARY KEY, a int8 UNIQUE)",
            f"INSERT INTO {new} (a) SELECT g FROM generate_series(1, 100) g", f"TRUNCATE {new} RESTART IDENTITY",
            f"INSERT INTO {new} (a) VALUES (7)")
        assert cluster.execute(f"SELECT * FROM {new}", gateway=2) == [(1, 7)]
        block(
            connection, f"CREATE TABLE {new}_2 (id serial PRIMARY KEY, t int8 REFERENCES {table})",
            f"INSERT INTO {table} VALUES (1, 1, 'stays')", f"INSERT INTO {new}_2 (t) VALUES (1)", f"DROP TABLE {new}_2")
        block(connection, f"CREATE TABLE {new}_2 (id int8)", f"INSERT INTO {new}_2 VALUES (1)", f"DROP TABLE {new}_2")
    assert columns(cluster, f"{new}_2") == []
    assert cluster.execute(f"SELECT v FROM {table}", gateway=2) == [("stays",)]
    cluster.execute(f"DELETE FROM {table}")
    cluster.check_table(new)
    cluster.execute(f"DROP TABLE {new}")


def test_rows_that_a_new_foreign_key_refers_to_stay_until_the_commit(cluster, table):
    new = f"{table}_new"
    cluster.execute(f"INSERT INTO {table} VALUES (1, 1, 'a'), (2, 2, 'b')")
    with cluster.connect(1) as connection:
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE {new} (id int8 PRIMARY KEY, t int8)")
        connection.execute(f"INSERT INTO {new} VALUES (1, 1)")
        connection.execute(f"ALTER TABLE {new} ADD FOREIGN KEY (t) REFERENCES {table}")
        cluster.execute(f"DELETE FROM {table} WHERE id = 1", gateway=2)
        with pytest.raises(psycopg.errors.SerializationFailure):
            connection.execute("COMMIT")
        # What the block drops again holds nothing up.
        block(
            connection, f"CREATE TABLE {new} (id int8 PRIMARY KEY, t int8 CONSTRAINT {new}_f REFERENCES {table})",
            f"DELETE FROM {table} WHERE id = 2", f"ALTER TABLE {new} DROP CONSTRAINT {new}_f",
            f"INSERT INTO {new} VALUES (1, 2)")
    assert cluster.execute(f"SELECT count(*) FROM {table}", gateway=2) == [(0,)]
    assert cluster.execute(f"SELECT * FROM {new}", gateway=2) == [(1, 2)]
    cluster.execute(f"DROP TABLE {new}")


def test_a_block_that_fills_a_table_meets_another_that_makes_one_of_its_name(cluster, table):
    new = f"{table}_new"
    with cluster.connect(1) as connection:
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE IF NOT EXISTS {new}_1 (id int8)")
        connection.execute(f"CREATE TABLE {new}_2 (id int8)")
        connection.execute(f"INSERT INTO {new}_2 VALUES (1)")
        connection.execute(f"CREATE INDEX ON {new}_2 (id)")
        cluster.execute(f"CREATE TABLE {new}_1 (other text)", gateway=2)
        with pytest.raises(psycopg.errors.SerializationFailure):
            connection.execute(f"SELECT * FROM {new}_2")
            connection.execute("COMMIT")
        connection.execute("ROLLBACK")
    assert columns(cluster, f"{new}_2") == []
    cluster.execute(f"DROP TABLE {new}_1")


def test_more_than_a_transaction_may_write_is_refused_with_a_hint(cluster, table):
    new = f"{table}_new"
    with cluster.connect(1) as connection:
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE {new} (id int8 PRIMARY KEY, t text)")
        connection.execute(f"INSERT INTO {new} SELECT g, repeat('x', 900000) FROM generate_series(1, 40) g")
        with pytest.raises(psycopg.errors.ProgramLimitExceeded) as raised:
            connection.execute(f"ALTER TABLE {new} ALTER t TYPE varchar(900000) USING t || ''")
        assert raised.value.diag.message_hint
        connection.execute("ROLLBACK")


def test_a_dump_is_restored_in_one_transaction(cluster, table):
    """What pg_dump writes of PostgreSQL 15, with --inserts --no-owner."""
    host, port = cluster.address()
    script = (DUMP / "dump.sql").read_text().replace("harbor_", f"{table}_")
    for attempt in range(2):
        done = subprocess.run(
            ["psql", "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", str(port), "-U", "root", "defaultdb", "-f",
             "-"], input=script, capture_output=True, text=True, timeout=120)
        if attempt == 0:
            assert done.returncode == 0 and "ERROR" not in done.stderr, done.stderr
        else:
            assert "already exists" in done.stderr
    assert cluster.execute(f"SELECT count(*), max(id) FROM {table}_ships", gateway=2) == [(3, 3)]
    assert cluster.execute(f"INSERT INTO {table}_ships (name) VALUES ('Argo') RETURNING id > 3", gateway=2) == [(True,)]
    assert cluster.execute(f"SELECT s.name, p.weight FROM {table}_planks p JOIN {table}_ships s ON s.id = p.ship"
                           " ORDER BY p.id", gateway=2)[0][0] == "Phaiax"
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        cluster.execute(f"INSERT INTO {table}_planks (ship, weight) VALUES (99, 1)", gateway=2)
    for name in ("ships", "planks"):
        cluster.check_table(f"{table}_{name}")
    cluster.execute(f"DROP TABLE {table}_planks, {table}_ships CASCADE")


def test_migration_tools_change_tables_that_they_have_just_filled(cluster, table):
    """As Alembic and Django write it: all revisions of a run in one transaction, the history in a table of its own."""
    p = f"{table}_app"
    with cluster.connect(1) as connection:
        block(
            connection, f"CREATE TABLE {p}_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT {p}_version_pkc PRIMARY KEY (version_num))",
            f"CREATE TABLE {p}_user (id SERIAL NOT NULL, name VARCHAR(50) NOT NULL, PRIMARY KEY (id))",
            f"INSERT INTO {p}_version (version_num) VALUES ('1975ea83b712')",
            f"INSERT INTO {p}_user (name) VALUES ('a'), ('b')", f"ALTER TABLE {p}_user ADD COLUMN email VARCHAR(100)",
            f"UPDATE {p}_user SET email = name || '@example.org'", f"ALTER TABLE {p}_user ALTER COLUMN email SET NOT NULL",
            f"CREATE UNIQUE INDEX ix_{p}_email ON {p}_user (email)",
            f"UPDATE {p}_version SET version_num='ae1027a6acf' WHERE {p}_version.version_num = '1975ea83b712'",
            # Django: a new column with a default that is taken away again, then a key with its index.
            f'CREATE TABLE "{p}_group" ("id" bigint NOT NULL PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, "name" varchar(80) NOT NULL UNIQUE)',
            f'INSERT INTO "{p}_group" ("name") VALUES (\'staff\') RETURNING "{p}_group"."id"',
            f'ALTER TABLE "{p}_user" ADD COLUMN "is_active" boolean DEFAULT true NOT NULL',
            f'ALTER TABLE "{p}_user" ALTER COLUMN "is_active" DROP DEFAULT',
            f'ALTER TABLE "{p}_user" ADD COLUMN "group_id" bigint NULL CONSTRAINT "{p}_user_group_fk" REFERENCES "{p}_group"("id")',
            f'UPDATE "{p}_user" SET "group_id" = 1', f'CREATE INDEX "{p}_user_group" ON "{p}_user" ("group_id")')
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            connection.execute(f"UPDATE {p}_user SET group_id = 5")
        with pytest.raises(psycopg.errors.NotNullViolation):
            connection.execute(f"INSERT INTO {p}_user (name, email) VALUES ('c', 'c')")
    assert cluster.execute(f"SELECT email, is_active, group_id FROM {p}_user ORDER BY id", gateway=2) == [
        ("a@example.org", True, 1), ("b@example.org", True, 1)]
    assert cluster.execute(f"SELECT version_num FROM {p}_version", gateway=2) == [("ae1027a6acf",)]
    for name in ("user", "group", "version"):
        cluster.check_table(f"{p}_{name}")
    cluster.execute(f"DROP TABLE {p}_user, {p}_group, {p}_version")


def test_sequences_of_a_block_can_be_set_and_used_in_it(cluster, table):
    s = f"{table}_numbers"
    with cluster.connect(1) as connection:
        connection.execute("BEGIN")
        connection.execute(f"CREATE SEQUENCE {s} CACHE 1")
        assert connection.execute(f"SELECT setval('{s}', 40), nextval('{s}'), currval('{s}')").fetchone() == (40, 41, 41)
        connection.execute("SAVEPOINT s")
        assert connection.execute(f"SELECT setval('{s}', 100, false), nextval('{s}'::regclass)").fetchone() == (100, 100)
        connection.execute("ROLLBACK TO SAVEPOINT s")
        with pytest.raises(psycopg.errors.NumericValueOutOfRange), connection.transaction():
            connection.execute(f"SELECT setval('{s}', 0)")
        connection.execute(f"CREATE TABLE {s}_t (id int8 DEFAULT nextval('{s}'::regclass), v text)")
        connection.execute(f"INSERT INTO {s}_t (v) VALUES ('a'), ('b')")
        connection.execute(f"ALTER TABLE {table} ALTER k SET DEFAULT nextval('{s}')")
        assert connection.execute(f"SELECT id FROM {s}_t ORDER BY 1").fetchall() == [(42,), (43,)]
        connection.execute(f"SELECT setval('{s}', (SELECT max(id) FROM {s}_t))")
        connection.execute("COMMIT")
    assert cluster.execute(f"INSERT INTO {s}_t (v) VALUES ('c') RETURNING id", gateway=2) == [(44,)]
    assert cluster.execute(f"INSERT INTO {table} (id) VALUES (1) RETURNING k", gateway=2) == [(45,)]
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        cluster.execute(f"DROP SEQUENCE {s}")
    cluster.execute(f"DROP TABLE {s}_t")


def test_catalog_functions_see_what_the_block_has_made(cluster, table):
    new = f"{table}_new"
    with cluster.connect(1) as connection:
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE {new} (id int8 PRIMARY KEY, a int8 CHECK (a > 0))")
        connection.execute(f"CREATE INDEX {new}_a ON {new} (a)")
        assert connection.execute(f"SELECT '{new}'::regclass::text, to_regclass('{new}_a')::text").fetchone() == (new, f"{new}_a")
        assert connection.execute(f"SELECT pg_get_indexdef('{new}_a'::regclass)").fetchone() == (
            f"CREATE INDEX {new}_a ON public.{new} USING btree (a)",)
        assert connection.execute(
            f"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '{new}'::regclass ORDER BY contype"
        ).fetchall() == [("CHECK ((a > 0))",), ("PRIMARY KEY (id)",)]
        assert connection.execute(
            "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
            f" WHERE c.oid = '{new}'::regclass AND attnum > 0").fetchone() == (2,)
        connection.execute("ROLLBACK")
    host, port = cluster.address()
    shown = subprocess.run(
        ["psql", "-X", "-h", host, "-p", str(port), "-U", "root", "defaultdb"],
        input=f"BEGIN;\nCREATE TABLE {new} (id serial PRIMARY KEY, a int8);\nCREATE INDEX {new}_a ON {new} (a);\n"
        f"INSERT INTO {new} (a) VALUES (1);\nALTER TABLE {table} RENAME COLUMN v TO w;\n\\d {new}\n\\d {table}\nROLLBACK;\n",
        capture_output=True, text=True, timeout=60)
    assert not shown.stderr and f'"{new}_a" btree (a)' in shown.stdout, shown.stdout + shown.stderr
    assert f"nextval('{new}_id_seq'::regclass)" in shown.stdout and " w      |" in shown.stdout


@pytest.mark.parametrize("victim", ["gateway-1", "leader"])
def test_a_process_killed_around_the_commit_leaves_a_changed_table_whole_or_none(cluster, table, victim):
    random.seed(victim + "changed")
    for number in range(1, 5):
        name = f"{table}_{victim[:1]}c{number}"
        with cluster.connect(1) as connection:
            connection.execute("BEGIN")
            connection.execute(f"CREATE TABLE {name} (id int4, t int8)")
            connection.execute(f"INSERT INTO {name} SELECT g, {number} FROM generate_series(1, 50) g")
            connection.execute(f"INSERT INTO {table} VALUES ({number}, {number}, '{name}')")
            connection.execute(f"ALTER TABLE {name} ADD PRIMARY KEY (id)")
            connection.execute(f"ALTER TABLE {name} ADD COLUMN s serial")
            connection.execute(f"CREATE UNIQUE INDEX {name}_s ON {name} (s)")
            connection.execute(f"ALTER TABLE {name} ADD FOREIGN KEY (t) REFERENCES {table}")
            outcome = commit_around_the_end_of(victim, cluster, connection)
        there = cluster.execute(f"SELECT count(*) FROM {table} WHERE id = {number}", gateway=2)[0][0] == 1
        assert (columns(cluster, name) == ["id", "t", "s"]) == there, (outcome, there)
        assert there or outcome != "committed"
        wait_until(
            lambda: not [job for job in cluster.jobs(2) if job["state"] in ("running", "reverting", "queued")], 30,
            "the end of the jobs")
        if there:
            assert cluster.execute(f"SELECT count(DISTINCT s) FROM {name} WHERE s > 0", gateway=2) == [(50,)]
            cluster.check_table(name, gateway=2)
        cluster.execute(f"DROP TABLE IF EXISTS {name}", gateway=2)
