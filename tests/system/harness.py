"""What all system tests share: the programs, temporary directories, logs, and the way a test file runs.

The programs are found through OWAMP_BUILD, the build directory. A test file ends with harness.main(): exit
status 0 passed, 1 failed, 77 nothing could be tested here (with the reason on standard error). Arguments are
the tests to run, Class.test, if not all.
"""
import collections
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import netns

SKIPPED = 77

# No test waits longer than this for anything that a healthy program does at once. Only a bound: a busy
# machine under sanitizers must not reach it.
PATIENCE = 30

BUILD = os.environ.get("OWAMP_BUILD", "")

ALICE = "alice"
BOB = "bob"
KEYS = {ALICE: b"correct horse battery staple", BOB: b"\x00\x01any octets\xff but a newline"}

# For tests that are not about limits.
GENEROUS = """limit root with bandwidth=0, disk=0, test_sessions=0, max_packet_rate=0, \\
 max_timeout=0, max_duration=0
assign default root
"""

SANITIZER = re.compile(r"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:")


def program(name):
    return os.path.join(BUILD, "owampd" if name == "owampd" else "owping", name)


def until(condition, what, timeout=PATIENCE):
    """Waits for what no event tells of. Returns the condition's value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("not within %s s: %s" % (timeout, what))
        time.sleep(0.02)


class Process:
    """A program in a namespace; its standard error is kept, line by line."""

    def __init__(self, space, command, name=None, stdout=subprocess.DEVNULL):
        self.name = name or os.path.basename(command[0])
        self.command = command
        self.lines = []
        self.stopped = False
        self._news = threading.Condition()
        self._popen = subprocess.Popen(space.command(command), stdin=subprocess.DEVNULL, stdout=stdout,
                                       stderr=subprocess.PIPE, start_new_session=True)
        self.pid = self._popen.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._popen.stderr:
            with self._news:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self.lines.append(None)
            self._news.notify_all()

    def log(self):
        with self._news:
            return "\n".join(line for line in self.lines if line is not None)

    def mark(self):
        """The present end of the log, for find() and wait_log()."""
        with self._news:
            return len(self.lines)

    def find(self, pattern, since=0):
        """All lines that match, as match objects."""
        with self._news:
            lines = [line for line in self.lines[since:] if line is not None]
        return [match for match in (re.search(pattern, line) for line in lines) if match]

    def wait_count(self, pattern, count, since=0):
        """Waits until exactly so many lines match."""
        until(lambda: len(self.find(pattern, since)) >= count, "%d times /%s/" % (count, pattern))
        found = self.find(pattern, since)
        if len(found) != count:
            raise AssertionError("%d, not %d times /%s/" % (len(found), count, pattern))
        return found

    def wait_log(self, pattern, since=0, timeout=PATIENCE):
        """The first line that matches; fails if it does not come in time."""
        deadline = time.monotonic() + timeout
        at = since
        with self._news:
            while True:
                for line in self.lines[at:]:
                    match = line is not None and re.search(pattern, line)
                    if match:
                        return match
                at = len(self.lines)
                if at > since and self.lines[-1] is None:
                    break
                if not self._news.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    break
        raise AssertionError("%s did not log /%s/ in %s s" % (self.name, pattern, timeout))

    def running(self):
        return self._popen.poll() is None

    def signal(self, number):
        self._popen.send_signal(number)

    def wait(self, timeout=PATIENCE):
        """The exit status."""
        try:
            status = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError("%s did not end in %s s" % (self.name, timeout)) from None
        self._reader.join(timeout)
        return status

    def kill(self):
        if self.running():
            self._popen.kill()
        self._popen.wait()
        self._reader.join(PATIENCE)
        self.stopped = True

    # What the kernel says of the process.

    def status(self, field):
        with open("/proc/%d/status" % self.pid, encoding="ascii") as file:
            for line in file:
                if line.startswith(field + ":"):
                    return line.split()[1]
        raise KeyError(field)

    def memory(self):
        """Resident octets."""
        return int(self.status("VmRSS")) * 1024

    def threads(self):
        return int(self.status("Threads"))

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def children(self):
        """All processes whose parent this is, whichever thread started them."""
        found = []
        for task in os.listdir("/proc/%d/task" % self.pid):
            with open("/proc/%d/task/%s/children" % (self.pid, task), encoding="ascii") as file:
                found += file.read().split()
        return found


class Owampd(Process):
    """The server, ready when the constructor returns."""

    def __init__(self, test, space, conf="", limits=None, keys=None, arguments=(), wrapper=()):
        self.directory = test.directory()
        self.conf_path = os.path.join(self.directory, "owampd.conf")
        self.limits_path = os.path.join(self.directory, "owampd.limits")
        self.keys_path = os.path.join(self.directory, "owampd.pfs")
        if limits is not None:
            self.write_limits(limits)
            conf += 'limits = "%s"\n' % self.limits_path
        if keys is not None:
            write_keys(self.keys_path, keys)
            conf += 'keys = "%s"\n' % self.keys_path
        # Key derivation has unit tests; here it would be most of the time.
        if "pbkdf2_count" not in conf:
            conf += "pbkdf2_count = 1024\n"
        self.write_conf(conf)
        super().__init__(space, [*wrapper, program("owampd"), "--foreground", "--config", self.conf_path,
                                 *arguments], "owampd")
        test.processes.append(self)
        test.addCleanup(self.end, test)
        self.wait_log("owampd .* ready: ")

    def write_conf(self, text):
        with open(self.conf_path, "w", encoding="ascii") as file:
            file.write(text)
        self.conf = text

    def write_limits(self, text):
        with open(self.limits_path, "w", encoding="ascii") as file:
            file.write(text)

    def wait_received(self, since=0, how="finished"):
        """The account of a session that the server received, as a dictionary; no counts that are 0."""
        line = self.wait_log("session ([0-9a-f]{32}) %s: (.*)" % how, since)
        counts = {"sid": line[1]}
        for part in re.split("[;,] ", line[2]):
            match = re.match(r"(\d+) (?:discarded: )?([a-z ]+)", part)
            if match:  # else it is why it ended
                counts[match[2].strip()] = int(match[1])
        return {key: value for key, value in counts.items() if value}

    def reload(self, expect):
        mark = self.mark()
        self.signal(signal.SIGHUP)
        return self.wait_log(expect, mark)

    def end(self, test):
        """A server that a test did not kill must end in order and without a complaint of the sanitizers."""
        if self.stopped:
            return
        if self.running():
            self.signal(signal.SIGTERM)
        try:
            status = self.wait()
        finally:
            self.kill()
        self.stopped = True
        test.assertIsNone(SANITIZER.search(self.log()), "a sanitizer complains")
        test.assertEqual(status, 0, "exit status of owampd")


Run = collections.namedtuple("Run", "status stdout stderr document")


def write_keys(path, keys):
    with open(path, "w", encoding="ascii") as file:
        for user, secret in keys.items():
            file.write("%s\t%s\n" % (user, secret.hex()))
    os.chmod(path, 0o600)


class Client:
    """owping, owfetch or owup with --json, in the background."""

    def __init__(self, test, space, name, arguments, json_output=True):
        self.test = test
        self.output = tempfile.TemporaryFile()
        self.json_output = json_output
        options = ["--json"] if json_output else []
        self.process = Process(space, [program(name), *options, *map(str, arguments)], stdout=self.output)
        test.processes.append(self.process)
        test.addCleanup(self.process.kill)

    def end(self, timeout=PATIENCE):
        status = self.process.wait(timeout)
        self.output.seek(0)
        stdout = self.output.read().decode()
        document = None
        self.test.assertIsNone(SANITIZER.search(self.process.log()), "a sanitizer complains")
        if self.json_output and stdout:
            document = json.loads(stdout)
            self.test.assertEqual(document["exit_status"], status, "exit_status in the document")
        return Run(status, stdout, self.process.log(), document)


class Result(unittest.TextTestResult):
    """Shows what the programs logged below a failure."""

    def _explain(self, test):
        for process in getattr(test, "processes", []):
            self.stream.writeln("--- %s (%s):" % (process.name, " ".join(process.command)))
            lines = process.log().splitlines()
            for line in lines[:20] + (["..."] if len(lines) > 80 else []) + lines[20:][-60:]:
                self.stream.writeln("    " + line)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._explain(test)

    def addError(self, test, err):
        super().addError(test, err)
        self._explain(test)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._explain(test)


class SystemTest(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        self.processes = []

    def directory(self):
        path = tempfile.mkdtemp(prefix="owamp-system-")
        self.addCleanup(shutil.rmtree, path, True)
        return path

    def keep(self, thing):
        """Closes thing when the test ends."""
        self.addCleanup(thing.close)
        return thing

    def owampd(self, space, **options):
        return Owampd(self, space, **options)

    def key_options(self, user, secret=None):
        path = os.path.join(self.directory(), "keys")
        write_keys(path, {user: KEYS[user] if secret is None else secret})
        return ["-u", user, "-k", path]

    def start(self, space, name, *arguments, **options):
        return Client(self, space, name, arguments, **options)

    def run_client(self, space, name, *arguments, **options):
        return self.start(space, name, *arguments, **options).end()

    def owping(self, space, *arguments):
        return self.run_client(space, "owping", *arguments)

    def owfetch(self, space, *arguments):
        return self.run_client(space, "owfetch", *arguments)

    def assert_status(self, run, status):
        """With all there is to see if it is another."""
        self.assertEqual(run.status, status, "exit status\n%s\n%s" % (run.stderr, run.stdout[:3000]))

    def assert_never_logged(self, server, pattern):
        """Ends the server: what it logged is then complete."""
        server.end(self)
        self.assertEqual(server.find(pattern), [])

    def assert_served(self, space, target, *arguments):
        """The server at target still serves others."""
        run = self.owping(space, *QUICK, *arguments, target)
        self.assert_status(run, 0)
        return run


# A measurement of about a second.
QUICK = ("-c", 3, "-i", "0.02f", "-L", 0.3, "-z", 0.1, "-E", 0.05)


def missing(*names):
    """A condition for main(): why the programs named are not there."""
    return lambda: next(("%s is not installed" % name for name in names if not shutil.which(name)), None)


def main(*conditions):
    """conditions return why nothing can be tested, or None."""
    if not os.access(program("owampd"), os.X_OK):
        sys.exit("OWAMP_BUILD=%r is not a build directory: there is no %s" % (BUILD, program("owampd")))
    for condition in (netns.unavailable, *conditions):
        reason = condition()
        if reason:
            print("SKIPPED, NOTHING WAS TESTED: %s" % reason, file=sys.stderr)
            sys.exit(SKIPPED)
    loader, module = unittest.defaultTestLoader, sys.modules["__main__"]
    if len(sys.argv) > 1:
        suite = loader.loadTestsFromNames(sys.argv[1:], module)
    else:
        suite = loader.loadTestsFromModule(module)
    runner = unittest.TextTestRunner(resultclass=Result, verbosity=2)
    result = runner.run(suite)
    for test, why in result.skipped:
        print("SKIPPED: %s: %s" % (test, why), file=sys.stderr)
    if not result.wasSuccessful():
        sys.exit(1)
    if result.testsRun == len(result.skipped):
        sys.exit(SKIPPED)
    sys.exit(0)
