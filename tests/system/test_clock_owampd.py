"""owampd and its clock: an unprivileged server beside a ptp4l whose socket is root's, and who may ask how it is."""
import ctypes
import errno
import json
import os
import pty
import re
import signal
import socket
import stat
import struct
import subprocess
import threading

import clock_case
import harness
import netns

NOBODY = 65534
CAP_DAC_OVERRIDE = 1 << 1
PIDFD_GETFD = 438

PTP4L = """[global]
time_stamping software
free_running 1
%(role)s
uds_address %(socket)s
network_transport UDPv4
logAnnounceInterval -2
announceReceiptTimeout 4
logSyncInterval -3
logMinDelayReqInterval -3
logging_level 6
use_syslog 0
verbose 1
summary_interval 0
[%(interface)s]
"""
TRACEABLE = "SET GRANDMASTER_SETTINGS_NP clockClass 6 clockAccuracy 0x21 offsetScaledLogVariance 0x4e5d " \
            "currentUtcOffset 37 leap61 0 leap59 0 currentUtcOffsetValid 1 ptpTimescale 0 timeTraceable 1 " \
            "frequencyTraceable 0 timeSource 0x20"
MASTER = "priority1 10\nclockClass 6\nclockAccuracy 0x21\ntimeSource 0x20"
SLAVE = "slaveOnly 1"


def status_of(pid, field):
    with open("/proc/%s/status" % pid, encoding="ascii") as file:
        for line in file:
            if line.startswith(field + ":"):
                return line.split(":", 1)[1].strip()
    raise KeyError(field)


def is_gone(pid):
    """Or a zombie that nobody has waited for."""
    try:
        return status_of(pid, "State").startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return True


class ClockOwampd(clock_case.ClockCase):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Veth())
        self.path = self.directory()
        self.ptp_socket = self.path + "/ptp4l"

    def ptp4l(self, space=None, role=SLAVE, path=None):
        """With its socket there: mode 0660, root's, in a folder of root's."""
        path = path or self.ptp_socket
        conf = path + ".conf"
        with open(conf, "w", encoding="ascii") as file:
            file.write(PTP4L % {"role": role, "socket": path, "interface": self.net.interface})
        if os.path.exists(path):
            os.unlink(path)
        process = self.daemon(space or self.net.server, "ptp4l", "-f", conf)
        harness.until(lambda: os.path.exists(path), "the socket of ptp4l")
        return process

    def conf(self, sources=None, folder=None, more=""):
        if sources is None:
            sources = 'ptp "grand" { socket = "%s" free_running = yes }' % self.ptp_socket
        self.status_socket = (folder or self.path) + "/status"
        return 'listen = {"127.0.0.1:5861"}\nuser = "nobody"\nstatus_socket = "%s"\n%sclock {\n%s\n}\n' % (
            self.status_socket, more, sources)

    def run_owampd(self, *arguments, **options):
        options = {"capture_output": True, "stdin": subprocess.DEVNULL, **options}
        return subprocess.run(self.net.server.command([harness.program("owampd"), *arguments]), text=True,
                              timeout=harness.PATIENCE, check=False, **options)

    def ask(self, server, stderr=""):
        """The sources of the document, by name, and all of it."""
        result = self.run_owampd("--config", server.conf_path, "--clock-status", "--json")
        self.assertEqual((result.returncode, result.stderr), (0, stderr))
        self.assertEqual(result.stdout.count("\n"), 1)
        clock = json.loads(result.stdout)["clock"]
        return {source["name"]: source for source in clock["sources"]}, clock

    def wait_source(self, server, condition, what, name="grand"):
        return harness.until(lambda: condition(self.ask(server)[0][name]) and self.ask(server)[0][name], what)

    def wait_back(self, server):
        return self.wait_source(server, lambda source: source["state"] != "absent", "the source is there")

    def wait_away(self, server):
        return self.wait_source(server, lambda source: source["state"] == "absent", "the source is away")

    def opener_of(self, server):
        children = server.children()
        self.assertEqual(len(children), 1, "processes of owampd's")
        return int(children[0])

    def end_both(self, server, opener):
        server.end(self)
        harness.until(lambda: is_gone(opener), "the opener is gone")


class Privileges(ClockOwampd):
    def test_ptp4l_comes_back(self):
        ptp4l = self.ptp4l()
        there = os.stat(self.ptp_socket)
        self.assertEqual((stat.S_IMODE(there.st_mode) & 0o007, there.st_uid, os.stat(self.path).st_mode & 0o077),
                         (0, 0, 0), "for root only")
        server = self.owampd(self.net.server, conf=self.conf())
        opener = self.opener_of(server)
        # The server has nothing left, the opener what opening takes.
        self.assertEqual((status_of(server.pid, "Uid").split(), int(status_of(server.pid, "CapEff"), 16),
                          int(status_of(server.pid, "CapPrm"), 16)), ([str(NOBODY)] * 4, 0, 0))
        self.assertEqual((status_of(opener, "Uid").split(), int(status_of(opener, "CapEff"), 16),
                          int(status_of(opener, "CapPrm"), 16), int(status_of(opener, "CapBnd"), 16),
                          status_of(opener, "NoNewPrivs"), status_of(opener, "Name")),
                         (["0"] * 4, CAP_DAC_OVERRIDE, CAP_DAC_OVERRIDE, CAP_DAC_OVERRIDE, "1", "owampd-opener"))
        self.wait_back(server)
        # Its own four, and a relay's two.
        self.assertEqual(len(os.listdir("/proc/%d/fd" % opener)), 6)
        mark = server.mark()
        for _ in range(2):
            ptp4l.kill()
            self.assertTrue(os.path.exists(self.ptp_socket), "a killed ptp4l leaves its socket")
            self.wait_away(server)
            server.wait_log("info: clock: grand is absent: ", mark)
            ptp4l = self.ptp4l()
            self.wait_back(server)
        # The log has it, too, if not at once: it was there at the start, not long ago.
        server.wait_log("info: clock: grand is doubtful: ", mark)
        self.assertEqual(self.opener_of(server), opener)
        self.assertEqual(len(os.listdir("/proc/%d/fd" % opener)), 6)
        self.end_both(server, opener)

    def set_priority(self, sockets, priority):
        """IEEE 1588-2008, 15.5.3.4.1: to all ports, the action SET, PRIORITY1."""
        header = struct.pack("!BBHBBHqI10sHBb", 0x0d, 2, 56, 0, 0, 0, 0, 0, b"", 1, 4, 0x7f)
        message = header + struct.pack("!10sBBBBHHHBB", b"\xff" * 10, 0, 0, 1, 0, 1, 4, 0x2005, priority, 0)
        for sock in sockets:
            try:
                sock.send(message, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except OSError as error:
                self.assertIn(error.errno, (errno.EPIPE, errno.ENOTCONN, errno.ECONNREFUSED))

    def priority(self):
        answer = self.net.server.run("pmc", "-u", "-b", "0", "-s", self.ptp_socket, "-i", self.path + "/pmc",
                                     "GET PRIORITY1")
        return int(re.search(r"priority1 +(\d+)", answer)[1])

    def unix_sockets(self, pid):
        """Copies of all that a process has."""
        libc = ctypes.CDLL(None, use_errno=True)
        process = os.pidfd_open(pid)
        sockets = []
        for fd in os.listdir("/proc/%d/fd" % pid):
            copy = libc.syscall(PIDFD_GETFD, process, int(fd), 0)
            if copy < 0:
                continue
            if stat.S_ISSOCK(os.fstat(copy).st_mode):
                sock = self.keep(socket.socket(fileno=copy))
                if sock.family == socket.AF_UNIX:
                    sockets.append(sock)
            else:
                os.close(copy)
        os.close(process)
        return sockets

    def test_taken_over(self):
        """With all that the server has ptp4l can be asked, and not be set."""
        self.ptp4l()
        server = self.owampd(self.net.server, conf=self.conf())
        self.wait_back(server)
        own = self.keep(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        own.bind("")
        own.connect(self.ptp_socket)
        self.set_priority([own], 100)
        self.assertEqual(self.priority(), 100, "a SET that gets there does what it says")
        sockets = self.unix_sockets(server.pid)
        self.assertGreaterEqual(len([sock for sock in sockets if sock.type == socket.SOCK_SEQPACKET]), 2)
        mark = server.mark()
        self.set_priority(sockets, 7)
        # It came as far as the opener, for which it was no request.
        server.wait_log("the process that opens clock sources as root is gone", mark)
        self.assertEqual(self.priority(), 100)

    def test_opener_hangs(self):
        """It keeps nobody from measuring, nor from ending."""
        server = self.owampd(self.net.server, conf=self.conf())
        opener = self.opener_of(server)
        self.wait_away(server)
        os.kill(opener, signal.SIGSTOP)
        try:
            self.wait_source(server, lambda source: "the process that opens it as root does not answer" in
                             source["text"], "the source says why")
            self.assert_served(self.net.server, "127.0.0.1:5861")
            server.end(self)
            self.assertEqual(len(server.find(r"warning: the process that opens clock sources as root does not end "
                                             r"\(process %d\)" % opener)), 1)
        finally:
            os.kill(opener, signal.SIGCONT)
        harness.until(lambda: is_gone(opener), "the opener is gone")

    def test_opener_killed(self):
        """owampd goes on, and says so once; the sources say why they are away."""
        self.ptp4l()
        server = self.owampd(self.net.server, conf=self.conf())
        opener = self.opener_of(server)
        self.wait_back(server)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(opener, number)
        self.assertEqual(self.opener_of(server), opener)
        mark = server.mark()
        os.kill(opener, signal.SIGKILL)
        server.wait_log(r"error: the process that opens clock sources as root is gone \(Killed\)", mark)
        self.assertEqual(server.children(), [], "it was waited for")
        self.wait_source(server, lambda source: "the process that opens it as root is gone" in source["text"],
                         "the source says why")
        self.assert_served(self.net.server, "127.0.0.1:5861")
        server.end(self)
        self.assertEqual(len(server.find("the process that opens clock sources")), 1)

    def test_server_killed(self):
        server = self.owampd(self.net.server, conf=self.conf())
        opener = self.opener_of(server)
        server.kill()
        harness.until(lambda: is_gone(opener), "the opener is gone")

    def test_not_needed(self):
        """Without a change of the user, or a source that is root's, there is one process."""
        server = self.owampd(self.net.server, conf=self.conf().replace('user = "nobody"\n', ""))
        self.assertEqual(server.children(), [])
        server.end(self)
        server = self.owampd(self.net.server, conf=self.conf('kernel "k" { }'))
        self.assertEqual(server.children(), [])

    def test_background(self):
        """Both go there, and both come to an end."""
        os.chmod(self.path, 0o755)
        pid_file = self.path + "/pid"
        conf = self.path + "/conf"
        with open(conf, "w", encoding="ascii") as file:
            file.write(self.conf(more='pid_file = "%s"\n' % pid_file))
        result = self.run_owampd("--config", conf)
        self.assertEqual((result.returncode, result.stdout), (0, ""))
        with open(pid_file, encoding="ascii") as file:
            pid = int(file.read())
        try:
            with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
                opener = int(file.read())
            self.assertEqual(self.run_owampd("--config", conf, "--clock-status").stderr, "")
        finally:
            os.kill(pid, signal.SIGTERM)
        harness.until(lambda: is_gone(pid) and is_gone(opener), "both are gone")

    def test_group(self):
        """The way without root, as the manual has it: ptp4l's socket in a folder of a group's."""
        os.chmod(self.path, 0o755)
        folder = self.path + "/group"
        os.mkdir(folder)
        os.chown(folder, 0, NOBODY)
        os.chmod(folder, 0o2750)
        self.ptp_socket = folder + "/ptp4l"
        self.ptp4l()
        self.assertEqual(os.stat(self.ptp_socket).st_gid, NOBODY)
        conf = self.conf(folder=folder).replace('user = "nobody"\n', "").replace(
            'status_socket = "%s"\n' % self.status_socket, "")
        wrapper = clock_case.as_nobody(NOBODY)
        server = harness.Process(self.net.server, [*wrapper, harness.program("owampd"), "--foreground", "--config",
                                                   self.write_open(conf)], "owampd")
        self.processes.append(server)
        self.addCleanup(server.kill)
        server.wait_log("clock: grand is (doubtful|valid)")
        self.assertEqual(server.children(), [])

    def write_open(self, text):
        path = self.path + "/open.conf"
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, 0o644)
        return path


class Check(ClockOwampd):
    def check(self, path):
        result = self.run_owampd("--check-config", "--user", "nobody", "--status-socket", path)
        return result.returncode, result.stderr

    def test_status_socket(self):
        """What could not be made is refused, and nothing is made."""
        os.chmod(self.path, 0o755)
        path = self.path + "/status"
        self.assertEqual(self.check(path), (0, ""))
        self.assertEqual(os.listdir(self.path), [])
        with open(path, "w", encoding="ascii"):
            pass
        self.assertEqual(self.check(path), (1, "status_socket %s: is something else than a socket\n" % path))
        folder = self.path + "/folder"
        os.mkdir(folder, 0o700)
        os.chown(folder, NOBODY - 1, NOBODY - 1)
        path = folder + "/status"
        why = "status_socket %s: its folder is neither root's nor the server's user's\n" % path
        self.assertEqual(self.check(path), (1, why))
        result = self.run_owampd("--listen", "127.0.0.1:5862", "--user", "nobody", "--status-socket", path,
                                 "--foreground")
        self.assertEqual(result.returncode, 1)
        self.assertIn("error: " + why, result.stderr)
        self.assertEqual(os.listdir(folder), [])


class Log(ClockOwampd):
    def test_pair(self):
        """A traceable grandmaster: what is told at the start, when it is found, and when it is lost."""
        master = self.ptp4l(self.net.client, MASTER, self.path + "/master")
        self.net.client.run("pmc", "-u", "-b", "0", "-s", self.path + "/master", "-i", self.path + "/pmc", TRACEABLE)
        self.ptp4l()
        server = self.owampd(self.net.server, conf=self.conf())
        server.wait_log("info: clock: grand is ")
        server.wait_log("info: clock: steered by ")
        server.wait_log(r"notice: clock: synchronized: within .* of UTC \(PTP\), by grand", timeout=90)
        sources, clock = self.ask(server)
        self.assertEqual((sources["grand"]["state"], sources["grand"]["used"], clock["synchronized"],
                          clock["source"]), ("valid", True, True, "ptp"))
        text = self.run_owampd("--config", server.conf_path, "--clock-status")
        self.assertEqual((text.returncode, text.stderr), (0, ""))
        self.assertRegex(text.stdout, r"within .* of UTC \(PTP\)")
        self.assertRegex(text.stdout, r"(?m)^\* grand +ptp +valid ")
        mark = server.mark()
        master.kill()
        server.wait_log("warning: clock: no longer synchronized: ", mark, timeout=90)
        self.assertFalse(self.ask(server)[1]["synchronized"])

    def test_reload(self):
        server = self.owampd(self.net.server, conf=self.conf('kernel "k" { }'))
        os.chmod(server.directory, 0o755)
        text = server.conf
        mark = server.mark()
        server.reload("notice: reloaded")
        self.assertEqual(server.find("next start", mark), [])
        server.write_conf(text.replace('"k"', '"other"').replace("/status", "/status2"))
        mark = server.mark()
        server.reload("notice: reloaded")
        for key in ("clock", "status_socket"):
            server.wait_log("warning: reload: a change of %s takes effect at the next start" % key, mark)
        self.assertEqual(len(server.find("next start", mark)), 2)
        self.assertIn("k", self.ask_at(server, self.status_socket))
        server.write_conf(text.replace("kernel", "colonel"))
        server.reload("error: .*: clock: no such option 'colonel'")

    def ask_at(self, server, path):
        result = self.run_owampd("--config", server.conf_path, "--status-socket", path, "--clock-status", "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return [source["name"] for source in json.loads(result.stdout)["clock"]["sources"]]


class Status(ClockOwampd):
    KERNEL = 'kernel "k" { }'
    INSTEAD = "taking samples for about 2 s instead of asking the server\n"

    def write(self, text):
        path = self.path + "/conf"
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def check_instead(self, conf, why):
        """Says why nobody was asked, and looks for itself."""
        result = self.run_owampd("--config", conf, "--clock-status", "--json")
        self.assertEqual((result.returncode, result.stderr), (0, "owampd: %s; %s" % (why, self.INSTEAD)))
        self.assertEqual([source["name"] for source in json.loads(result.stdout)["clock"]["sources"]], ["k"])
        return result

    def test_without_server(self):
        conf = self.write(self.conf(self.KERNEL))
        self.check_instead(conf, "status_socket %s: No such file or directory" % self.status_socket)
        result = self.run_owampd("--config", conf, "--clock-status")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"(?m)^. k +kernel ")
        self.assertNotIn("\033", result.stdout)
        conf = self.write(self.conf(self.KERNEL).replace("status_socket", "#"))
        self.check_instead(conf, "no status_socket is configured")

    def test_killed_server(self):
        server = self.owampd(self.net.server, conf=self.conf(self.KERNEL))
        server.kill()
        self.check_instead(server.conf_path, "status_socket %s: Connection refused" % self.status_socket)
        # What it left is in nobody's way.
        server = self.owampd(self.net.server, conf=self.conf(self.KERNEL))
        self.assertEqual(list(self.ask(server)[0]), ["k"])

    def test_strange_answers(self):
        """Of what is no owampd nothing is passed on."""
        conf = self.write(self.conf(self.KERNEL))
        listener = self.keep(socket.socket(socket.AF_UNIX))
        listener.bind(self.status_socket)
        listener.listen()
        for octets, why in ((b"", "the answer is empty"), (b"hello\n", "the answer is not JSON, or cut: "),
                            (b'{"clock": {"synchronized"', "the answer is not JSON, or cut: "),
                            (b'{"clock": {}}\n', "the answer says nothing of a clock"),
                            (b"[]\n", "the answer says nothing of a clock"),
                            (b" " * 300000, "the answer is too long")):
            with self.subTest(octets=octets[:40]):
                answerer = threading.Thread(target=self.answer_once, args=(listener, octets))
                answerer.start()
                result = self.run_owampd("--config", conf, "--clock-status", "--json")
                answerer.join(harness.PATIENCE)
                self.assertEqual(result.returncode, 0)
                self.assertTrue(result.stderr.startswith(
                    "owampd: status_socket %s: %s" % (self.status_socket, why)), result.stderr)
                self.assertTrue(result.stderr.endswith(self.INSTEAD), result.stderr)
                self.assertIn("clock", json.loads(result.stdout))
        # Nor is one waited for that says nothing.
        self.check_instead(conf, "status_socket %s: no answer in time" % self.status_socket)

    @staticmethod
    def answer_once(listener, octets):
        connection = listener.accept()[0]
        try:
            connection.sendall(octets)
        except OSError:
            pass
        connection.close()

    def test_nothing_printed(self):
        conf = self.write(self.conf(self.KERNEL))
        with open("/dev/full", "w", encoding="ascii") as full:
            for more in ([], ["--json"]):
                result = self.run_owampd("--config", conf, "--clock-status", *more, capture_output=False, stdout=full,
                                         stderr=subprocess.PIPE)
                self.assertEqual(result.returncode, 1)
                self.assertIn("owampd: writing the status: No space left on device\n", result.stderr)
        leap = self.path + "/leap"
        with open(leap, "w", encoding="ascii") as file:
            file.write("nonsense\n")
        sources = self.KERNEL + '\nleap_file = "%s"' % leap
        conf = self.write(self.conf(sources))
        line = 1 + self.conf(sources).split(leap)[0].count("\n")
        wrong = "%s:%d: clock: leap_file: %s:1: expected a time" % (conf, line, leap)
        result = self.run_owampd("--config", conf, "--clock-status")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn(wrong, result.stderr)
        # So it is when it is checked, and when the server starts.
        result = self.run_owampd("--config", conf, "--check-config")
        self.assertEqual(result.returncode, 1)
        self.assertIn(wrong, result.stderr)
        result = self.run_owampd("--config", conf, "--foreground")
        self.assertEqual(result.returncode, 1)
        self.assertIn(wrong, result.stderr)

    def test_colour(self):
        """On a terminal only."""
        conf = self.write(self.conf(self.KERNEL))
        for variables, coloured in (({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False),
                                    ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
            with self.subTest(variables=variables):
                controller, terminal = pty.openpty()
                environment = {name: value for name, value in os.environ.items()
                               if name not in ("TERM", "NO_COLOR")}
                result = self.run_owampd("--config", conf, "--clock-status", capture_output=False, stdout=terminal,
                                         stderr=subprocess.PIPE, env={**environment, **variables})
                os.close(terminal)
                self.assertEqual(result.returncode, 0)
                self.assertEqual(b"\033[" in os.read(controller, 65536), coloured)
                os.close(controller)

    def test_socket(self):
        """Its owner is the server's user, its end the server's; nobody takes a living one's place."""
        folder = self.directory()
        os.chown(folder, NOBODY, NOBODY)
        server = self.owampd(self.net.server, conf=self.conf(self.KERNEL, folder))
        there = os.stat(self.status_socket)
        self.assertEqual((stat.S_IMODE(there.st_mode), there.st_uid, stat.S_ISSOCK(there.st_mode)),
                         (0o660, NOBODY, True))
        result = self.run_owampd("--listen", "127.0.0.1:5862", "--status-socket", self.status_socket, "--foreground")
        self.assertEqual(result.returncode, 1)
        self.assertIn("error: status_socket %s: a server answers there already\n" % self.status_socket,
                      result.stderr)
        self.assertEqual(list(self.ask(server)[0]), ["k"])
        server.end(self)
        self.assertFalse(os.path.exists(self.status_socket))

    def test_many(self):
        """Those who ask and never read keep nobody waiting, and cost no descriptors."""
        server = self.owampd(self.net.server, conf=self.conf(self.KERNEL))
        self.ask(server)
        before = server.descriptors()
        for _ in range(200):
            self.keep(socket.socket(socket.AF_UNIX)).connect(self.status_socket)
        self.ask(server)
        harness.until(lambda: server.descriptors() == before, "no more descriptors than before")
        self.assert_served(self.net.server, "127.0.0.1:5861")

    def test_arguments(self):
        for arguments, why in ((["--json"], "option --json: expected --clock-status with it\n"),
                               (["--clock-status", "--check-config"], "expected one of the two\n")):
            result = self.run_owampd(*arguments)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertTrue(result.stderr.endswith(why), result.stderr)
        self.assertTrue(re.search("--clock-status ", self.run_owampd("--help").stdout))


if __name__ == "__main__":
    harness.main(harness.missing("ptp4l", "pmc"))
