"""COMMENT ON, as clients and tools see it, through every gateway, through renames, transactions and the death of a leader."""

import os
import signal

import psycopg
import pytest

from cluster import wait_until


def described(cluster, table, gateway=1):
    """The comment of a table and those of its columns by name."""
    with cluster.connect(gateway) as connection:
        own = connection.execute("SELECT obj_description(%s::text::regclass, 'pg_class')", (table,)).fetchone()[0]
        columns = connection.execute(
            "SELECT a.attname, col_description(a.attrelid, a.attnum) FROM pg_attribute a "
            "WHERE a.attrelid = %s::text::regclass AND a.attnum > 0 ORDER BY a.attnum", (table,)).fetchall()
    return own, {name: text for name, text in columns if text is not None}


def test_comments_are_found_where_postgresql_has_them(cluster):
    cluster.execute("CREATE TABLE noted (id int8 CONSTRAINT noted_key PRIMARY KEY, a int8 UNIQUE, b int8 CHECK (b > 0))")
    cluster.execute("CREATE INDEX noted_b ON noted (b)")
    cluster.execute("CREATE SEQUENCE noted_numbers")
    for target, text in [
        ("TABLE noted", "the table"), ("COLUMN noted.a", "it's a"), ("INDEX noted_b", "the index"),
        ("CONSTRAINT noted_key ON noted", "the key"), ("CONSTRAINT noted_b_check ON noted", "the check"),
        ("SEQUENCE noted_numbers", "the numbers"), ("DATABASE defaultdb", "the base"), ("INDEX noted_key", "its index"),
    ]:
        with cluster.connect() as connection:
            result = connection.execute(f"COMMENT ON {target} IS '{text.replace(chr(39), chr(39) * 2)}'")
            assert result.statusmessage == "COMMENT"
    for gateway in (1, 2):
        assert described(cluster, "noted", gateway) == ("the table", {"a": "it's a"})
        with cluster.connect(gateway) as connection:
            def ask(query):
                return connection.execute(query).fetchone()[0]

            assert ask("SELECT obj_description('noted_b'::regclass, 'pg_class')") == "the index"
            assert ask("SELECT obj_description('noted_numbers'::regclass, 'pg_class')") == "the numbers"
            assert ask("SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = 'noted_key'") == "the key"
            assert ask("SELECT obj_description(oid, 'pg_class') FROM pg_class WHERE relname = 'noted_key'") == "its index"
            assert ask("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'defaultdb'") == "the base"
            assert ask("SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'public'") == "standard public schema"
            assert ask("SELECT d.description FROM pg_description d JOIN pg_constraint c ON c.oid = d.objoid "
                       "AND d.classoid = 'pg_constraint'::regclass WHERE c.conname = 'noted_b_check'") == "the check"
    # They go with a rename, and vanish with what they are on.
    cluster.execute("ALTER TABLE noted RENAME TO renamed")
    cluster.execute("ALTER TABLE renamed RENAME COLUMN a TO z")
    assert described(cluster, "renamed") == ("the table", {"z": "it's a"})
    cluster.execute("ALTER TABLE renamed ALTER COLUMN z TYPE text")
    assert described(cluster, "renamed") == ("the table", {"z": "it's a"})
    cluster.execute("COMMENT ON TABLE renamed IS NULL")
    cluster.execute("ALTER TABLE renamed DROP COLUMN z")
    assert described(cluster, "renamed") == (None, {})
    cluster.execute("DROP TABLE renamed")
    cluster.execute("CREATE TABLE renamed (id int8 PRIMARY KEY)")
    assert described(cluster, "renamed") == (None, {})


def test_errors_are_postgresqls(cluster, table):
    for statement, state in [
        ("COMMENT ON TABLE nowhere IS 'x'", "42P01"), (f"COMMENT ON INDEX {table} IS 'x'", "42809"),
        (f"COMMENT ON COLUMN {table}.nothing IS 'x'", "42703"), ("COMMENT ON COLUMN k IS 'x'", "42601"),
        (f"COMMENT ON CONSTRAINT nothing ON {table} IS 'x'", "42704"), ("COMMENT ON SCHEMA nowhere IS 'x'", "3F000"),
        ("COMMENT ON FUNCTION f IS 'x'", "0A000"),
    ]:
        with cluster.connect() as connection, pytest.raises(psycopg.Error) as caught:
            connection.execute(statement)
        assert caught.value.sqlstate == state, statement


def test_a_transaction_comments_on_what_it_makes(cluster):
    with cluster.connect(autocommit=False) as connection:
        connection.execute("CREATE TABLE drafted (id int8 PRIMARY KEY, a int8)")
        connection.execute("COMMENT ON TABLE drafted IS 'draft'")
        connection.execute("COMMENT ON COLUMN drafted.a IS 'column'")
        assert connection.execute("SELECT obj_description('drafted'::regclass)").fetchone() == ("draft",)
        connection.execute("SAVEPOINT s")
        connection.execute("COMMENT ON TABLE drafted IS 'other'")
        connection.execute("ROLLBACK TO s")
        connection.execute("CREATE INDEX drafted_a ON drafted (a)")
        connection.execute("COMMENT ON INDEX drafted_a IS 'index'")
        connection.commit()
    assert described(cluster, "drafted", 2) == ("draft", {"a": "column"})
    with cluster.connect(autocommit=False) as connection:
        connection.execute("COMMENT ON TABLE drafted IS 'never'")
        connection.execute("ALTER TABLE drafted ADD COLUMN b int8")
        connection.rollback()
    assert described(cluster, "drafted") == ("draft", {"a": "column"})


def test_writers_do_not_notice(cluster, table):
    """One entry, no barrier: a transaction that has written the table commits."""
    with cluster.connect(autocommit=False) as writer:
        writer.execute(f"INSERT INTO {table} VALUES (1, 1, 'x')")
        cluster.execute(f"COMMENT ON TABLE {table} IS 'beside a writer'", gateway=2)
        cluster.execute(f"COMMENT ON COLUMN {table}.k IS 'beside a writer'", gateway=2)
        writer.commit()
    assert described(cluster, table) == ("beside a writer", {"k": "beside a writer"})


def test_comments_survive_the_death_of_everybody(fresh_cluster):
    cluster = fresh_cluster
    cluster.execute("CREATE TABLE kept (id int8 PRIMARY KEY, a int8)")
    cluster.execute("CREATE SCHEMA shop")
    cluster.execute("COMMENT ON TABLE kept IS 'kept'")
    cluster.execute("COMMENT ON COLUMN kept.a IS 'column'")
    cluster.execute("COMMENT ON SCHEMA shop IS 'shop'")
    for member in cluster.members():
        os.kill(member["pid"], signal.SIGKILL)
    wait_until(lambda: not any(cluster.is_alive(member) for member in cluster.members()), 20)
    cluster.restart()

    def answers():
        try:
            return described(cluster, "kept") == ("kept", {"a": "column"})
        except psycopg.Error:
            return False

    wait_until(answers, 60, "the comments")
    assert cluster.execute("SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'shop'") == [("shop",)]
