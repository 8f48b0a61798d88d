"""Sequences, serial and identity columns: through several gateways at once, and while processes die."""

import os
import signal
import threading

import psycopg
import pytest

from cluster import wait_until


def refused(cluster, statement, gateway=1):
    with cluster.connect(gateway) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement)
    return caught.value.sqlstate


class Takers:
    """Clients that take numbers, each through a gateway, and go on when a gateway dies."""

    def __init__(self, cluster, statement, gateways):
        self.cluster, self.statement = cluster, statement
        self.taken = [[] for _ in gateways]
        self.errors = []
        self.stopped = threading.Event()
        self.threads = [
            threading.Thread(target=self.work, args=(number, gateway)) for number, gateway in enumerate(gateways)
        ]

    def work(self, number, gateway):
        while not self.stopped.is_set():
            try:
                with self.cluster.connect(gateway, prepare_threshold=None) as connection:
                    while not self.stopped.is_set():
                        self.taken[number].append(connection.execute(self.statement).fetchone()[0])
            except psycopg.Error as error:
                # What dies with a process is not known to have failed: it is not counted as taken.
                self.errors.append(error)
                self.stopped.wait(0.05)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join(60)

    def progress(self, count, seconds=40):
        """Every client has taken so many more."""
        wanted = [len(taken) + count for taken in self.taken]
        wait_until(
            lambda: all(len(taken) >= least for taken, least in zip(self.taken, wanted)), seconds,
            lambda: f"numbers: {[len(taken) for taken in self.taken]} of {wanted}, {self.errors[-3:]}")

    def verify(self, ascending=True):
        everything = [value for taken in self.taken for value in taken]
        assert len(everything) == len(set(everything)), "a number was handed out twice"
        if ascending:
            for taken in self.taken:
                assert taken == sorted(taken), "numbers of one client went back"
        return everything


def test_functions_answer_as_in_postgresql(cluster):
    cluster.execute("CREATE SEQUENCE f START 5 INCREMENT 2 MAXVALUE 11")
    with cluster.connect() as connection:
        def ask(statement):
            return connection.execute(statement).fetchone()

        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            ask("SELECT currval('f')")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            ask("SELECT lastval()")
        assert ask("SELECT * FROM f") == (5, 0, False)
        assert ask("SELECT nextval('f'), nextval('f'), currval('f'), lastval()") == (5, 7, 7, 7)
        assert ask("SELECT last_value, is_called FROM f") == (7, True)
        assert ask("SELECT setval('f', 9, false), nextval('f')") == (9, 9)
        assert ask("SELECT setval('f', 9), nextval('f')") == (9, 11)
        with pytest.raises(psycopg.errors.SequenceGeneratorLimitExceeded):
            ask("SELECT nextval('f')")
        with pytest.raises(psycopg.errors.NumericValueOutOfRange):
            ask("SELECT setval('f', 12)")
        assert connection.execute("SELECT currval(%s)", ("f",)).fetchone() == (11,)
        connection.execute("ALTER SEQUENCE f CYCLE RESTART")
        assert [ask("SELECT nextval('public.f')")[0] for _ in range(5)] == [5, 7, 9, 11, 1]
        connection.execute("DISCARD SEQUENCES")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            ask("SELECT currval('f')")
        connection.execute("SET default_transaction_read_only = on")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            ask("SELECT nextval('f')")
    cluster.execute("CREATE TABLE no_sequence (id int8 PRIMARY KEY)")
    assert refused(cluster, "SELECT nextval('nobody')") == "42P01"
    assert refused(cluster, "SELECT nextval('no_sequence')") == "42809"
    assert refused(cluster, "INSERT INTO f VALUES (1)") == "42809"
    assert refused(cluster, "CREATE TABLE f (id int8)") == "42P07"
    cluster.execute("INSERT INTO no_sequence VALUES (1)")
    assert refused(cluster, "SELECT count(nextval('f')) FROM no_sequence") == "0A000"
    cluster.execute("DROP TABLE no_sequence")
    assert cluster.execute("DROP SEQUENCE f", gateway=2) == "DROP SEQUENCE"
    assert refused(cluster, "SELECT nextval('f')") == "42P01"


def test_a_rolled_back_transaction_returns_no_number(cluster):
    cluster.execute("CREATE SEQUENCE back")
    with cluster.connect(autocommit=False) as connection:
        assert connection.execute("SELECT nextval('back')").fetchone() == (1,)
        connection.rollback()
        assert connection.execute("SELECT nextval('back')").fetchone() == (2,)
        with connection.transaction(force_rollback=True):
            assert connection.execute("SELECT nextval('back')").fetchone() == (3,)
    assert cluster.execute("SELECT nextval('back')", gateway=2) == [(4,)]
    cluster.execute("DROP SEQUENCE back")


def test_serial_and_identity_columns(cluster):
    cluster.execute(
        "CREATE TABLE people (id bigserial PRIMARY KEY, number int GENERATED ALWAYS AS IDENTITY (START 100),"
        " other smallint GENERATED BY DEFAULT AS IDENTITY (INCREMENT -1), token uuid DEFAULT gen_random_uuid(),"
        " at timestamptz DEFAULT now(), name text)")
    with cluster.connect() as connection:
        def insert(statement):
            return connection.execute(statement + " RETURNING id, number, other").fetchall()

        assert insert("INSERT INTO people (name) VALUES ('a'), ('b')") == [(1, 100, -1), (2, 101, -2)]
        assert insert("INSERT INTO people DEFAULT VALUES") == [(3, 102, -3)]
        assert insert("INSERT INTO people (id, number, other) VALUES (DEFAULT, DEFAULT, 7)") == [(4, 103, 7)]
        assert insert("INSERT INTO people (number) OVERRIDING SYSTEM VALUE VALUES (5)") == [(5, 5, -4)]
        assert insert("INSERT INTO people (number, other) OVERRIDING USER VALUE VALUES (5, 5)") == [(6, 104, -5)]
        assert insert("INSERT INTO people (name) SELECT name FROM people WHERE id <= 2") == [(7, 105, -6), (8, 106, -7)]
        with pytest.raises(psycopg.errors.GeneratedAlways):
            insert("INSERT INTO people (number) VALUES (5)")
        with pytest.raises(psycopg.errors.GeneratedAlways):
            connection.execute("UPDATE people SET number = 1")
        assert connection.execute("SELECT lastval()").fetchone() == (-7,)
        assert connection.execute("SELECT count(DISTINCT token), count(at) FROM people").fetchone() == (8, 8)
    columns = dict(
        (row[0], row[1:]) for row in cluster.execute(
            "SELECT column_name, column_default, is_identity, identity_generation, is_nullable"
            " FROM information_schema.columns WHERE table_name = 'people'", gateway=2))
    assert columns["id"] == ("nextval('people_id_seq'::regclass)", "NO", None, "NO")
    assert columns["number"] == (None, "YES", "ALWAYS", "NO")
    assert columns["other"] == (None, "YES", "BY DEFAULT", "NO")
    assert cluster.execute("SELECT pg_get_serial_sequence('people', 'id')") == [("public.people_id_seq",)]
    assert cluster.execute("SELECT relname FROM pg_class WHERE relkind = 'S' AND relname LIKE 'people%' ORDER BY 1") == [
        ("people_id_seq",), ("people_number_seq",), ("people_other_seq",)]
    assert refused(cluster, "DROP SEQUENCE people_id_seq") == "2BP01"
    cluster.execute("ALTER TABLE people ADD COLUMN more serial")
    assert cluster.execute("SELECT count(DISTINCT more), max(more) FROM people") == [(8, 8)]
    cluster.execute("ALTER TABLE people DROP COLUMN more")
    # A default follows the name of its sequence.
    cluster.execute("ALTER SEQUENCE people_id_seq RENAME TO peoples")
    assert cluster.execute(
        "SELECT column_default FROM information_schema.columns WHERE column_name = 'id' AND table_name = 'people'"
    ) == [("nextval('peoples'::regclass)",)]
    cluster.execute("INSERT INTO people (name) VALUES ('c')", gateway=2)
    cluster.execute("DROP TABLE people")
    assert cluster.execute("SELECT count(*) FROM pg_sequences WHERE sequencename LIKE 'people%'") == [(0,)]


def test_a_sequence_of_a_default_stays_until_cascade(cluster):
    cluster.execute("CREATE SEQUENCE numbers")
    cluster.execute("CREATE TABLE labels (id int8 PRIMARY KEY, label text DEFAULT 'n' || nextval('numbers'))")
    cluster.execute("CREATE TABLE more (id int8 PRIMARY KEY, n int)")
    cluster.execute("ALTER TABLE more ALTER COLUMN n SET DEFAULT nextval('numbers')", gateway=2)
    assert cluster.execute("INSERT INTO labels (id) VALUES (1) RETURNING label") == [("n1",)]
    assert cluster.execute("INSERT INTO more (id) VALUES (1), (2) RETURNING n", gateway=2) == [(2,), (3,)]
    assert refused(cluster, "DROP SEQUENCE numbers") == "2BP01"
    cluster.execute("DROP SEQUENCE numbers CASCADE")
    assert cluster.execute("INSERT INTO labels (id) VALUES (2) RETURNING label", gateway=2) == [(None,)]
    cluster.execute("DROP TABLE labels, more")


@pytest.mark.parametrize("cache", [1, 50])
def test_no_number_comes_twice_through_several_gateways(cluster, cache):
    cluster.execute(f"CREATE SEQUENCE shared CACHE {cache}")
    with Takers(cluster, "SELECT nextval('shared')", [1, 2, 1, 2]) as takers:
        takers.progress(150)
    everything = takers.verify()
    assert not takers.errors
    if cache == 1:
        assert sorted(everything) == list(range(1, len(everything) + 1)), "numbers are missing"
    cluster.execute("DROP SEQUENCE shared")


def test_cache_1_keeps_the_order_of_the_calls(cluster):
    cluster.execute("CREATE SEQUENCE ordered")
    with cluster.connect(1) as first, cluster.connect(2) as second:
        taken = [
            connection.execute("SELECT nextval('ordered')").fetchone()[0]
            for _ in range(30) for connection in (first, second)
        ]
    assert taken == list(range(1, 61))
    cluster.execute("DROP SEQUENCE ordered")


@pytest.mark.parametrize("statement", ["SELECT setval('restarted', 1000)", "ALTER SEQUENCE restarted RESTART WITH 1001"])
def test_what_starts_a_sequence_anew_voids_the_blocks_of_all_gateways(cluster, statement):
    cluster.execute("CREATE SEQUENCE restarted CACHE 100")
    with cluster.connect(1) as first, cluster.connect(2) as second:
        for connection in (first, second):
            connection.execute("SELECT nextval('restarted')")
        first.execute(statement)
        taken = [connection.execute("SELECT nextval('restarted')").fetchone()[0] for connection in (second, first)]
    assert min(taken) == 1001 and len(set(taken)) == 2
    cluster.execute("DROP SEQUENCE restarted")


def test_a_serial_column_is_dropped_while_rows_are_inserted(cluster):
    cluster.execute("CREATE TABLE shrinking (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n serial, v int)")
    with Takers(cluster, "INSERT INTO shrinking (v) VALUES (1) RETURNING id", [1, 2, 1]) as takers:
        takers.progress(30)
        cluster.execute("ALTER TABLE shrinking DROP COLUMN n")
        takers.progress(30)
    takers.verify()
    assert not takers.errors
    rows = cluster.execute("SELECT id FROM shrinking ORDER BY id")
    assert {row[0] for row in rows} == {value for taken in takers.taken for value in taken}
    assert cluster.execute("SELECT sequencename FROM pg_sequences WHERE sequencename LIKE 'shrinking%'") == [
        ("shrinking_id_seq",)]
    cluster.execute("DROP TABLE shrinking")


def test_a_serial_column_becomes_a_bigint_while_rows_are_inserted(cluster):
    cluster.execute("CREATE TABLE growing (id serial PRIMARY KEY, v int)")
    with Takers(cluster, "INSERT INTO growing (v) VALUES (1) RETURNING id", [1, 2]) as takers:
        takers.progress(30)
        cluster.execute("ALTER TABLE growing ALTER COLUMN id TYPE int8")
        takers.progress(30)
    takers.verify()
    assert not takers.errors
    cluster.check_table("growing")
    assert cluster.execute("SELECT pg_get_serial_sequence('growing', 'id')") == [("public.growing_id_seq",)]
    cluster.execute("DROP TABLE growing")
    assert cluster.execute("SELECT count(*) FROM pg_sequences WHERE sequencename LIKE 'growing%'") == [(0,)]


def test_nobody_gets_a_number_twice_while_processes_die(fresh_cluster):
    cluster = fresh_cluster
    cluster.execute("CREATE SEQUENCE hardy CACHE 20")
    cluster.execute("CREATE SEQUENCE strict")
    with Takers(cluster, "SELECT nextval('hardy')", [1, 2, 2]) as many, Takers(
        cluster, "SELECT nextval('strict')", [1, 2]
    ) as few:
        many.progress(50)
        few.progress(20)
        # Every storage node in turn, so whoever leads the sequences' ranges is among them.
        storage = [member["name"] for member in cluster.members("storage")]
        for name in ["gateway-1", *storage, cluster.metadata_leader(), "gateway-2"]:
            member = cluster.member(name)
            os.kill(member["pid"], signal.SIGKILL)
            wait_until(lambda: not cluster.is_alive(member), 10, f"{name} to be gone")
            cluster.restart()
            wait_until(lambda: cluster.is_ready(name), 40, f"{name} to be ready")
            many.progress(30, seconds=60)
            few.progress(10, seconds=60)
    many.verify()
    few.verify()
    assert cluster.execute("SELECT nextval('strict')")[0][0] > max(max(taken) for taken in few.taken)
