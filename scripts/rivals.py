"""What programs that mirror crates.io do when their upstream misbehaves.

    python3 scripts/rivals.py [--v110 DIR]

A registry of 319 versions runs on this machine. For four versions in ten it always
answers badly: a connection that breaks off, an error page with status 200, or a flipped
bit. Each program that is installed mirrors it; then the faults end, and it runs again.
After both runs the files on the disk are hashed and compared with the index, and the
table says how many versions are right, how many wrong files stand under a crate's name,
and what the exit code was.

Tried: this project, romt (pip install romt), panamax (cargo install panamax), and with
--v110 a build of CloneCratesio v1.1.0 in DIR. get-all-crates takes no other host than that
of crates.io, and is not run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAULTS = ("reset", "html", "flip-bit")

Run = Callable[[Path], "list[list[str]]"]


class Registry:
    """The simulated registry as a process; each order is a line, and so is its answer."""

    def __init__(self, work: Path) -> None:
        subprocess.run(["go", "build", "-o", str(work), "./scripts/simregistry", "./cmd/clonecratesio"], cwd=ROOT, check=True)
        self.process = subprocess.Popen(
            [str(work / "simregistry"), str(work / "index.git")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdin and self.process.stdout
        self.orders, self.answers = self.process.stdin, self.process.stdout
        self.crates = self.answers.readline().strip()
        self.index = f"file://{work / 'index.git'}"

    def say(self, order: str) -> None:
        self.orders.write(order + "\n")
        self.orders.flush()
        if answer := self.answers.readline().strip():
            if answer != "ok":
                raise SystemExit(f"{order}: {answer}")

    def close(self) -> None:
        self.orders.close()
        self.process.wait()


def index_lines(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Name, version and checksum of every version in a checkout of the index."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and ".git" not in file.parts and file.name != "config.json":
            for line in file.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                yield entry["name"], entry["vers"], entry["cksum"]


def count(folder: Path, want: dict[str, str]) -> tuple[int, int]:
    """How many versions of the index are there, and how many files under a crate's name are wrong."""
    right: set[str] = set()
    wrong = 0
    for file in folder.rglob("*.crate"):
        if "quarantine" in file.parts or file.name not in want:
            continue
        if hashlib.sha256(file.read_bytes()).hexdigest() == want[file.name]:
            right.add(file.name)
        else:
            wrong += 1
    return len(right), wrong


def programs(work: Path, registry: Registry, v110: Path | None) -> Iterator[tuple[str, Run]]:
    def ours(folder: Path) -> list[list[str]]:
        common = ["-index-url", registry.index, "-crates-base-url", registry.crates, "-listen", "", "-retries", "2"]
        return [[str(work / "clonecratesio"), "sync", "-mirror", str(folder), "-second-pass", "0", *common]]

    yield "CloneCratesio", ours
    if v110:
        old = str(v110.resolve() / "download-crates")

        def v1(folder: Path) -> list[list[str]]:
            common = ["-crates-base-url", registry.crates, "-listen", "", "-retries", "2", "-include-yanked"]
            return [[old, "-index-dir", str(work / "checkout"), "-out", str(folder / "crates"), *common]]

        yield "CloneCratesio v1.1.0", v1
    if romt := shutil.which("romt"):
        crates = registry.crates + "/{crate}/{version}/download"

        def with_romt(folder: Path) -> list[list[str]]:
            update = [romt, "crate", "--crates-url", crates, "update"]
            return [update] if (folder / "git").is_dir() else [[romt, "crate", "--index-url", registry.index, "init"], update]

        yield "romt", with_romt
    if panamax := shutil.which("panamax"):

        def with_panamax(folder: Path) -> list[list[str]]:
            (folder / "mirror.toml").write_text(
                f'[mirror]\nretries = 2\n[crates]\nsync = true\ndownload_threads = 4\nsource = "{registry.crates}"\n'
                f'source_index = "{registry.index}"\nbase_url = "http://panamax.example/crates"\n',
                encoding="utf-8",
            )
            return [[panamax, "sync", str(folder)]]

        yield "panamax", with_panamax


def run(folder: Path, commands: list[list[str]]) -> int:
    """Runs commands one after the other and returns the exit code of the last."""
    code = 0
    with (folder / "rivals.log").open("ab") as log:
        for command in commands:
            code = subprocess.run(command, cwd=folder, stdout=log, stderr=log, timeout=600).returncode
    return code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--v110", type=Path, metavar="DIR", help="programs of v1.1.0 in DIR")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rivals-") as name:
        work = Path(name)
        registry = Registry(work)
        try:
            compare(work, registry, arguments.v110)
        finally:
            registry.close()


def compare(work: Path, registry: Registry, v110: Path | None) -> None:
    subprocess.run(["git", "clone", "-q", registry.index, str(work / "checkout")], check=True)
    versions = list(index_lines(work / "checkout"))
    want = {f"{name}-{version}.crate": checksum for name, version, checksum in versions}
    print(f"{len(versions)} versions, {sum(i % 10 < 4 for i in range(len(versions)))} of them answered badly\n")
    print("| | while upstream misbehaves | after it has recovered |\n|---|---|---|")
    for title, commands in programs(work, registry, v110):
        folder = work / title
        folder.mkdir()
        for i, (crate, version, _) in enumerate(versions):
            if i % 10 < 4:
                registry.say(f"fault {crate} {version} {FAULTS[i % len(FAULTS)]} -1")
        cells = []
        for _ in range(2):
            code = run(folder, commands(folder))
            right, wrong = count(folder, want)
            cells.append(f"exit {code}: {right} right, {len(versions) - right} missing, {wrong} wrong files")
            registry.say("heal")
        print(f"| {title} | {cells[0]} | {cells[1]} |", flush=True)


if __name__ == "__main__":
    main()
