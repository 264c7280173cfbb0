"""What a person at a terminal sees and does."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import sys
import threading
import time

from .test_mirror import MirrorTest
from .world import PATIENCE, World, wait_until


class Terminal:
    """The script on a terminal of its own, in the foreground."""

    def __init__(self, test: World, command: list[str]) -> None:
        self.said = b""
        self.ended = False
        self.seen = 0  # how much of it was expected
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            os.execve(command[0], command, test.environment)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        test.addCleanup(self._close)

    def _read(self) -> None:
        """Reads all the time: a terminal that nobody reads stops the writer."""
        with contextlib.suppress(OSError):  # Linux's way to say that the other side was closed
            while chunk := os.read(self.screen, 1 << 16):
                self.said += chunk

    def _close(self) -> None:
        if not self.ended:  # the test failed
            os.kill(self.pid, signal.SIGTERM)
        self.reader.join()
        os.close(self.screen)

    def type(self, text: str) -> None:
        os.write(self.screen, text.encode())

    def expect(self, text: str) -> None:
        """Waits until the terminal shows a text, behind the one expected before."""
        wanted = text.encode()
        wait_until(lambda: self.said.find(wanted, self.seen) >= 0 or not self.reader.is_alive(), text)
        at = self.said.find(wanted, self.seen)
        if at < 0:
            raise AssertionError(f"{text!r} is not in {self.said[self.seen :].decode()!r}")
        self.seen = at + len(wanted)

    def exit_code(self) -> int:
        self.reader.join(PATIENCE)
        _, status = os.waitpid(self.pid, 0)
        self.ended = True
        return os.waitstatus_to_exitcode(status)


QUESTION = "Start downloading crates now? [y/n]: "


class Prompt(World):
    def setUp(self) -> None:
        super().setUp()
        self.index.mkdir(parents=True)
        (self.index / "config.json").touch()
        self.arguments = ["--skip-index-update", "--downloader-path", str(self.fake_downloader())]

    def terminal(self) -> Terminal:
        return Terminal(self, self.command(*self.arguments))

    def test_yes(self) -> None:
        for answer in ("y\n", "YES\n"):
            terminal = self.terminal()
            terminal.expect(QUESTION)
            terminal.type(answer)
            terminal.expect("-concurrency")
            self.assertEqual(terminal.exit_code(), 0)

    def test_no(self) -> None:
        for answer in ("n\n", " No \n"):
            terminal = self.terminal()
            terminal.expect(QUESTION)
            terminal.type(answer)
            terminal.expect("nothing is downloaded, as you wish")
            self.assertEqual(terminal.exit_code(), 0)
            self.assertNotIn(b"-concurrency", terminal.said[terminal.seen :])

    def test_anything_else_is_asked_again(self) -> None:
        terminal = self.terminal()
        for answer in ("maybe\n", "\n"):
            terminal.expect(QUESTION)
            terminal.type(answer)
            terminal.expect("please answer y or n")
        terminal.expect(QUESTION)
        terminal.type("n\n")
        self.assertEqual(terminal.exit_code(), 0)

    def test_end_of_input(self) -> None:
        terminal = self.terminal()
        terminal.expect(QUESTION)
        terminal.type("\x04")
        terminal.expect("the input ended without an answer; --yes downloads without asking")
        self.assertEqual(terminal.exit_code(), 2)

        done = self.run_script(*self.arguments)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("--yes downloads without asking", done.stderr)

    def test_an_answer_from_a_pipe(self) -> None:
        self.assertIn("-concurrency", self.run_script(*self.arguments, input="y\n").stdout)

    def test_ctrl_c(self) -> None:
        terminal = self.terminal()
        terminal.expect(QUESTION)
        terminal.type("\x03")
        terminal.expect("stopped by Ctrl-C")
        self.assertEqual(terminal.exit_code(), 130)
        self.assertNotIn(b"Traceback", terminal.said)


# A downloader that counts how often it is interrupted.
COUNTS = """
import os, signal, sys, time
times = []
signal.signal(signal.SIGINT, lambda *_: times.append(time.monotonic()))
print("ready, in a session of its own:", os.getsid(0) == os.getpid(), flush=True)
while not times or time.monotonic() < times[0] + 1:
    time.sleep(0.01)
print("interrupted", len(times), "times")
sys.exit(130)
"""


class CtrlC(MirrorTest):
    def test_reaches_the_downloader_once(self) -> None:
        """In our session, the downloader would get it from the terminal and from us:
        twice, unless both come so close together that they are seen as one."""
        (self.home / "counts.py").write_text(COUNTS)
        fake = self.executable(self.home / "counts", f"exec {sys.executable} {self.home}/counts.py\n")
        terminal = Terminal(self, self.command("--downloader-path", str(fake), *self.arguments()[:3]))
        terminal.expect("ready, in a session of its own: True")
        terminal.type("\x03")
        terminal.expect("interrupted 1 times")
        self.assertEqual(terminal.exit_code(), 130)

    def start_slowly(self) -> Terminal:
        self.upstream.say("fault all all latency -1")
        terminal = Terminal(self, self.command(*self.arguments("--threads", "2")))
        terminal.expect("cloning the index")
        wait_until(lambda: int(self.upstream.say("requests")) > 1, "downloads")
        return terminal

    def test_once_lets_the_downloader_end_in_order(self) -> None:
        terminal = self.start_slowly()
        terminal.type("\x03")
        terminal.expect("running downloads have 10 s to finish")
        terminal.expect("versions are held in")  # its summary: the signal came once
        terminal.expect("exit code 130 after ")
        self.assertEqual(terminal.exit_code(), 130)
        self.assertTrue((self.root / "manifest.jsonl").is_file())

    def test_twice_stops_at_once(self) -> None:
        terminal = self.start_slowly()
        self.upstream.say("heal")
        self.upstream.say("fault all all stall-headers -1")
        time.sleep(1.2)  # until the requests that were only slow are over
        terminal.type("\x03")
        terminal.expect("running downloads have 10 s to finish")
        terminal.type("\x03")
        terminal.expect("exit code 130 after ")
        self.assertEqual(terminal.exit_code(), 130)
        self.assertNotIn(b"versions are held in", terminal.said)

    def test_git_shows_its_progress(self) -> None:
        terminal = Terminal(self, self.command(*self.arguments()))
        terminal.expect("Receiving objects: ")
        self.assertEqual(terminal.exit_code(), 0)
        log = (self.root / "crate-download.log").read_text()
        self.assertNotIn("\r", log)
        self.assertIn("Receiving objects: 100%", log)
