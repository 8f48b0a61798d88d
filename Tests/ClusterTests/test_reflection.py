"""SQLAlchemy 2 and Django find in a database what they find in one of PostgreSQL 15 (catalog/generate)."""

import os
import pathlib
import subprocess

import pytest

CATALOG = pathlib.Path(__file__).parent / "catalog"
ENVIRONMENT = pathlib.Path(__file__).parents[2] / ".build" / "reflection"
PACKAGES = ["sqlalchemy==2.0.36", "django==4.2.16", "psycopg[binary]==3.2.3"]


def programs():
    """The folder of a Python environment with the packages, which are installed once."""
    marker = ENVIRONMENT / "installed"
    if not marker.exists() or marker.read_text() != " ".join(PACKAGES):
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", ENVIRONMENT], check=True, capture_output=True)
        done = subprocess.run(
            [ENVIRONMENT / "bin/pip", "install", "--quiet", *PACKAGES], capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            pytest.skip(f"no packages to reflect with: {done.stderr[-500:]}")
        marker.write_text(" ".join(PACKAGES))
    return ENVIRONMENT / "bin"


def printed(*arguments, **variables):
    done = subprocess.run(
        [str(argument) for argument in arguments], capture_output=True, text=True, timeout=120,
        env=dict(os.environ, PYTHONPATH=str(CATALOG), PYTHONDONTWRITEBYTECODE="1", **variables))
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def sqlalchemy_description(host, port):
    return printed(programs() / "python", CATALOG / "describe.py", f"postgresql+psycopg://root@{host}:{port}/defaultdb")


def django_models(host, port):
    return printed(
        programs() / "django-admin", "inspectdb", PGHOST=host, PGPORT=str(port), DJANGO_SETTINGS_MODULE="settings")


@pytest.fixture(scope="module")
def described(cluster):
    programs()
    host, port = cluster.address()
    subprocess.run(
        ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", str(port), "-U", "root", "defaultdb", "-f",
         CATALOG / "setup.sql"], check=True, timeout=120)
    return host, port


def test_sqlalchemy_reflects_what_it_reflects_of_postgresql(described):
    assert sqlalchemy_description(*described) == (CATALOG / "sqlalchemy.expected").read_text()


def test_django_inspects_what_it_inspects_of_postgresql(described):
    assert django_models(*described) == (CATALOG / "django.expected").read_text()
