"""Schema changes between BEGIN and COMMIT: all of them at one moment, or none."""

import threading

import psycopg
import pytest

from traffic import Traffic


def columns(cluster, table, gateway=2):
    return [row[0] for row in cluster.execute(
        "SELECT column_name FROM information_schema.columns"
        f" WHERE table_name = '{table}' ORDER BY ordinal_position", gateway=gateway)]


def indexes(cluster, table, gateway=2):
    return sorted(row[0] for row in cluster.execute(
        f"SELECT indexname FROM pg_indexes WHERE tablename = '{table}'", gateway=gateway))


def test_the_changes_of_a_block_are_seen_by_the_block_and_by_others_once_it_commits(cluster, table):
    cluster.fill(table, 3_000)
    with cluster.connect(1) as connection:
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE {table}_log (id serial PRIMARY KEY, what text UNIQUE)")
        connection.execute(f"ALTER TABLE {table} ADD COLUMN port int8 DEFAULT 3")
        connection.execute(f"CREATE INDEX {table}_port ON {table} (port, k)")
        connection.execute(f"ALTER TABLE {table} RENAME COLUMN v TO remark")
        assert connection.execute(f"SELECT count(*), sum(port), max(remark) IS NULL FROM {table}").fetchone() == (
            3_000, 9_000, False)
        assert connection.execute(f"SELECT * FROM {table}_log").fetchall() == []
        # A driver that prepares its statements is told the columns of the block.
        assert [d.name for d in connection.execute(f"SELECT * FROM {table} WHERE id = %s", [1]).description] == [
            "id", "k", "remark", "port"]
        assert columns(cluster, table) == ["id", "k", "v"] and columns(cluster, f"{table}_log") == []
        connection.execute("COMMIT")
        for gateway in (1, 2):
            assert columns(cluster, table, gateway) == ["id", "k", "remark", "port"]
            assert columns(cluster, f"{table}_log", gateway) == ["id", "what"]
            assert indexes(cluster, table, gateway) == [f"{table}_pkey", f"{table}_port"]
        connection.execute(f"INSERT INTO {table}_log (what) VALUES ('done')")
    cluster.check_table(table)
    cluster.execute(f"DROP TABLE {table}_log")


def test_a_block_rolled_back_leaves_nothing(cluster, table):
    before = (columns(cluster, table), indexes(cluster, table))
    jobs = cluster.execute("SHOW JOBS")
    with cluster.connect(1) as connection:
        connection.execute("BEGIN")
        connection.execute(f"DROP TABLE {table}")
        connection.execute(f"CREATE TABLE {table} (other int8)")
        connection.execute("ROLLBACK")
        connection.execute("BEGIN")
        connection.execute(f"ALTER TABLE {table} DROP COLUMN v")
        with pytest.raises(psycopg.errors.UndefinedColumn):
            connection.execute(f"SELECT v FROM {table}")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        connection.execute("COMMIT")
    assert (columns(cluster, table), indexes(cluster, table)) == before
    assert cluster.execute("SHOW JOBS") == jobs


def test_a_savepoint_takes_back_the_changes_behind_it(cluster, table):
    with cluster.connect(1) as connection:
        connection.execute("BEGIN")
        connection.execute(f"ALTER TABLE {table} ADD COLUMN kept int8")
        connection.execute("SAVEPOINT here")
        connection.execute(f"ALTER TABLE {table} ADD COLUMN lost int8")
        with pytest.raises(psycopg.errors.DuplicateColumn):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN lost int8")
        connection.execute("ROLLBACK TO here")
        connection.execute(f"ALTER TABLE {table} ADD COLUMN later int8")
        connection.execute("COMMIT")
    assert columns(cluster, table) == ["id", "k", "v", "kept", "later"]


def test_rows_in_the_way_of_one_change_keep_all_of_them_from_happening(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 7, 'a'), (2, 7, 'b')")
    with cluster.connect(1) as connection:
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE {table}_new (id int8 PRIMARY KEY)")
        connection.execute(f"ALTER TABLE {table} ADD COLUMN c int8 DEFAULT 1")
        connection.execute(f"CREATE UNIQUE INDEX {table}_k ON {table} (k)")
        with pytest.raises(psycopg.errors.UniqueViolation, match=f'could not create unique index "{table}_k"'):
            connection.execute("COMMIT")
        # The block is over.
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    for gateway in (1, 2):
        assert columns(cluster, table, gateway) == ["id", "k", "v"] and columns(cluster, f"{table}_new", gateway) == []
        assert indexes(cluster, table, gateway) == [f"{table}_pkey"]


def test_others_see_all_or_nothing_while_they_write(cluster, table):
    cluster.fill(table, 10_000)
    pairs, stop = set(), threading.Event()

    def watch():
        with cluster.connect(2) as connection:
            while not stop.is_set():
                seen = {row[0] for row in connection.execute(
                    "SELECT column_name FROM information_schema.columns"
                    f" WHERE table_name IN ('{table}', '{table}_b')").fetchall()}
                pairs.add(("c" in seen, "beside" in seen, "v" in seen))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with Traffic(cluster, table, threads=4) as traffic:
        traffic.progress(50)
        with cluster.connect(1) as connection:
            connection.execute("BEGIN")
            connection.execute(f"CREATE TABLE {table}_b (beside int8)")
            connection.execute(f"ALTER TABLE {table} ADD COLUMN c int8 DEFAULT 5")
            connection.execute(f"CREATE INDEX {table}_c ON {table} (c, k)")
            connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT sane CHECK (id > 0)")
            connection.execute("COMMIT")
        traffic.progress(50)
        assert traffic.retries == 0, f"{traffic.retries} statements were refused with a retryable error"
    stop.set()
    watcher.join()
    traffic.verify()
    cluster.check_table(table)
    assert pairs <= {(False, False, True), (True, True, True)} and (True, True, True) in pairs
    cluster.execute(f"DROP TABLE {table}_b")


def test_names_change_hands_in_one_block(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 10, 'old')")
    cluster.execute(f"CREATE INDEX {table}_i ON {table} (k)")
    with cluster.connect(1) as connection:
        connection.execute("BEGIN")
        connection.execute(f"ALTER TABLE {table} RENAME TO {table}_old")
        connection.execute(f"CREATE TABLE {table} (id int8 PRIMARY KEY, k int8, v text)")
        connection.execute(f"DROP INDEX {table}_i")
        connection.execute(f"CREATE INDEX {table}_i ON {table} (v)")
        connection.execute(f"CREATE INDEX {table}_j ON {table}_old (v)")
        connection.execute("COMMIT")
    assert cluster.execute(f"SELECT count(*) FROM {table}", gateway=2) == [(0,)]
    assert cluster.execute(f"SELECT v FROM {table}_old", gateway=2) == [("old",)]
    assert f"{table}_i" in indexes(cluster, table) and f"{table}_j" in indexes(cluster, f"{table}_old")
    cluster.execute(f"DROP TABLE {table}_old")


def test_two_blocks_that_change_one_table_do_not_both_commit_unseen(cluster, table):
    with cluster.connect(1) as first, cluster.connect(2) as second:
        for connection in (first, second):
            connection.execute("BEGIN")
        first.execute(f"ALTER TABLE {table} ADD COLUMN a int8")
        second.execute(f"ALTER TABLE {table} ADD COLUMN b int8")
        first.execute("COMMIT")
        with pytest.raises(psycopg.errors.SerializationFailure) as caught:
            second.execute("COMMIT")
        assert table in caught.value.diag.message_detail
    assert columns(cluster, table) == ["id", "k", "v", "a"]


def test_a_block_sent_again_with_its_operation_id_is_done_once(cluster, table):
    block = (f"ALTER TABLE {table} ADD COLUMN once int8", f"CREATE INDEX {table}_once ON {table} (once)")
    for gateway in (1, 2, 1):
        with cluster.connect(gateway) as connection:
            connection.execute(f"SET theseus.operation_id = '{table}-release'")
            connection.execute("BEGIN")
            for statement in block:
                connection.execute(statement)
            connection.execute("COMMIT")
            # It was for that change only.
            assert connection.execute("SHOW theseus.operation_id").fetchone() == ("",)
    assert columns(cluster, table) == ["id", "k", "v", "once"]
    cluster.execute(f"INSERT INTO {table} VALUES (1, 7, 'a', 1), (2, 7, 'b', 1)")
    for gateway in (1, 2):
        with cluster.connect(gateway) as connection:
            connection.execute(f"SET theseus.operation_id = '{table}-refused'")
            connection.execute("BEGIN")
            connection.execute(f"CREATE UNIQUE INDEX {table}_u ON {table} (once)")
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute("COMMIT")
            assert connection.execute("SHOW theseus.operation_id").fetchone() == ("",)


def test_changes_sent_again_are_not_judged_by_the_catalog_that_they_have_made(cluster, table):
    check = f"ALTER TABLE {table} ADD CONSTRAINT sane CHECK (k > 0)"
    for gateway in (1, 2):
        with cluster.connect(gateway) as connection:
            for text in (False, True):
                connection.execute(f"SET theseus.operation_id = '{table}-renamed'")
                block = ["BEGIN", check, f"ALTER TABLE {table} RENAME TO {table}_new", "COMMIT"]
                # As one message, and statement by statement in the extended protocol.
                for statement in ["; ".join(block)] if text else block:
                    connection.execute(statement, prepare=None if text else True)
    assert columns(cluster, f"{table}_new") == ["id", "k", "v"]
    for _ in range(2):
        with cluster.connect(1) as connection:
            connection.execute(f"SET theseus.operation_id = '{table}-alone'")
            connection.execute(f"ALTER TABLE {table}_new RENAME CONSTRAINT sane TO whole")
            connection.execute(f"SET theseus.operation_id = '{table}-alone-2'")
            connection.execute(f"ALTER TABLE {table}_new ADD CONSTRAINT more CHECK (k > 1), DROP CONSTRAINT whole")
    with cluster.connect(2) as connection:
        connection.execute(f"ALTER TABLE {table}_new RENAME TO {table}")
        # The same change again, though its table has another name by now.
        connection.execute(f"SET theseus.operation_id = '{table}-alone-2'")
        connection.execute(f"ALTER TABLE {table}_new ADD CONSTRAINT more CHECK (k > 1), DROP CONSTRAINT whole")
        assert connection.execute("SHOW theseus.operation_id").fetchone() == ("",)
    names = cluster.execute(
        f"SELECT conname FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid WHERE t.relname = '{table}'"
        " AND contype = 'c'")
    assert names == [("more",)]


def test_what_a_block_cannot_do_yet_it_says(cluster, table):
    cluster.execute(f"INSERT INTO {table} VALUES (1, 10, 'a')")
    for statements, feature in (
        ([f"CREATE INDEX {table}_i ON {table} (k)", f"UPDATE {table} SET k = 1"], "writing rows of table"),
        ([f"UPDATE {table} SET k = 1", f"DROP TABLE {table}"], "writing rows of table"),
        ([f"ALTER TABLE {table} ADD CONSTRAINT {table}_u UNIQUE (k); CREATE TABLE {table}_n (k int8);"
          f" INSERT INTO {table}_n VALUES (10)", f"ALTER TABLE {table}_n ADD FOREIGN KEY (k) REFERENCES {table} (k)"],
         "a key that the same transaction adds"),
        ([f"ALTER TABLE {table} ALTER v TYPE varchar(9)", f"SELECT * FROM {table}"], "reading table"),
        ([f"CREATE TABLE {table}_n (id int8 PRIMARY KEY); INSERT INTO {table}_n VALUES (10);"
          f" ALTER TABLE {table} ADD FOREIGN KEY (k) REFERENCES {table}_n", "COMMIT"], "this combination"),
    ):
        with cluster.connect(1) as connection:
            connection.execute("BEGIN")
            connection.execute(statements[0])
            with pytest.raises(psycopg.errors.FeatureNotSupported, match=feature):
                connection.execute(statements[1])
    with cluster.connect(1) as connection:
        connection.execute("BEGIN READ ONLY")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute(f"DROP TABLE {table}")
    assert cluster.execute(f"SELECT * FROM {table}") == [(1, 10, "a")]
