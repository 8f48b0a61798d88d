"""Foreign keys: whatever comes at once through two gateways, no row refers to one that is not there."""

import itertools
import random
import threading

import psycopg
import pytest

from traffic import RETRYABLE

_numbers = itertools.count(1)


@pytest.fixture
def pair(cluster):
    """Names of a table that is referred to, and of one that is to refer to it; dropped afterwards."""
    number = next(_numbers)
    parent, child = f"parent{number}", f"child{number}"
    cluster.execute(f"CREATE TABLE {parent} (id int8 PRIMARY KEY, code text UNIQUE, note text)")
    yield parent, child
    cluster.execute(f"DROP TABLE IF EXISTS {child}")
    cluster.execute(f"DROP TABLE IF EXISTS {parent} CASCADE")


def failure(cluster, statement, gateway=1):
    with cluster.connect(gateway) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement)
    return caught.value


def refused(cluster, statement, gateway=1):
    """SQLSTATE and detail of a statement that must fail."""
    error = failure(cluster, statement, gateway)
    return error.sqlstate, error.diag.message_detail


def orphans(cluster, parent, child, column="p", key="id"):
    return cluster.execute(
        f"SELECT count(*) FROM {child} c WHERE c.{column} IS NOT NULL"
        f" AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE p.{key} = c.{column})")[0][0]


def foreign_keys(cluster, child, gateway=2):
    return cluster.execute(
        "SELECT c.conname, c.convalidated, c.confdeltype FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid"
        f" WHERE t.relname = '{child}' AND c.contype = 'f' ORDER BY 1", gateway=gateway)


def test_a_new_table_refers_from_its_first_row_on(cluster, pair):
    parent, child = pair
    cluster.execute(
        f"CREATE TABLE {child} (id int8 PRIMARY KEY, p int8 REFERENCES {parent}, c text, up int8,"
        f" FOREIGN KEY (c) REFERENCES {parent} (code) ON DELETE RESTRICT,"
        f" CONSTRAINT tree FOREIGN KEY (up) REFERENCES {child} (id))")
    cluster.execute(f"INSERT INTO {parent} VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    cluster.execute(f"INSERT INTO {child} VALUES (10, 1, NULL, 10), (11, NULL, 'b', 10), (12, NULL, NULL, NULL)", gateway=2)
    for gateway in (1, 2):
        error = failure(cluster, f"INSERT INTO {child} VALUES (20, 9)", gateway)
        assert error.sqlstate == "23503"
        assert error.diag.message_primary == (
            f'insert or update on table "{child}" violates foreign key constraint "{child}_p_fkey"')
        assert error.diag.message_detail == f'Key (p)=(9) is not present in table "{parent}".'
        error = failure(cluster, f"DELETE FROM {parent} WHERE id = 1", gateway)
        assert error.sqlstate == "23503"
        assert error.diag.message_primary == (
            f'update or delete on table "{parent}" violates foreign key constraint "{child}_p_fkey" on table "{child}"')
        assert error.diag.message_detail == f'Key (id)=(1) is still referenced from table "{child}".'
        assert refused(cluster, f"DELETE FROM {parent} WHERE id = 2", gateway)[0] == "23503"
        assert refused(cluster, f"UPDATE {parent} SET code = 'z' WHERE id = 2", gateway)[0] == "23503"
        assert refused(cluster, f"DELETE FROM {child} WHERE id = 10", gateway)[0] == "23503"
    cluster.execute(f"UPDATE {parent} SET note = 'changed', id = 30 WHERE id = 3")
    cluster.execute(f"DELETE FROM {child} WHERE id >= 10")
    cluster.execute(f"DELETE FROM {parent}", gateway=2)


def test_a_transaction_sees_its_own_rows(cluster, pair):
    parent, child = pair
    cluster.execute(f"CREATE TABLE {child} (id int8 PRIMARY KEY, p int8 REFERENCES {parent})")
    with cluster.connect(autocommit=False) as connection:
        connection.execute(f"INSERT INTO {parent} VALUES (1)")
        connection.execute(f"INSERT INTO {child} VALUES (10, 1)")
        connection.execute("SAVEPOINT s")
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            connection.execute(f"DELETE FROM {parent} WHERE id = 1")
        connection.execute("ROLLBACK TO s")
        connection.execute(f"DELETE FROM {child}")
        connection.execute(f"DELETE FROM {parent} WHERE id = 1")
        # There again: the delete before has nothing more to say.
        connection.execute(f"INSERT INTO {parent} VALUES (1), (2)")
        connection.execute(f"INSERT INTO {child} VALUES (11, 1), (12, 2)")
        connection.commit()
    assert cluster.execute(f"SELECT id, p FROM {child} ORDER BY id", gateway=2) == [(11, 1), (12, 2)]
    # A delete that was taken back is not held against anybody.
    with cluster.connect(autocommit=False) as connection:
        connection.execute(f"INSERT INTO {parent} VALUES (3)")
        connection.execute("SAVEPOINT s")
        connection.execute(f"DELETE FROM {parent} WHERE id = 3")
        connection.execute("ROLLBACK TO s")
        connection.execute(f"INSERT INTO {child} VALUES (13, 3)")
        connection.commit()
    assert orphans(cluster, parent, child) == 0


def test_all_actions(cluster, pair):
    parent, child = pair
    cluster.execute(
        f"CREATE TABLE {child} (id int8 PRIMARY KEY,"
        f" a int8 REFERENCES {parent} ON DELETE CASCADE ON UPDATE CASCADE,"
        f" b int8 REFERENCES {parent} ON DELETE SET NULL ON UPDATE SET NULL,"
        f" c int8 DEFAULT 1 REFERENCES {parent} ON DELETE SET DEFAULT ON UPDATE SET DEFAULT)")
    cluster.execute(f"CREATE INDEX ON {child} (a)")
    cluster.execute(f"INSERT INTO {parent} (id) SELECT g FROM generate_series(1, 9) g")
    cluster.execute(f"INSERT INTO {child} VALUES (10, 2, 3, 4), (11, 5, 3, 4), (12, NULL, 5, 5)")
    cluster.execute(f"DELETE FROM {parent} WHERE id = 2", gateway=2)
    assert cluster.execute(f"SELECT * FROM {child} ORDER BY id") == [(11, 5, 3, 4), (12, None, 5, 5)]
    cluster.execute(f"UPDATE {parent} SET id = 50 WHERE id = 5")
    assert cluster.execute(f"SELECT * FROM {child} ORDER BY id", gateway=2) == [(11, 50, 3, 4), (12, None, None, 1)]
    cluster.execute(f"DELETE FROM {parent} WHERE id IN (3, 4)")
    assert cluster.execute(f"SELECT * FROM {child} ORDER BY id", gateway=2) == [(11, 50, None, 1), (12, None, None, 1)]
    # The default has to be there, too.
    assert refused(cluster, f"DELETE FROM {parent} WHERE id = 1")[0] == "23503"
    assert orphans(cluster, parent, child, "a") == 0
    cluster.check_table(child)


def test_keys_of_several_columns_and_of_a_tree(cluster, pair):
    parent, child = pair
    cluster.execute(f"ALTER TABLE {parent} ADD CONSTRAINT {parent}_both UNIQUE (code, id)")
    cluster.execute(
        f"CREATE TABLE {child} (id int8 PRIMARY KEY, x int4, y varchar(5), up int8 REFERENCES {child} ON DELETE CASCADE,"
        f" CONSTRAINT pairs FOREIGN KEY (x, y) REFERENCES {parent} (id, code) ON UPDATE CASCADE)")
    cluster.execute(f"INSERT INTO {parent} VALUES (1, 'a'), (2, 'b')")
    cluster.execute(f"INSERT INTO {child} VALUES (1, 1, 'a', NULL), (2, 1, NULL, 1), (3, NULL, 'q', 2)")
    assert refused(cluster, f"INSERT INTO {child} VALUES (4, 1, 'b')") == (
        "23503", f'Key (x, y)=(1, b) is not present in table "{parent}".')
    cluster.execute(f"UPDATE {parent} SET id = 7, code = 'n' WHERE id = 1")
    assert cluster.execute(f"SELECT x, y FROM {child} ORDER BY id", gateway=2) == [(7, "n"), (1, None), (None, "q")]
    cluster.execute(f"DELETE FROM {child} WHERE id = 1")
    assert cluster.execute(f"SELECT count(*) FROM {child}", gateway=2) == [(0,)]


@pytest.mark.parametrize("action", ["NO ACTION", "CASCADE"])
@pytest.mark.parametrize("shape", ["an index", "no index", "one table"])
def test_no_interleaving_leaves_a_row_without_the_one_it_refers_to(cluster, pair, action, shape):
    """Rows that refer come through both gateways, and so do deletes of the rows that they refer to; by themselves and in
    transactions of either level. In one table all is in one range, and a row that refers is committed in one round."""
    parent, child = pair
    if shape == "one table":
        parent = child
    cluster.execute(f"CREATE TABLE {child} (id int8 PRIMARY KEY, p int8 REFERENCES {parent} ON DELETE {action})")
    if shape == "an index":
        cluster.execute(f"CREATE INDEX ON {child} (p)")
    keys = 6
    ids = itertools.count(1000)
    done = {"child": 0, "parent": 0, "refused": 0, "retried": 0}
    failures = []
    stop = threading.Event()
    lock = threading.Lock()

    def work(number):
        choice = random.Random(number)
        with cluster.connect(1 + number % 2) as connection:
            while not stop.is_set():
                key = choice.randrange(keys)
                writes_child = number < 4
                try:
                    mode = choice.randrange(3)
                    if mode:
                        level = "READ COMMITTED" if mode == 1 else "REPEATABLE READ"
                        connection.execute(f"BEGIN ISOLATION LEVEL {level}")
                        connection.execute(f"SELECT count(*) FROM {child}")
                    if writes_child:
                        connection.execute(f"INSERT INTO {child} VALUES ({next(ids)}, {key})")
                    elif choice.random() < 0.5:
                        connection.execute(f"DELETE FROM {parent} WHERE id = {key}")
                    else:
                        connection.execute(f"INSERT INTO {parent} VALUES ({key}) ON CONFLICT DO NOTHING")
                    if mode:
                        connection.execute("COMMIT")
                    outcome = "child" if writes_child else "parent"
                except psycopg.Error as error:
                    if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                        connection.execute("ROLLBACK")
                    if error.sqlstate in RETRYABLE:
                        outcome = "retried"
                    elif error.sqlstate in ("23503", "23505"):
                        outcome = "refused"
                    else:
                        failures.append(error)
                        return
                with lock:
                    done[outcome] += 1

    workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(8)]
    for worker in workers:
        worker.start()
    stop.wait(8)
    stop.set()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive(), "a client hangs"
    print(done)
    assert not failures, failures[:3]
    assert done["child"] > 10 and done["parent"] > 10, done
    assert orphans(cluster, parent, child) == 0
    cluster.check_table(child)
    cluster.check_table(parent)


def test_it_is_added_under_traffic_without_a_failed_statement(cluster, pair):
    parent, child = pair
    cluster.execute(f"CREATE TABLE {child} (id int8 PRIMARY KEY, p int8)")
    cluster.execute(f"INSERT INTO {parent} (id) SELECT g FROM generate_series(1, 200) g")
    cluster.execute(f"INSERT INTO {child} SELECT g, 1 + g % 200 FROM generate_series(1, 5000) g")
    failures = []
    written = [0]
    stop = threading.Event()

    def work(number):
        choice = random.Random(number)
        with cluster.connect(1 + number % 2) as connection:
            for id in itertools.count(100_000 * (number + 1)):
                if stop.is_set():
                    return
                try:
                    connection.execute(f"INSERT INTO {child} VALUES ({id}, {choice.randint(1, 200)})")
                    connection.execute(f"UPDATE {parent} SET note = 'n{id}' WHERE id = {choice.randint(1, 200)}")
                    connection.execute(f"INSERT INTO {parent} (id) VALUES ({id})")
                    connection.execute(f"DELETE FROM {parent} WHERE id = {id}")
                    written[0] += 1
                except psycopg.Error as error:
                    failures.append((error.sqlstate, str(error)))
                    return

    workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(4)]
    for worker in workers:
        worker.start()
    for number in range(3):
        cluster.execute(
            f"ALTER TABLE {child} ADD CONSTRAINT f{number} FOREIGN KEY (p) REFERENCES {parent}", gateway=1 + number % 2)
        assert foreign_keys(cluster, child) == [(f"f{number}", True, "a")]
        assert refused(cluster, f"INSERT INTO {child} VALUES ({number}, -1)", 1)[0] == "23503"
        cluster.execute(f"ALTER TABLE {child} DROP CONSTRAINT f{number}", gateway=2 - number % 2)
    stop.set()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive(), "a client hangs"
    assert not failures, failures[:3]
    assert written[0] > 0 and orphans(cluster, parent, child) == 0


def test_rows_that_refer_to_nothing_keep_it_from_being_added_and_are_named(cluster, pair):
    parent, child = pair
    cluster.execute(f"CREATE TABLE {child} (id int8 PRIMARY KEY, p int8)")
    cluster.execute(f"INSERT INTO {parent} (id) VALUES (1), (2)")
    cluster.execute(f"INSERT INTO {child} VALUES (1, 1), (2, 7), (3, NULL), (4, 8), (5, 7)")
    change = f"ALTER TABLE {child} ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES {parent}"
    explained = [line for line, in cluster.execute(f"EXPLAIN (DDL, VALIDATE) {change}")]
    assert any("does not hold" in line for line in explained), explained
    assert any(f'Key (p)=(7) is not present in table "{parent}".' in line for line in explained), explained
    assert any("Key (p)=(8)" in line for line in explained), explained
    assert refused(cluster, change) == ("23503", f'Key (p)=(7) is not present in table "{parent}".')
    assert foreign_keys(cluster, child) == []
    # Nothing is left of it: such rows may still be written, and the others removed.
    cluster.execute(f"INSERT INTO {child} VALUES (6, 9)", gateway=2)
    cluster.execute(f"DELETE FROM {parent} WHERE id = 2", gateway=2)
    # For new rows alone it can be added; the old ones are judged later.
    cluster.execute(f"{change} NOT VALID")
    assert foreign_keys(cluster, child) == [("f", False, "a")]
    assert refused(cluster, f"INSERT INTO {child} VALUES (20, 9)", 2)[0] == "23503"
    assert refused(cluster, f"ALTER TABLE {child} VALIDATE CONSTRAINT f")[0] == "23503"
    assert foreign_keys(cluster, child) == [("f", False, "a")]
    cluster.execute(f"DELETE FROM {child} WHERE p > 1")
    cluster.execute(f"ALTER TABLE {child} VALIDATE CONSTRAINT f", gateway=2)
    assert foreign_keys(cluster, child) == [("f", True, "a")]
    cluster.execute(f"ALTER TABLE {child} RENAME CONSTRAINT f TO g")
    assert foreign_keys(cluster, child, 1) == [("g", True, "a")]


def test_a_column_comes_with_its_foreign_key(cluster, pair):
    parent, child = pair
    cluster.execute(f"INSERT INTO {parent} (id) VALUES (1)")
    cluster.execute(f"CREATE TABLE {child} (id int8 PRIMARY KEY)")
    cluster.execute(f"INSERT INTO {child} VALUES (1), (2)")
    cluster.execute(f"ALTER TABLE {child} ADD COLUMN p int8 DEFAULT 1 REFERENCES {parent} ON DELETE CASCADE")
    assert cluster.execute(f"SELECT * FROM {child} ORDER BY id", gateway=2) == [(1, 1), (2, 1)]
    assert refused(cluster, f"INSERT INTO {child} VALUES (3, 3)")[0] == "23503"
    assert refused(cluster, f"ALTER TABLE {child} ADD COLUMN q int8 DEFAULT 5 REFERENCES {parent}")[0] == "23503"
    cluster.execute(f"DELETE FROM {parent}")
    assert cluster.execute(f"SELECT count(*) FROM {child}", gateway=2) == [(0,)]


def test_what_is_referred_to_is_not_dropped(cluster, pair):
    parent, child = pair
    cluster.execute(f"CREATE TABLE {child} (id int8 PRIMARY KEY, c text REFERENCES {parent} (code))")
    for statement in (f"DROP TABLE {parent}", f"DROP INDEX {parent}_code_key", f"ALTER TABLE {parent} DROP COLUMN code",
                      f"ALTER TABLE {parent} DROP CONSTRAINT {parent}_code_key"):
        state, detail = refused(cluster, statement)
        assert state == "2BP01" and f"constraint {child}_c_fkey on table {child}" in detail, statement
    error = failure(cluster, f"TRUNCATE {parent}")
    assert error.sqlstate == "0A000"
    assert error.diag.message_primary == "cannot truncate a table referenced in a foreign key constraint"
    cluster.execute(f"TRUNCATE {parent}, {child}")
    cluster.execute(f"DROP TABLE {parent} CASCADE", gateway=2)
    assert foreign_keys(cluster, child) == []
    cluster.execute(f"INSERT INTO {child} VALUES (1, 'free')")


def test_what_tools_are_shown(cluster, pair):
    parent, child = pair
    cluster.execute(
        f"CREATE TABLE {child} (id int8 PRIMARY KEY, p int8 REFERENCES {parent} ON UPDATE CASCADE ON DELETE SET NULL)")
    assert cluster.execute(
        "SELECT constraint_name, unique_constraint_name, match_option, update_rule, delete_rule"
        f" FROM information_schema.referential_constraints WHERE constraint_name = '{child}_p_fkey'", gateway=2
    ) == [(f"{child}_p_fkey", f"{parent}_pkey", "NONE", "CASCADE", "SET NULL")]
    assert cluster.execute(
        "SELECT column_name, ordinal_position, position_in_unique_constraint FROM information_schema.key_column_usage"
        f" WHERE constraint_name = '{child}_p_fkey'") == [("p", 1, 1)]
    assert cluster.execute(
        "SELECT r.relname, c.conkey, c.confkey, c.confupdtype, c.confdeltype, c.confmatchtype FROM pg_constraint c"
        f" JOIN pg_class r ON r.oid = c.confrelid WHERE c.conname = '{child}_p_fkey'"
    ) == [(parent, [2], [1], "c", "n", "s")]
    assert cluster.execute(
        "SELECT constraint_type FROM information_schema.table_constraints"
        f" WHERE constraint_name = '{child}_p_fkey'") == [("FOREIGN KEY",)]


def test_what_is_not_built_says_its_name(cluster, pair):
    parent, child = pair
    for clause in ("MATCH FULL", "DEFERRABLE", "INITIALLY DEFERRED"):
        assert refused(cluster, f"CREATE TABLE {child} (id int8 REFERENCES {parent} {clause})")[0] == "0A000"
    assert refused(cluster, f"CREATE TABLE {child} (id text REFERENCES {parent})")[0] == "42804"
    assert refused(cluster, f"CREATE TABLE {child} (id text REFERENCES {parent} (note))")[0] == "42830"
