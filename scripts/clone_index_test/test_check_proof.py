"""scripts/check_proof.py, which has no code of ours, agrees with what we prove."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from .world import PATIENCE, ROOT, World, programs

sys.path.insert(0, str(ROOT / "scripts"))
import check_proof  # noqa: E402


class CheckProof(World):
    def setUp(self) -> None:
        super().setUp()
        registry = self.registry()
        self.mirror = self.home / "mirror"
        self.clonecratesio("key", "new", "-name", "mirror.example", "key")
        self.clonecratesio(
            "sync", "-mirror", "mirror", "-index-url", registry.index_url, "-crates-base-url", registry.base_url, "-listen", ""
        )
        self.clonecratesio("attest", "-mirror", "mirror", "-key", "key")
        self.key = (self.home / "key.pub").read_text(encoding="utf-8")

    def clonecratesio(self, *arguments: str) -> str:
        command = [str(programs() / "clonecratesio"), *arguments]
        done = subprocess.run(
            command, cwd=self.home, env=self.environment, capture_output=True, text=True, encoding="utf-8", timeout=PATIENCE, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def crates(self) -> list[Path]:
        found = sorted((self.mirror / "crates").glob("*/*/*.crate"))
        self.assertGreater(len(found), 3)
        return found

    def proof(self, crate: Path) -> str:
        parts = re.fullmatch(r"(.+?)-(\d+\.\d+\.\d+.*)\.crate", crate.name)
        assert parts is not None
        name, version = parts.groups()
        return self.clonecratesio("prove", "-mirror", "mirror", name, version)

    def test_every_version_is_proved(self) -> None:
        for crate in self.crates():
            leaf, text = check_proof.check(self.proof(crate), self.key, crate.read_bytes())
            name, version, _ = leaf.split(" ")
            self.assertEqual(crate.name, f"{name}-{version}.crate")
            self.assertIn("held, verified, durable at", text)

    def test_every_byte_counts(self) -> None:
        """Of the proof, and of the crate file: one bit of each is changed."""
        crate = self.crates()[1]
        proof = self.proof(crate).encode()
        step = 7  # the tests in Go try every byte; this one is slow
        for i in range(len(proof) % step, len(proof), step):
            bad = bytearray(proof)
            bad[i] ^= 1 << i % 8
            with self.subTest(byte=i), self.assertRaises(ValueError):
                check_proof.check(bad.decode(), self.key, crate.read_bytes())
        good = crate.read_bytes()
        for i in range(len(good)):
            bad = bytearray(good)
            bad[i] ^= 1
            if i % 101 == 0:
                with self.subTest(crate_byte=i), self.assertRaises(ValueError):
                    check_proof.check(proof.decode(), self.key, bytes(bad))

    def test_as_a_program(self) -> None:
        crate = self.crates()[0]
        (self.home / "proof").write_text(self.proof(crate), encoding="utf-8")
        command = [sys.executable, str(ROOT / "scripts" / "check_proof.py"), "proof", "key.pub"]
        for file, code in ((crate, 0), (self.crates()[1], 1)):
            done = subprocess.run([*command, str(file)], cwd=self.home, capture_output=True, text=True, encoding="utf-8", check=False)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertRegex(done.stdout if code == 0 else done.stderr, "^proved: " if code == 0 else "^not proved: another crate file")
