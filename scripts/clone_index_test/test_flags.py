"""The command line: flags, defaults, what becomes of them."""

from __future__ import annotations

import ast
import dataclasses
import re
import subprocess
import unittest

from .world import SCRIPT, World, module, programs


class Flags(World):
    def downloader_flags(self, *arguments: str) -> list[str]:
        """What the downloader gets for a command line."""
        self.index.mkdir(parents=True, exist_ok=True)
        (self.index / "config.json").touch()
        fake = self.fake_downloader()
        done = self.run_script("--yes", "--skip-index-update", "--downloader-path", str(fake), *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return str(done.stdout).splitlines()

    def test_defaults_lie_under_the_home_directory(self) -> None:
        want = f"""
            -index-dir {self.root}/crates.io-index -out {self.root}/crates -manifest {self.root}/manifest.jsonl
            -concurrency 128 -bundles-out {self.root}/bundles -listen :9090 -progress-interval 5s"""
        self.assertEqual(self.downloader_flags(), want.split())
        self.assertTrue((self.root / "crate-download.log").is_file())

    def test_every_flag_reaches_the_downloader(self) -> None:
        base = len(self.downloader_flags())
        cases = (
            ("--index-dir {home}", "-index-dir {home}"),
            ("--output-dir ~/c", "-out {home}/c"),
            ("--threads 7", "-concurrency 7"),
            ("--manifest m.jsonl", "-manifest m.jsonl"),
            ("--bundles-out b", "-bundles-out b"),
            ("--listen :1", "-listen :1"),
            ("--progress-interval 1m", "-progress-interval 1m"),
            ("--progress-every 9", "-progress-every 9"),
            ("--include-yanked", "-include-yanked"),
            ("--verify-existing", "-verify-existing"),
            ("--dry-run", "-dry-run"),
            ("--bundle", "-bundle -bundle-mode only -bundle-size-gb 8"),
            ("--bundle --bundle-mode add --bundle-size-gb 3", "-bundle -bundle-mode add -bundle-size-gb 3"),
            ("-- -contact me -timeout 3", "-contact me -timeout 3"),
        )
        for flags, want in cases:
            with self.subTest(flags):
                got = " ".join(self.downloader_flags(*flags.format(home=self.home).split()))
                self.assertIn(f" {want.format(home=self.home)} ", f" {got} ")
        self.assertEqual(base, 14, "other flags are passed only when they are asked for")

    def test_empty_values(self) -> None:
        got = self.downloader_flags("--listen", "", "--progress-interval", "")
        self.assertEqual(got[got.index("-listen") + 1], "")
        self.assertNotIn("-progress-interval", got)

    def test_flags_of_old_scripts_are_ignored_with_a_notice(self) -> None:
        plain = self.downloader_flags()
        fake = str(self.fake_downloader())
        done = self.run_script(
            "--non-interactive", "--skip-index-update", "--downloader-path", fake,
            *"--rate-limit 0.5 --resume --verify --resume".split(),
        )  # fmt: skip
        self.assertEqual((done.returncode, done.stdout.splitlines()), (0, plain))
        for flag in ("--rate-limit", "--resume", "--verify"):
            self.assertEqual(done.stderr.count(f"WARNING {flag} is ignored: "), 1, done.stderr)

    def test_wrong_usage(self) -> None:
        cases = (
            (["--bundle-mode", "both"], "argument --bundle-mode: invalid choice: 'both'"),
            (["--threads", "many"], "argument --threads: invalid int value: 'many'"),
            (["--nonsense"], "unrecognized arguments: --nonsense"),
            (["stray"], "unrecognized arguments: stray"),
            (["--index-dir", "~nobody-of-this-name/x"], "argument --index-dir: ~nobody-of-this-name/x: "),
            (["--index-url=--upload-pack=evil"], "--index-url --upload-pack=evil is not a URL"),
        )
        for arguments, want in cases:
            with self.subTest(want):
                done = self.run_script(*arguments)
                self.assertEqual(done.returncode, 2)
                self.assertIn(want, done.stderr)
                self.assertIn("usage: Clone-Index.py", done.stderr)
        self.assertFalse(self.root.exists())

    def test_log_level(self) -> None:
        fake = str(self.fake_downloader())
        self.index.mkdir(parents=True)
        (self.index / "config.json").touch()
        for level, want in (("error", ""), ("info", " INFO "), ("debug", " DEBUG ")):
            with self.subTest(level):
                done = self.run_script("--yes", "--skip-index-update", "--downloader-path", fake, "--log-level", level)
                self.assertIn(want, done.stderr)
                self.assertEqual(bool(done.stderr), bool(want))

    def test_passwords_in_urls_are_not_logged(self) -> None:
        fake = str(self.fake_downloader())
        self.index.mkdir(parents=True)
        (self.index / "config.json").touch()
        secret = "https://user:hunter2@mirror.example.org/crates"
        done = self.run_script(
            "--yes", "--skip-index-update", "--downloader-path", fake, "--", "-crates-base-url", secret
        )
        self.assertIn(secret, done.stdout)  # the fake tells
        self.assertIn("https://***@mirror.example.org/crates", done.stderr)
        self.assertNotIn("hunter2", done.stderr)


class Contract(unittest.TestCase):
    def test_python_3_9(self) -> None:
        ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 9))

    def test_every_field_of_the_configuration_has_a_flag(self) -> None:
        clone_index = module()
        config = clone_index.parse_arguments(["--yes"])
        names = {action.dest for action in clone_index.argument_parser()._actions} - {"help"}
        fields = {field.name for field in dataclasses.fields(config)} - {"downloader_flags"}
        self.assertEqual(names, fields)

    def test_exit_codes_are_those_of_the_downloader(self) -> None:
        done = subprocess.run(
            [str(programs() / "download-crates"), "-help"], capture_output=True, text=True, check=True
        )
        listed = done.stdout.split("Exit codes:")[1]
        codes = {int(code) for code in re.findall(r"^\s+(\d+) ", listed, re.MULTILINE)}
        self.assertEqual(codes, set(module().EXIT_CODES))
