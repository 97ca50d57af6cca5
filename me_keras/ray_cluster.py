"""Tasks on a Ray cluster, which places each, and repeats it where a process is lost."""

from __future__ import annotations

import collections.abc
import contextlib
import logging
import os
import re
import socket
import time

from pipelines.parallel import WAIT, Died, cores
from pipelines.schema import DataError

_END = object()
OBJECT_STORE = 100 * 2**20  # bytes of a Ray node started here; results are small
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_TQDM_PATCH_PRINT": "0",
}


def check(execution):
    """Finds out before any long step whether the cluster can be had.

    Raises:
        DataError: Ray is not installed, or nobody answers at the address of `ExecutionOptions`
            within `ray_timeout` seconds.
    """
    ray = _import_ray()
    address = _address(execution)
    if address not in ("local", "auto") and not ray.is_initialized():
        _check_reachable(address, execution.ray_timeout)


def run(function, tasks, execution, retries):
    """As `me_keras.parallel.run`.

    Args:
        retries: how often a task whose process is lost runs again.
    Raises:
        DataError: as `check`, or no machine has what a task asks for.
    """
    ray = _import_ray()
    # Ray repeats a task killed for its memory without end, unless told
    os.environ.setdefault("RAY_task_oom_retries", str(retries))
    with _connected(ray, execution):
        room = _room(ray, execution)
        remote = ray.remote(
            num_cpus=execution.cpus_per_fold,
            num_gpus=execution.gpus_per_fold,
            max_retries=retries,
        )(_call)
        shared, rest = ray.put(function), iter(tasks)
        pending: dict = {}  # what Ray calls a task -> the task
        # A list goes to Ray whole: a cluster that grows on demand has to see the demand.
        room = len(tasks) if isinstance(tasks, collections.abc.Sized) else room
        while True:
            while len(pending) < room and (task := next(rest, _END)) is not _END:
                if task is not WAIT:
                    pending[remote.remote(shared, task)] = task
                elif pending:
                    break
            if not pending:
                return
            (done,), _ = ray.wait(list(pending), num_returns=1)
            yield pending.pop(done), _result(ray, done)


def _call(function, task):
    """One task, in a process of Ray's."""
    return function(task)


def _result(ray, done):
    try:
        return ray.get(done)
    except ray.exceptions.RayError as error:
        lacking = re.search(r"No module named '([^']+)'", str(error))
        if lacking:
            raise DataError(
                f"a Ray worker cannot import {lacking[1]}: install the same me-keras on all "
                "machines of the cluster"
            ) from None
        cause = getattr(error, "cause", None)
        if isinstance(cause, Exception) and not isinstance(cause, ray.exceptions.RayError):
            raise cause from error  # raised by the function
        return Died(_first_line(error))


def _first_line(error):
    return next(iter(str(error).splitlines()), type(error).__name__)


def _import_ray():
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise DataError(
            "--executor ray needs Ray: pip install 'me-keras[ray]' (Python 3.10 or newer)"
        ) from None
    return ray


def _address(execution):
    return execution.ray_address or os.environ.get("RAY_ADDRESS") or "local"


@contextlib.contextmanager
def _connected(ray, execution):
    if ray.is_initialized():  # by the program that called us, which will end it too
        yield
        return
    address = _address(execution)
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        own = {"num_cpus": cores(), "object_store_memory": OBJECT_STORE}
        quiet |= {**own, "include_dashboard": False}
    check(execution)
    try:
        ray.init(address, **quiet)
    except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
        raise DataError(f"--ray-address {address}: {_first_line(error)}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address, timeout):
    """Ray itself would wait for minutes, and end the process."""
    import grpc

    target = address.removeprefix("ray://")
    host, _, port = target.rpartition(":")
    if not host or not port.isdigit():
        raise DataError(f"--ray-address {address}: expected host:port, ray://host:port or auto")
    try:
        if os.environ.get("RAY_USE_TLS") == "1":
            socket.create_connection((host, int(port)), timeout).close()
            return
        with grpc.insecure_channel(target) as channel:
            grpc.channel_ready_future(channel).result(timeout)
    except (grpc.FutureTimeoutError, OSError):
        raise DataError(
            f"--ray-address {address}: no Ray cluster answers there within {timeout:g} s "
            "(--ray-timeout); start it with `ray start --head`, or leave the option out"
        ) from None


def _room(ray, execution):
    """How many tasks the cluster can run at once, now: one that fits no machine waits for ever.

    Raises:
        DataError: no machine has what a task asks for, not even after `ray_timeout` seconds.
    """
    wanted = {"CPU": execution.cpus_per_fold, "GPU": execution.gpus_per_fold}
    if not any(wanted.values()):
        return cores()
    until = time.monotonic() + execution.ray_timeout
    while True:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        room = sum(min(int(n.get(k, 0) / v) for k, v in wanted.items() if v) for n in nodes)
        if room:
            return room
        if time.monotonic() >= until:
            largest = ", ".join(
                f"{max((node.get(k, 0) for node in nodes), default=0):g} {k}s" for k in wanted
            )
            raise DataError(
                f"no machine of the Ray cluster has {wanted['CPU']:g} CPUs and {wanted['GPU']:g} "
                f"GPUs for a fold (most found: {largest}; waited {execution.ray_timeout:g} s): "
                "change --cpus-per-fold, --gpus-per-fold"
            )
        time.sleep(min(1.0, execution.ray_timeout))
