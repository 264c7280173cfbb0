"""The index: cloned once, then followed through whatever happens to it."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path

from .world import Registry, World, end, git, module, programs, wait_until


def objects(repository: Path) -> int:
    """How many objects a repository holds; what is fetched twice is not counted
    twice, so this finds new ones."""
    counts = dict(line.split(": ") for line in git(repository, "count-objects", "-v").splitlines())
    return int(counts["count"]) + int(counts["in-pack"])


class IndexTest(World):
    def setUp(self) -> None:
        super().setUp()
        self.upstream: Registry = self.registry()
        self.fake = self.fake_downloader()

    def update(self, *arguments: str, code: int = 0, says: str = "") -> str:
        """Runs the script and returns what it said."""
        done = self.run_script("--yes", "--downloader-path", str(self.fake), *arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(says, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertEqual("-index-dir" in done.stdout, code == 0, "the downloader runs if all is well, and only then")
        return str(done.stderr)

    def clone(self) -> None:
        self.update("--index-url", self.upstream.index_url)

    def assert_followed(self, index: Path | None = None) -> None:
        """HEAD is upstream's commit, and the work tree is what it says."""
        index = index or self.index
        self.assertEqual(git(index, "rev-parse", "HEAD"), self.upstream.head())
        if (index / ".git").exists():
            self.assertEqual(git(index, "status", "--porcelain", "--untracked-files=no"), "")


class Cloning(IndexTest):
    def test_a_shallow_checkout(self) -> None:
        self.upstream.say("publish newcomer 1.0.0")
        said = self.update("--index-url", self.upstream.index_url, says="cloning the index from file://")
        self.assertRegex(said, r"the index is at commit [0-9a-f]{7,} of 2026-01-01T")
        self.assert_followed()
        self.assertEqual(git(self.index, "rev-list", "--count", "HEAD"), "1")
        self.assertTrue((self.index / "ne" / "wc" / "newcomer").is_file())
        self.assertEqual(git(self.index, "config", "core.autocrlf"), "false")
        self.assertIn("Cloning into", (self.root / "crate-download.log").read_text())

    def test_into_an_empty_folder_and_a_path_of_any_letters(self) -> None:
        index = self.home / "my mirror, größer" / "-index"
        index.mkdir(parents=True)
        self.update("--index-url", self.upstream.index_url, "--index-dir", str(index))
        self.assert_followed(index)

    def test_upstream_is_not_reached(self) -> None:
        for url in ("http://127.0.0.1:1/index", (self.home / "nowhere").as_uri()):
            said = self.update("--index-url", url, code=1, says=f"cloning the index from {url} failed")
            self.assertIn("check the network", said)
        self.clone()  # nothing stands in the way afterwards
        self.assert_followed()

    def test_a_clone_that_was_killed(self) -> None:
        """Killed while it fetched: a repository with a remote and no commit."""
        self.index.mkdir(parents=True)
        git(self.index, "init", "--quiet")
        git(self.index, "remote", "add", "origin", self.upstream.index_url)
        self.update()
        self.assert_followed()
        self.assertEqual(git(self.index, "rev-list", "--count", "HEAD"), "1")

    def test_a_checkout_that_was_killed(self) -> None:
        """Killed while it wrote the work tree: some files, and locks."""
        self.clone()
        for name in ("a", "ha", "wi"):
            shutil.rmtree(self.index / name, ignore_errors=True)
        (self.index / ".git" / "index").unlink()
        left_behind(self.index / ".git" / "index.lock")
        self.update(says="removing")
        self.assert_followed()

    def test_without_git(self) -> None:
        self.environment["PATH"] = str(self.home / "empty")
        said = self.update("--index-url", self.upstream.index_url, code=1, says="there is no git")
        self.assertIn("https://git-scm.com/downloads", said)
        self.index.mkdir(parents=True)
        (self.index / "config.json").touch()
        self.fake = self.executable(self.home / "fake" / "download-crates", "echo -index-dir\n")
        self.update("--skip-index-update")


class Following(IndexTest):
    def setUp(self) -> None:
        super().setUp()
        self.published = 0
        self.clone()
        self.assertGreater(objects(self.index), 90)

    def assert_follows(self, index: Path | None = None) -> None:
        """A commit, a squash, and a commit again are followed, each time with
        some new objects, and not with all of the hundred."""
        index = index or self.index
        for events in (["publish"], ["publish", "squash"], ["squash", "publish"]):
            before = objects(index)
            for event in events:
                self.published += event == "publish"
                self.upstream.say("squash" if event == "squash" else f"publish more{self.published} 1.0.0")
            self.update("--index-dir", str(index), says="; it was at commit ")
            self.assert_followed(index)
            self.assertLess(objects(index) - before, 30)

    def test_a_shallow_checkout(self) -> None:
        self.assert_follows()
        self.assertEqual(git(self.index, "rev-list", "--count", "HEAD"), "1")
        self.assertEqual(git(self.index, "rev-parse", "--is-shallow-repository"), "true")

    def test_a_checkout_with_history(self) -> None:
        """As v1.1.0 made it. It keeps its history until upstream forgets it."""
        full = self.home / "full"
        git(self.home, "clone", "--quiet", self.upstream.index_url, str(full))
        self.upstream.say("publish another 1.0.0")
        self.update("--index-dir", str(full))
        self.assertEqual(git(full, "rev-list", "--count", "HEAD"), "2")
        self.assert_follows(full)
        self.assertEqual(git(full, "rev-parse", "--is-shallow-repository"), "false")
        self.assertEqual(git(full, "rev-list", "--count", "HEAD"), "2")

    def test_bare_repositories(self) -> None:
        for flags in ([], ["--depth=1"]):
            with self.subTest(flags):
                bare = self.home / f"bare{len(flags)}.git"
                git(self.home, "clone", "--quiet", "--bare", *flags, self.upstream.index_url, str(bare))
                self.assert_follows(bare)

    def test_nothing_new(self) -> None:
        self.update(says=", as before")
        self.assert_followed()

    def test_local_edits_and_commits_are_not_kept(self) -> None:
        (self.index / "config.json").write_text('{"dl": "file:///etc"}')
        git(self.index, "rm", "--quiet", "-r", "ha")
        git(self.index, "commit", "--quiet", "--all", "--message=mine")
        (self.index / "config.json").unlink()
        (self.index / "notes.txt").write_text("not git's")
        self.upstream.say("publish newcomer 1.0.0")
        self.update()
        self.assert_followed()
        self.assertEqual((self.index / "notes.txt").read_text(), "not git's")

    def test_a_detached_head(self) -> None:
        bare = self.home / "bare.git"
        git(self.home, "clone", "--quiet", "--bare", self.upstream.index_url, str(bare))
        for index in (self.index, bare):
            git(index, "update-ref", "--no-deref", "HEAD", git(index, "rev-parse", "HEAD"))
            self.assert_follows(index)

    def test_upstream_calls_its_branch_otherwise(self) -> None:
        self.upstream.say("publish newcomer 1.0.0")
        git(self.upstream.repository, "branch", "trunk", "master")
        git(self.upstream.repository, "symbolic-ref", "HEAD", "refs/heads/trunk")
        git(self.upstream.repository, "update-ref", "refs/heads/master", "master~1")
        self.update()
        self.assertEqual(git(self.index, "rev-parse", "HEAD"), git(self.upstream.repository, "rev-parse", "trunk"))

    def test_another_upstream(self) -> None:
        moved = self.home / "moved.git"
        self.upstream.repository.rename(moved)
        self.update(code=1, says="failed")
        self.update("--index-url", moved.as_uri())
        self.upstream.repository = moved
        self.assert_followed()

    def test_upstream_is_not_reached(self) -> None:
        head = git(self.index, "rev-parse", "HEAD")
        url = "http://127.0.0.1:1/index"
        self.update("--index-url", url, code=1, says="add --skip-index-update to go on with the index as it is")
        self.update("--index-url", url, "--skip-index-update")
        self.assertEqual(git(self.index, "rev-parse", "HEAD"), head)

    def test_locks_that_a_killed_git_left_behind(self) -> None:
        for name in ("index.lock", "HEAD.lock", "shallow.lock", "packed-refs.lock", "refs/remotes/origin/master.lock"):
            left_behind(self.index / ".git" / name)
        self.upstream.say("publish newcomer 1.0.0")
        said = self.update()
        self.assertEqual(said.count("WARNING removing "), 5, said)
        self.assert_followed()

    def test_a_second_run_at_the_same_time(self) -> None:
        lock = self.index.parent / ".crates.io-index.lock"
        self.assertEqual(lock.read_bytes(), b"", "the update before this one ended in order")
        with open(lock, "r+b") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self.update(code=11, says="another update is at work on")
        self.update()

    def test_sync_has_the_same_lock(self) -> None:
        nowhere = "http://127.0.0.1:1"
        sync = [str(programs() / "clonecratesio"), "sync", "-mirror", str(self.root), "-crates-base-url", nowhere]
        with open(self.index.parent / ".crates.io-index.lock", "r+b") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            done = subprocess.run(sync, env=self.environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 11, done.stderr)

    def test_a_git_that_outlives_us_keeps_the_lock(self) -> None:
        git_started = self.home / "started"
        self.executable(
            self.home / "slow" / "git",
            f'case " $* " in *" fetch "*) echo $$ > {git_started}; exec sleep 60;; esac\n'
            f'exec {shutil.which("git")} "$@"\n',
        )
        path = f"{self.home / 'slow'}{os.pathsep}{os.environ['PATH']}"
        command = self.command("--yes", "--downloader-path", str(self.fake_downloader()))
        first = subprocess.Popen(
            command, env={**self.environment, "PATH": path}, stdin=subprocess.DEVNULL, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        self.addCleanup(end, first)
        wait_until(lambda: git_started.exists() and git_started.read_text(), "git")
        first.kill()
        first.wait()
        try:
            self.update(code=11, says="another update is at work on")
        finally:
            os.kill(int(git_started.read_text()), signal.SIGKILL)
        self.update()

    def test_variables_that_lead_git_elsewhere(self) -> None:
        elsewhere = self.home / "elsewhere"
        git(self.home, "init", "--quiet", str(elsewhere))
        self.environment.update(GIT_DIR=str(elsewhere / ".git"), GIT_WORK_TREE=str(elsewhere), GIT_INDEX_FILE="x")
        self.upstream.say("publish newcomer 1.0.0")
        self.update()
        self.assert_followed()
        self.assertEqual([path.name for path in elsewhere.iterdir()], [".git"])


class Refusing(IndexTest):
    """What is not an index is left alone."""

    def test_a_folder_without_git(self) -> None:
        self.index.mkdir(parents=True)
        (self.index / "precious").write_text("1")
        said = self.update(code=1, says="is not empty and not a git repository")
        self.assertIn("give another --index-dir, or --skip-index-update", said)
        self.assertEqual((self.index / "precious").read_text(), "1")
        self.update("--skip-index-update")  # it may be an index that was unpacked

    def test_somebodys_project(self) -> None:
        for committed in (True, False):
            with self.subTest(committed=committed):
                project = self.home / f"project-{committed}"
                git(self.home, "init", "--quiet", str(project))
                (project / "precious").write_text("1")
                if committed:
                    git(project, "add", ".")
                    git(project, "commit", "--quiet", "--message=mine")
                (project / "precious").write_text("2")
                git(project, "remote", "add", "origin", self.upstream.index_url)
                self.update("--index-dir", str(project), code=1, says="is a git repository, but not an index of crates")
                self.assertEqual((project / "precious").read_text(), "2")

    def test_a_registry_of_ones_own(self) -> None:
        """It has a config.json with a "dl", but nothing says that it is a copy."""
        git(self.home, "clone", "--quiet", self.upstream.index_url, str(self.index))
        git(self.index, "remote", "remove", "origin")
        before = git(self.index, "rev-parse", "HEAD")
        self.update(code=1, says='has no remote "origin" that says where it was cloned from')
        self.assertEqual(git(self.index, "rev-parse", "HEAD"), before)

    def test_a_broken_repository_inside_another(self) -> None:
        """git would look for the next one further up, and reset that."""
        git(self.home, "init", "--quiet", str(self.root))
        (self.root / "precious").write_text("1")
        (self.index / ".git").mkdir(parents=True)
        (self.index / "half").touch()
        self.update(
            "--index-url",
            self.upstream.index_url,
            code=1,
            says="for a repository (it is broken): mend that, or remove it",
        )
        self.assertEqual((self.root / "precious").read_text(), "1")

    def test_nothing_to_skip(self) -> None:
        self.update("--skip-index-update", code=2, says="without --skip-index-update it is cloned")


class Locks(unittest.TestCase):
    def setUp(self) -> None:
        self.log = logging.Logger("test")
        self.log.addHandler(logging.NullHandler())

    def test_a_git_at_work_is_waited_for(self) -> None:
        world = World()
        world.setUp()
        self.addCleanup(world.doCleanups)
        path = world.home / "index.lock"
        path.touch()
        started = time.monotonic()
        module().remove_stale_locks(world.home, self.log, patience=0.5)
        self.assertGreater(time.monotonic() - started, 0.3)
        self.assertFalse(path.exists())

        path.touch()
        os.utime(path, (time.time() + 1e6, time.time() + 1e6))  # clocks of file servers
        module().remove_stale_locks(world.home, self.log, patience=0.2)
        self.assertFalse(path.exists())


def left_behind(path: Path) -> None:
    """Makes a lock file of some time ago."""
    path.touch()
    os.utime(path, (time.time() - 3600, time.time() - 3600))
