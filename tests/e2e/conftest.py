"""Fixtures. A test asks for `home` (its folder, environment and mark), `run` (programs with a cluster of their own), `cluster`
(head and nodes to join) or `network` (hosts). When it ends, everything it started is ended, and nothing may be left."""
import os
import pathlib
import secrets
import shutil
import signal

import pytest

from support import cluster as clusters
from support import hosts, leftovers, processes, settings


class Home:
    """A folder of the test's own, an environment without anything of the user's, and the mark of its processes."""

    def __init__(self, folder):
        self.folder = folder
        self.mark = secrets.token_hex(8)
        for name in ("home", "tmp", "logs", "work"):
            (folder / name).mkdir()
        self.logs = folder / "logs"
        self.work = folder / "work"
        keep = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS") or name == "LANG"}
        self.environment = {
            **keep, "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"), "REEVE_LOG_DIR": str(self.logs), settings.MARK_NAME: self.mark}

    def processes(self, kind=None):
        return [process for process in processes.marked(self.mark) if kind in (None, process.kind)]

    def said(self):
        return "\n".join(f"--- {path.name} ---\n{path.read_text(errors='replace')[-3000:]}"
                         for path in sorted(self.logs.glob("*")))

    def check_nothing_left(self, within=2.0):
        return leftovers.check(self.mark, within, [self.folder / "tmp", "/tmp/reeve"])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    setattr(item, f"report_{report.when}", report)


def pytest_sessionfinish(session, exitstatus):
    """All skipped is no pass."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter and reporter.stats.get("skipped") and not reporter.stats.get("passed"):
        session.exitstatus = 77


def check_reports():
    """What sanitizers have found in any process of the test so far (tests/sanitized.py prints the files)."""
    folder = os.environ.get("REEVE_REPORTS")
    if not folder:
        return
    reports = [path for path in sorted(pathlib.Path(folder).iterdir()) if path not in reports_seen]
    reports_seen.update(reports)
    assert not reports, "\n".join(path.read_text(errors="replace")[:4000] for path in reports)


reports_seen = set()


def failed(request):
    report = getattr(request.node, "report_call", None)
    return report is None or report.failed


@pytest.fixture
def home(request, tmp_path):
    value = Home(tmp_path)
    yield value
    if failed(request):
        print(value.said())
        for process in value.processes():
            print("left:", process)
            processes.kill(process.pid)
        check_reports()
        return
    value.check_nothing_left()
    check_reports()
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def run(home, request):
    """run(program, argument…, environment=…): starts it; no address, so it makes a cluster of its own."""
    started = []

    def start(program, *arguments, environment=(), **options):
        path = program if os.path.isabs(str(program)) else find_program(program)
        started.append(processes.Program(
            [path, *arguments], {**home.environment, "REEVE_SLOTS": "2", **dict(environment)}, **options))
        return started[-1]

    yield start
    for program in started:
        if failed(request):
            print(program.said())
        program.close()


def find_program(name):
    for folder in (settings.PROGRAMS, settings.BIN):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"{name} has not been built in {settings.BUILD}")


@pytest.fixture
def mail(tmp_path, home):
    value = processes.Mail(home.work)
    yield value
    value.close()


@pytest.fixture
def empty_cluster(home, request):
    """A cluster with a key and nothing started."""
    value = clusters.Cluster(home.folder, home.environment)
    yield value
    if failed(request):
        print(value.said())
    value.stop()


@pytest.fixture
def cluster(empty_cluster):
    """A head and two nodes with two slots each."""
    empty_cluster.start_head()
    empty_cluster.start_node()
    empty_cluster.start_node()
    return empty_cluster


@pytest.fixture
def network(home):
    """network(count): hosts on one bridge."""
    if not settings.OWN_NAMESPACES:
        pytest.skip("needs network namespaces")
    made = []

    def make(count):
        made.append(hosts.Network(count))
        return made[-1].hosts

    yield make
    for value in made:
        for process in home.processes():
            processes.kill(process.pid, signal.SIGKILL)
        value.close()


@pytest.fixture
def corpus(home):
    """A folder of text: C headers, always the same ones."""
    folder = pathlib.Path("/usr/include/linux")
    if not folder.is_dir():
        pytest.skip("no /usr/include/linux")
    return folder
