"""What the tests stand on: the programs, a registry, a home directory."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from types import ModuleType
from typing import Any, Callable

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "Clone-Index.py"

# Long enough for a loaded machine; nothing waits that long when all is well.
PATIENCE = 60.0


@functools.lru_cache(maxsize=None)
def programs() -> Path:
    """A folder with the real programs, built once."""
    folder = Path(tempfile.mkdtemp(prefix="clone-index-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    packages = ("./cmd/...", "./scripts/simregistry")
    subprocess.run(["go", "build", "-o", f"{folder}{os.sep}", *packages], cwd=ROOT, check=True)
    return folder


@functools.lru_cache(maxsize=None)
def module() -> ModuleType:
    """The script as a module; its name is none that "import" takes."""
    spec = importlib.util.spec_from_file_location("clone_index", SCRIPT)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules["clone_index"] = loaded  # dataclasses look there
    spec.loader.exec_module(loaded)
    return loaded


def git(directory: Path, *arguments: str) -> str:
    """What git answers, away from the user's configuration."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment.update(GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL=os.devnull)
    command = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", *arguments]
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Registry:
    """A running simregistry, and the git repository of its index."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.process = subprocess.Popen(
            [str(programs() / "simregistry"), str(repository)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.base_url = self._line()

    def say(self, command: str) -> str:
        """Has a command carried out and returns the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self._line()
        if answer.startswith("error"):
            raise AssertionError(f"{command}: {answer}")
        return answer

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()

    @property
    def index_url(self) -> str:
        """Not a plain path, for which git would ignore --depth."""
        return self.repository.as_uri()

    def head(self) -> str:
        return git(self.repository, "rev-parse", "master")


class World(unittest.TestCase):
    """A test with a home directory of its own."""

    def setUp(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="clone-index-test-")).resolve()
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.root = self.home / "Rust-Crates"
        self.index = self.root / "crates.io-index"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PYTHON"))},
            "HOME": str(self.home),
            "USERPROFILE": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
        }

    def registry(self) -> Registry:
        registry = Registry(self.home / "upstream.git")
        self.addCleanup(registry.close)
        return registry

    def command(self, *arguments: str, script: Path = SCRIPT) -> list[str]:
        return [sys.executable, str(script), *arguments]

    def run_script(self, *arguments: str, script: Path = SCRIPT, **options: Any) -> subprocess.CompletedProcess[Any]:
        """Runs the script to its end."""
        if "input" not in options:
            options["stdin"] = subprocess.DEVNULL
        options = {"text": True, "timeout": PATIENCE, **options}
        environment = {**self.environment, **options.pop("env", {})}
        command = self.command(*arguments, script=script)
        return subprocess.run(command, env=environment, capture_output=True, check=False, **options)

    def executable(self, path: Path, text: str) -> Path:
        """Writes a shell script."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return path

    def fake_downloader(self, code: int = 0) -> Path:
        """A downloader that says how it was called, an argument a line."""
        return self.executable(self.home / "fake" / "download-crates", f"printf '%s\\n' \"$@\"\nexit {code}\n")

    def start(self, command: list[str], **options: Any) -> subprocess.Popen[str]:
        """Starts a process, for tests that send it signals."""
        process = subprocess.Popen(command, env=self.environment, text=True, **options)
        self.addCleanup(end, process)
        return process


def end(process: subprocess.Popen[Any]) -> None:
    """Sees a process off, whatever the test came to."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.communicate()


def wait_until(what: Callable[[], Any], meaning: str) -> None:
    """Waits until something is true."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {meaning}")
        time.sleep(0.02)
