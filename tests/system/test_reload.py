"""SIGHUP: configuration, limits and keys are changed together or not at all, and running sessions go on."""
import os

import harness
import netns
import owamp

ALICE, BOB, KEYS = harness.ALICE, harness.BOB, harness.KEYS

LIMITS = """limit root with bandwidth=0, test_sessions=0, max_packet_rate=0
limit one with parent=root, test_sessions=1
assign default root
assign user alice one
"""


class Reload(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.space = self.net.client
        self.server = self.owampd(self.net.server, limits=LIMITS, keys={ALICE: KEYS[ALICE]})

    def up(self, user):
        return self.run_client(self.space, "owup", *self.key_options(user), self.net.v4).status

    def write_keys(self, text):
        with open(self.server.keys_path, "w", encoding="ascii") as file:
            file.write(text)

    def running(self, *arguments):
        """A measurement that lasts while the test does its work."""
        client = self.start(self.space, "owping", "-t", "-c", 100, "-i", "0.02f", "-L", 0.5, "-z", 0.1,
                            *arguments,
                            self.net.v4)
        self.server.wait_log("1 session started")
        return client

    def check_undisturbed(self, client):
        run = client.end()
        self.assert_status(run, 0)
        self.assertEqual(run.document["tests"][0]["summary"]["received"], 100)

    def test_bad_files(self):
        """FILE:LINE is logged, and what was there before holds."""
        good = {}
        for path in (self.server.conf_path, self.server.limits_path, self.server.keys_path):
            with open(path, encoding="ascii") as file:
                good[path] = file.read()
        cases = (
            (self.server.limits_path, LIMITS + "limit broken with parent=nobody\n", 5),
            (self.server.limits_path, "limit root with bandwidth=much\n", 1),
            (self.server.limits_path, "\n\nfrobnicate\n", 3),
            (self.server.limits_path, LIMITS + "assign user alice root\n", 5),
            (self.server.keys_path, "# keys\nalice\tnot hexadecimal\n", 2),
            (self.server.keys_path, "alice\t00\nalice\t01\n", 2),
            (self.server.keys_path, "alice\t0\n", 1),
            (self.server.conf_path, good[self.server.conf_path] + "frobnicate = 1\n", 4),
            (self.server.conf_path, good[self.server.conf_path] + "modes = X\n", 4),
        )
        client = self.running(*self.key_options(ALICE))
        for path, text, line in cases:
            with self.subTest(text=text[-40:]):
                with open(path, "w", encoding="ascii") as file:
                    file.write(text)
                mark = self.server.mark()
                self.server.reload("error: reload: nothing was changed")
                self.server.wait_log(r"error: .*%s:%d: " % (path, line), mark)
                self.assertEqual(self.server.find("reloaded", mark), [])
                with open(path, "w", encoding="ascii") as file:
                    file.write(good[path])
        self.assertEqual(self.up(ALICE), 0)
        # The class of the old limits still counts the session that runs.
        run = self.owping(self.space, *harness.QUICK, "-t", *self.key_options(ALICE), self.net.v4)
        self.assertEqual(run.document["tests"][0]["accept"], owamp.TEMPORARY)
        self.check_undisturbed(client)

    def test_good_keys_with_bad_limits(self):
        """Nothing by halves: the new user is not there either."""
        harness.write_keys(self.server.keys_path, KEYS)
        self.server.write_limits("limit root with bandwidth=much\n")
        self.server.reload("error: reload: nothing was changed")
        self.assertEqual(self.up(BOB), 1)
        self.server.write_limits(LIMITS)
        self.server.reload("reloaded: 2 keys")
        self.assertEqual(self.up(BOB), 0)

    def test_missing_file(self):
        os.unlink(self.server.limits_path)
        self.server.reload("error: reload: nothing was changed")
        self.server.wait_count("%s: cannot read: No such file" % self.server.limits_path, 1)
        self.assertEqual(self.up(ALICE), 0)

    def test_new_user_and_old(self):
        """A user who is new gets in, one who is gone does not; sessions that run are not disturbed."""
        self.assertEqual(self.up(BOB), 1)
        client = self.running(*self.key_options(ALICE))
        harness.write_keys(self.server.keys_path, {BOB: KEYS[BOB]})
        self.server.reload("notice: reloaded: 1 keys")
        self.assertEqual(self.up(BOB), 0)
        self.assertEqual(self.up(ALICE), 1)
        self.check_undisturbed(client)

    def test_new_limits(self):
        """They hold for what is new, and what runs stays counted."""
        client = self.running(*self.key_options(ALICE))
        self.server.write_limits(LIMITS.replace("limit one with parent=root, test_sessions=1",
                                                "limit one with parent=root, test_sessions=2"))
        self.server.reload("notice: reloaded")
        control = self.keep(owamp.Control(self.space, self.net.v4))
        control.set_up(owamp.ENCRYPTED, ALICE, KEYS[ALICE])
        self.assertEqual(control.request(True, 5000)[0], owamp.OK)
        self.assertEqual(control.request(True, 5000)[0], owamp.TEMPORARY)
        self.server.wait_log("class one: test_sessions is limited to 2 sessions, 2 are in use, "
                             "the session needs 1")
        self.check_undisturbed(client)

    def test_peer_without_class(self):
        """Who is not assigned any more is sent away, with the reason."""
        control = self.keep(owamp.Control(self.space, self.net.v4))
        self.assertEqual(control.set_up(), owamp.OK)
        self.server.write_limits("limit root with bandwidth=0\nassign user alice root\n")
        self.server.reload(r"127\.0\.0\.1:\d+: the new limits file assigns no class to this peer")
        self.assertTrue(control.closed_by_peer())
        self.assertEqual(self.up(ALICE), 0)

    def test_listen_stays(self):
        self.server.write_conf(self.server.conf + "listen = {\"127.0.0.1:5555\"}\n")
        self.server.reload("warning: reload: a change of listen takes effect at the next start")
        self.assertEqual(self.up(ALICE), 0)

    def test_what_needs_a_restart(self):
        """Each of these is told of at each reload until it is as it was at the start."""
        path = self.directory()
        cases = {"user": "nobody", "group": "nogroup", "pid_file": path + "/pid",
                 "archive": path + "/archive"}
        before = self.server.conf
        for key, value in cases.items():
            self.server.write_conf(before + '%s = "%s"\n' % (key, value))
            for _ in range(2):
                mark = self.server.mark()
                self.server.reload("notice: reloaded")
                found = self.server.find("reload: a change of (.*) takes effect at the next start", mark)
                self.assertEqual([match[1] for match in found], [key])
        self.server.write_conf(before)
        mark = self.server.mark()
        self.server.reload("notice: reloaded")
        self.assertEqual(self.server.find("takes effect", mark), [])
        self.assertEqual(self.up(ALICE), 0)
        self.assertEqual(os.listdir(path), [])


if __name__ == "__main__":
    harness.main()
