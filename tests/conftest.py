"""Which tests an environment runs, on which devices, and what a skipped test means.

Folders that need TensorFlow are not collected where there is none. With ``--only-tensorflow`` nothing else is.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import ipaddress
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
NEEDS_TENSORFLOW = (
    "alias",
    "batch",
    "comparison",
    "conformance",
    "conversion",
    "demo",
    "distribute",
    "documents",
    "examples",
    "keras",
    "notebooks",
    "publish",
    "runtime",
    "tf1",
    "train",
)
# What the rows of Keras on JAX and PyTorch run.
FOR_BACKENDS = (("conformance",), ("keras", "backends"))
# Collected only where the package is: tf2onnx is in tf-latest, ray, usearch and nbclient in scale, schemathesis in hub,
# the others in tf-2.15.
NEEDS_PACKAGE = {
    "alias/test_names.py": "tensorflow_hub",
    "alias/test_tf_keras.py": "tf_keras",
    "batch": "ray",
    "conversion/test_to_onnx.py": "tf2onnx",
    "conversion/test_to_tf1_hub_peer.py": "tensorflow_hub",
    "hub": "schemathesis",
    "index": "usearch",
    "notebooks": "nbclient",
    "tf1/test_estimator.py": "tensorflow_estimator",
    "tf1/test_estimator_keras_layer.py": "tensorflow_estimator",
    "tf1/test_estimator_parameter_server.py": "tensorflow_estimator",
    "tf1/test_peer.py": "tensorflow_hub",
    "tf1/test_peer_publishing.py": "tensorflow_hub",
}
RUNS_EVERYWHERE = ("test_import.py",)

# Test ids that may be skipped although CI is set. A skip that nobody sees is a test that nobody has.
MAY_SKIP: frozenset[str] = frozenset()

_out_of_time = pytest.StashKey[bool]()


class _TwoDevices:
    """Gives TensorFlow two CPU devices, for the tests of replicas, when it is first imported.

    It takes no more once an op has run, which any module that is collected may do.
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        spec = importlib.machinery.PathFinder.find_spec(name, path) if name == "tensorflow" else None
        if spec is not None:
            loader: Any = spec.loader
            run = loader.exec_module

            def run_and_set_up(tensorflow: Any) -> None:
                run(tensorflow)
                cpu, config = tensorflow.config.list_physical_devices("CPU")[0], tensorflow.config
                config.set_logical_device_configuration(cpu, [config.LogicalDeviceConfiguration()] * 2)

            loader.exec_module = run_and_set_up
        return spec


sys.meta_path.insert(0, _TwoDevices)  # type: ignore[arg-type]  # Python asks of a finder no more than find_spec


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--only-tensorflow", action="store_true", help="collect only the tests that need TensorFlow")
    parser.addoption("--only-backend", action="store_true", help="collect only the tests of Keras on another backend")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    parts = collection_path.relative_to(TESTS).parts if collection_path.is_relative_to(TESTS) else ()
    if not parts:
        return None
    is_for_backends = any(parts[: len(folder)] == folder[: len(parts)] for folder in FOR_BACKENDS)
    if config.getoption("--only-backend"):
        return None if is_for_backends or parts == ("conftest.py",) else True
    if parts[:2] == ("keras", "backends") and os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
        return True
    if parts[0] == "dependents" and "REHUB_DEPENDENTS" not in os.environ:
        return True
    package = NEEDS_PACKAGE.get("/".join(parts))
    if package and not importlib.util.find_spec(package):
        return True
    if parts[0] in NEEDS_TENSORFLOW:
        return None if importlib.util.find_spec("tensorflow") else True
    if config.getoption("--only-tensorflow") and parts[0] not in RUNS_EVERYWHERE:
        return True
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    until = os.environ.get("REHUB_TEST_UNTIL")
    if until and time.time() > float(until):
        item.stash[_out_of_time] = True
        pytest.skip("the time for this run is used up")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if item.stash.get(_out_of_time, False):
        report.out_of_time = True  # an attribute travels from the processes of xdist
        return report
    return _skip_fails_in_ci(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Any:
    return _skip_fails_in_ci((yield))


def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """Counts tests that there was no time for apart, in the last line of the run."""
    is_left_out = report.skipped and getattr(report, "out_of_time", False)
    return ("left out for lack of time", "s", "LEFT OUT") if is_left_out else None


def _skip_fails_in_ci(report: Any) -> Any:
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail") and report.nodeid not in MAY_SKIP:
        report.outcome = "failed"
        report.longrepr = f"skipped although CI is set: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def this_machine_only() -> Iterator[None]:
    """Fails the test that asks for another machine. No name server is asked, and names in ``.invalid`` are unknown."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def checked(reach: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
        def wrapper(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0]):
                pytest.fail(f"this test opens a connection to {address}")
            return reach(self, address)

        return wrapper

    def resolve(host: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and name.rstrip(".").endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if name is not None and not _is_here(name) and not _is_address(name):
            pytest.fail(f"this test looks up the host {name!r}")
        return getaddrinfo(host, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", checked(connect))
        patch.setattr(socket.socket, "connect_ex", checked(connect_ex))
        patch.setattr(socket, "getaddrinfo", resolve)
        yield


def _is_here(host: str) -> bool:
    if not _is_address(host):
        return host in ("", "localhost")
    address = ipaddress.ip_address(host)
    return address.is_loopback or address.is_unspecified


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@pytest.fixture(scope="session")
def peer_python() -> Path:
    """The Python of the environment with tensorflow_hub 0.16.1, for a subprocess to run."""
    path = os.environ.get("REHUB_PEER_PYTHON")
    if not path:
        pytest.skip("REHUB_PEER_PYTHON names no Python with tensorflow_hub; make test sets it")
    return Path(path)


@pytest.fixture(scope="session", autouse=True)
def _interrupts_are_heard() -> None:
    """Shells let what they start in the background ignore interrupts, and so what that starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
