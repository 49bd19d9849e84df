"""What owampd asks of the machine, what it says of what it got, and of itself at a session's end."""
import os
import re
import subprocess

import harness
import netns
import owamp

OPTIONS = ("realtime-priority", "lock-memory", "spin", "pacer-cpu", "collector-cpu", "hardware-timestamps",
           "shared-test-port")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def may_have_real_time(priority=10):
    """Tries it in a process of its own."""
    tried = subprocess.run(["chrt", "--fifo", str(priority), "true"], capture_output=True, check=False)
    return tried.returncode == 0


class Meter(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.space = self.net.client

    def directory(self):
        """One that other users can read."""
        path = super().directory()
        os.chmod(path, 0o755)
        return path

    def run_owampd(self, *arguments):
        return subprocess.run(self.net.server.command([harness.program("owampd"), *arguments]),
                              capture_output=True, text=True, timeout=harness.PATIENCE,
                              stdin=subprocess.DEVNULL, check=False)

    def as_nobody(self, conf="", setpriv=()):
        wrapper = ("prlimit", "--rtprio=0", "--memlock=65536", *NOBODY, *setpriv)
        return self.owampd(self.net.server, conf="listen = 5861\n" + conf, wrapper=wrapper)

    def thread(self, server, name):
        for task in os.listdir("/proc/%d/task" % server.pid):
            with open("/proc/%d/task/%s/comm" % (server.pid, task), encoding="ascii") as file:
                if file.read().strip() == name:
                    return int(task)
        raise AssertionError("owampd has no thread %s" % name)

    def scheduling(self, server):
        pacer = self.thread(server, "owamp-pacer")
        policy = os.sched_getscheduler(pacer) & ~os.SCHED_RESET_ON_FORK
        return policy, os.sched_getparam(pacer).sched_priority

    def said(self, server, what):
        """The one line about it at the start: level and text."""
        server.wait_log(what)
        found = server.find(r"owampd (\w+): %s: (.*)$" % what)
        self.assertEqual(len(found), 1, "lines about " + what)
        return found[0][1], found[0][2]

    def test_as_root(self):
        if not may_have_real_time(17):
            self.skipTest("root may not have SCHED_FIFO here")
        server = self.owampd(self.net.server, conf="realtime_priority = 17\n")
        self.assertEqual(self.said(server, "real-time priority for sending"), ("info", "17 (SCHED_FIFO)"))
        self.assertEqual(self.scheduling(server), (os.SCHED_FIFO, 17))
        server.wait_log(r"info: spinning for the last 50\.0 us before a packet is due$")
        # Nobody else has it: a receiver that has to wait loses nothing.
        others = [int(task) for task in os.listdir("/proc/%d/task" % server.pid)
                  if int(task) != self.thread(server, "owamp-pacer")]
        self.assertEqual({os.sched_getscheduler(task) for task in others}, {os.SCHED_OTHER})
        self.assertEqual(self.said(server, "locked memory"), ("info", "yes, nothing of owampd is paged out"))
        self.assert_served(self.space, self.net.v4)

    def test_default(self):
        if not may_have_real_time():
            self.skipTest("root may not have SCHED_FIFO here")
        server = self.owampd(self.net.server)
        self.assertEqual(self.said(server, "real-time priority for sending"), ("info", "10 (SCHED_FIFO)"))
        self.assertEqual(self.scheduling(server), (os.SCHED_FIFO, 10))

    def test_not_asked_for(self):
        server = self.owampd(self.net.server, conf="realtime_priority = 0\nlock_memory = no\n")
        self.assertEqual(self.said(server, "real-time priority for sending"), ("info", "not asked for"))
        self.assertEqual(self.said(server, "locked memory"), ("info", "not asked for"))
        self.assertEqual(self.scheduling(server), (os.SCHED_OTHER, 0))
        self.assert_never_logged(server, "spinning")

    def test_not_permitted(self):
        """A user without any of it: told once, with what to do, and served all the same."""
        server = self.as_nobody()
        level, text = self.said(server, "real-time priority for sending")
        self.assertEqual(level, "notice")
        self.assertRegex(text, "^not given, Operation not permitted;.*LimitRTPRIO=10 .*realtime_priority = 0")
        level, text = self.said(server, "locked memory")
        self.assertEqual(level, "notice")
        self.assertRegex(text, "^not given, .*LimitMEMLOCK=infinity .*lock_memory = no")
        self.assertEqual(self.scheduling(server), (os.SCHED_OTHER, 0))
        self.assert_served(self.space, self.net.v4 + ":5861")
        mark = server.mark()
        server.reload("notice: reloaded")
        server.end(self)
        self.assertEqual(server.find("real-time|locked memory|spinning", mark), [])
        # That nobody vouches for the clock is another matter.
        self.assertEqual(server.find("warning: (?!clock: )"), [])

    def test_permitted_by_capability(self):
        """What the manual has for systemd: no root, but AmbientCapabilities."""
        if not may_have_real_time():
            self.skipTest("real-time scheduling is not to be had here")
        server = self.as_nobody(setpriv=("--inh-caps=+sys_nice", "--ambient-caps=+sys_nice"))
        self.assertEqual(server.status("Uid"), "65534")
        self.assertEqual(self.said(server, "real-time priority for sending"), ("info", "10 (SCHED_FIFO)"))
        self.assertEqual(self.scheduling(server), (os.SCHED_FIFO, 10))
        self.assertEqual(self.said(server, "locked memory")[0], "notice")

    def test_permitted_by_limit(self):
        """RLIMIT_RTPRIO is enough, if it is no less than the priority."""
        limited = subprocess.run(["prlimit", "--rtprio=9", *NOBODY, "chrt", "--fifo", "9", "true"],
                                 capture_output=True, check=False)
        if limited.returncode != 0:
            self.skipTest("RLIMIT_RTPRIO cannot be raised here: %s" % limited.stderr.decode().strip())
        for priority in (9, 10):
            server = self.owampd(self.net.server, conf="listen = 5861\nrealtime_priority = %d\n" % priority,
                                 wrapper=("prlimit", "--rtprio=9", *NOBODY))
            self.assertEqual(self.said(server, "real-time priority for sending")[0],
                             "info" if priority == 9 else "notice")
            server.end(self)

    def test_user(self):
        """Who starts as root keeps the priority. Locked memory would starve a user who has a limit of it."""
        if not may_have_real_time():
            self.skipTest("root may not have SCHED_FIFO here")
        server = self.owampd(self.net.server, conf='user = "nobody"\n',
                             wrapper=("prlimit", "--memlock=65536:65536"))
        self.assertEqual(self.said(server, "real-time priority for sending"), ("info", "10 (SCHED_FIFO)"))
        self.assertEqual(self.scheduling(server), (os.SCHED_FIFO, 10))
        self.assertEqual(self.said(server, "locked memory")[0], "notice")
        self.assert_served(self.space, self.net.v4)

    def test_spin_without_priority(self):
        server = self.as_nobody(conf="spin = 20us\n")
        server.wait_log(r"notice: spinning for the last 20\.0 us before a packet is due, "
                        "without real-time priority")
        self.assert_served(self.space, self.net.v4 + ":5861")

    def test_cpus(self):
        cpus = sorted(os.sched_getaffinity(0))
        server = self.owampd(self.net.server,
                             conf="pacer_cpu = %d\ncollector_cpu = %d\n" % (cpus[0], cpus[-1]))
        server.wait_log("info: sending on CPU %d only$" % cpus[0])
        server.wait_log("info: receiving on CPU %d only$" % cpus[-1])
        self.assertEqual(os.sched_getaffinity(self.thread(server, "owamp-pacer")), {cpus[0]})
        self.assertEqual(os.sched_getaffinity(self.thread(server, "owamp-collector")), {cpus[-1]})
        self.assertEqual(os.sched_getaffinity(server.pid), set(cpus))
        self.assert_served(self.space, self.net.v4)

    def test_hardware(self):
        """An interface that cannot stamp ends the start, and is named."""
        result = self.run_owampd("--foreground", "--hardware-timestamps", "lo")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertRegex(result.stderr, r"owampd error: hardware_timestamps: lo: ")
        result = self.run_owampd("--foreground", "--hardware-timestamps", "nosuchif")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"owampd error: hardware_timestamps: nosuchif: no such interface\n")

    def test_check_config(self):
        cpu = min(os.sched_getaffinity(0))
        good = ("realtime_priority = 0\n", "realtime_priority = 99\n", "lock_memory = yes\n",
                "lock_memory = no\n", "spin = auto\n", "spin = 0\n", "spin = 50us\n", "spin = 0.5ms\n",
                "spin = 1ms\n", "pacer_cpu = any\n", "pacer_cpu = %d\n" % cpu, "collector_cpu = %d\n" % cpu,
                'hardware_timestamps = {"lo"}\n', "hardware_timestamps = {}\n", "shared_test_port = 0\n",
                "shared_test_port = 861\ntest_ports = 800-900\n")
        path = os.path.join(self.directory(), "conf")
        for text in good:
            with self.subTest(text=text):
                with open(path, "w", encoding="ascii") as file:
                    file.write(text)
                result = self.run_owampd("--check-config", "-c", path)
                self.assertEqual((result.returncode, result.stderr, result.stdout), (0, "", path + ": ok\n"))
        no_cpu = "expected any, or the number of a CPU that owampd may use: "
        bad = (("realtime_priority = 100", "'100', expected an integer from 0 to 99"),
               ("lock_memory = maybe", "'maybe', expected yes or no"),
               ("spin = 2ms", "'2ms', expected auto, or a time from 0 to 1ms, such as 50us"),
               ("spin = 5", "'5', expected auto, or a time from 0 to 1ms, such as 50us"),
               ("pacer_cpu = 8191", "'8191', " + no_cpu),
               ("collector_cpu = first", "'first', " + no_cpu),
               ('hardware_timestamps = {"eth0/1"}', "'eth0/1', expected the name of a network interface"),
               ("shared_test_port = 65536", "'65536', expected an integer from 0 to 65535"))
        for text, why in bad:
            for extra in ("--check-config", "--foreground"):
                with self.subTest(text=text, extra=extra):
                    with open(path, "w", encoding="ascii") as file:
                        file.write("\n" + text + "\n")
                    result = self.run_owampd(extra, "-c", path)
                    self.assertEqual(result.returncode, 1)
                    key = text.split(" = ", 1)[0]
                    expected = "%s:2: %s: %s" % (path, key, why)
                    self.assertEqual(result.stderr[:len(expected)], expected)
        result = self.run_owampd("--check-config", "--hardware-timestamps", "nosuchif")
        self.assertEqual((result.returncode, result.stderr),
                         (1, 'hardware_timestamps: there is no interface "nosuchif"\n'))

    def test_help(self):
        text = self.run_owampd("--help").stdout
        for option in OPTIONS:
            self.assertIn("--%s " % option, text)
        self.assertTrue(all(len(line) <= 100 for line in text.splitlines()))

    def test_reload(self):
        """Each is told of at each reload until it is as it was at the start."""
        server = self.owampd(self.net.server, conf="hardware_timestamps = {}\n")
        cpu = min(os.sched_getaffinity(0))
        before = server.conf
        cases = {"realtime_priority": "11", "lock_memory": "no", "spin": "10us", "pacer_cpu": str(cpu),
                 "collector_cpu": str(cpu), "shared_test_port": "861"}
        changed = "takes effect at the next start"
        for key, value in cases.items():
            server.write_conf(before + "%s = %s\n" % (key, value))
            for _ in range(2):
                mark = server.mark()
                server.reload("notice: reloaded")
                found = server.find("reload: a change of (.*) " + changed, mark)
                self.assertEqual([match[1] for match in found], [key])
        server.write_conf(before.replace("{}", '{"lo"}'))
        server.reload("reload: a change of hardware_timestamps " + changed)
        server.write_conf(before)
        mark = server.mark()
        server.reload("notice: reloaded")
        self.assertEqual(server.find("takes effect", mark), [])
        self.assertEqual(self.scheduling(server)[1], 10 if may_have_real_time() else 0)

    def test_sender_line(self):
        """What a sender was late by: figures that can be true, in one line."""
        server = self.owampd(self.net.server)
        run = self.owping(self.space, "-f", "-c", 200, "-i", "0.002e", "-L", 0.5, "-z", 0.1, self.net.v4)
        self.assert_status(run, 0)
        number = r"(\d+\.\d) us"
        match = server.wait_log("session [0-9a-f]{32} ended: 200 of 200 packets sent, late by %s on average, "
                                r"%s \(p50\), %s \(p99\), %s \(p99\.9\), %s at most(.*)$" % ((number,) * 5))
        mean, p50, p99, p999, most = (float(match[i]) for i in range(1, 6))
        self.assertTrue(0 < p50 <= p99 <= p999 <= most, match[0])
        self.assertTrue(mean <= most, match[0])
        kernel = re.fullmatch(r"; stamped %s \(p50\), %s \(p99\) before the kernel did" % (number, number),
                              match[6])
        self.assertTrue(kernel, match[6])
        self.assertLessEqual(float(kernel[1]), float(kernel[2]))

    def test_missing_buffer(self):
        """The kernel refuses a large buffer: said once, and again when still more is wanted."""
        with open("/proc/sys/net/core/rmem_max", encoding="ascii") as file:
            most = 2 * int(file.read())  # the kernel doubles what it is asked for
        if most >= 14 << 20:
            self.skipTest("net.core.rmem_max allows for all that is wanted")
        server = self.owampd(self.net.server, limits=harness.GENEROUS,
                             wrapper=("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-all"))
        control = self.keep(owamp.Control(self.space, self.net.v4))
        self.assertEqual(control.set_up(), owamp.OK)
        line = r"notice: the kernel gives a receive buffer of (\S+ [KM]iB) where (\S+) MiB are wanted " \
               r"for (\d+) packets/s: raise net\.core\.rmem_max$"
        # So few fit in, at whatever rate.
        accept, _, _ = control.request(True, control.udp().getsockname()[1], packets=100,
                                       slots=[(owamp.FIXED, owamp.SECOND // 30000)])
        self.assertEqual(accept, owamp.OK)
        for rate, said in ((10, 0), (40000, 1), (40000, 1), (30000, 1), (10, 1), (80000, 2), (40000, 2)):
            accept, _, _ = control.request(True, control.udp().getsockname()[1], packets=10 * rate,
                                           slots=[(owamp.FIXED, owamp.SECOND // rate)])
            self.assertEqual(accept, owamp.OK)
            harness.until(lambda n=said: len(server.find(line)) >= n, "a line after %d packets/s" % rate)
        server.end(self)
        wanted = [(int(match[3]), float(match[2])) for match in server.find(line)]
        text = "%.0f KiB" % (most / 1024) if most < 1 << 20 else "%.1f MiB" % (most / (1 << 20))
        self.assertEqual({match[1] for match in server.find(line)}, {text})
        self.assertEqual([rate for rate, _ in wanted], [40000, 80000])
        # Half a second of packets is 20,000 of them, each of which takes the kernel more than its 14 octets.
        self.assertGreater(wanted[0][1], 1)
        self.assertAlmostEqual(wanted[1][1] / wanted[0][1], 2, delta=0.1)


if __name__ == "__main__":
    harness.main(harness.missing("chrt", "prlimit"))
