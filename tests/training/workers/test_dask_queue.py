"""The executor dask on a queue: a stub of `sbatch` runs the job script that dask-jobqueue writes, and TLS is required."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from counted_jobs import prepare_counting
from pydantic import ValidationError

from hilum.settings.tune import Dask
from hilum.training.workers.executors import EXECUTORS

SBATCH = """#!/bin/bash
cp "${@: -1}" {folder}/job.sh
setsid bash {folder}/job.sh > {folder}/job.log 2>&1 &
echo $! >> {folder}/jobs.txt
echo "Submitted batch job $!"
"""


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which the stub writes what it was given; its jobs end with the test."""
    pytest.importorskip("dask_jobqueue")
    for name, text in (("sbatch", SBATCH.replace("{folder}", str(tmp_path))), ("scancel", "#!/bin/bash\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    support = Path(__file__).resolve().parents[2] / "support"
    monkeypatch.setenv("PYTHONPATH", f"{support}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for job in (tmp_path / "jobs.txt").read_text().split():
        if psutil.pid_exists(int(job)):
            os.killpg(int(job), signal.SIGKILL)


def test_jobs_run_in_the_script_that_sbatch_gets(queue: Path) -> None:
    where = Dask(cluster="slurm", memory="1GB", job={"queue": "films", "walltime": "00:10:00", "interface": "lo"}, tls={})
    with EXECUTORS["dask"](prepare_counting, str(queue), 1, where) as run_jobs:
        assert dict(run_jobs({number: {"number": number} for number in range(4)})) == {0: 0, 1: 1, 2: 4, 3: 9}
    script = (queue / "job.sh").read_text()
    assert "#SBATCH -p films" in script and "#SBATCH -t 00:10:00" in script
    assert "tls://127.0.0.1" in script and "--tls-cert" in script and "--nthreads 1" in script and "--no-dashboard" in script


def test_a_scheduler_of_the_site_is_reached_with_the_sites_keys_and_not_without(tmp_path: Path) -> None:
    """Beyond loopback only such an address is legal; the keys are files, as a site has them."""
    distributed = pytest.importorskip("distributed")
    made = distributed.Security.temporary()
    kept = {"ca": made.tls_ca_file, "certificate": made.tls_client_cert, "key": made.tls_client_key}
    for name, text in kept.items():
        (tmp_path / name).write_text(text)
    given = {"processes": False, "protocol": "tls://", "host": "127.0.0.1", "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, security=made, **given) as cluster:
        address = cluster.scheduler_address
        where = Dask(cluster=address, memory="1GB", job={}, tls={name: str(tmp_path / name) for name in kept})
        assert address.startswith("tls://")
        with EXECUTORS["dask"](prepare_counting, str(tmp_path), 1, where) as run_jobs:
            assert dict(run_jobs({number: {"number": number} for number in range(3)})) == {0: 0, 1: 1, 2: 4}
        other = distributed.Security.temporary()
        for name, text in {"ca": other.tls_ca_file, "certificate": other.tls_client_cert, "key": other.tls_client_key}.items():
            (tmp_path / name).write_text(text)
        with (
            pytest.raises((OSError, TimeoutError)),
            distributed.Client(
                address,
                timeout=2,
                security=distributed.Security(
                    tls_ca_file=str(tmp_path / "ca"),
                    tls_client_cert=str(tmp_path / "certificate"),
                    tls_client_key=str(tmp_path / "key"),
                    require_encryption=True,
                ),
            ),
        ):
            pass


@pytest.mark.parametrize("cluster", ["tcp://cluster:8786", "tls://cluster:8786", "10.0.0.1", "kubernetes"])
def test_a_scheduler_elsewhere_needs_keys(cluster: str) -> None:
    with pytest.raises(ValidationError, match=r"by TLS|must be one of local, slurm"):
        Dask(cluster=cluster, memory="1GB", job={}, tls={})
    Dask(cluster="tcp://127.0.0.1:8786", memory="1GB", job={}, tls={})
    Dask(cluster="tls://cluster:8786", memory="1GB", job={}, tls={"ca": "a", "certificate": "b", "key": "c"})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tls": {"ca": "a", "key": "c"}}, r"tls must have all of ca, certificate, key, or none, got ca, key"),
        ({"cluster": "slurm", "tls": {"key": "c"}}, r"tls must have all of ca, certificate, key, or none, got key"),
        ({"tls": {"ca": "a", "certificate": "b", "key": "c"}}, r"tls must be empty for cluster local, .* got ca, "),
        ({"job": {"queue": "films"}}, r"job must be empty for cluster local, .* got queue"),
        ({"cluster": "tcp://127.0.0.1:8786", "job": {"queue": "films"}}, r"job must be empty for the address .*:8786, .* queue"),
    ],
)
def test_settings_that_would_be_ignored_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Dask(**{"cluster": "local", "memory": "1GB", "job": {}, "tls": {}, **given})
