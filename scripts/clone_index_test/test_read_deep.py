"""scripts/read_deep.py, which has no code of ours, rebuilds crates out of a segment."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zlib
from pathlib import Path

from .world import PATIENCE, ROOT

SCRIPT = ROOT / "scripts" / "read_deep.py"
GOLDEN = ROOT / "internal" / "deep" / "testdata" / "deep-v1.zst"
REAL_ZLIB = "ng" not in zlib.ZLIB_RUNTIME_VERSION


@unittest.skipUnless(shutil.which("zstd"), "there is no zstd here")
class ReadDeep(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.damaged = Path(folder.name) / "deep-0001.zst"

    def run_script(self, *arguments: str) -> tuple[bytes, str]:
        """What the script writes, and what it complains about."""
        command = [sys.executable, str(SCRIPT), *arguments]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode == 0, not done.stderr, done.stderr)
        return done.stdout, done.stderr.decode()

    def listed(self) -> list[list[str]]:
        out, complaint = self.run_script(str(GOLDEN))
        self.assertEqual(complaint, "")
        return [line.split(" ", 4) for line in out.decode().splitlines()]

    def test_every_version_is_listed(self) -> None:
        self.assertEqual(
            [f"{name} {version} {how}" for name, version, _, _, how in self.listed()],
            ["tiny 0.1.0 encoder 2", "tiny 0.2.0+build.7 encoder 5", "tiny 0.2.1 encoder 3", "odd 1.0.0 encoder 0"],
        )

    @unittest.skipUnless(REAL_ZLIB, "this Python has another zlib")
    def test_what_zlib_made_is_rebuilt(self) -> None:
        for name, version, digest, size, how in self.listed():
            data, complaint = self.run_script(str(GOLDEN), name, version)
            if how == "encoder 5":
                self.assertIn("zlib-rs 0.6 or zlib-ng 2.3", complaint)
                self.assertEqual(data, b"")
                continue
            self.assertEqual(complaint, "")
            self.assertEqual((hashlib.sha256(data).hexdigest(), str(len(data))), (digest, size), version)

    def test_every_tar_is_written(self) -> None:
        for version in "0.1.0", "0.2.0+build.7", "0.2.1":
            data, _ = self.run_script("-tar", str(GOLDEN), "tiny", version)
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                self.assertIn(f"tiny-{version}/src/lib.rs", tar.getnames())
        self.assertIn("verbatim", self.run_script("-tar", str(GOLDEN), "odd", "1.0.0")[1])

    def test_damage_is_told(self) -> None:
        whole = GOLDEN.read_bytes()
        for at in range(1, len(whole) - 60, 3001):
            bad = bytearray(whole)
            bad[at] ^= 1
            self.damaged.write_bytes(bad)
            data, complaint = self.run_script("-tar", str(self.damaged), "tiny", "0.1.0")
            self.assertEqual(data, b"")
            self.assertRegex(complaint, "damaged|no directory")
        data, complaint = self.run_script(str(self.damaged), "odd", "1.0.0")  # is in the next pack
        self.assertEqual((data, complaint), (b"this is no gzip file", ""))

    def test_what_is_not_there(self) -> None:
        self.assertIn("tiny 9.9.9 is not in it", self.run_script(str(GOLDEN), "tiny", "9.9.9")[1])
