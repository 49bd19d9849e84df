"""What owping asks of this machine, what it gets, and what it says of both."""
import json
import os
import re
import signal
import subprocess
import unittest

import harness
import netns

try:
    import jsonschema
except ImportError:
    jsonschema = None

SCHEMA = os.path.join(os.path.dirname(__file__), "../../docs/owping.schema.json")
PACKETS = 40
RUN = ("-c", PACKETS, "-i", "0.005e", "-L", 0.5, "-z", 0.2, "-E", 0.05)
# Long enough to be looked at from outside.
LONG = ("-c", 1000, "-i", "0.1f", "-L", 0.5, "-z", 0.1, "-E", 0.05)

NOBODY = 65534
# No identity, no capability, no limit that lets anything pass.
ORDINARY = ("prlimit", "--rtprio=0:0", "--memlock=8388608:8388608", "setpriv", "--reuid", NOBODY, "--regid", NOBODY,
            "--clear-groups", "--inh-caps=-all", "--bounding-set=-all")
# The same with what the manual page would have: the limits of a user, the capabilities of a file.
LIMITS = ("prlimit", "--rtprio=10:10", "--memlock=unlimited:unlimited", *ORDINARY[3:])
CAPABILITIES = (*ORDINARY[:-2], "--inh-caps=-all,+sys_nice,+ipc_lock", "--ambient-caps=+sys_nice,+ipc_lock",
                "--bounding-set=-all,+sys_nice,+ipc_lock")

REFUSED = "Operation not permitted"
NO_SCHEDULE = {"realtime": False, "realtime_error": REFUSED, "spin_ns": 0}


def possible(*command):
    """Whether the command, an attempt, succeeds."""
    return subprocess.run([str(word) for word in command], capture_output=True, timeout=harness.PATIENCE,
                          stdin=subprocess.DEVNULL, check=False).returncode == 0


def realtime_unavailable():
    return not possible("chrt", "--fifo", 99, "true") and "real-time scheduling is not permitted here"


def ordinary_unavailable():
    """Anybody must be able to run what was built."""
    return not possible(*ORDINARY, harness.program("owping"), "--version") and "nobody cannot run owping here"


def pick(dictionary, *keys):
    return {key: dictionary[key] for key in keys}


def warnings(run):
    """But for what other work on this machine does to the figures."""
    return [[text for text in test["warnings"] if not text.startswith(("this host is busy", "this host's own queue"))]
            for test in run.document["tests"]]


class Meter(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.space = self.net.client
        self.server = self.owampd(self.net.server, limits=harness.GENEROUS, keys=harness.KEYS)

    def measure_as(self, wrapper, *arguments, json_output=True):
        """owping run by way of wrapper; without its document there is its text."""
        options = ["--json"] if json_output else []
        command = self.space.command([*map(str, wrapper), harness.program("owping"), *options,
                                      *map(str, (*RUN, *arguments, self.net.v4))])
        result = subprocess.run(command, capture_output=True, text=True, timeout=2 * harness.PATIENCE,
                                stdin=subprocess.DEVNULL, check=False)
        self.assertIsNone(harness.SANITIZER.search(result.stderr), "a sanitizer complains")
        return harness.Run(result.returncode, result.stdout, result.stderr,
                           json.loads(result.stdout) if json_output and result.stdout else None)

    def check_sender(self, health):
        self.assertEqual(pick(health, "sent", "send_errors"), {"sent": PACKETS, "send_errors": 0})
        late = [health["lateness_%s_ns" % name] for name in ("p50", "p99", "p999", "max")]
        self.assertEqual(late, sorted(late))
        self.assertGreaterEqual(late[0], 0)
        self.assertGreater(late[-1], 0)
        self.assertLessEqual(health["lateness_mean_ns"], health["lateness_max_ns"])
        self.assertGreater(health["kernel_stamps"], 0)
        self.assertLessEqual(health["kernel_stamps"], PACKETS)
        gap = [health["kernel_gap_%s_ns" % name] for name in ("p50", "p99", "max")]
        self.assertEqual(gap, sorted(gap))
        self.assertGreater(gap[-1], 0)

    def check_receiver(self, health):
        self.assertEqual(pick(health, "socket_drops", "unstamped", "hardware_stamped", "failed"),
                         {"socket_drops": 0, "unstamped": 0, "hardware_stamped": 0, "failed": False})
        self.assertGreater(health["receive_buffer_wanted"], 0)
        self.assertGreaterEqual(health["receive_buffer_octets"], health["receive_buffer_wanted"])

    def check_measured(self, run):
        """Complete, and right, whatever the machine granted."""
        self.assert_status(run, 0)
        to_server, from_server = run.document["tests"]
        for test in (to_server, from_server):
            self.assertEqual(pick(test["summary"], "sent", "received", "lost", "dropped", "skipped"),
                             {"sent": PACKETS, "received": PACKETS, "lost": 0, "dropped": 0, "skipped": 0})
            # One machine, one clock.
            self.assertGreater(test["summary"]["delay_min_ns"], 0)
        self.check_sender(to_server["health"]["send"])
        self.check_receiver(from_server["health"]["receive"])
        self.assertIsNone(to_server["health"]["receive"])
        self.assertIsNone(from_server["health"]["send"])
        if jsonschema is not None:
            with open(SCHEMA, encoding="utf-8") as file:
                validator = jsonschema.Draft202012Validator(json.load(file))
            self.assertEqual([error.message for error in validator.iter_errors(run.document)], [])

    def scheduling(self, pid):
        """Of all threads: policy and priority."""
        return sorted((os.sched_getscheduler(int(task)) & ~os.SCHED_RESET_ON_FORK,
                       os.sched_getparam(int(task)).sched_priority) for task in os.listdir("/proc/%d/task" % pid))

    def start_long(self, *arguments):
        """A measurement that runs; the caller may look at it until the test ends."""
        client = self.start(self.space, "owping", *LONG, *arguments, self.net.v4)
        self.server.wait_log("2 sessions started")
        return client

    @unittest.skipIf(realtime_unavailable(), realtime_unavailable())
    def test_privileged(self):
        """Real-time scheduling is had without being asked for; it is spun for, and said."""
        run = self.measure_as(())
        self.check_measured(run)
        self.assertEqual(pick(run.document["meter"], "realtime_priority", "realtime", "realtime_error", "spin_ns"),
                         {"realtime_priority": 10, "realtime": True, "realtime_error": None, "spin_ns": 50000})
        self.assertNotIn("real-time", run.stderr)

    @unittest.skipIf(realtime_unavailable(), realtime_unavailable())
    def test_threads(self):
        """One thread has what was asked for, as the kernel sees it; the others are ordinary."""
        client = self.start_long("--realtime-priority", 17)
        threads = self.scheduling(client.process.pid)
        self.assertEqual(threads[-1], (os.SCHED_FIFO, 17))
        self.assertEqual(set(threads[:-1]), {(os.SCHED_OTHER, 0)})

    def test_ordinary_on_request(self):
        client = self.start_long("--realtime-priority", 0)
        self.assertEqual(set(self.scheduling(client.process.pid)), {(os.SCHED_OTHER, 0)})
        run = self.measure_as((), "--realtime-priority", 0)
        self.check_measured(run)
        self.assertEqual(run.document["meter"],
                         {"realtime_priority": 0, "realtime": False, "realtime_error": None,
                          "memory_locked": False, "memory_error": None, "spin_ns": 0})
        self.assertEqual(warnings(run), [[], []])

    def test_cpus(self):
        """Threads stay where they were told to be."""
        cpus = sorted(os.sched_getaffinity(0))
        client = self.start_long("--pacer-cpu", cpus[0], "--collector-cpu", cpus[-1])
        pinned = [os.sched_getaffinity(int(task)) for task in os.listdir("/proc/%d/task" % client.process.pid)]
        self.assertIn({cpus[0]}, pinned)
        self.assertIn({cpus[-1]}, pinned)
        if len(cpus) > 1:
            self.assertEqual(sum(affinity != set(cpus) for affinity in pinned), 2)

    def test_no_such_cpu(self):
        for option in ("--pacer-cpu", "--collector-cpu"):
            run = self.owping(self.space, option, 1023, *RUN, self.net.v4)
            self.assert_status(run, 1)
            self.assertRegex(run.stderr, "^owping: .*1023")
            self.assertRegex(run.document["error"]["reason"], "1023")
            self.assertIsNone(run.document["meter"])

    def test_no_hardware(self):
        """An interface that cannot stamp is an error, in one line that names it."""
        for name in ("lo", "none0"):
            run = self.owping(self.space, "--hardware-timestamps", name, *RUN, self.net.v4)
            self.assert_status(run, 1)
            self.assertRegex(run.stderr, "^owping: (.*[^a-z0-9])?--hardware-timestamps: %s: [^\n]+$" % name)
            self.assertEqual(run.document["tests"], [])
        self.assert_never_logged(self.server, "sessions? started")

    def test_spin(self):
        """As long as was said, whoever asks."""
        run = self.measure_as((), "--spin", "0.0002")
        self.check_measured(run)
        self.assertEqual(run.document["meter"]["spin_ns"], 200000)
        run = self.measure_as((), "--spin", 0)
        self.check_measured(run)
        self.assertEqual(run.document["meter"]["spin_ns"], 0)

    @unittest.skipIf(ordinary_unavailable(), ordinary_unavailable())
    def test_nobody(self):
        """Refused without a word by default, and measured all the same."""
        run = self.measure_as(ORDINARY)
        self.check_measured(run)
        self.assertEqual(pick(run.document["meter"], *NO_SCHEDULE), NO_SCHEDULE)
        self.assertEqual(pick(run.document["meter"], "memory_locked", "memory_error"),
                         {"memory_locked": False, "memory_error": REFUSED})
        self.assertEqual(warnings(run), [[], []])
        self.assertNotIn(REFUSED, run.stderr)
        # In text only those who ask are told.
        run = self.measure_as(ORDINARY, json_output=False)
        self.assertEqual(run.status, 0)
        self.assertNotRegex(run.stdout + run.stderr, "meter:|real-time|refused|memory")
        run = self.measure_as(ORDINARY, "-v", json_output=False)
        self.assertEqual(run.status, 0)
        self.assertRegex(run.stdout, r"\nmeter: packets left \S+/\S+/\S+ [um]s late \(p50/p99/max\), \S+ [um]s between "
                                     r"stamp and kernel \(p50/p99/max of \d+\)\n"
                                     r"meter: ordinary scheduling \(real-time: %s\), no spinning, memory not "
                                     r"locked \(%s\)\n" % (REFUSED, REFUSED))

    @unittest.skipIf(ordinary_unavailable(), ordinary_unavailable())
    def test_nobody_asks(self):
        """Who asks by name and is refused learns of it, once."""
        run = self.measure_as(ORDINARY, "--realtime-priority", 20)
        self.check_measured(run)
        self.assertEqual(warnings(run),
                         [["real-time scheduling with priority 20 was asked for and refused: " + REFUSED], []])
        self.assertEqual(pick(run.document["meter"], *NO_SCHEDULE), NO_SCHEDULE)

    def check_granted(self, wrapper):
        """What the manual page says is enough."""
        if not possible(*wrapper, harness.program("owping"), "--version"):
            self.skipTest("not permitted here: " + " ".join(map(str, wrapper)))
        run = self.measure_as(wrapper)
        self.check_measured(run)
        self.assertEqual(run.document["meter"],
                         {"realtime_priority": 10, "realtime": True, "realtime_error": None,
                          "memory_locked": True, "memory_error": None, "spin_ns": 50000})

    def test_limits(self):
        self.check_granted(LIMITS)
        run = self.measure_as(LIMITS, "--realtime-priority", 11)
        self.check_measured(run)
        self.assertEqual(pick(run.document["meter"], *NO_SCHEDULE), NO_SCHEDULE)

    def test_capabilities(self):
        self.check_granted(CAPABILITIES)

    @unittest.skipIf(ordinary_unavailable(), ordinary_unavailable())
    def test_small_buffer(self):
        """A rate that the kernel's limit has no room for is measured with a warning."""
        with open("/proc/sys/net/core/rmem_max", encoding="ascii") as file:
            most = 2 * int(file.read())
        # All of these is more than the largest buffer that is ever asked for.
        if most >= 64 << 20:
            self.skipTest("net.core.rmem_max is too large to be reached")
        run = self.measure_as(ORDINARY, "-f", "-c", 5000, "-s", 8000, "-i", "0.00005f")
        test = run.document["tests"][0]
        self.assertEqual(pick(test["health"]["receive"], "receive_buffer_octets", "receive_buffer_wanted"),
                         {"receive_buffer_octets": most, "receive_buffer_wanted": 64 << 20})
        self.assertIn("the receive buffer has %d octets where this rate wants %d: packets may be dropped at this "
                      "host's own socket unless net.core.rmem_max is %d" % (most, 64 << 20, 32 << 20),
                      test["warnings"])

    def test_buffer(self):
        """For the busiest half second of the schedule, or for all packets if they are fewer."""
        wanted = []
        for arguments in (("-i", "0.1f"), ("-i", "0.001f", "-c", 600), ("-i", "0.001f", "-c", 100),
                          ("-i", "0.001f", "-c", 600, "-s", 1000),
                          ("-i", "0.0005f,0.0015f", "-c", 600), ("-i", "0.001f,10f", "-c", 1),
                          ("-i", "0.00002f", "-c", 2000)):
            run = self.owping(self.space, "-f", *RUN, *arguments, self.net.v4)
            health = run.document["tests"][0]["health"]["receive"]
            self.assertGreaterEqual(health["receive_buffer_octets"], health["receive_buffer_wanted"])
            wanted.append(health["receive_buffer_wanted"])
        slow, fast, few, large, uneven, lone, flood = wanted
        self.assertEqual(slow, 64 << 10)
        # 500 packets in half a second, of each of which the kernel counts 832 octets (socket.h).
        self.assertAlmostEqual(fast, 500 * 832, delta=2 * 832)
        self.assertAlmostEqual(few, 100 * 832, delta=832)
        self.assertGreater(large, fast)
        self.assertAlmostEqual(uneven, fast, delta=fast / 100)
        self.assertEqual(lone, slow)
        # 25000 packets in half a second, if there were so many.
        self.assertAlmostEqual(flood, 2000 * 832, delta=832)

    def test_usage(self):
        """A wrong value is an error before anything else."""
        for arguments in (("--realtime-priority", 100), ("--spin", "0.002"), ("--pacer-cpu", "all"),
                          ("--collector-cpu", -1), ("--hardware-timestamps", "eth0,")):
            run = self.owping(self.space, *arguments, *RUN, self.net.v4)
            self.assert_status(run, 2)
            self.assertRegex(run.stderr, "^owping: %s %s: expected " % arguments)
            self.assertIsNone(run.document["meter"])


class Drops(harness.SystemTest):
    """A client that does not run while packets arrive drops them itself, and does not blame the network."""

    COUNT = 300  # 0.9 s of them, of which the buffer holds half a second

    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Veth())
        self.server = self.owampd(self.net.server, limits=harness.GENEROUS)

    def measure(self, *arguments, **options):
        # Nothing but test packets leaves a server that is ready.
        before = self.net.server.datagrams_sent()
        client = self.start(self.net.client, "owping", "-f", "-c", self.COUNT, "-i", "0.003f", "-L", 1, "-z", 0.2,
                            "-E", 0.1, *arguments, self.net.v4, **options)
        harness.until(lambda: self.net.server.datagrams_sent() > before, "the first packet")
        client.process.signal(signal.SIGSTOP)
        harness.until(lambda: self.net.server.datagrams_sent() >= before + self.COUNT, "all packets")
        client.process.signal(signal.SIGCONT)
        run = client.end()
        self.assert_status(run, 3)
        return run

    def test_json(self):
        test = self.measure("--records").document["tests"][0]
        summary = test["summary"]
        self.assertEqual(test["outcome"], "partial")
        self.assertEqual(pick(summary, "sent", "lost", "duplicates", "missing_records"),
                         {"sent": self.COUNT, "lost": 0, "duplicates": 0, "missing_records": 0})
        self.assertEqual(summary["received"] + summary["dropped"], self.COUNT)
        self.assertGreater(summary["dropped"], self.COUNT / 4)
        self.assertEqual(summary["dropped"], test["health"]["receive"]["socket_drops"])
        self.assertEqual(sum(record["dropped"] for record in test["records"]), summary["dropped"])
        self.assertEqual([record["seq"] for record in test["records"]
                          if record["dropped"] != (record["receive_time_ns"] is None)], [])
        self.assertEqual([text for text in test["warnings"] if "dropped" in text],
                         ["%d packets were dropped at this host's own socket: not counted as lost"
                          % summary["dropped"]])

    def test_text(self):
        path = self.directory() + "/from"
        run = self.measure("-v", "-F", path, json_output=False)
        count = run.stdout.count("*DROPPED*")
        self.assertGreater(count, self.COUNT / 4)
        self.assertIn("\n%d sent, 0 lost (0.000%%), 0 duplicates\none-way delay" % self.COUNT, run.stdout)
        self.assertIn("\nwarning: %d packets were dropped at this host's own socket: not counted as lost\n" % count,
                      run.stdout)
        self.assertNotIn("*LOST*", run.stdout)
        with open(path, encoding="ascii") as file:
            ranges = re.findall(r"^# dropped (\d+) (\d+)$", file.read(), re.MULTILINE)
        self.assertEqual(sum(int(last) - int(first) + 1 for first, last in ranges), count)


if __name__ == "__main__":
    harness.main()
