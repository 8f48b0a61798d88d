"""Flags, exit codes, health, status: what an operator meets."""

import json
import os
import signal
import subprocess
import urllib.request

import grpc
import pytest

from cluster import PROGRAMS, THESEUS, Cluster, run, wait_until

ROLES = ["theseus-meta", "theseus-storage", "theseus-gateway", "theseus-ack"]


@pytest.mark.parametrize("program", ROLES + ["theseus"])
def test_help_is_shown(program):
    done = run(PROGRAMS / program, "--help")
    assert "--" in done.stdout or "COMMAND" in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize("program", ROLES)
@pytest.mark.parametrize(
    "flags",
    [["--no-such-flag", "1"], ["--node-id", "many"], ["--rpc-listen", "nowhere"], ["--rpc-listen"], ["stray"],
     ["--config", "/nonexistent/file"]],
    ids=["unknown", "number", "address", "no-value", "stray", "file"],
)
def test_wrong_flags_are_refused_in_a_sentence(program, flags, tmp_path):
    done = run(PROGRAMS / program, *flags, check=False, timeout=10, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and done.stderr.startswith(program)


@pytest.mark.parametrize(
    "arguments",
    [[], ["no-such-command"], ["local"], ["local", "start"], ["local", "start", "--directory", "x", "--meta", "0"],
     ["local", "kill", "--directory", "x"], ["status", "--metadata", "nowhere"], ["status", "--wrong", "1"],
     ["bench", "--rows", "few"], ["bench", "ddl"], ["bench", "ddl", "--url", "postgresql://h/d", "--clients", "1,0"],
     ["bench", "ddl", "--url", "postgresql://h/d", "--directory", "x"], ["demo", "--clients", "-1"]],
    ids=lambda arguments: " ".join(arguments) or "nothing",
)
def test_wrong_commands_are_refused(arguments, tmp_path):
    done = run(THESEUS, *arguments, check=False, timeout=10, cwd=tmp_path)
    assert done.returncode in (1, 2) if "kill" in arguments else done.returncode == 2
    assert done.stderr.strip()


def test_a_wrong_environment_variable_is_refused():
    environment = dict(os.environ, THESEUS_NODE_ID="many")
    done = run(PROGRAMS / "theseus-gateway", check=False, timeout=10, env=environment)
    assert done.returncode == 2 and "THESEUS_NODE_ID" in done.stderr


def test_ports_in_use_are_named(cluster, tmp_path):
    port = cluster.address()[1]
    done = run(THESEUS, "local", "start", "--directory", tmp_path / "other", "--port-base", port, check=False)
    assert done.returncode == 1 and "in use" in done.stderr


def test_cluster_json_lists_every_process(cluster):
    members = cluster.members()
    assert sorted(member["name"] for member in members) == [
        "ack-1", "gateway-1", "gateway-2", "meta-1", "meta-2", "meta-3", "storage-1", "storage-2", "storage-3"]
    for member in members:
        assert cluster.is_alive(member)
        assert member["rpc"] and member["http"] and bool(member["sql"]) == (member["role"] == "gateway")


def test_every_role_answers_health_and_metrics(cluster):
    for member in cluster.members():
        for path in ("healthz", "readyz", "metrics"):
            with urllib.request.urlopen(f"http://{member['http']}/{path}", timeout=5) as answer:
                assert answer.status == 200
        channel = grpc.insecure_channel(member["rpc"])
        check = channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)
        # HealthCheckResponse{status: SERVING}.
        assert check(b"", timeout=5) == b"\x08\x01"
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/theseus.v1.Nothing/Here", bytes, bytes)(b"", timeout=5)
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
        channel.close()


def test_status_shows_roles_schema_leases_and_lag(cluster):
    cluster.execute("CREATE TABLE for_status (id int8 PRIMARY KEY)")

    def settled():
        status = cluster.status()
        followers = [node for node in status["nodes"] if node["role"] in ("gateway", "storage")]
        return status if all(node["schema_index"] == status["schema_index"] for node in followers) else None

    status = wait_until(settled, 10, "every node at the newest schema")
    assert status["leader"] in {"meta-1", "meta-2", "meta-3"}
    live = {node["name"]: node for node in status["nodes"] if node["is_live"]}
    assert {"gateway-1", "gateway-2", "storage-1", "storage-2", "storage-3", "ack-1"} <= set(live)
    assert len(status["replicas"]) == 3 and not status["silent"]
    text = run(THESEUS, "status", "--directory", cluster.directory).stdout
    for word in ("gateway-1", "storage-3", "lease", "lag", "schema index"):
        assert word in text
    cluster.execute("DROP TABLE for_status")


def test_schema_changes_are_measured(cluster):
    def tables():
        return {row[0] for row in cluster.execute("SELECT relname FROM pg_class WHERE relkind = 'r'")}

    before, members = tables(), cluster.members()
    shown = run(THESEUS, "bench", "ddl", "--directory", cluster.directory, "--clients", "1,3", "--statements", 6,
                "--tables", 20).stdout.splitlines()
    figures = [line.split() for line in shown if line.startswith(("CREATE TABLE", "ADD COLUMN"))]
    assert [figure[2] for figure in figures] == ["1", "1", "3", "3"]
    # Both are one schema entry each.
    assert [figure[-1] for figure in figures] == ["1.00"] * 4 and all(float(figure[3]) > 0 for figure in figures)
    for words in ("creating 8 tables, 3 clients", "point reads of 20 tables, one after the other", "point reads of 20 of them, over and over", "memory of gateway-2",
                  "start of a gateway until it is ready"):
        assert any(line.startswith(words) for line in shown), shown
    # Its tables and its gateway are gone again.
    assert tables() == before and cluster.members() == members


def test_a_dead_node_loses_its_lease(cluster):
    cluster.local("kill", "ack-1")
    wait_until(
        lambda: not any(node["is_live"] for node in cluster.status()["nodes"] if node["name"] == "ack-1"), 30,
        "the lease of ack-1 to end")
    cluster.local("start-node", "ack-1")
    # Without the aggregator acks went to the leader directly.
    cluster.execute("CREATE TABLE without_ack (id int8 PRIMARY KEY, k int8)")
    cluster.execute("DROP TABLE without_ack")


def test_sigterm_ends_every_role_with_exit_code_0(tmp_path):
    cluster = Cluster("sigterm")
    try:
        cluster.start()
        arguments = {member["name"]: member["arguments"] for member in cluster.members()}
        # Children of this test instead, so that their exit codes can be seen.
        cluster.local("stop")
        processes = {name: subprocess.Popen(line, stderr=subprocess.DEVNULL) for name, line in arguments.items()}
        try:
            for member in cluster.members():
                wait_until(lambda: ready(member), 60, f"{member['name']} ready")
            for name in sorted(processes, key=lambda name: "gsam".index(name[0])):
                processes[name].send_signal(signal.SIGTERM)
                assert processes[name].wait(20) == 0, f"{name} ended with {processes[name].returncode}"
        finally:
            for process in processes.values():
                if process.poll() is None:
                    process.kill()
                    process.wait()
    finally:
        cluster.stop()


def ready(member):
    try:
        with urllib.request.urlopen(f"http://{member['http']}/readyz", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


def test_stop_and_start_keep_the_data(fresh_cluster):
    cluster = fresh_cluster
    cluster.execute("CREATE TABLE kept (id int8 PRIMARY KEY, v text)")
    cluster.execute("INSERT INTO kept VALUES (1, 'one'), (2, 'two')")
    cluster.local("stop")
    assert not any(cluster.is_alive(member) for member in cluster.members())
    cluster.restart()
    assert cluster.execute("SELECT id, v FROM kept ORDER BY id", gateway=2) == [(1, "one"), (2, "two")]
    assert json.loads((cluster.directory / "cluster.json").read_text())
