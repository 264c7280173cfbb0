"""From end to end, with the real downloader."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

from .world import World, programs, wait_until


class MirrorTest(World):
    def setUp(self) -> None:
        super().setUp()
        self.upstream = self.registry()

    def arguments(self, *more: str) -> list[str]:
        program = str(programs() / "download-crates")
        own = ["--yes", "--index-url", self.upstream.index_url, "--downloader-path", program, "--listen", "", *more]
        return [*own, "--", "-crates-base-url", self.upstream.base_url, "-retries", "1", "-second-pass", "0"]

    def mirror(self, *more: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = self.run_script(*self.arguments(*more))
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def crates(self) -> list[Path]:
        return list((self.root / "crates").glob("**/*.crate"))

    def manifest(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.root / "manifest.jsonl").read_text().splitlines()]


class Mirroring(MirrorTest):
    def test_everything_and_then_what_is_new(self) -> None:
        done = self.mirror("--include-yanked")
        first = len(self.crates())
        self.assertGreater(first, 300)
        self.assertIn(f"{first} of {first} versions are held in {self.root}/crates", done.stdout)
        self.assertRegex(done.stderr, r"INFO exit code 0 after 0:00:\d\d: complete: ")
        log = (self.root / "crate-download.log").read_text()
        self.assertIn(done.stdout, log)
        self.assertIn("run summary", log)

        self.upstream.say("publish newcomer 1.0.0")
        self.upstream.say("squash")
        requests = int(self.upstream.say("requests"))
        self.mirror("--include-yanked")
        self.assertEqual(len(self.crates()), first + 1)
        self.assertEqual(int(self.upstream.say("requests")), requests + 1)

    def test_clonecratesio_in_the_place_of_download_crates(self) -> None:
        self.mirror("--downloader-path", str(programs() / "clonecratesio"))
        self.assertGreater(len(self.crates()), 300)

    def test_bundles(self) -> None:
        self.mirror("--bundle")
        self.assertEqual(self.crates(), [])
        self.assertTrue((self.root / "bundles" / "bundle-0000.tar.zst").is_file())
        requests = self.upstream.say("requests")
        self.mirror()  # what bundles hold is not fetched again, with or without --bundle
        self.assertEqual(self.upstream.say("requests"), requests)

    def test_existing_crates_are_hashed_again(self) -> None:
        self.mirror()
        self.mirror("--verify-existing")
        self.assertEqual({record["status"] for record in self.manifest()}, {"verified_existing"})

    def test_incomplete(self) -> None:
        self.upstream.say("fault ash 2.0.0 status -1")
        done = self.mirror(code=3)
        self.assertRegex(done.stderr, r"ERROR exit code 3 after 0:00:\d\d: incomplete: ")
        self.assertIn("ash", done.stdout)
        self.upstream.say("heal")
        self.mirror()

    def test_wrong_bytes(self) -> None:
        self.upstream.say("fault ash 2.0.0 flip-bit -1")
        self.assertRegex(self.mirror(code=4).stderr, r"ERROR exit code 4 after 0:00:\d\d: integrity: ")

    def test_usage_that_the_downloader_refuses(self) -> None:
        self.assertIn("-concurrency is 0", self.mirror("--threads", "0", code=2).stderr)

    def test_dry_run(self) -> None:
        self.assertIn("it would be cloned from file://", self.mirror("--dry-run").stderr)
        self.assertFalse(self.root.exists())
        self.mirror("--dry-run", "--skip-index-update")
        self.assertFalse(self.root.exists())

        self.mirror()
        self.upstream.say("publish newcomer 1.0.0")
        before = self.everything()
        done = self.run_script(*(flag for flag in self.arguments("--dry-run") if flag != "--yes"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("dry-run ok: ", done.stdout)
        self.assertIn("dry run: nothing was touched", done.stderr)
        self.assertNotIn("complete", done.stderr)
        self.assertIn("the index is looked at as it is", done.stderr)
        self.assertEqual(self.everything(), before)

    def everything(self) -> list[tuple[str, int]]:
        """All files, with the times of their last change."""
        return sorted((str(path), path.stat().st_mtime_ns) for path in self.root.glob("**/*"))


class Stopping(MirrorTest):
    """Signals that kill(1) or a service manager send to the script alone; the
    terminal's Ctrl-C is in test_terminal."""

    def stop(self, number: signal.Signals) -> tuple[int, str]:
        self.upstream.say("fault all all latency -1")
        before = int(self.upstream.say("requests"))
        process = self.start(self.command(*self.arguments("--threads", "2")), stdout=-1, stderr=-1)
        wait_until(lambda: int(self.upstream.say("requests")) > before, "downloads")
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        return process.returncode, said

    def test_the_downloader_ends_in_order(self) -> None:
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(number):
                got, said = self.stop(number)
                self.assertEqual(got, code, said)
                self.assertEqual(said.count("running downloads have 10 s to finish"), 1, said)
                self.assertRegex(said, f"ERROR exit code {code} after .*: stopped by ")
                self.assertLess(len(self.manifest()), 300)
        self.upstream.say("heal")
        self.mirror()
        self.assertGreater(len(self.crates()), 300)

    def test_the_index_is_being_cloned(self) -> None:
        folder = self.home / "path"
        self.executable(folder / "git", 'case "$*" in *clone*) touch started; exec sleep 60;; esac\n')
        self.environment["PATH"] = f"{folder}:{self.environment['PATH']}"
        process = self.start(self.command(*self.arguments()), stdout=-1, stderr=-1)
        wait_until((self.root / "crates.io-index" / "started").exists, "git")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 143)
        self.assertIn("stopped while the index was updated", said)
