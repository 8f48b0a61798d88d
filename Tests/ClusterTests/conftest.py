import itertools
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from cluster import Cluster  # noqa: E402

FAILED = pytest.StashKey()
_numbers = itertools.count(1)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    item.has_failed = getattr(item, "has_failed", False) or report.failed
    if report.failed:
        item.session.stash.setdefault(FAILED, set()).add(item.module.__name__)



def _serve(request, name, environment=None, **counts):
    cluster = Cluster(name, environment)
    try:
        cluster.start(**counts)
        yield cluster
    finally:
        failed = request.node.session.stash.get(FAILED, set())
        cluster.stop(keep_logs=request.module.__name__ in failed)


@pytest.fixture(scope="module")
def cluster(request):
    """One cluster for all tests of a module: 3 metadata replicas, 3 storage nodes, 2 gateways, 1 aggregator, unless the
    module's `CLUSTER` wants it otherwise."""
    yield from _serve(request, request.module.__name__, **getattr(request.module, "CLUSTER", {}))


@pytest.fixture
def fresh_cluster(request):
    """A cluster for one test that breaks things."""
    yield from _serve(request, request.node.name)


@pytest.fixture
def table(cluster):
    """An empty table with a name of its own; dropped afterwards."""
    name = f"t{next(_numbers)}"
    cluster.execute(f"CREATE TABLE {name} (id int8 PRIMARY KEY, k int8 NOT NULL, v text)")
    yield name
    cluster.execute(f"DROP TABLE {name}")
