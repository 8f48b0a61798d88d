"""A cluster of real processes for one test: started, disturbed and stopped through `theseus local`."""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import psycopg
import psycopg.rows

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAMS = pathlib.Path(os.environ.get("THESEUS_PROGRAMS", ROOT / ".build/release"))
THESEUS = PROGRAMS / "theseus"
LOGS = ROOT / ".build/test-logs"


def run(*arguments, timeout=120, check=True, **options):
    done = subprocess.run(
        [str(argument) for argument in arguments], capture_output=True, text=True, timeout=timeout, **options
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def wait_until(condition, seconds=30, what="the condition", pause=0.02):
    """Polls until `condition()` is true and answers its value. `what`: a text, or a function that makes it at the end."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what() if callable(what) else what}: not within {seconds} s"
        time.sleep(pause)


class Cluster:
    def __init__(self, name="cluster", environment=None):
        """`environment` is for the processes: what a flag of theirs says can be said there, too."""
        self.name = name
        self.environment = dict(os.environ, **(environment or {}))
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="theseus-"))

    def start(self, **counts):
        flags = [part for key, value in counts.items() for part in (f"--{key}", value)]
        for attempt in range(5):
            # Below the range the kernel takes client ports from.
            base = random.randrange(20_000, 31_000)
            done = run(THESEUS, "local", "start", "--directory", self.directory, "--port-base", base, *flags, check=False,
                       env=self.environment)
            if done.returncode == 0:
                return self
            if "in use" not in done.stderr:
                break
            (self.directory / "cluster.json").unlink(missing_ok=True)
        raise AssertionError(f"the cluster did not start: {done.stdout}\n{done.stderr}")

    def restart(self):
        """Starts whatever does not run."""
        return self.local("start")

    def stop(self, keep_logs=False):
        try:
            if (self.directory / "cluster.json").exists():
                self.local("stop", check=False)
                for member in self.members():
                    if self.is_alive(member):
                        os.kill(member["pid"], signal.SIGKILL)
            if keep_logs and (self.directory / "logs").exists():
                target = LOGS / self.name
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(self.directory / "logs", target)
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def local(self, verb, *arguments, check=True):
        return run(
            THESEUS, "local", verb, *arguments, "--directory", self.directory, check=check, env=self.environment)

    def terminate(self, name, seconds=15):
        """An orderly stop of one process; answers how long it took."""
        member = self.member(name)
        started = time.monotonic()
        os.kill(member["pid"], signal.SIGTERM)
        wait_until(lambda: not self.is_alive(member), seconds, f"the end of {name}")
        return time.monotonic() - started

    # What runs

    def members(self, role=None):
        rows = json.loads((self.directory / "cluster.json").read_text())
        return [row for row in rows if role is None or row["role"] == role]

    def member(self, name):
        return next(row for row in self.members() if row["name"] == name)

    @staticmethod
    def is_alive(member):
        try:
            state = pathlib.Path(f"/proc/{member['pid']}/stat").read_text().rpartition(")")[2].split()[0]
            command = pathlib.Path(f"/proc/{member['pid']}/cmdline").read_bytes()
        except OSError:
            return False
        # An empty command line is a process about to end.
        return state not in "ZX" and (not command or member["name"].encode() in command.split(b"\0"))

    @staticmethod
    def resident_bytes(member):
        return int(pathlib.Path(f"/proc/{member['pid']}/statm").read_text().split()[1]) * 4096

    def log(self, name):
        return (self.directory / "logs" / f"{name}.log").read_text(errors="replace")

    def get(self, name, path):
        """Status and body of one of the process's HTTP pages; (0, "") when it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{self.member(name)['http']}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (urllib.error.URLError, OSError):
            return 0, ""

    def is_ready(self, name):
        return self.get(name, "/readyz")[0] == 200

    def metric(self, name, metric):
        """The value of a metric without labels; None when the process does not answer or has none of that name."""
        for line in self.get(name, "/metrics")[1].splitlines():
            if line.startswith(metric + " "):
                return float(line.split()[1])
        return None

    def node(self, name):
        """What the metadata service says of a process."""
        return next((node for node in self.status()["nodes"] if node["name"] == name), None)

    def status(self):
        return json.loads(run(THESEUS, "status", "--directory", self.directory, "--json").stdout)

    def metadata_leader(self):
        def leader():
            done = run(THESEUS, "status", "--directory", self.directory, "--json", check=False)
            return done.returncode == 0 and json.loads(done.stdout).get("leader")

        return wait_until(leader, what="a metadata leader")

    # SQL

    def address(self, gateway=1):
        host, port = self.member(f"gateway-{gateway}")["sql"].rsplit(":", 1)
        return host, int(port)

    def connect(self, gateway=1, autocommit=True, **options):
        host, port = self.address(gateway)
        return psycopg.connect(
            host=host, port=port, user="root", autocommit=autocommit, connect_timeout=10, **{"dbname": "defaultdb", **options}
        )

    def execute(self, statement, gateway=1, parameters=None):
        with self.connect(gateway) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else cursor.statusmessage

    def fill(self, table, rows, batch=1000, columns="id, k, v", value="({id}, {k}, 'value-{id}')", connections=4):
        """Inserts rows 1…`rows` with multi-row statements over several connections."""
        from concurrent.futures import ThreadPoolExecutor

        starts = list(range(1, rows + 1, batch))

        def work(part):
            with self.connect(1 + part % len(self.members("gateway"))) as connection:
                for start in starts[part::connections]:
                    values = ", ".join(
                        value.format(id=number, k=number * 7919 % 1_000_003)
                        for number in range(start, min(start + batch, rows + 1))
                    )
                    connection.execute(f"INSERT INTO {table} ({columns}) VALUES {values}")

        with ThreadPoolExecutor(connections) as pool:
            list(pool.map(work, range(connections)))

    def jobs(self, gateway=1):
        with self.connect(gateway) as connection:
            cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
            return cursor.execute("SHOW JOBS").fetchall()

    def check_table(self, table, gateway=1, indexes=None):
        """The gateway's own full check: every secondary index agrees with the rows."""
        with self.connect(gateway) as connection:
            found = connection.execute(f"CHECK TABLE {table}").fetchall()
        wrong = [row for row in found if not row[3] or row[1] != row[2]]
        assert not wrong, f"rows and indexes differ: {wrong}"
        if indexes is not None:
            names = {row[0] for row in found}
            assert set(indexes) <= names, f"{indexes} are not all among {names}"
        return found
