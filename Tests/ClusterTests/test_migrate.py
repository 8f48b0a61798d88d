"""`theseus migrate`: numbered SQL files, each of them once, whoever dies meanwhile."""

import os
import random
import re
import signal
import subprocess
import threading

import pytest

from cluster import THESEUS, run, wait_until

ROWS = 40_000
# Slow enough that a build is met in its middle, however fast the machine.
ROWS_PER_SECOND = 8_000
CLUSTER = {"environment": {"THESEUS_BACKFILL_ROWS_PER_SECOND": str(ROWS_PER_SECOND)}}


class Migrations:
    """A directory of files, and the tables that they are about, gone again afterwards."""

    def __init__(self, cluster, directory):
        self.cluster, self.directory = cluster, directory

    def write(self, **files):
        """`m0001_x="…"` is the file 0001_x.sql."""
        for name, text in files.items():
            (self.directory / f"{name[1:]}.sql").write_text(text)

    def arguments(self, *flags, lease=2):
        hosts = ",".join("%s:%d" % self.cluster.address(number) for number in (1, 2))
        return [str(part) for part in (
            THESEUS, "migrate", "--directory", self.directory, "--url", f"postgresql://root@{hosts}/defaultdb",
            "--lease", lease, *flags)]

    def run(self, *flags, expect=0):
        done = run(*self.arguments(*flags), check=False, timeout=120)
        assert done.returncode == expect, f"{done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *flags):
        return subprocess.Popen(
            self.arguments(*flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def rows(self):
        return self.cluster.execute(
            "SELECT number, state, statements, done, error FROM theseus_migrations ORDER BY number")

    def states(self):
        return {row[0]: row[1] for row in self.rows()}

    def jobs(self, pattern):
        return [job for job in self.cluster.jobs() if re.search(pattern, job["statement"])]

    def job(self, pattern, state=None):
        return next((job for job in self.jobs(pattern) if state in (None, job["state"])), None)


@pytest.fixture
def migrations(cluster, tmp_path):
    before = {row[0] for row in cluster.execute("SELECT relname FROM pg_class WHERE relkind = 'r'")}
    yield Migrations(cluster, tmp_path)
    for (name,) in cluster.execute("SELECT relname FROM pg_class WHERE relkind = 'r' ORDER BY relname"):
        if name not in before:
            cluster.execute(f"DROP TABLE {name}")


def finish(process, seconds=90):
    out, error = process.communicate(timeout=seconds)
    return process.returncode, out, error


def test_files_run_in_the_order_of_their_numbers_each_once(migrations, cluster):
    migrations.write(
        m2_fill="""
            -- Semicolons; in comments /* and ; in these */ end nothing.
            INSERT INTO ships VALUES (1, 'Argo; the first', $$it''s; quoted$$);
            INSERT INTO ships VALUES (2, E'Theseus\\'s; own', $tag$;$$;$tag$);
            UPDATE ships SET owner = owner || '!' WHERE id = 1
        """,
        m0001_ships="CREATE TABLE ships (id int8 PRIMARY KEY, name text, owner text);",
        m10_index="CREATE INDEX ships_name ON ships (name); SET statement_timeout = 0; ALTER TABLE ships ADD built int8 DEFAULT 7;",
    )
    (migrations.directory / "2_fill.down.sql").write_text("DROP TABLE ships;")
    (migrations.directory / "README.md").write_text("not SQL")
    first = migrations.run()
    assert "3 files applied now, 3 in all" in first.stdout
    assert migrations.rows() == [
        (1, "applied", 1, 1, ""), (2, "applied", 3, 3, ""), (10, "applied", 3, 3, "")]
    expected = [(1, "Argo; the first", "it''s; quoted!", 7), (2, "Theseus's; own", ";$$;", 7)]
    assert cluster.execute("SELECT id, name, owner, built FROM ships ORDER BY id", gateway=2) == expected
    second = migrations.run()
    assert "nothing to do: 3 files applied before" in second.stdout
    migrations.write(m11_more="INSERT INTO ships VALUES (3, 'Salaminia', NULL)")
    assert "1 file applied now, 4 in all" in migrations.run().stdout
    assert cluster.execute("SELECT count(*) FROM ships") == [(3,)]


def test_ten_at_once_run_each_file_once(migrations, cluster):
    migrations.write(
        m1_counters="CREATE TABLE counters (id int8 PRIMARY KEY, n int8 NOT NULL); INSERT INTO counters VALUES (1, 0), (2, 0);",
        m2_count="UPDATE counters SET n = n + 1 WHERE id = 1; CREATE INDEX counters_n ON counters (n);",
        m3_count="""
            BEGIN; UPDATE counters SET n = n + 1 WHERE id = 1; SAVEPOINT s; UPDATE counters SET n = n + 10 WHERE id = 2;
            ROLLBACK TO SAVEPOINT s; UPDATE counters SET n = n + 1 WHERE id = 2; COMMIT;
            ALTER TABLE counters ADD extra int8;
        """,
    )
    processes = [migrations.start() for _ in range(10)]
    ended = [finish(process) for process in processes]
    assert "".join(error for code, _, error in ended if code) == ""
    # Exactly one has run each file; the others waited and found nothing left.
    for name in ("1_counters", "2_count", "3_count"):
        assert sum(f"{name}.sql is applied" in out for _, out, _ in ended) == 1
    assert sum("nothing to do" in out for _, out, _ in ended) == 9
    assert cluster.execute("SELECT id, n FROM counters ORDER BY id") == [(1, 2), (2, 1)]
    assert len(migrations.jobs("counters_n")) == 1 and len(migrations.jobs("ADD extra")) == 1


def test_killed_in_the_middle_of_a_build_it_goes_on_at_that_statement(migrations, cluster):
    cluster.execute("CREATE TABLE loaded (id int8 PRIMARY KEY, k int8 NOT NULL, v text)")
    cluster.fill("loaded", ROWS)
    migrations.write(m1_build="""
        CREATE TABLE notes (id int8 PRIMARY KEY, n int8);
        INSERT INTO notes VALUES (1, 0);
        ALTER TABLE notes RENAME COLUMN n TO counted;
        UPDATE notes SET counted = counted + 1;
        CREATE INDEX loaded_k ON loaded (k);
        UPDATE notes SET counted = counted + 1;
        ALTER TABLE notes RENAME TO remarks;
    """)
    with migrations.start() as process:
        wait_until(lambda: (migrations.job("loaded_k") or {}).get("rows_done", 0) > 0, 60, "a build under way")
        assert "still holds the lock" in migrations.run("--wait", 0, expect=1).stderr
        process.kill()
    assert migrations.states() == {1: "running"}
    done = migrations.run()
    # It waited for the dead one's lease, then for its job.
    assert "waiting for another theseus migrate (process " in done.stdout and "1_build.sql is applied" in done.stdout
    assert migrations.rows() == [(1, "applied", 7, 7, "")]
    assert cluster.execute("SELECT counted FROM remarks") == [(2,)]
    assert len(migrations.jobs("loaded_k")) == 1 and migrations.job("loaded_k")["state"] == "succeeded"
    cluster.check_table("loaded", indexes=["loaded_k"])


def test_what_is_under_way_is_not_edited_away(migrations, cluster):
    cluster.execute("CREATE TABLE edited (id int8 PRIMARY KEY, k int8 NOT NULL, v text)")
    cluster.fill("edited", ROWS)
    migrations.write(m1_edit="CREATE INDEX edited_k ON edited (k);")
    with migrations.start() as process:
        wait_until(lambda: (migrations.job("edited_k") or {}).get("rows_done", 0) > 0, 60, "a build under way")
        process.kill()
    migrations.write(m1_edit="CREATE INDEX edited_v ON edited (v);")
    assert "statement 1 of 1_edit.sql has been edited, but goes on as job" in migrations.run(expect=3).stderr
    wait_until(lambda: migrations.job("edited_k", "succeeded"), 60, "the end of the build")
    assert "has been edited, but was done as job" in migrations.run(expect=3).stderr
    migrations.write(m1_edit="CREATE INDEX edited_k ON edited (k); CREATE INDEX edited_v ON edited (v);")
    migrations.run()
    cluster.check_table("edited", indexes=["edited_k", "edited_v"])


def test_a_change_that_was_canceled_is_made_by_the_next_run(migrations, cluster):
    cluster.execute("CREATE TABLE canceled (id int8 PRIMARY KEY, k int8 NOT NULL, v text)")
    cluster.fill("canceled", ROWS)
    migrations.write(m1_cancel="CREATE INDEX canceled_k ON canceled (k);")
    with migrations.start() as process:
        job = wait_until(lambda: migrations.job("canceled_k"), 60, "a build under way")
        cluster.execute(f"CANCEL JOB {job['job_id']}")
        code, _, error = finish(process)
    assert code == 1 and "statement 1 of 1: 57014" in error and migrations.states() == {1: "failed"}
    migrations.run()
    assert sorted(job["state"] for job in migrations.jobs("canceled_k")) == ["canceled", "succeeded"]


def test_killed_again_and_again_every_statement_happens_once(migrations, cluster):
    """Killed after every few statements, wherever it is just then."""
    count = 30
    script = ["CREATE TABLE steps (id int8 PRIMARY KEY, n int8 NOT NULL)", "INSERT INTO steps VALUES (1, 0)"]
    for number in range(count):
        script.append("UPDATE steps SET n = n + 1")
        script.append(f"ALTER TABLE steps RENAME TO steps_{number}" if number == 0
                      else f"ALTER TABLE steps_{number - 1} RENAME TO steps_{number}")
        script[-2] = script[-2] if number == 0 else f"UPDATE steps_{number - 1} SET n = n + 1"
    migrations.write(m1_steps=";\n".join(script))
    deaths = 0
    while True:
        with migrations.start("--lease", 1) as process:
            # The heading, then a few statements.
            lines = [line for line, _ in zip(process.stdout, range(8))]
            if len(lines) == 8:
                process.kill()
                deaths += 1
                continue
            assert process.wait(60) == 0, process.stderr.read()
            break
    assert deaths >= 5
    assert cluster.execute(f"SELECT n FROM steps_{count - 1}") == [(count,)]
    assert len(migrations.jobs("RENAME TO steps_")) == count


def test_one_that_was_stopped_for_longer_than_its_lease_does_no_harm(migrations, cluster):
    cluster.execute("CREATE TABLE slow (id int8 PRIMARY KEY, k int8 NOT NULL, v text)")
    cluster.fill("slow", ROWS)
    migrations.write(m1_slow="""
        CREATE TABLE after (id int8 PRIMARY KEY, n int8);
        INSERT INTO after VALUES (1, 0);
        CREATE INDEX slow_k ON slow (k);
        UPDATE after SET n = n + 1;
        ALTER TABLE after ADD m int8;
    """)
    with migrations.start() as stopped:
        wait_until(lambda: migrations.job("slow_k"), 60, "a build under way")
        stopped.send_signal(signal.SIGSTOP)
        assert "1_slow.sql is applied" in migrations.run().stdout
        stopped.send_signal(signal.SIGCONT)
        code, _, error = finish(stopped)
    assert code == 1 and "another theseus migrate has taken over" in error
    assert cluster.execute("SELECT n FROM after") == [(1,)]
    assert len(migrations.jobs("slow_k")) == 1 and len(migrations.jobs("ADD m")) == 1
    assert "nothing to do" in migrations.run().stdout


def test_one_that_was_stopped_in_a_transaction_loses_it_whole(migrations, cluster):
    count = 600
    updates = "UPDATE many SET n = n + 1;\n" * count
    migrations.write(m1_many=f"""
        CREATE TABLE many (id int8 PRIMARY KEY, n int8); INSERT INTO many VALUES (1, 0);
        BEGIN; SELECT setval('begun', 2) FROM many; {updates} COMMIT; UPDATE many SET n = n + 1;
    """)
    # Its value is seen at once, by all.
    cluster.execute("CREATE SEQUENCE begun")
    with migrations.start("--lease", 1) as stopped:
        wait_until(lambda: cluster.execute("SELECT last_value FROM begun") == [(2,)], 60, "a transaction under way", 0.005)
        stopped.send_signal(signal.SIGSTOP)
        assert "1_many.sql is applied" in migrations.run().stdout
        stopped.send_signal(signal.SIGCONT)
        code, _, error = finish(stopped)
    cluster.execute("DROP SEQUENCE begun")
    assert code == 1 and "another theseus migrate has taken over" in error
    assert cluster.execute("SELECT n FROM many") == [(count + 1,)]


def test_a_gateway_that_dies_in_the_middle_is_replaced(fresh_cluster, tmp_path):
    migrations, cluster = Migrations(fresh_cluster, tmp_path), fresh_cluster
    cluster.execute("CREATE TABLE big (id int8 PRIMARY KEY, k int8 NOT NULL, v text)")
    cluster.fill("big", 60_000)
    migrations.write(m1_big="""
        CREATE TABLE log (id int8 PRIMARY KEY, n int8); INSERT INTO log VALUES (1, 0);
        CREATE INDEX big_k ON big (k); UPDATE log SET n = n + 1; CREATE UNIQUE INDEX log_n ON log (n);
    """)
    with migrations.start() as process:
        wait_until(lambda: migrations.cluster.execute("SHOW JOBS", gateway=2) and any(
            "big_k" in job["statement"] for job in cluster.jobs(2)), 60, "a build")
        cluster.local("kill", "gateway-1")
        code, out, error = finish(process, 120)
    assert code == 0 and "1_big.sql is applied" in out, (out, error)
    assert cluster.execute("SELECT n FROM log", gateway=2) == [(1,)]
    assert len([job for job in cluster.jobs(2) if "big_k" in job["statement"]]) == 1


def test_schema_changes_from_begin_to_commit_are_one_change(migrations, cluster):
    migrations.write(m1_fleet="""
        BEGIN;
        CREATE TABLE fleet (id int8 PRIMARY KEY, name text);
        SET LOCAL lock_timeout = '5s';
        CREATE TABLE oars (id int8 PRIMARY KEY, ship int8);
        CREATE INDEX oars_ship ON oars (ship);
        COMMIT;
        INSERT INTO oars VALUES (1, 1);
    """)
    assert "CREATE TABLE: instant" in migrations.run("--plan").stdout
    migrations.run()
    assert migrations.rows() == [(1, "applied", 2, 2, "")]
    assert cluster.execute("SELECT ship FROM oars") == [(1,)]
    migrations.write(m2_half="BEGIN; ALTER TABLE fleet ADD a int8; ALTER TABLE nowhere ADD b int8; COMMIT;")
    assert "statement 1 of 1: 42P01" in migrations.run(expect=1).stderr
    assert cluster.execute("SELECT * FROM fleet") == []
    migrations.write(m2_half="BEGIN; ALTER TABLE fleet ADD a int8; ALTER TABLE oars ADD b int8; COMMIT;")
    migrations.run()
    assert cluster.execute("SELECT a FROM fleet") == [] and cluster.execute("SELECT b FROM oars") == [(None,)]
    operations = [job["operation_id"] for job in cluster.jobs() if "ADD b" in job["statement"] and "ADD a" in job["statement"]]
    assert len(operations) == 1 and operations[0].startswith("migrate/")


def test_rows_and_schema_changes_from_begin_to_commit_are_one_change_whenever_it_is_killed(migrations, cluster):
    count = 24
    script = ["CREATE TABLE blocks (id int8 PRIMARY KEY, n int8 NOT NULL, last int8); INSERT INTO blocks VALUES (1, 0, 0)"]
    for number in range(1, count + 1):
        change = f"CREATE TABLE block_{number} (id serial PRIMARY KEY, n int8 REFERENCES blocks)"
        if number % 3 == 0:
            change = f"ALTER TABLE blocks ADD COLUMN c{number} int8 DEFAULT {number}"
        elif number % 3 == 1:
            # Comes to nothing, and the rows are written once all the same.
            change = "CREATE TABLE IF NOT EXISTS blocks (id int8 PRIMARY KEY)"
        fill = f"INSERT INTO block_{number} (n) VALUES (1), (1)" if number % 3 == 2 else "SELECT 1"
        script.append(f"BEGIN;\n{change};\n{fill};\nUPDATE blocks SET n = n + 1, last = {number};\nCOMMIT")
    migrations.write(m1_blocks=";\n".join(script))
    deaths = 0
    while True:
        with migrations.start("--lease", 1) as process:
            # The heading, then a few statements; then somewhere in the next one.
            lines = [line for line, _ in zip(process.stdout, range(4))]
            if len(lines) == 4:
                threading.Event().wait(random.random() * 0.1)
                process.kill()
                deaths += 1
                continue
            assert process.wait(60) == 0, process.stderr.read()
            break
    assert deaths >= 5
    assert cluster.execute("SELECT n, last, c24 FROM blocks") == [(count, count, 24)]
    for number in range(2, count, 3):
        assert cluster.execute(f"SELECT count(*) FROM block_{number}") == [(2,)]
    succeeded = [job for job in migrations.jobs("ALTER TABLE blocks|CREATE TABLE block_|NOT EXISTS blocks") if job["state"] == "succeeded"]
    assert len(succeeded) == count
    cluster.check_table("blocks")


def test_a_statement_that_is_refused_leaves_the_file_to_be_corrected(migrations, cluster):
    migrations.write(
        m1_base="CREATE TABLE crew (id int8 PRIMARY KEY, name text); INSERT INTO crew VALUES (1, 'a'), (2, 'a');",
        m2_unique="ALTER TABLE crew ADD age int8;\nCREATE UNIQUE INDEX crew_name ON crew (name);\nUPDATE crew SET age = 1;",
        m3_late="ALTER TABLE crew ADD late int8;",
    )
    failed = migrations.run(expect=1)
    assert "1_base.sql is applied" in failed.stdout
    assert "2_unique.sql, line 2, statement 2 of 3: 23505" in failed.stderr and "--mark-applied 2" in failed.stderr
    [_, row] = migrations.rows()
    assert row[:4] == (2, "failed", 3, 1) and row[4].startswith("23505")
    # Again, without a change: the same.
    assert "23505" in migrations.run(expect=1).stderr
    # What is done must stay as it was.
    migrations.write(m2_unique="ALTER TABLE crew ADD age int4;\nCREATE INDEX crew_name ON crew (name);")
    refused = migrations.run(expect=3)
    assert "stopped after its first 1 statement, which must stay as it was" in refused.stderr
    # The data is corrected: the same statement, another attempt.
    migrations.write(m2_unique="ALTER TABLE crew ADD age int8;\nCREATE UNIQUE INDEX crew_name ON crew (name);\nUPDATE crw SET age = 1;")
    cluster.execute("UPDATE crew SET name = 'b' WHERE id = 2")
    assert "statement 3 of 3: 42P01" in migrations.run(expect=1).stderr
    # The statement is corrected.
    migrations.write(m2_unique="ALTER TABLE crew ADD age int8;\nCREATE UNIQUE INDEX crew_name ON crew (name);\nUPDATE crew SET age = 2;")
    assert "2 files applied now" in migrations.run().stdout
    assert migrations.states() == {1: "applied", 2: "applied", 3: "applied"}
    assert cluster.execute("SELECT age, late FROM crew ORDER BY id") == [(2, None), (2, None)]


def test_a_directory_that_does_not_agree_with_what_was_run_is_refused(migrations, cluster):
    migrations.write(m1_a="CREATE TABLE a (id int8 PRIMARY KEY);", m3_c="CREATE TABLE c (id int8 PRIMARY KEY);")
    migrations.run()
    migrations.write(m1_a="CREATE TABLE a (id int8 PRIMARY KEY); -- edited", m2_b="CREATE TABLE b (id int8 PRIMARY KEY);",
                     m4_d="CREATE TABLE d (id int8 PRIMARY KEY);")
    (migrations.directory / "3_c.sql").unlink()
    for flags in ([], ["--plan"]):
        error = migrations.run(*flags, expect=3).stderr
        assert "1_a.sql has been edited since it was applied" in error
        assert "2_b.sql is new, but number 3 has been run already" in error
        assert "3_c.sql (number 3) was applied and is not there any more" in error
    assert set(migrations.states()) == {1, 3}
    # The ways out.
    migrations.write(m3_c="CREATE TABLE c (id int8 PRIMARY KEY);")
    assert "nothing of it was run" in migrations.run("--mark-applied", 1).stdout
    migrations.run("--mark-applied", 2)
    assert "1 file applied now, 4 in all" in migrations.run().stdout
    assert cluster.execute("SELECT relname FROM pg_class WHERE relname IN ('a', 'b', 'c', 'd') ORDER BY 1") == [
        ("a",), ("c",), ("d",)]


@pytest.mark.parametrize(("files", "words"), [
    ({"m1_a": "SELECT 1", "m01_b": "SELECT 1"}, "have the same number 1"),
    ({"mships": "SELECT 1"}, "does not begin with a number"),
    ({"m1_a": "SELECT 1;\n\nSELEC 2;"}, "1_a.sql, line 3: syntax error"),
    ({"m1_a": "BEGIN; SELECT 1;"}, "line 1: BEGIN without COMMIT"),
    ({"m1_a": "SET theseus.operation_id = 'x'"}, "sets theseus.operation_id itself"),
    ({"m1_a": "CREATE MATERIALIZED VIEW v AS SELECT 1"}, "CREATE MATERIALIZED VIEW is not supported yet"),
    ({"m1_a": "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;"}, "section \"-- migrate:down\""),
], ids=["numbers", "names", "syntax", "open", "reserved", "unsupported", "sections"])
def test_what_cannot_be_run_is_refused_before_anything_runs(migrations, cluster, files, words):
    migrations.write(**files)
    assert words in migrations.run(expect=3).stderr
    assert cluster.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'theseus_migration%'") == [(0,)]


def test_a_plan_explains_what_is_pending_and_changes_nothing(migrations, cluster):
    migrations.write(m1_ports="CREATE TABLE ports (id int8 PRIMARY KEY, name text);")
    migrations.run()
    before = cluster.execute("SHOW SCHEMA LOG LIMIT 1")
    migrations.write(m2_index="""
        CREATE INDEX ports_name ON ports (name);
        INSERT INTO ports VALUES (1, 'Piraeus');
        CREATE TABLE docks (id int8 PRIMARY KEY);
        ALTER TABLE docks ADD length int8;
    """)
    shown = migrations.run("--plan").stdout
    assert "1_ports.sql" not in shown and "2_index.sql: 4 statements" in shown
    assert "CREATE INDEX: 4 schema entries" in shown and "one transaction with its record" in shown
    assert "cannot be explained before the statements above are done" in shown and "1 of 2 files would be run" in shown
    assert cluster.execute("SHOW SCHEMA LOG LIMIT 1") == before
    assert cluster.execute("SELECT count(*) FROM ports") == [(0,)] and set(migrations.states()) == {1}
    migrations.write(m2_index="ALTER TABLE nowhere ADD a int8;")
    assert "would be refused: 42P01" in migrations.run("--plan", expect=1).stdout


def test_a_history_that_was_thrown_away_begins_anew(migrations, cluster):
    """The same files make the same operations only within one history."""
    migrations.write(m1_again="CREATE TABLE again (id int8 PRIMARY KEY);")
    migrations.run()
    cluster.execute("DROP TABLE again")
    cluster.execute("DROP TABLE theseus_migrations")
    assert "1_again.sql is applied" in migrations.run().stdout
    assert cluster.execute("SELECT count(*) FROM again") == [(0,)]


@pytest.mark.parametrize("flags", [
    [], ["--directory", "x", "--url", "mysql://root@h/d"], ["--directory", "x", "--url", "postgresql://h:port/d"],
    ["--directory", "x", "--lease", "0"], ["--directory", "x", "--plan", "--mark-applied", "1"],
    ["--directory", "x", "--wrong"]], ids=lambda flags: " ".join(flags) or "nothing")
def test_wrong_flags_are_refused(flags, tmp_path):
    done = run(THESEUS, "migrate", *flags, check=False, cwd=tmp_path, env=dict(os.environ))
    assert done.returncode == 2 and done.stderr.startswith("theseus: ")


def test_a_database_that_does_not_answer_is_told(cluster, tmp_path):
    (tmp_path / "1_a.sql").write_text("SELECT 1")
    done = run(THESEUS, "migrate", "--directory", tmp_path, "--url", "postgresql://root@127.0.0.1:1/defaultdb", check=False,
               timeout=100)
    assert done.returncode == 1 and "the database does not answer: 127.0.0.1:1" in done.stderr
