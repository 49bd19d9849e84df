"""owampd's start: what it reads, what it says about it, and what it then is."""
import os
import re
import socket
import subprocess

import harness
import netns
import owamp

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs")
EXAMPLES, MANUALS = os.path.join(DOCS, "examples"), os.path.join(DOCS, "man")

GOOD = """listen = {"127.0.0.1:5861"}
test_ports = "9000-9100"
keep = 12h
log_level = notice
"""


class Config(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.path = self.directory()

    def write(self, name, text):
        path = os.path.join(self.path, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def run_owampd(self, *arguments):
        return subprocess.run(self.net.server.command([harness.program("owampd"), *arguments]),
                              capture_output=True,
                              text=True, timeout=harness.PATIENCE, stdin=subprocess.DEVNULL, check=False)

    def test_good(self):
        keys = os.path.join(self.path, "keys")
        harness.write_keys(keys, harness.KEYS)
        limits = self.write("limits", harness.GENEROUS)
        conf = self.write("conf", GOOD + 'keys = "%s"\nlimits = "%s"\n' % (keys, limits))
        result = self.run_owampd("--check-config", "-c", conf)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(sorted(result.stdout.splitlines()),
                         sorted("%s: ok" % path for path in (conf, keys, limits)))

    def test_examples(self):
        limits, keys = (os.path.join(EXAMPLES, name) for name in ("owampd.limits", "owampd.pfs"))
        result = self.run_owampd("--check-config", "--limits", limits, "--keys", keys)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_example_defaults(self):
        """What the example shows of each key, commented out, is right as it stands; the paths are not of here."""
        with open(os.path.join(EXAMPLES, "owampd.conf"), encoding="ascii") as file:
            text = file.read()
        shown = re.findall(r"^#?(([a-z0-9_]+) = .*)$", text, re.MULTILINE)
        section = re.search(r"^#clock \{\n(#.*\n)*?#\}$", text, re.MULTILINE)[0].replace("#", "")
        manual = self.manual_keys()
        self.assertEqual(sorted(key for _, key in shown), sorted(manual))
        lines = [line for line, key in shown
                 if key not in ("keys", "limits", "user", "group", "pid_file", "archive", "status_socket")]
        lines.append(section)
        keys = os.path.join(self.path, "keys")
        harness.write_keys(keys, harness.KEYS)
        path = self.write("conf", "\n".join(lines) + "\n")
        result = self.run_owampd("--check-config", "-c", path, "--keys", keys)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def manual_keys(self):
        with open(os.path.join(MANUALS, "owampd.conf.5.scd"), encoding="utf-8") as file:
            found = re.findall(r"^(\*[a-z0-9_]+\* = .*)$", file.read(), re.MULTILINE)
        return [key for line in found for key in re.findall(r"\*([a-z0-9_]+)\* =", line)]

    def test_bad_conf(self):
        cases = (
            ("# comment\nfrobnicate = 1\n", 2), ("keep = soon\n", 1), ("\nkeep = 12\nkeep = 13\n", 3),
            ('listen = {"300.1.2.3"}\n', 1), ("modes = Q\n", 1), ("test_ports = \"9-8\"\n", 1),
            ("pbkdf2_count = 1000\n", 1),
            ("pbkdf2_count = 33554432\n", 1), ("slots_max = 0\n", 1), ("control_timeout = 0.1s\n", 1),
            ("log_level = loud\n", 1),
        )
        self.check_bad("conf", cases, "-c")

    def test_bad_limits(self):
        cases = (
            ("limit root with\n", 1), ("limit root with bandwidth=x\n", 1), ("limit root with speed=1\n", 1),
            ("limit root with disk=1\n\nlimit b with disk=1\n", 3),
            ("limit root with disk=1\nassign default b\n", 2),
            ("limit root with disk=1\nassign net 10.0.0.1/8 root\n", 2),
            ("limit root with disk=1, disk=2\n", 1),
            ("limit root with disk=1\nassign net 10.0.0.0/33 root\n", 2), ("assign default root\n", 1),
            ("limit root with \\\n bandwidth=1, \\\n disk=x\n", 3),
            ("limit root with disk=99999999999999999999\n", 1),
        )
        self.check_bad("limits", cases, "--limits")

    def test_bad_keys(self):
        cases = (("alice\n", 1), ("alice\tzz\n", 1), ("alice\t0\n", 1), ("\n\nalice\t00\nalice\t11\n", 4),
                 ("%s\t00\n" % ("a" * 81), 1), ("alice\t000a\n", 1))
        self.check_bad("keys", cases, "--keys")
        # A message must not show the secret.
        path = self.write("keys", "alice\tdeadbeefdeadbeeg\n")
        self.assertNotIn("deadbeef", self.run_owampd("--check-config", "--keys", path).stderr)

    def check_bad(self, name, cases, option):
        """Named with FILE:LINE, both when only checking and when starting."""
        for text, line in cases:
            path = self.write(name, text)
            for extra in (["--check-config"], ["--foreground"]):
                with self.subTest(text=text, extra=extra):
                    result = self.run_owampd(option, path, *extra)
                    self.assertEqual(result.returncode, 1, result.stderr)
                    self.assertRegex(result.stderr, "%s:%d: " % (path, line))
                    self.assertNotIn("%s: ok" % path, result.stdout)

    def test_all_mistakes_at_once(self):
        """--check-config looks at all files, not only up to the first that is wrong."""
        keys, limits = self.write("keys", "alice\n"), self.write("limits", "nonsense\n")
        result = self.run_owampd("--check-config", "--keys", keys, "--limits", limits)
        self.assertEqual(result.returncode, 1)
        for path in (keys, limits):
            self.assertIn("%s:1: " % path, result.stderr)

    def test_command_line(self):
        for arguments in (["--frobnicate"], ["--modes", "X"], ["--listen", "nowhere:x"],
                          ["--pbkdf2-count", "5"], ["stray"]):
            with self.subTest(arguments=arguments):
                result = self.run_owampd("--foreground", *arguments)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertNotEqual(result.stderr, "")

    def test_missing_file(self):
        result = self.run_owampd("--foreground", "-c", self.path + "/nowhere")
        self.assertEqual(result.returncode, 1)
        self.assertIn("No such file", result.stderr)

    def test_modes_without_keys(self):
        result = self.run_owampd("--foreground", "--modes", "E")
        self.assertNotEqual(result.returncode, 0)
        self.assertRegex(result.stderr, "key")

    def test_listen(self):
        server = self.owampd(self.net.server, conf='listen = {"127.0.0.1:5861", "[::1]:5862"}\n')
        server.wait_log(r"listening on 127\.0\.0\.1:5861")
        self.assert_served(self.net.client, "127.0.0.1:5861")
        self.assert_served(self.net.client, "[::1]:5862")
        self.assert_status(self.owping(self.net.client, *harness.QUICK, self.net.v4), 1)

    def test_address_in_use(self):
        self.owampd(self.net.server, conf='listen = {"127.0.0.1:5861"}\n')
        result = self.run_owampd("--foreground", "--listen", "127.0.0.1:5861")
        self.assertEqual(result.returncode, 1)
        self.assertIn("listening on 127.0.0.1:5861: Address already in use", result.stderr)

    def test_port_in_use(self):
        """Of all addresses as well, in whichever family."""
        for family, address, name in ((socket.AF_INET, "0.0.0.0", "0.0.0.0"), (socket.AF_INET6, "::", "[::]")):
            taken = self.keep(self.net.server.call(lambda family=family: socket.socket(family)))
            if family == socket.AF_INET6:
                taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            taken.bind((address, 8890))
            taken.listen()
            result = self.run_owampd("--foreground", "--listen", "8890")
            taken.close()
            self.assertEqual(result.returncode, 1)
            self.assertIn("error: listening on %s:8890: Address already in use\n" % name, result.stderr)

    def test_pid_file(self):
        path = self.path + "/pid"
        server = self.owampd(self.net.server, conf='pid_file = "%s"\n' % path)
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read(), "%d\n" % server.pid)
        server.end(self)
        self.assertFalse(os.path.exists(path))

    def test_pid_file_of_another(self):
        """The file of a server that runs is left alone; what one that was killed left is not in the way."""
        path = self.path + "/pid"
        server = self.owampd(self.net.server, conf='listen = {"127.0.0.1:5861"}\npid_file = "%s"\n' % path)
        for extra in ([], ["--foreground"]):
            result = self.run_owampd("--listen", "127.0.0.1:5862", "--pid-file", path, *extra)
            self.assertEqual(result.returncode, 1)
            self.assertIn("error: pid_file %s: a server runs already, process %d\n" % (path, server.pid),
                          result.stderr)
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read(), "%d\n" % server.pid)
        # Nor does a look at the configuration complain of it, as before a reload.
        self.assertEqual(self.run_owampd("--check-config", "--pid-file", path).returncode, 0)
        server.kill()
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read(), "%d\n" % server.pid)
        server = self.owampd(self.net.server, conf='listen = {"127.0.0.1:5861"}\npid_file = "%s"\n' % path)
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read(), "%d\n" % server.pid)

    def test_pid_file_is_something_else(self):
        """It is written before privileges are dropped: nothing else is emptied, whatever lies or points there."""
        path, other = self.path + "/pid", self.path + "/other"
        with open(other, "w", encoding="ascii") as file:
            file.write("precious\n")
        for make, told in ((os.symlink, "is a symbolic link"), (os.link, "holds something else than a process id")):
            with self.subTest(told=told):
                make(other, path)
                result = self.run_owampd("--listen", "127.0.0.1:5861", "--pid-file", path, "--foreground")
                self.assertEqual(result.returncode, 1)
                self.assertIn("error: pid_file %s: %s\n" % (path, told), result.stderr)
                with open(other, encoding="ascii") as file:
                    self.assertEqual(file.read(), "precious\n")
                os.unlink(path)

    def test_pid_file_in_a_foreign_folder(self):
        """It names no process any more, where it cannot be removed."""
        path = self.path + "/pid"
        server = self.owampd(self.net.server, conf='user = "nobody"\npid_file = "%s"\n' % path)
        server.end(self)
        self.assertEqual(os.stat(path).st_size, 0)
        self.assertEqual(server.find("could not be removed"), [])

    def test_references(self):
        """What the configuration names is looked at as well."""
        path = self.path + "/archive"
        os.chmod(self.path, 0o755)
        result = self.run_owampd("--check-config", "--user", "nobody", "--archive", path)
        self.assertEqual((result.returncode, result.stderr),
                         (1, "archive %s: no file can be made in its folder: Permission denied\n" % path))
        result = self.run_owampd("--check-config", "--user", "nosuchuser", "--pid-file", "/nowhere/pid",
                                 "--status-socket", "/nowhere/status")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr,
                         "pid_file /nowhere/pid: cannot be written: No such file or directory\n"
                         "status_socket /nowhere/status: No such file or directory\n"
                         'user "nosuchuser" does not exist\n')
        result = self.run_owampd("--check-config", "--archive", path)
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (0, "options: ok\n%s: ok, to be created\n" % path, ""))
        self.assertEqual(os.listdir(self.path), [])
        # Also while a server has it open.
        self.owampd(self.net.server, conf='archive = "%s"\n' % path)
        result = self.run_owampd("--check-config", "--archive", path)
        self.assertEqual((result.returncode, result.stdout), (0, "options: ok\n%s: ok\n" % path))

    def test_group_alone(self):
        server = self.owampd(self.net.server, conf='group = "nogroup"\n')
        self.assertEqual((server.status("Uid"), server.status("Gid")), ("0", "65534"))

    def test_users_without_keys(self):
        """Are told of at the start: their sessions would get the default's limits, if any."""
        limits = "limit root with bandwidth=0\nassign default root\nassign user carol root\n" \
                 "assign user alice root\n"
        server = self.owampd(self.net.server, limits=limits, keys=harness.KEYS)
        server.wait_log("warning: %s:3: user 'carol' has no key in %s$"
                        % (server.limits_path, server.keys_path))
        self.assertEqual(server.find("user 'alice'"), [])
        mark = server.mark()
        harness.write_keys(server.keys_path, {"carol": b"secret"})
        server.reload("notice: reloaded")
        server.wait_log("warning: .*:4: user 'alice' has no key", mark)
        self.assertEqual(server.find("user 'carol'", mark), [])

    def test_user(self):
        """Privileges are gone once the ports are open."""
        server = self.owampd(self.net.server, conf='user = "nobody"\n', keys=harness.KEYS)
        with open("/proc/%d/status" % server.pid, encoding="ascii") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        self.assertEqual(set(status["Uid"].split()), {"65534"})
        self.assertEqual(set(status["Gid"].split()), {"65534"})
        self.assertEqual(status["Groups"].strip(), "")
        self.assertEqual(int(status["CapEff"], 16), 0)
        self.assertEqual(int(status["CapPrm"], 16), 0)
        self.assert_served(self.net.client, self.net.v4)

    def test_log_level(self):
        server = self.owampd(self.net.server, conf="log_level = debug\n")
        control = self.keep(owamp.Control(self.net.client, self.net.v4))
        server.wait_log(r"debug: 127\.0\.0\.1:\d+: connected")
        control.close()


if __name__ == "__main__":
    harness.main()
