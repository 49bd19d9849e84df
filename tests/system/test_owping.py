"""What the clients say when something is not as the user thinks."""
import json
import os
import pty
import signal
import subprocess

import harness
import netns

try:
    import jsonschema
except ImportError:
    jsonschema = None

SCHEMA = os.path.join(os.path.dirname(__file__), "../../docs/owping.schema.json")
ESCAPE = b"\x1b"


class Says(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.space = self.net.client

    def serve(self):
        self.server = self.owampd(self.net.server, limits=harness.GENEROUS, keys=harness.KEYS)

    def test_beyond_the_session(self):
        """A part that the session does not have is no silent failure."""
        self.server = self.owampd(self.net.server, keys=harness.KEYS,
                                  limits="limit root with bandwidth=0, delete_on_fetch=off\n"
                                         "assign default root\n")
        key = self.key_options(harness.ALICE)
        run = self.owping(self.space, "-t", *harness.QUICK, *key, self.net.v4)
        self.assert_status(run, 0)
        sid = run.document["tests"][0]["sid"]
        reason = "nothing from packet 3 on: the session has 3 packets, the last of them is 2"
        run = self.owfetch(self.space, *key, "--begin", 3, "--end", 9, self.net.v4, sid)
        self.assert_status(run, 1)
        self.assertIn("owfetch: %s: %s" % (sid, reason), run.stderr)
        self.assertEqual(run.document["tests"][0]["error"]["reason"], reason)
        # A range that begins within is what there is of it.
        run = self.owfetch(self.space, *key, "--begin", 2, "--end", 9, self.net.v4, sid)
        self.assert_status(run, 0)
        self.assertEqual(run.document["tests"][0]["summary"]["sent"], 1)

    def test_directory(self):
        """Where -p cannot write nothing is measured."""
        self.serve()
        files = self.directory()
        with open(files + "/file", "w", encoding="ascii"):
            pass
        for path, reason in ((files + "/none", "No such file or directory"),
                             (files + "/file", "Not a directory")):
            run = self.run_client(self.space, "owping", "-p", "-d", path, *harness.QUICK, self.net.v4,
                                  json_output=False)
            self.assertEqual((run.status, run.stdout), (1, ""))
            self.assertIn("owping: %s: %s" % (path, reason), run.stderr)
        run = self.run_client(self.space, "owping", "-p", "-d", files, *harness.QUICK, self.net.v4,
                              json_output=False)
        self.assertEqual(run.status, 0)
        self.assertEqual(len(run.stdout.splitlines()), 2)
        self.server.wait_count("2 sessions started", 1)

    def test_file_that_cannot_be_opened(self):
        """There is a document for this failure too."""
        run = self.owping(self.space, "-T", "/nowhere/file", self.net.v4)
        self.assert_status(run, 1)
        self.assertEqual(run.document["error"]["reason"], "/nowhere/file: No such file or directory")
        self.assertEqual(run.document["tests"], [])

    def test_tiny_timeout(self):
        """All packets are late for such a timeout and skipped: nothing was measured."""
        self.serve()
        run = self.owping(self.space, "-c", 5, "-i", "0.01f", "-z", 0.1, "-E", 0.1, "-L", "0.000000001",
                          self.net.v4)
        for test in run.document["tests"]:
            self.assertEqual((test["outcome"], test["summary"]["sent"], test["summary"]["skipped"]),
                             ("failed", 0, 5))
        self.assert_status(run, 1)
        self.assertIn("owping: to server: 5 of 5 packets were never sent", run.stderr)

    def on_terminal(self, name):
        """What owping writes to a terminal of that name."""
        master, slave = pty.openpty()
        command = self.space.command([harness.program("owping"), "-t", "-c", "40", "-i", "0.02f", "-z", "0.1",
                                      "-L", "0.3", "-E", "0.1", self.net.v4])
        environment = {key: value for key, value in os.environ.items() if key != "TERM"}
        if name is not None:
            environment["TERM"] = name
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
                              env=environment) as process:
            os.close(slave)
            text = b""
            while True:
                try:
                    part = os.read(master, 65536)
                except OSError:  # the other end is closed
                    break
                text += part
            os.close(master)
            self.assertEqual(process.wait(harness.PATIENCE), 0)
        return text

    def test_terminals(self):
        """One that knows no escape sequences gets none."""
        self.serve()
        shown = self.on_terminal("xterm")
        self.assertIn(b"\r\x1b[Kto server: ", shown)
        for name in ("dumb", "", None):
            plain = self.on_terminal(name)
            self.assertNotIn(ESCAPE, plain)
            self.assertIn(b"results in about", plain)
            self.assertIn(b"40 sent, 0 lost", plain)


    def test_schema(self):
        """Documents of all kinds are as the schema says."""
        if jsonschema is None:
            self.skipTest("python3-jsonschema is not installed")
        self.serve()
        with open(SCHEMA, encoding="utf-8") as file:
            validator = jsonschema.Draft202012Validator(json.load(file))
        archive = self.directory() + "/results.db"
        key = self.key_options(harness.ALICE)
        measured = self.owping(self.space, *harness.QUICK, *key, "--records", "-b", "0.001", "-a", "5",
                               "--archive", archive, self.net.v4)
        sid = measured.document["tests"][0]["sid"]
        runs = [
            (0, measured),
            (0, self.owfetch(self.space, *key, "--archive", archive, self.net.v4, sid)),
            (1, self.owfetch(self.space, *key, "--begin", 10, self.net.v4, sid)),
            (1, self.owping(self.space, *harness.QUICK, *key, "--archive", "/nowhere/x", self.net.v4)),
            (1, self.run_client(self.space, "owup", self.net.v4 + ":1")),
            (2, self.owping(self.space, "-c", "none", self.net.v4)),
            (2, self.owfetch(self.space, "--archive", archive, "--end", 3, self.net.v4, sid)),
            (2, self.run_client(self.space, "owup")),
        ]
        for status, run in runs:
            self.assert_status(run, status)
            self.assertEqual([error.message for error in validator.iter_errors(run.document)], [])
        self.assertEqual([error["result"] for _, run in runs[:2]
                          for error in run.document["archive"]["sessions"]], ["stored", "stored", "kept"])


class Stopped(harness.SystemTest):
    def test_stopped_when_all_was_there(self):
        """While a late packet could still have come: nothing is missing, but it was the user who ended it."""
        net = self.keep(netns.Veth())
        self.owampd(net.server, limits=harness.GENEROUS)
        for name, number in (("TERM", signal.SIGTERM), ("INT", signal.SIGINT)):
            for json_output in (True, False):
                # Nothing but test packets leaves a server that is ready.
                before = net.server.datagrams_sent()
                client = self.start(net.client, "owping", "-f", "-c", 3, "-i", "0.02f", "-L", 1.5, "-z", 0.1,
                                    net.v4, json_output=json_output)
                harness.until(lambda: net.server.datagrams_sent() >= before + 3, "three packets")
                client.process.signal(number)
                run = client.end()
                self.assert_status(run, 3)
                self.assertIn("owping: interrupted by SIG%s: stopped before the time was over" % name,
                              run.stderr)
                if json_output:
                    self.assertTrue(run.document["interrupted"])
                    self.assertEqual(run.document["tests"][0]["outcome"], "complete")
                else:
                    self.assertIn("3 sent, 0 lost", run.stdout)


class Zones(harness.SystemTest):
    def test_link_local(self):
        """Addresses with their zone, of either end, in all formats; without it they are worth nothing."""
        net = self.keep(netns.Veth())
        self.owampd(net.server, limits=harness.GENEROUS, keys=harness.KEYS)
        harness.until(lambda: "tentative" not in net.server.ip("addr") + net.client.ip("addr"), "addresses")

        def address(space):
            line = space.ip("-br", "-6", "addr", "show", "dev", net.interface, "scope", "link")
            return "%s%%%s" % (line.split()[2].partition("/")[0], net.interface)

        server, client = address(net.server), address(net.client)
        files = self.directory()
        run = self.owping(net.client, *harness.QUICK, "--archive", files + "/results.db", server)
        self.assert_status(run, 0)
        ends = [(test["sender"]["address"], test["receiver"]["address"]) for test in run.document["tests"]]
        self.assertEqual(ends, [(client, server), (server, client)])
        self.assertEqual(run.document["server"]["address"], server)
        run = self.run_client(net.client, "owping", *harness.QUICK, "-T", files + "/to", server,
                              json_output=False)
        self.assertRegex(run.stdout, r"statistics from \[%s\]:\d+ to \[%s\]:\d+ ---" % (client, server))
        with open(files + "/to", encoding="ascii") as file:
            self.assertRegex(file.read(), r"# sender \[%s\]:\d+\n# receiver \[%s\]:\d+\n" % (client, server))
        run = self.run_client(net.client, "owping", "-M", "-f", *harness.QUICK, server, json_output=False)
        self.assertIn("FROM_ADDR %s\n" % server, run.stdout)
        self.assertIn("TO_ADDR %s\n" % client, run.stdout)
        # Of a session by its SID as well.
        key = self.key_options(harness.ALICE)
        run = self.owping(net.client, "-t", *harness.QUICK, *key, server)
        run = self.owfetch(net.client, *key, server, run.document["tests"][0]["sid"])
        self.assertEqual((run.document["tests"][0]["sender"]["address"],
                          run.document["tests"][0]["receiver"]["address"]), (client, server))


if __name__ == "__main__":
    harness.main()
