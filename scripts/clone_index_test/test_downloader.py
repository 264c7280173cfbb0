"""Where the downloader is found, and how it is called."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .world import SCRIPT, World


class Finding(World):
    def setUp(self) -> None:
        super().setUp()
        self.index.mkdir(parents=True)
        (self.index / "config.json").touch()
        self.beside = self.home / "release"
        self.beside.mkdir()
        self.script = Path(shutil.copy(SCRIPT, self.beside))
        self.path = self.home / "path"
        self.environment["PATH"] = f"{self.path}{os.pathsep}/usr/bin{os.pathsep}/bin"

    def says_its_name(self, path: Path) -> str:
        self.executable(path, 'echo "$0" "$1"\n')
        return str(path)

    def found(self, *arguments: str) -> str:
        done = self.run_script("--yes", "--skip-index-update", *arguments, script=self.script)
        self.assertEqual(done.returncode, 0, done.stderr)
        return str(done.stdout).strip()

    def test_the_nearest_one_is_taken(self) -> None:
        """From the last resort to the first."""
        places = (
            (self.path / "clonecratesio", "download"),
            (self.path / "download-crates", "-index-dir"),
            (self.beside / "bin" / "clonecratesio", "download"),
            (self.beside / "bin" / "download-crates", "-index-dir"),
            (self.beside / "clonecratesio", "download"),
            (self.beside / "download-crates", "-index-dir"),
        )
        for path, first in places:
            with self.subTest(path.relative_to(self.home)):
                said = self.says_its_name(path)
                self.assertEqual(self.found(), f"{said} {first}")
        named = self.says_its_name(self.home / "x" / "clonecratesio")
        self.assertEqual(self.found("--downloader-path", named), f"{named} download")

    def test_none_at_all(self) -> None:
        done = self.run_script("--yes", script=self.script)
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no download-crates", done.stderr)
        self.assertIn('build it with "go build ./cmd/download-crates"', done.stderr)
        self.assertIn("--downloader-path", done.stderr)
        self.assertNotIn("cloning", done.stderr, "it is looked for before 250 MB are fetched")

    def test_a_path_that_is_not_there(self) -> None:
        self.says_its_name(self.beside / "download-crates")
        done = self.run_script("--yes", "--downloader-path", "nowhere", script=self.script)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("--downloader-path nowhere is not a file", done.stderr)

    def test_a_file_that_does_not_run(self) -> None:
        plain = self.home / "download-crates"
        plain.write_text("not a program")
        done = self.run_script("--yes", "--skip-index-update", "--downloader-path", str(plain))
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"starting {plain}: ", done.stderr)
        self.assertNotIn("Traceback", done.stderr)


class Output(World):
    def setUp(self) -> None:
        super().setUp()
        self.index.mkdir(parents=True)
        (self.index / "config.json").touch()
        self.arguments = ["--yes", "--skip-index-update", "--downloader-path"]

    def test_exit_code_and_its_meaning(self) -> None:
        for code, meaning in (
            (0, "complete: "),
            (3, "incomplete: "),
            (4, "integrity: "),
            (12, "no space"),
            (77, "unknown"),
        ):
            with self.subTest(code):
                done = self.run_script(*self.arguments, str(self.fake_downloader(code)))
                self.assertEqual(done.returncode, code)
                self.assertRegex(done.stderr, f"exit code {code} after 0:00:0[0-9]: {meaning}")

    def test_a_downloader_that_is_killed(self) -> None:
        fake = self.executable(self.home / "killed", "kill -9 $$\n")
        self.assertEqual(self.run_script(*self.arguments, str(fake)).returncode, 128 + 9)

    def test_output_goes_to_the_screen_and_to_the_log(self) -> None:
        text = r"""printf 'out 1\nout 2'; printf 'err\n' >&2; printf '10%%\r20%%\r100%% \303\244\377\n' >&2"""
        fake = self.executable(self.home / "talks", text)
        done = self.run_script(*self.arguments, str(fake), text=False)
        self.assertEqual(done.stdout, b"out 1\nout 2")
        self.assertIn(b"err\n10%\r20%\r100% \xc3\xa4\xff\n", done.stderr)
        log = (self.root / "crate-download.log").read_bytes()
        for line in (b"out 1\n", b"out 2\n", b"err\n", b"\n100% \xc3\xa4\xff\n"):
            self.assertIn(line, log)
        self.assertRegex(log, rb"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO crates  ")
        self.assertRegex(log, rb"(?m) INFO exit code 0 after")

    def test_unbuffered_python(self) -> None:
        self.environment["PYTHONUNBUFFERED"] = "1"
        done = self.run_script(*self.arguments, str(self.fake_downloader()), "--", "-last")
        self.assertEqual((done.returncode, done.stdout[-6:]), (0, "-last\n"), done.stderr)

    def test_the_log_grows_over_runs(self) -> None:
        fake = str(self.fake_downloader())
        for _ in range(2):
            self.run_script(*self.arguments, fake)
        self.assertEqual((self.root / "crate-download.log").read_text().count("exit code 0"), 2)

    def test_a_log_that_cannot_be_written_costs_a_warning(self) -> None:
        done = self.run_script(*self.arguments, str(self.fake_downloader()), "--log-path", str(self.home))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("WARNING there will be no log file: ", done.stderr)

    def test_nobody_reads_the_output(self) -> None:
        """As in "| head": the downloader goes on to its end, and the log has it all."""
        fake = self.executable(self.home / "talks", "for i in $(seq 20000); do echo line $i; done\nexit 3\n")
        command = self.command(*self.arguments, str(fake))
        process = self.start(command, stdout=-1, stderr=-1)
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 3)
        self.assertIn("\nline 20000\n", (self.root / "crate-download.log").read_text())
