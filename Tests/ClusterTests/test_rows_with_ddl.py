"""Rows and schema changes between BEGIN and COMMIT: visible at one moment, or not at all."""

import os
import random
import signal
import threading

import psycopg
import pytest

from cluster import wait_until


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
