"""What the system tests of the clock's sources share.

A test starts the daemons a source talks to (daemon()) and watches what owping makes of them (watch()), look
by look. What any of them logged is shown below a failure.

    class Some(clock_case.ClockCase):
        def test_it(self):
            space = self.keep(netns.Namespace())
            self.daemon(space, "chronyd", "-d", "-x", ...)
            looks = self.watch(space, 'chrony "c" { }')
            look = looks.wait_for(lambda look: look["synchronized"], "synchronized")
            self.assertEqual(look["sources"]["c"]["state"], "valid")
"""
import json
import os
import signal
import subprocess
import threading
import time

import harness

# How long a run of owping lasts at most that nobody stops.
LONGEST = 600

# /usr/sbin is not in everybody's PATH; harness.missing() looks there, too.
os.environ["PATH"] = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin" + os.pathsep + "/sbin"


class Looks:
    """owping --clock=N --json: a look each second.

    A look is the document's "clock", in which "sources" has become a dictionary by the sources' names.
    """

    def __init__(self, test, process, stream):
        self._test = test
        self._news = threading.Condition()
        self._ended = False
        self._looks = []
        self._bad = None
        self._stream = stream
        self.process = process
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._stream:
            try:
                look = json.loads(line)["clock"]
                look["sources"] = {source["name"]: source for source in look["sources"]}
            except (ValueError, KeyError, TypeError) as error:
                with self._news:
                    self._bad = "%r: %s" % (line, error)
                    self._news.notify_all()
                break
            with self._news:
                self._looks.append(look)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def mark(self):
        """The present end of the looks, for wait_for()."""
        with self._news:
            return len(self._looks)

    def all(self, since=0):
        with self._news:
            return self._looks[since:]

    def wait_for(self, predicate, what, seconds=harness.PATIENCE, since=None):
        """The first look of which predicate is true, of those to come or, with since, from that mark on."""
        deadline = time.monotonic() + seconds
        with self._news:
            at = len(self._looks) if since is None else since
            while True:
                for look in self._looks[at:]:
                    if predicate(look):
                        return look
                at = max(at, len(self._looks))
                if self._ended or not self._news.wait(max(deadline - time.monotonic(), 0)):
                    break
            last = json.dumps(self._looks[-1], indent=1) if self._looks else "no look at all"
        raise AssertionError("not within %s s%s: %s; last:\n%s" % (
            seconds, ", the looks ended" if self._ended else "", what, self._bad or last))

    def wait_source(self, name, predicate, what, **options):
        """As wait_for(), of one source."""
        return self.wait_for(lambda look: predicate(look["sources"][name]), "%s: %s" % (name, what),
                             **options)

    def wait_state(self, name, state, **options):
        return self.wait_source(name, lambda source: source["state"] == state, state, **options)

    def next(self, count=1, seconds=harness.PATIENCE):
        """The next looks, whatever they show."""
        start = self.mark()
        self.wait_for(lambda look: self.mark() >= start + count, "%d more looks" % count, seconds, start)
        return self.all(start)[:count]

    def stop(self):
        if self.process.stopped:
            return
        if self.process.running():
            self.process.signal(signal.SIGTERM)
        try:
            self.process.wait()
        finally:
            self.process.kill()
            self._reader.join(harness.PATIENCE)
            self._stream.close()
        self._test.assertIsNone(harness.SANITIZER.search(self.process.log()), "a sanitizer complains")
        self._test.assertIsNone(self._bad, "a line that is no look")


class ClockCase(harness.SystemTest):
    def clock_config(self, section, settings=""):
        """The path of a file with this clock section; readable for everybody."""
        directory = self.directory()
        os.chmod(directory, 0o755)
        path = os.path.join(directory, "clock.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("clock {\n%s\n%s\n}\n" % (settings, section))
        os.chmod(path, 0o644)
        return path

    def watch(self, space, section, settings="", seconds=LONGEST, wrapper=()):
        """Starts owping on a file with these sources; wrapper is a command line to run it by."""
        command = [*wrapper, harness.program("owping"), "--clock=%d" % seconds, "--json", "--clock-config",
                   self.clock_config(section, settings)]
        read, write = os.pipe()
        process = harness.Process(space, command, "owping", stdout=write)
        os.close(write)
        self.processes.append(process)
        looks = Looks(self, process, os.fdopen(read, encoding="utf-8"))
        self.addCleanup(looks.stop)
        return looks

    def look(self, space, section, settings="", wrapper=()):
        """What owping --clock --json says without a number of seconds: one look, after about two."""
        command = [*wrapper, harness.program("owping"), "--clock", "--json", "--clock-config",
                   self.clock_config(section, settings)]
        result = subprocess.run(space.command(command), capture_output=True, text=True,
                                stdin=subprocess.DEVNULL, timeout=harness.PATIENCE, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        look = json.loads(result.stdout)["clock"]
        look["sources"] = {source["name"]: source for source in look["sources"]}
        return look

    def daemon(self, space, *command, name=None):
        """A daemon in the foreground, whose output is kept, standard output with it; killed at the end.

        To stop it earlier: stop_daemon(), or .kill() for SIGKILL.
        """
        process = harness.Process(space, ["sh", "-c", 'exec "$@" >&2', "sh", *map(str, command)],
                                  name or os.path.basename(command[0]))
        self.processes.append(process)
        self.addCleanup(process.kill)
        return process

    def stop_daemon(self, process, number=signal.SIGTERM):
        """Asks it to end, and waits for that."""
        process.signal(number)
        process.wait()
        process.stopped = True


def as_nobody(group=None):
    """A wrapper: a command line as an unprivileged user, with one more group."""
    return ["setpriv", "--reuid=65534", "--regid=65534",
            "--groups=%d" % group if group is not None else "--clear-groups", "--no-new-privs",
            "--pdeathsig", "KILL"]


def nobody_unavailable():
    """Why nobody cannot run owping from where it was built; None if that is possible."""
    result = subprocess.run([*as_nobody(), harness.program("owping"), "--version"], capture_output=True,
                            text=True, timeout=harness.PATIENCE, check=False)
    return None if result.returncode == 0 else "an unprivileged user cannot run owping here: %s" % (
        result.stderr.strip())
