"""CloneCratesio.manifest.toml names only what is there."""

from __future__ import annotations

import re
import socket
import subprocess
import unittest
import urllib.request
from typing import Any

from .test_mirror import MirrorTest
from .world import ROOT, module, programs, wait_until

try:
    import tomllib
except ImportError:  # before Python 3.11
    tomllib = None  # type: ignore[assignment]


def said_by(*command: str) -> str:
    """What a program says for -help."""
    program, *words = command
    done = subprocess.run([str(programs() / program), *words, "-help"], capture_output=True, text=True, check=True)
    return done.stdout


@unittest.skipIf(tomllib is None, "reading TOML needs Python 3.11")
class ProjectManifest(MirrorTest):
    def setUp(self) -> None:
        super().setUp()
        text = (ROOT / "CloneCratesio.manifest.toml").read_text(encoding="utf-8")
        self.project: dict[str, Any] = tomllib.loads(text)

    def read(self, path: str) -> str:
        return (ROOT / path).read_text(encoding="utf-8")

    def test_version_license_and_build(self) -> None:
        project, build = self.project["project"], self.project["build"]
        self.assertIn(f'const release = "{project["version"]}"', self.read("internal/program/version.go"))
        self.assertTrue(self.read(project["license_file"]).startswith(f"{project['license']} License"))
        go_mod = self.read("go.mod")
        self.assertIn(f"module {build['module']}\n", go_mod)
        self.assertRegex(go_mod, rf"(?m)^go {re.escape(build['go'])}\.")
        self.assertEqual(f"https://{build['module']}", project["repository"])
        self.assertRegex(self.read("Makefile"), rf"(?m)^{build['check'].split()[1]}:")

    def test_programs(self) -> None:
        listed = {program["source"] for program in self.project["programs"]}
        there = {f"cmd/{folder.name}" for folder in (ROOT / "cmd").iterdir()} | {"Clone-Index.py"}
        self.assertEqual(listed, there)
        for program in self.project["programs"]:
            self.assertIn(program["name"], self.read(program["flags"]))
            if "commands" in program:
                shown = re.findall(r"(?m)^  ([a-z][\w-]+) ", said_by(program["name"]).partition("\nOptions:\n")[0])
                self.assertEqual(program["commands"], shown)
            if "same_as" in program:
                flags = [
                    set(re.findall(r"(?m)^  -([\w-]+)", said_by(*command.split())))
                    for command in (program["name"], program["same_as"])
                ]
                self.assertEqual(flags[0] - {"version"}, flags[1])
                self.assertIn("help", flags[1])

    def test_files(self) -> None:
        documentation = dict(self.project["documentation"])
        paths = [*documentation.pop("pages"), *documentation.values()]
        paths += [written["specification"] for written in self.project["formats"]]
        for path in paths:
            self.assertTrue((ROOT / path).is_file(), path)
        pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}
        self.assertEqual(pages - set(paths), set())

    def test_upstream(self) -> None:
        upstream = self.project["upstream"]
        self.assertEqual(upstream["index"], module().INDEX_URL)
        self.assertIn(f'(default: {upstream["crates"]}, ', " ".join(said_by("download-crates").split()))

    def test_endpoints(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
        self.upstream.say("fault all all latency -1")
        process = self.start(self.command(*self.arguments("--threads", "2", "--listen", address)), stdout=-1, stderr=-1)
        assert process.stderr is not None
        while "metrics and status" not in (line := process.stderr.readline()):
            self.assertNotEqual(line, "", "the downloader ended")
        for endpoint in self.project["endpoints"]:
            with urllib.request.urlopen(f"http://{address}{endpoint['path']}", timeout=60) as answer:
                self.assertEqual(answer.status, 200, endpoint)
        wait_until(lambda: int(self.upstream.say("requests")) > 0, "downloads")
        process.terminate()
        _, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 143, said)
