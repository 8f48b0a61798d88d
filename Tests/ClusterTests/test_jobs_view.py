"""What the person who runs schema changes sees and steers: jobs, whom they wait for, agreement, the schema log."""

import threading
import time

import psycopg
import psycopg.rows
import pytest

from cluster import wait_until

ROWS = 40_000
# Slow enough that a build is met in its middle, however fast the machine.
ROWS_PER_SECOND = 4_000
CLUSTER = {"environment": {"THESEUS_BACKFILL_ROWS_PER_SECOND": str(ROWS_PER_SECOND)}}


@pytest.fixture(scope="module")
def loaded(cluster):
    cluster.execute("CREATE TABLE t (id int8 PRIMARY KEY, k int8 NOT NULL, v text)")
    cluster.fill("t", ROWS)
    return cluster


class Person:
    """One session: what it is told stays."""

    def __init__(self, cluster, gateway=1, **options):
        self.connection = cluster.connect(gateway, **options)
        self.notices = []
        # Text and hint: the rest does not outlive the call.
        self.connection.add_notice_handler(
            lambda notice: self.notices.append((notice.message_primary, notice.message_hint)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def rows(self, statement, **options):
        return self.connection.cursor(row_factory=psycopg.rows.dict_row).execute(statement, **options).fetchall()

    def run(self, statement):
        return self.connection.execute(statement).statusmessage

    def begin(self, statement):
        """Starts a change without waiting for it; answers its number."""
        self.run("SET theseus.ddl_mode = async")
        self.run(statement)
        self.run("RESET theseus.ddl_mode")
        return int(self.connection.execute("SHOW theseus.last_job").fetchone()[0])

    def job(self, number):
        return {row["property"]: row["value"] for row in self.rows(f"SHOW JOB {number}")}

    def wait(self, number, condition, what, seconds=60):
        def holds():
            job = self.job(number)
            return job if condition(job) else None

        return wait_until(holds, seconds, lambda: f"{what}: {self.job(number)}")

    def finish(self, number, state="succeeded"):
        return self.wait(number, lambda job: job["state"] in ("succeeded", "failed", "canceled"), "the end")["state"]


def refusal(call):
    with pytest.raises(psycopg.Error) as refused:
        call()
    return refused.value


def test_a_build_is_steered_while_it_runs(loaded):
    cluster = loaded
    with Person(cluster, 2) as person:
        number = person.begin("CREATE INDEX t_steered ON t (k)")
        assert f"job {number}" in person.notices[-1][0]
        assert f"SHOW JOB {number}" in person.notices[-1][1]
        job = person.wait(number, lambda job: "rate" in job and "time left" in job, "a rate")
        assert job["statement"] == "CREATE INDEX t_steered ON t (k)" and job["stage"].startswith("3 of 4: index t_steered")
        assert job["work"].startswith("backfill") and " of about " in job["rows"]
        assert job["limit"].startswith(f"{ROWS_PER_SECOND} rows/s")
        # PostgreSQL's view tells the same.
        [progress] = person.rows(
            "SELECT p.*, c.relname FROM pg_stat_progress_create_index p JOIN pg_class c ON c.oid = p.relid")
        assert (progress["pid"], progress["relname"], progress["phase"]) == (number, "t", "building index")
        assert 0 < progress["tuples_done"] < progress["tuples_total"] and progress["datname"] == "defaultdb"

        # Slower, at its next chunk; it says so, also after a pause.
        assert person.run(f"ALTER JOB {number} SET (max_rows_per_second = 400)") == "ALTER JOB"
        slow = person.wait(number, lambda job: "rate" in job and int(job["rate"].split()[0]) <= 600, "a low rate")
        assert slow["limit"] == "400 rows/s (max_rows_per_second)"
        person.run(f"ALTER JOB {number} SET (max_latency_increase = '20%')")
        bounded = person.job(number)
        assert bounded["latency"] == "up to 20 % longer for clients (max_latency_increase)"
        assert bounded["limit"] == slow["limit"]
        person.run(f"PAUSE JOB {number}")
        paused = person.job(number)
        assert paused["state"] == "paused" and paused["waits for"] == f"RESUME JOB {number}"
        assert "RESUME" not in {row["error"] for row in person.rows("SHOW JOBS")}
        person.run(f"ALTER JOB {number} SET (max_rows_per_second = 0)")
        assert person.job(number)["limit"] == "none"
        began = time.monotonic()
        person.run(f"RESUME JOB {number}")
        assert person.finish(number) == "succeeded"
        # With the cluster's limit the rest would have taken longer than that.
        assert time.monotonic() - began < ROWS / ROWS_PER_SECOND * 0.8
        steps = person.rows(f"SHOW JOB {number} STEPS")
        names = [step["name"] for step in steps]
        assert len(names) == len(set(names)) and any(name.startswith("backfill") for name in names)
        assert all(step["milliseconds"] is not None for step in steps)
        assert refusal(lambda: person.run(f"ALTER JOB {number} SET (max_rows_per_second = 1)")).sqlstate == "55000"
        assert person.rows("SELECT * FROM pg_stat_progress_create_index") == []
    cluster.check_table("t", indexes=["t_steered"])
    cluster.execute("DROP INDEX t_steered")


def test_parameters_and_statements_are_checked(loaded):
    with Person(loaded) as person:
        for statement, state in [
            ("ALTER JOB 1 SET (max_rows_per_second = -1)", "22023"),
            ("ALTER JOB 1 SET (max_rows_per_second = many)", "22023"),
            ("ALTER JOB 1 SET (max_rows_per_day = 1)", "22023"),
            ("ALTER JOB 1 SET (max_latency_increase = 10001)", "22023"),
            ("ALTER JOB 1 SET (max_latency_increase = 1, max_latency_increase = 2)", "22023"),
            ("ALTER JOB 999999 SET (max_latency_increase = 10)", "42704"),
            ("ALTER JOB 1 SET max_rows_per_second = 1", "42601"),
            ("ALTER JOB 999999 SET (max_rows_per_second = 1)", "42704"),
            ("SHOW JOB 999999", "42704"),
            ("SHOW JOB 999999 BLOCKERS", "42704"),
            ("SHOW JOB 1 NONSENSE", "42601"),
            ("SHOW SCHEMA LOG FOR t", "42601"),
            ("SHOW SCHEMA LOG FOR TABLE nobody", "42P01"),
            ("ADMIN CANCEL DDL JOBS", "42601"),
            ("SET theseus.ddl_mode = later", "22023"),
            ("SET theseus.ddl_on_cancel = perhaps", "22023"),
            ("SELECT theseus.wait_for_schema_agreement(-1)", "22023"),
        ]:
            for prepare in (False, True):
                cursor = person.connection.cursor()
                assert refusal(lambda: cursor.execute(statement, prepare=prepare)).sqlstate == state, statement
            # Both protocols serve the session afterwards.
            assert person.rows("SELECT 1 AS one", prepare=True) == [{"one": 1}]
        for statement in ("SHOW JOBS", "SHOW JOB 1", "SHOW JOB 1 STEPS", "SHOW JOB 1 BLOCKERS", "SHOW SCHEMA AGREEMENT",
                          "SHOW SCHEMA LOG LIMIT 3", "ADMIN SHOW DDL JOBS 2"):
            simple, extended = person.rows(statement), person.rows(statement, prepare=True)
            assert [sorted(row) for row in simple] == [sorted(row) for row in extended], statement


def test_blockers_name_the_session_that_holds_an_old_version(loaded):
    cluster = loaded
    with Person(cluster, 2) as person, Person(cluster, 1, autocommit=False, application_name="old reader") as holder:
        person.run("SET theseus.ddl_wait = '60s'")
        holder.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.rows("SELECT count(*) FROM t WHERE id < 5")
        number = person.begin("CREATE INDEX t_blocked ON t (v)")
        queued = person.begin("CREATE INDEX t_behind ON t (v, k)")

        def blockers(job):
            return person.rows(f"SHOW JOB {job} BLOCKERS")

        def the_holder():
            return next((row for row in blockers(number) if row["session"] is not None), None)

        row = wait_until(the_holder, 30, lambda: f"a blocker: {blockers(number)}")
        assert row["node"] == "gateway-1" and row["session"] == holder.connection.info.backend_pid
        assert row["application_name"] == "old reader" and row["state"] == "idle in transaction"
        assert row["statement"] == "SELECT count(*) FROM t WHERE id < 5" and row["transaction_age_milliseconds"] > 0
        assert row["table_name"] == "t" and row["held_schema_index"] < row["needed_schema_index"]
        job = person.wait(number, lambda job: "gateway-1" in job.get("waits for", ""), "the wait reason")
        assert "uses table" in job["waits for"]
        # Who agrees and who does not: all have applied it, one still uses an older one.
        agreement = {row["node"]: row for row in person.rows("SHOW SCHEMA AGREEMENT")}
        assert agreement["gateway-1"]["oldest_held_table"] == "t"
        assert agreement["gateway-1"]["oldest_held_index"] == row["held_schema_index"]
        assert agreement["gateway-2"]["oldest_held_index"] is None
        assert f"job {number}" in blockers(queued)[0]["reason"] and f"job {number}" in person.job(queued)["waits for"]
        # A gateway that does not answer is told as such, and nobody waits for it for long.
        cluster.local("pause", "gateway-1")
        try:
            began = time.monotonic()
            silent = [row for row in blockers(number) if row["node"] == "gateway-1"]
            took = time.monotonic() - began
            assert silent and "does not answer" in silent[0]["reason"] and silent[0]["session"] is None
            assert took < 5
        finally:
            cluster.local("resume", "gateway-1")
        wait_until(lambda: cluster.is_ready("gateway-1"), 30, "gateway-1")
        holder.connection.close()
        for job in (number, queued):
            person.run(f"ALTER JOB {job} SET (max_rows_per_second = 0)")
        assert person.finish(number) == "succeeded" and person.finish(queued) == "succeeded"
        assert blockers(number) == []
    cluster.execute("DROP INDEX t_blocked")
    cluster.execute("DROP INDEX t_behind")


def test_a_change_does_about_old_transactions_what_it_was_told(loaded):
    cluster = loaded
    before = cluster.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 't' ORDER BY 1")
    with Person(cluster, 2) as person, Person(cluster, 1, autocommit=False) as holder:
        def hold():
            holder.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            holder.rows("SELECT count(*) FROM t WHERE id < 5")

        # Taken back: the transaction goes on and commits, the catalog is as it was.
        person.run("SET theseus.ddl_wait = '300ms'")
        hold()
        with pytest.raises(psycopg.errors.LockNotAvailable) as caught:
            person.run("CREATE INDEX t_blocked ON t (v) WITH (on_block = cancel)")
        assert "gateway-1" in caught.value.diag.message_detail and "300 ms" in str(caught.value)
        holder.run("UPDATE t SET v = v WHERE id = 1")
        holder.connection.commit()
        assert cluster.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 't' ORDER BY 1") == before
        # Nobody in the way: done.
        person.run("ALTER TABLE t ADD COLUMN patient int8 CHECK (patient > 0) WITH (on_block = cancel)")
        person.run("ALTER TABLE t DROP COLUMN patient")
        # Waited for, longer than the bound; the transaction can write and commit.
        person.run("SET theseus.on_block = wait")
        hold()
        number = person.begin("CREATE INDEX t_blocked ON t (v)")
        person.wait(number, lambda job: "gateway-1" in job.get("waits for", ""), "the wait reason")
        stage = person.job(number)["stage"]
        # A row of a process that is only slow has no transaction.
        wait_until(lambda: any(
            (row["transaction_age_milliseconds"] or 0) > 2_000
            for row in person.rows(f"SHOW JOB {number} BLOCKERS")), 30, "a long wait")
        assert person.job(number)["stage"] == stage
        holder.run("UPDATE t SET v = v WHERE id = 1")
        holder.connection.commit()
        person.wait(number, lambda job: job["state"] == "succeeded", "the index")
        # What a statement says counts more than the session: those in the way are refused.
        hold()
        person.run("ALTER INDEX t_blocked RENAME TO t_patient")
        person.run("DROP INDEX t_patient WITH (on_block = abort)")
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            person.run("BEGIN; ALTER TABLE t ADD COLUMN x int8 WITH (on_block = wait)")
        person.run("ROLLBACK")
        holder.connection.rollback()


@pytest.mark.parametrize("on_cancel", ["detach", "cancel"])
def test_a_canceled_statement_leaves_its_job_or_takes_it_along(loaded, on_cancel):
    cluster = loaded
    index = f"t_{on_cancel}"
    with Person(cluster, 1) as watcher, Person(cluster, 2) as person:
        if on_cancel != "detach":
            person.run(f"SET theseus.ddl_on_cancel = {on_cancel}")
        seen = []
        thread = threading.Thread(
            target=lambda: seen.append(refusal(lambda: person.run(f"CREATE INDEX {index} ON t (k, v)"))), daemon=True)
        thread.start()

        def running():
            return next((job for job in watcher.rows("SHOW JOBS")
                         if index in job["statement"] and job["rows_done"] > 0), None)

        number = wait_until(running, 30, "the build")["job_id"]
        # The one who waits is told now and then.
        wait_until(lambda: any(f"job {number}: " in text for text, _ in person.notices), 30, "a notice")
        person.connection.cancel()
        thread.join(20)
        assert not thread.is_alive() and seen[0].sqlstate == "57014"
        if on_cancel == "detach":
            assert f"goes on as job {number}" in seen[0].diag.message_detail
            assert f"SHOW JOB {number}" in seen[0].diag.message_hint and f"CANCEL JOB {number}" in seen[0].diag.message_hint
            assert watcher.job(number)["state"] == "running"
            watcher.run(f"ALTER JOB {number} SET (max_rows_per_second = 0)")
            assert watcher.finish(number) == "succeeded"
            cluster.check_table("t", indexes=[index])
            cluster.execute(f"DROP INDEX {index}")
        else:
            assert watcher.finish(number) == "canceled"
            assert watcher.job(number)["error"].startswith("57014")
        # The session goes on, too.
        assert person.rows("SELECT 1 AS one") == [{"one": 1}]


def test_jobs_are_steered_in_the_words_of_tidb(loaded):
    cluster = loaded
    with Person(cluster, 1) as person:
        number = person.begin("CREATE INDEX t_admin ON t (k)")
        person.wait(number, lambda job: "rows" in job, "the build")
        [row] = [row for row in person.rows("ADMIN SHOW DDL JOBS 1") if row["job_id"] == number]
        assert (row["db_name"], row["table_name"], row["job_type"], row["state"]) == (
            "defaultdb", "t", "create index", "running")
        results = person.rows(f"ADMIN PAUSE DDL JOBS {number}, 999999")
        assert [(row["job_id"], row["result"]) for row in results] == [
            (number, "successful"), (999999, "error: job 999999 does not exist")]
        assert person.job(number)["state"] == "paused"
        assert person.rows(f"ADMIN RESUME DDL JOBS {number}")[0]["result"] == "successful"
        assert person.rows(f"ADMIN CANCEL DDL JOBS {number}")[0]["result"] == "successful"
        assert person.finish(number) == "canceled"
        assert "error" in person.rows(f"ADMIN CANCEL DDL JOBS {number}")[0]["result"]
        # An instant change is done when its answer comes, asynchronous or not.
        before = len(person.notices)
        number = person.begin("ALTER TABLE t ADD COLUMN remark text")
        assert person.job(number)["state"] == "succeeded" and len(person.notices) == before
        person.run("ALTER TABLE t DROP COLUMN remark")


def test_agreement_is_shown_and_waited_for(loaded):
    cluster = loaded
    with Person(cluster, 2) as person:
        person.run("CREATE TABLE agreed (id int8 PRIMARY KEY)")
        index = person.rows("SELECT theseus.wait_for_schema_agreement()")[0]["wait_for_schema_agreement"]
        assert person.rows("SELECT theseus_wait_for_schema_agreement(%s::int8)" % 10_000) == [
            {"wait_for_schema_agreement": index}]
        assert person.connection.execute(
            "SELECT theseus.wait_for_schema_agreement(%s)", (5000,), prepare=True).fetchone() == (index,)
        shown = {row["node"]: row for row in person.rows("SHOW SCHEMA AGREEMENT")}
        assert set(shown) == {member["name"] for member in cluster.members()}
        users = [row for row in shown.values() if row["role"] in ("gateway", "storage")]
        assert len(users) == 5 and all(
            (row["applied_index"], row["lag_entries"], row["lag_milliseconds"], row["agrees"], row["session"])
            == (index, 0, 0, True, "live") for row in users)
        assert all(row["applied_index"] is not None for row in shown.values() if row["role"] == "metadata")

        # One storage node stands still: no agreement, as long as its session lives.
        cluster.local("pause", "storage-3")
        try:
            person.run("ALTER TABLE agreed ADD COLUMN a int8")
            began = time.monotonic()
            refused = refusal(lambda: person.run("SELECT theseus.wait_for_schema_agreement(700)"))
            assert refused.sqlstate == "57014" and "storage-3" in refused.diag.message_detail
            assert 0.6 < time.monotonic() - began < 5
            lagging = {row["node"]: row for row in person.rows("SHOW SCHEMA AGREEMENT")}["storage-3"]
            assert lagging["agrees"] is False and lagging["lag_entries"] == 1 and lagging["lag_milliseconds"] >= 500
            # Ctrl-C ends the wait.
            seen = []
            thread = threading.Thread(target=lambda: seen.append(
                refusal(lambda: person.run("SELECT theseus.wait_for_schema_agreement(600000)"))), daemon=True)
            thread.start()

            def is_waiting():
                return person.connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE

            wait_until(is_waiting, 10, "the wait")
            person.connection.cancel()
            thread.join(10)
            assert not thread.is_alive() and seen[0].sqlstate == "57014"
        finally:
            cluster.local("resume", "storage-3")
        assert person.rows("SELECT theseus.wait_for_schema_agreement()")[0]["wait_for_schema_agreement"] > index


def test_the_schema_log_tells_what_changed(loaded):
    with Person(loaded) as person:
        person.run("CREATE TABLE logged (id int8 PRIMARY KEY, a int8)")
        person.run("ALTER TABLE logged RENAME COLUMN a TO b")
        person.run("CREATE INDEX logged_b ON logged (b)")
        person.run("ALTER TABLE logged RENAME TO renamed")
        person.run("DROP TABLE renamed")
        log = person.rows("SHOW SCHEMA LOG FOR TABLE logged")
        indexes = [row["schema_index"] for row in log]
        assert indexes == sorted(indexes, reverse=True)
        assert [row["changes"] for row in reversed(log)] == [
            "table logged is created: 2 columns",
            "column a is renamed to b",
            "index logged_b is delete-only: deletes remove its entries, nobody adds or reads any",
            "index logged_b is writable: inserts, updates and deletes maintain it, nobody reads it",
            "index logged_b is writable; existing rows get their entries",
            "index logged_b is readable",
            "table logged is renamed to renamed",
        ]
        assert [(row["from_version"], row["to_version"]) for row in reversed(log)] == [(n, n + 1) for n in range(7)]
        assert all(row["commit_floor"] <= row["to_version"] and row["job_id"] is not None for row in log)
        gone = person.rows("SHOW SCHEMA LOG FOR TABLE renamed LIMIT 1")
        assert [row["changes"] for row in gone] == ["table renamed is gone"] and gone[0]["to_version"] is None
        assert len(person.rows("SHOW SCHEMA LOG LIMIT 4")) == 4


def test_an_explained_change_names_costs_and_waits_and_does_nothing(loaded):
    cluster = loaded
    with Person(cluster, 2) as person, Person(cluster, 1, autocommit=False, application_name="old writer") as holder:
        before = person.rows("SHOW SCHEMA LOG LIMIT 1"), len(person.rows("SHOW JOBS"))
        holder.run("UPDATE t SET v = 'held' WHERE id = 1")
        for prepare in (False, True):
            lines = [row["QUERY PLAN"] for row in person.rows(
                "EXPLAIN (DDL) CREATE UNIQUE INDEX t_explained ON t (k)", prepare=prepare)]
            assert lines[0] == "CREATE INDEX: 4 schema entries"
            stages = [line for line in lines if line.startswith("stage ")]
            assert [line.split(":")[0] for line in stages] == ["stage 1", "stage 2", "stage 3", "stage 4 (visible)"]
            assert sum("commit floor of table t becomes version" in line for line in lines) == 2
            assert "  unique index t_explained is readable" in lines
            # Both barriers would wait for the transaction that is open.
            waits = [line for line in lines if "now: gateway-1, session" in line]
            assert len(waits) == 2 and all("(old writer)" in line and "UPDATE t SET v = 'held'" in line for line in waits)
            estimates = [line for line in lines if line.strip().startswith("estimate: about ")]
            rows = [int(line.split()[2]) for line in estimates]
            assert len(rows) == 2 and all(ROWS * 0.5 < count < ROWS * 2 for count in rows), estimates
            assert any(line.startswith("estimated time of the work on rows: ") for line in lines)
            assert "temporary space on disk: none" in lines
        holder.connection.rollback()
        lines = [row["QUERY PLAN"] for row in person.rows("EXPLAIN (DDL) DROP TABLE t")]
        assert "    now nobody would be waited for" in lines
        assert (person.rows("SHOW SCHEMA LOG LIMIT 1"), len(person.rows("SHOW JOBS"))) == before


def test_a_change_is_tried_against_the_rows(loaded):
    with Person(loaded, 2) as person:
        person.run("CREATE TABLE tried (id int8 PRIMARY KEY, a int8, b text)")
        person.run("INSERT INTO tried SELECT g, g % 50, 'x' || g FROM generate_series(1, 60) g")
        person.run("UPDATE tried SET a = NULL WHERE id IN (7, 9)")
        before = person.rows("SHOW SCHEMA LOG LIMIT 1"), len(person.rows("SHOW JOBS")), person.rows("TABLE tried")

        def tried(statement):
            lines = [row["QUERY PLAN"] for row in person.rows(f"EXPLAIN (DDL, VALIDATE) {statement}")]
            start = next(number for number, line in enumerate(lines) if line.startswith("tried against the rows"))
            return lines[start + 1:]

        assert tried("ALTER TABLE tried ADD CONSTRAINT small CHECK (a < 100)") == ["validate constraint 1: holds for 60 rows"]
        wrong = tried("ALTER TABLE tried ADD CONSTRAINT small CHECK (a < 48)")
        assert wrong[0] == "validate constraint 1: does not hold"
        assert [line.strip() for line in wrong[1:]] == ["(48, 48, x48)", "(49, 49, x49)"]
        many = tried("ALTER TABLE tried ADD CONSTRAINT small CHECK (a < 0)")
        assert "the first 10 offenders are" in many[0] and len(many) == 11
        nulls = tried("ALTER TABLE tried ALTER COLUMN a SET NOT NULL")
        assert [line.strip() for line in nulls[1:]] == ["(7, null, x7)", "(9, null, x9)"]
        for statement in ("CREATE UNIQUE INDEX tried_a ON tried (a)", "ALTER TABLE tried ADD CONSTRAINT tried_a UNIQUE (a)"):
            twice = tried(statement)
            keys = {line.strip() for line in twice[1:]}
            # 1 to 10 occur twice, but for the rows whose value is NULL.
            assert keys == {f"Key (a)=({number}) is duplicated." for number in range(1, 11) if number not in (7, 9)}
        assert tried("CREATE UNIQUE INDEX tried_b ON tried (b)") == ["validate index 2: holds for 60 rows"]
        cast = tried("ALTER TABLE tried ALTER COLUMN b TYPE int8 USING b::int8")
        assert any("22P02" in line and "x1" in line for line in cast), cast
        nothing = [row["QUERY PLAN"] for row in person.rows("EXPLAIN (DDL, VALIDATE) ALTER TABLE tried ADD COLUMN c int8")]
        assert nothing[-1] == "tried against the rows: there is nothing to try"
        assert (person.rows("SHOW SCHEMA LOG LIMIT 1"), len(person.rows("SHOW JOBS")), person.rows("TABLE tried")) == before
        person.run("DROP TABLE tried")
