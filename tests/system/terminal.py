"""Plays a user at a terminal: terminal.py STEP... in a bash of its own with job control. A step is `type TEXT` (\\n, and ^C, ^Z, ^D for the keys),
or `see TEXT` (waits until the terminal shows it; a regular expression). The exit code is 1 when something was not seen within the time."""
import os
import pty
import re
import select
import signal
import sys
import time

LIMIT_S = 15 * float (os.environ.get ("MPL_TEST_SLOW", "1"))
KEYS = {"^C": "\x03", "^Z": "\x1a", "^D": "\x04", "\\n": "\n"}


def keys (text):
    for name, key in KEYS.items ():
        text = text.replace (name, key)
    return text.encode ()


class Terminal:
    def __init__ (self):
        self.shown = ""
        self.pid, self.fd = pty.fork ()
        if self.pid == 0:
            os.environ["PS1"] = "$ "
            os.execvp ("bash", ["bash", "--norc", "--noprofile", "-i"])

    def read (self, until):
        ready, _, _ = select.select ([self.fd], [], [], max (0, until - time.monotonic ()))
        try:
            self.shown += os.read (self.fd, 65536).decode (errors="replace") if ready else ""
        except OSError:
            return False
        return bool (ready)

    def see (self, what):
        until = time.monotonic () + LIMIT_S
        while not (found := re.search (what, self.shown)):
            if not self.read (until):
                return False
        self.shown = self.shown[found.end ():]
        return True

    def end (self):
        os.close (self.fd)
        try:
            os.kill (self.pid, signal.SIGHUP)
        except ProcessLookupError:
            pass
        os.waitpid (self.pid, 0)


def main ():
    terminal = Terminal ()
    all_seen = terminal.see (r"\$ ")
    for step in sys.argv[1:]:
        verb, _, text = step.partition (" ")
        if verb == "type":
            os.write (terminal.fd, keys (text))
        elif not terminal.see (text):
            print (f"not seen: {text}\nbut: {terminal.shown!r}")
            all_seen = False
            break
    terminal.end ()
    return 0 if all_seen else 1


sys.exit (main ())
