#!/usr/bin/env python3
"""Keep a mirror of crates.io: update its index with git, then run the downloader.

    python3 Clone-Index.py                    # asks before it downloads
    python3 Clone-Index.py --yes --bundle     # for cron
    python3 Clone-Index.py --yes -- -contact you@example.org

Everything lies under ~/Rust-Crates unless a flag says otherwise. What stands
behind "--" goes to the downloader as it is. Needed are git, and download-crates
or clonecratesio: beside this script, in bin/ beside it, or on the PATH.

Messages go to stderr and, together with what git and the downloader say, to the
log file (--log-path). stdout is the downloader's. The exit code is the
downloader's, if it came to that.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import enum
import io
import json
import logging
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

INDEX_URL = "https://github.com/rust-lang/crates.io-index"

# What the downloader's exit codes mean, and ours are among them.
EXIT_CODES = {
    0: "complete: everything that was asked for is present, verified and durable",
    1: "the program or its surroundings failed",
    2: "wrong usage",
    3: "incomplete: what is missing is listed, nothing is lost; the same command fetches the rest",
    4: "integrity: bytes are not what the index names or cannot be read, or quarantine/ needs a look (clonecratesio quarantine)",
    10: "there is no mirror",
    11: "another writer holds the lock",
    12: "no space left",
    130: "stopped by SIGINT (Ctrl-C); the same command goes on where this one stopped",
    143: "stopped by SIGTERM; the same command goes on where this one stopped",
}

# Says in the configuration of a repository that it is ours: clonecratesio sync
# looks for it.
MARK = "clonecratesio.index"

# Flags of v1.1.0 that do nothing, and why they are not missed.
IGNORED_FLAGS = {
    "--rate-limit": "the downloader adapts its speed to upstream",
    "--resume": "every run goes on where the last one stopped",
    "--verify": "every download is verified; --verify-existing hashes again what is there",
}

# Seconds after which an untouched lock file of git's is taken for one that a
# killed git left behind.
LOCK_PATIENCE = 60.0


class Failure(Exception):
    """Ends the run with an exit code and a message that says what to do."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


# Configuration.


@dataclasses.dataclass(frozen=True)
class Config:
    """What the command line asks for; argument_parser says what each means."""

    index_dir: Path
    index_url: str | None
    output_dir: Path
    bundles_out: Path
    manifest: Path
    log_path: Path
    threads: int
    include_yanked: bool
    verify_existing: bool
    bundle: bool
    bundle_mode: str
    bundle_size_gb: int
    listen: str
    progress_interval: str
    progress_every: int
    skip_index_update: bool
    non_interactive: bool
    dry_run: bool
    log_level: str
    downloader_path: Path | None
    ignored: tuple[str, ...]
    downloader_flags: tuple[str, ...]

    def as_downloader_flags(self) -> list[str]:
        """The same, as the downloader's flags."""
        flags = ["-index-dir", self.index_dir, "-out", self.output_dir, "-manifest", self.manifest]
        flags += ["-concurrency", self.threads, "-bundles-out", self.bundles_out, "-listen", self.listen]
        if self.bundle:
            flags += ["-bundle", "-bundle-mode", self.bundle_mode, "-bundle-size-gb", self.bundle_size_gb]
        if self.progress_interval:
            flags += ["-progress-interval", self.progress_interval]
        if self.progress_every:
            flags += ["-progress-every", self.progress_every]
        switches = {
            "-include-yanked": self.include_yanked,
            "-verify-existing": self.verify_existing,
            "-dry-run": self.dry_run,
        }
        flags += [flag for flag, on in switches.items() if on]
        return [str(flag) for flag in flags] + list(self.downloader_flags)


class Ignore(argparse.Action):
    """Takes a flag of v1.1.0 that does nothing any more, to tell of it later."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        namespace.ignored = (*namespace.ignored, self.option_strings[0])


def parse_arguments(arguments: Sequence[str]) -> Config:
    """Reads the command line. Wrong usage exits 2 with the reason."""
    own, downloader_flags = split_at_dashes(arguments)
    parser = argument_parser()
    options = parser.parse_args(own)
    if (options.index_url or "").startswith("-"):
        parser.error(f"--index-url {options.index_url} is not a URL")
    return Config(downloader_flags=downloader_flags, **vars(options))


def split_at_dashes(arguments: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """What stands before and behind "--"."""
    own = list(arguments)
    if "--" not in own:
        return own, ()
    at = own.index("--")
    return own[:at], tuple(own[at + 1 :])


def a_path(text: str) -> Path:
    """A path in which the shell did not expand "~"."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # there is no such user
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error


def argument_parser() -> argparse.ArgumentParser:
    """All flags with their defaults."""
    parser = argparse.ArgumentParser(
        usage="%(prog)s [options] [-- options of the downloader]",
        description=__doc__,
        epilog="exit codes:\n" + "".join(f"  {code:<4} {meaning}\n" for code, meaning in EXIT_CODES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_places(parser, Path.home() / "Rust-Crates")
    add_download_flags(parser)
    add_run_flags(parser)
    ignored = parser.add_argument_group("accepted for the sake of old scripts, and ignored")
    for flag, reason in IGNORED_FLAGS.items():
        takes = {"type": float, "metavar": "N"} if flag == "--rate-limit" else {"nargs": 0}
        ignored.add_argument(flag, dest="ignored", default=(), action=Ignore, help=reason, **takes)
    return parser


def add_places(parser: argparse.ArgumentParser, root: Path) -> None:
    group = parser.add_argument_group("places")
    places = (
        ("--index-dir", "crates.io-index", "the index: a checkout or a bare repository; local edits are not kept"),
        ("--output-dir", "crates", "the crate files"),
        ("--bundles-out", "bundles", "the bundles, their manifests and their catalog"),
        ("--manifest", "manifest.jsonl", "the audit log of the run"),
        ("--log-path", "crate-download.log", "what this script, git and the downloader say"),
    )
    for flag, name, meaning in places:
        group.add_argument(
            flag, type=a_path, metavar="PATH", default=root / name, help=meaning + " (default: %(default)s)"
        )
    group.add_argument(
        "--index-url",
        metavar="URL",
        help=f"where the index comes from (default: where it was cloned from, at first {INDEX_URL})",
    )


def add_download_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is downloaded, and how")
    shown = " (default: %(default)s)"
    group.add_argument("--include-yanked", action="store_true", help="take yanked versions too")
    group.add_argument("--verify-existing", action="store_true", help="hash again what is there instead of trusting it")
    group.add_argument("--bundle", action="store_true", help="put crates into .tar.zst bundles")
    group.add_argument(
        "--bundle-mode",
        choices=["only", "add"],
        default="only",
        help="keep the bundled copy alone, or the loose file too" + shown,
    )
    group.add_argument("--bundle-size-gb", type=int, metavar="N", default=8, help="size of a bundle" + shown)
    group.add_argument("--threads", type=int, metavar="N", default=128, help="downloads at a time, at most" + shown)
    group.add_argument(
        "--listen",
        metavar="ADDR",
        default=":9090",
        help="address of /metrics and /api/status while it runs, '' for none" + shown,
    )
    group.add_argument(
        "--progress-interval", metavar="DURATION", default="5s", help="time between progress lines" + shown
    )
    group.add_argument(
        "--progress-every", type=int, metavar="N", default=0, help="a progress line every N records, 0 = never" + shown
    )


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the run")
    group.add_argument("--skip-index-update", action="store_true", help="take the index as it is")
    group.add_argument(
        "--non-interactive", "--yes", action="store_true", help="do not ask before downloading (for cron and CI)"
    )
    group.add_argument("--dry-run", action="store_true", help="say what would be done and touch nothing")
    group.add_argument(
        "--log-level",
        choices=["debug", "info", "warning", "error"],
        default="info",
        help="how much this script says (default: %(default)s)",
    )
    group.add_argument(
        "--downloader-path", type=a_path, metavar="FILE", help="download-crates or clonecratesio (default: looked for)"
    )


# What is said, and where to.


class Sink:
    """A screen or a log file.

    One that breaks (a pipe that nobody reads any more, a full disk) is done
    without, because the mirror matters more.
    """

    def __init__(self, raw: IO[bytes] | None) -> None:
        self._raw = raw
        self._lock = threading.Lock()

    def write(self, text: str | bytes) -> None:
        data = text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text
        with self._lock:
            try:
                while data and self._raw is not None:
                    written = self._raw.write(data)
                    if written is None:  # a terminal that somebody made non-blocking is busy
                        time.sleep(0.01)
                    data = data[written or 0 :]
            except OSError:
                self._raw = None

    def flush(self) -> None:
        """Nothing waits; logging.StreamHandler calls it."""


def screen(stream: Any) -> Sink:
    """stdout or stderr without Python's buffers, in which a chunk could wait."""
    if stream is None:  # it was closed before we were started
        return Sink(None)
    return Sink(getattr(stream.buffer, "raw", stream.buffer))  # with "python3 -u" there is no buffer


class LineLog:
    """Passes a child's output on to a log, in whole lines.

    Of a line that was drawn over and over (git's progress), the last state is kept.
    """

    MOST = 1 << 16  # bytes of a line that are waited for

    def __init__(self, log: Sink) -> None:
        self._log = log
        self._rest = b""

    def write(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._log.write(line.rstrip(b"\r").rpartition(b"\r")[2] + b"\n")
        if len(self._rest) > self.MOST:
            self.close()

    def close(self) -> None:
        if self._rest:
            self.write(b"\n")


class Console:
    """Everything that is said, by us and by our children: on the screen and in the log file."""

    def __init__(self, level: str) -> None:
        self.out, self.err, self.file = screen(sys.stdout), screen(sys.stderr), Sink(None)
        self.log = logging.getLogger("Clone-Index")
        self.log.setLevel(level.upper())
        self._log_to(self.err)

    def _log_to(self, sink: Sink) -> None:
        handler = logging.StreamHandler(sink)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self.log.addHandler(handler)

    @contextlib.contextmanager
    def log_file(self, path: Path) -> Iterator[None]:
        """Says everything in a file too. A mirror does not fail for want of a log."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open(path, "ab", buffering=0)
        except OSError as error:
            self.log.warning("there will be no log file: %s; give another --log-path", error)
            yield
            return
        with file:
            self.file = Sink(file)
            self._log_to(self.file)
            yield

    def run(self, command: Sequence[str], **options: Any) -> Ended:
        """Runs a child to its end.

        Its output appears as it comes. Signals that we get go to it, each once.
        """
        self.log.debug("running %s", without_passwords(shlex.join(command)))
        with SignalRelay() as relay:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # the terminal's Ctrl-C comes to us alone; see SignalRelay
                **options,
            )
            relay.attach(child)
            readers = [
                threading.Thread(target=self._copy, args=streams)
                for streams in ((child.stdout, self.out), (child.stderr, self.err))
            ]
            for reader in readers:
                reader.start()
            code = child.wait()
            for reader in readers:
                reader.join()
        return Ended(code if code >= 0 else 128 - code, relay.last)

    def _copy(self, source: io.BufferedReader, shown: Sink) -> None:
        logged = LineLog(self.file)
        with source:
            while chunk := source.read1(1 << 16):
                shown.write(chunk)
                logged.write(chunk)
        logged.close()


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a child ended."""

    code: int  # as a shell tells it: 128 + N if signal N killed it
    signal: int | None  # the last one that we passed on to it


class SignalRelay:
    """Passes signals on to a child and lets it end in its own time.

    On POSIX the child is in a session of its own, so that it gets Ctrl-C from
    us, once, whether a terminal sent it to us or kill(1) did. On Windows the
    console sends Ctrl-C to both, and there is nothing to pass on. Signals that
    we were started to ignore (nohup) stay ignored.
    """

    NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")

    def __init__(self) -> None:
        self.last: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._before: list[tuple[int, Any]] = []

    def __enter__(self) -> SignalRelay:
        for name in self.NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before.append((number, signal.signal(number, self._pass_on)))
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)

    def attach(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        if self.last is not None:  # it came while the child was started
            self._pass_on(self.last, None)

    def _pass_on(self, number: int, _: object) -> None:
        self.last = number
        if self._child is not None and os.name != "nt":
            self._child.send_signal(number)


def without_passwords(text: str) -> str:
    """The text with what stands before the "@" of URLs made illegible."""
    return re.sub(r"://[^/@\s]+@", "://***@", text)


# The index.


class Shape(enum.Enum):
    """What is at --index-dir."""

    ABSENT = "nothing"
    CHECKOUT = "a checkout"
    BARE = "a bare repository"
    PLAIN = "a folder without git"

    @classmethod
    def of(cls, directory: Path) -> Shape:
        if (directory / ".git").exists():
            return cls.CHECKOUT
        if all((directory / name).exists() for name in ("HEAD", "objects", "refs")):
            return cls.BARE
        if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
            return cls.ABSENT
        return cls.PLAIN


def prepare_index(config: Config, console: Console) -> bool:
    """Sees to it that there is an index, and a current one unless that is not wanted.

    Returns whether there is something to run over: a dry run does not clone.
    """
    if config.dry_run:
        return explain_index(config, console)
    if config.skip_index_update:
        if Shape.of(config.index_dir) is Shape.ABSENT:
            raise Failure(2, f"there is no index in {config.index_dir}: without --skip-index-update it is cloned")
        return True
    if shutil.which("git") is None:
        raise Failure(
            1,
            "there is no git to clone or update the index with: install it (https://git-scm.com/downloads,"
            " or the package git of your system), or take an index that is there with --skip-index-update",
        )
    with sole_updater(config.index_dir) as held:
        update_index(config, console, held)
    return True


def update_index(config: Config, console: Console, held: int | None) -> None:
    """Clones or updates the index."""
    shape = Shape.of(config.index_dir)
    if shape is Shape.PLAIN:
        raise Failure(
            1,
            f"{config.index_dir} is not empty and not a git repository, so it cannot be updated: give another"
            " --index-dir, or --skip-index-update if this is an index and you keep it current in another way",
        )
    repository = Repository(config.index_dir, shape is Shape.BARE, console, held)
    if shape is Shape.ABSENT:
        repository.clone(config.index_url or INDEX_URL)
    else:
        repository.update(config.index_url)


def explain_index(config: Config, console: Console) -> bool:
    """Says what a run would do about the index."""
    if Shape.of(config.index_dir) is not Shape.ABSENT:
        console.log.info("dry run: the index is looked at as it is, and not updated")
        return True
    if config.skip_index_update:
        console.log.info("dry run: there is no index in %s, so there is nothing to do", config.index_dir)
    else:
        url = without_passwords(config.index_url or INDEX_URL)
        console.log.info("dry run: there is no index in %s; it would be cloned from %s", config.index_dir, url)
    return False


@contextlib.contextmanager
def sole_updater(index_dir: Path) -> Iterator[int | None]:
    """Makes the folder of the index, if need be, and keeps other updates away.

    The lock is that of "clonecratesio sync": both remove what a killed git left
    behind, and must not take a git of the other's for one. Its descriptor is for
    git to inherit, which then has the lock as long as it lives, however we end.
    Where files cannot be locked (Windows, some network file systems), git's own
    locks have to do.
    """
    index_dir.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield None
        return
    file = open_lock(index_dir)
    try:
        if not lock(file):
            raise Failure(11, f"another update is at work on {index_dir}: wait until it has ended")
        name_owner(file)
        yield file
        name_owner(file, nobody=True)
    finally:
        os.close(file)  # which gives the lock back, as the end of the process does


def open_lock(index_dir: Path) -> int:
    """Opens the lock file beside the index, or, where we may not write, the folder itself."""
    folder, name = os.path.split(os.path.abspath(index_dir))
    try:
        return os.open(os.path.join(folder, f".{name}.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except PermissionError:
        return os.open(index_dir, os.O_RDONLY)


def lock(file: int) -> bool:
    """Locks an open file, unless another process has it locked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # not on this file system
    return True


def name_owner(file: int, nobody: bool = False) -> None:
    """Says in a lock file who has the lock, for whoever finds it held, or left by one that was killed."""
    start = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    owner = {"pid": os.getpid(), "host": platform.node(), "start": start, "command": "Clone-Index.py"}
    with contextlib.suppress(OSError):  # a folder, or a full disk
        os.ftruncate(file, 0)
        if not nobody:
            os.pwrite(file, json.dumps(owner).encode() + b"\n", 0)


class Repository:
    """A git repository, and git to update it with.

    An update is a fetch and a reset, never a merge: crates.io squashes the
    history of its index with a forced commit that has no parent, and nobody
    has anything to add to it here.
    """

    # Variables that lead git to another repository than the one it runs in.
    MISLEADING = (
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_COMMON_DIR",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_SHALLOW_FILE",
        "GIT_NAMESPACE",
    )

    OPTIONS = (
        "core.autocrlf=false",  # the files are to be byte for byte what the commit says
        "core.fsmonitor=false",
        "gc.autoDetach=false",  # nothing of git's runs on when we go on
        "maintenance.autoDetach=false",
        "http.lowSpeedLimit=1",  # bytes a second: a connection that died is not waited for
        "http.lowSpeedTime=120",
    )

    def __init__(self, directory: Path, bare: bool, console: Console, held: int | None) -> None:
        self.directory = directory.resolve()
        self.bare = bare
        self.console = console
        self.held = () if held is None else (held,)  # the lock, see sole_updater

    def clone(self, url: str) -> None:
        """Clones the newest commit of upstream into a checkout."""
        shown = without_passwords(url)
        self.console.log.info(
            "cloning the index from %s to %s (crates.io's is some 250 MB, 3 GB on disk)", shown, self.directory
        )
        flags = [*progress(), "--depth", "1", "--no-tags", "-c", "core.autocrlf=false", "-c", f"{MARK}=true"]
        if self.stream("clone", *flags, "--", url, str(self.directory)) != 0:
            raise Failure(
                1,
                f"cloning the index from {shown} failed, git says above why; check the network (a proxy is named by"
                " the variable https_proxy) and run the same command again",
            )
        self.console.log.info("the index is at %s", self.describe())

    def update(self, url: str | None) -> None:
        """Makes the newest commit of upstream the one that HEAD names."""
        self.check_that_git_reads_it()
        remove_stale_locks(Path(self.ask("rev-parse", "--absolute-git-dir") or ""), self.console.log)
        self.check_that_it_is_an_index()
        before = self.describe()
        target = self.fetch(url)
        if self.stream("reset", "--quiet", "--soft" if self.bare else "--hard", target, "--") != 0:
            raise Failure(
                1,
                f"setting {self.directory} to the commit that was fetched failed, git says above why; if the"
                " repository is damaged, remove it and run again: it is cloned anew",
            )
        after = self.describe()
        change = ", as before" if after == before else f"; it was at {before}"
        self.console.log.info("the index is at %s%s", after, change)

    def check_that_git_reads_it(self) -> None:
        """Keeps us from the next repository further up, which git takes if this one is broken."""
        found = self.query("rev-parse", "--absolute-git-dir" if self.bare else "--show-toplevel")
        if found.returncode != 0 or not os.path.samefile(found.stdout.strip(), self.directory):
            reason = found.stderr.partition("\n")[0] or "it is broken"
            raise Failure(
                1,
                f"git does not take {self.directory} for a repository ({reason}): mend that, or remove it and run"
                " again: it is cloned anew",
            )

    def check_that_it_is_an_index(self) -> None:
        """Keeps us from resetting somebody's own work.

        A clone that was cut off has no commit yet, and nothing else either.
        """
        if self.head() is not None:
            mine = '"dl"' in (self.ask("cat-file", "blob", "HEAD:config.json") or "")
        elif self.ask("for-each-ref", "--count=1", "refs/heads") == "":
            mine = self.bare or all(entry.name == ".git" for entry in self.directory.iterdir())
        else:
            mine = False
        if not mine:
            raise Failure(
                1,
                f"{self.directory} is a git repository, but not an index of crates (it has no config.json with a"
                ' "dl"), and nothing was changed in it: give another --index-dir',
            )

    def fetch(self, url: str | None) -> str:
        """Fetches upstream's newest commit and returns the ref that names it.

        At first that commit alone: without --depth, git fetches all files again
        when there is no history between the new commit and ours, as after a
        squash. A repository with history then gets what is between; cut off just
        there, it is a shallow one from now on.
        """
        origin = self.ask("config", "--get", "remote.origin.url")
        remote = url or ("origin" if origin else None)
        if remote is None:
            raise Failure(
                1,
                f'{self.directory} has no remote "origin" that says where it was cloned from, so it may be a registry'
                " of your own, and nothing was changed in it: name its source with --index-url",
            )
        shown = without_passwords(url or origin or "")
        self.console.log.info("updating the index in %s from %s", self.directory, shown)
        branch = self.ask("symbolic-ref", "--quiet", "--short", "HEAD") or "master"
        target = f"refs/heads/{branch}" if self.bare else f"refs/remotes/origin/{branch}"
        complete = self.head() is not None and not self.is_shallow()
        what = ("--no-tags", "--end-of-options", remote, f"+HEAD:{target}")
        code = self.stream("fetch", *progress(), "--depth", "1", *what)
        if code == 0 and complete and self.is_shallow():
            code = self.stream("fetch", *progress(), "--unshallow", *what)
        if code != 0:
            raise Failure(
                1,
                f"updating the index from {shown} failed, git says above why; run again later, or add"
                " --skip-index-update to go on with the index as it is",
            )
        return target

    def is_shallow(self) -> bool:
        return self.ask("rev-parse", "--is-shallow-repository") == "true"

    def head(self) -> str | None:
        """The id of the commit that HEAD names, if there is one."""
        return self.ask("rev-parse", "--verify", "--quiet", "HEAD")

    def describe(self) -> str:
        """The commit that HEAD names, for people."""
        return self.ask("log", "-1", "--format=commit %h of %cI", "HEAD", "--") or "no commit yet"

    def ask(self, *arguments: str) -> str | None:
        """What git answers, None if it exits with an error."""
        done = self.query(*arguments)
        return done.stdout.strip() if done.returncode == 0 else None

    def query(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )

    def stream(self, *arguments: str) -> int:
        """Runs git with its output for all to see and returns its exit code."""
        ended = self.console.run(
            self.command(*arguments), cwd=self.directory, env=self.environment(), pass_fds=self.held
        )
        if ended.signal is not None:
            raise Failure(128 + ended.signal, "stopped while the index was updated: the same command goes on")
        return ended.code

    def command(self, *arguments: str) -> list[str]:
        options = [word for option in self.OPTIONS for word in ("-c", option)]
        return ["git", *options, *arguments]

    def environment(self) -> dict[str, str]:
        """Ours, but git asks nothing, and runs where we run it."""
        kept = {name: value for name, value in os.environ.items() if name not in self.MISLEADING}
        return {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}


def progress() -> list[str]:
    """git's flag to draw its progress, which it would only do on a terminal of its own."""
    return ["--progress"] if sys.stderr is not None and sys.stderr.isatty() else []


def remove_stale_locks(git_dir: Path, log: logging.Logger, patience: float = LOCK_PATIENCE) -> None:
    """Removes the lock files that a killed git left behind.

    A git at work gives its locks back, so each is waited for until it has not
    changed for a while.
    """
    for path in [*git_dir.glob("*.lock"), *git_dir.glob("refs/**/*.lock")]:
        if age(path) < patience:
            log.info("%s is locked: waiting for a git that may be at work, %.0f s at most", path, patience)
        deadline = time.monotonic() + patience
        while age(path) < patience and time.monotonic() < deadline:
            time.sleep(min(1.0, patience / 10))
        if path.exists():
            log.warning("removing %s, which a git that was killed left behind", path)
            path.unlink(missing_ok=True)


def age(path: Path) -> float:
    """Seconds since a file changed, infinite if there is none."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


# The downloader.

DOWNLOADERS = ("download-crates", "clonecratesio")


def find_downloader(given: Path | None) -> list[str]:
    """The command that downloads.

    The file that was named, else what lies beside this script, else what is on
    the PATH.
    """
    if given is not None:
        if not given.is_file():
            raise Failure(2, f"--downloader-path {given} is not a file")
        return downloader_command(given)
    suffix = ".exe" if os.name == "nt" else ""
    here = Path(__file__).resolve().parent
    for directory in (here, here / "bin"):
        for name in DOWNLOADERS:
            if (directory / (name + suffix)).is_file():
                return downloader_command(directory / (name + suffix))
    for name in DOWNLOADERS:
        found = shutil.which(name)
        if found:
            return downloader_command(Path(found))
    raise Failure(
        1,
        f"there is no download-crates{suffix}: neither beside this script, nor in bin beside it, nor on the PATH;"
        ' build it with "go build ./cmd/download-crates" where its source is, or name one with --downloader-path',
    )


def downloader_command(program: Path) -> list[str]:
    """How the program is called: clonecratesio has the downloader as a subcommand."""
    return [str(program), "download"] if program.stem.lower() == "clonecratesio" else [str(program)]


def run_downloader(command: Sequence[str], console: Console) -> int:
    try:
        return console.run(command).code
    except OSError as error:
        raise Failure(1, f"starting {command[0]}: {error}; is it built for this system?") from error


# The run.


def mirror(config: Config, console: Console) -> int:
    """All of it; returns the exit code."""
    started = time.monotonic()
    for flag in dict.fromkeys(config.ignored):
        console.log.warning("%s is ignored: %s", flag, IGNORED_FLAGS[flag])
    command = find_downloader(config.downloader_path) + config.as_downloader_flags()
    announce(config, command, console.log)
    if not prepare_index(config, console):
        return 0
    if not config.dry_run and not config.non_interactive and not confirmed(console):
        return 0
    code = run_downloader(command, console)
    summarise(config, code, time.monotonic() - started, console.log)
    return code


def announce(config: Config, command: Sequence[str], log: logging.Logger) -> None:
    """The summary before the run."""
    log.info("index     %s", config.index_dir)
    log.info("crates    %s", config.output_dir)
    if config.bundle:
        log.info("bundles   %s, %d GB each, mode %s", config.bundles_out, config.bundle_size_gb, config.bundle_mode)
    log.info("manifest  %s", config.manifest)
    log.info("log       %s", "none, in a dry run" if config.dry_run else config.log_path)
    log.info("runs      %s", without_passwords(shlex.join(command)))


def confirmed(console: Console) -> bool:
    """Asks whether to download. No answer, as from cron, is not a "no": a job that does nothing has failed."""
    while True:
        console.err.write("Start downloading crates now? [y/n]: ")
        line = sys.stdin.readline() if sys.stdin is not None else ""
        answer = line.strip().lower()
        if answer in ("y", "yes"):
            return True
        if answer in ("n", "no"):
            console.log.info("nothing is downloaded, as you wish")
            return False
        if not line:
            console.err.write("\n")
            raise Failure(2, "nothing is downloaded: the input ended without an answer; --yes downloads without asking")
        console.log.warning("please answer y or n")


def summarise(config: Config, code: int, seconds: float, log: logging.Logger) -> None:
    """The summary after the run."""
    took = datetime.timedelta(seconds=round(seconds))
    if config.dry_run and code == 0:
        log.info("dry run: nothing was touched; it took %s", took)
        return
    level = logging.INFO if code == 0 else logging.ERROR
    log.log(level, "exit code %d after %s: %s", code, took, EXIT_CODES.get(code, "unknown to this script"))
    only_bundles = config.bundle and config.bundle_mode == "only"
    log.info("crates    %s", config.bundles_out if only_bundles else config.output_dir)
    log.info("manifest  %s", config.manifest)


def main(arguments: Sequence[str]) -> int:
    """Runs the script and returns its exit code."""
    if sys.version_info < (3, 9):
        print("Clone-Index.py needs Python 3.9 or newer", file=sys.stderr)
        return 1
    config = parse_arguments(arguments)
    console = Console(config.log_level)
    with contextlib.nullcontext() if config.dry_run else console.log_file(config.log_path):
        try:
            return mirror(config, console)
        except Failure as failure:
            console.log.error("%s", failure)
            return failure.code
        except OSError as error:
            console.log.error("%s", error)
            return 1
        except KeyboardInterrupt:
            console.log.error("stopped by Ctrl-C; nothing is lost")
            return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
