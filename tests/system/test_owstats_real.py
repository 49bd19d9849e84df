"""owstats on the archives that owping and owampd write."""
import json

import harness
import netns
import owamp
import owstats_helper as helper

KEYS, ALICE = harness.KEYS, harness.ALICE
LIMITS = "limit root with bandwidth=0, delete_on_fetch=off\nassign default root\n"


class Real(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.files = self.directory()
        self.theirs = self.files + "/server.sqlite"
        self.ours = self.files + "/client.sqlite"
        self.server = self.owampd(self.net.server, limits=LIMITS, keys=KEYS, conf='archive = "%s"\n' % self.theirs)

    def ask(self, archive, *arguments):
        answer = helper.run(*arguments, "--json", archive=archive)
        self.assertEqual((answer.status, answer.stderr), (0, ""), arguments)
        return json.loads(answer.stdout)

    def measure(self, *arguments):
        return self.owping(self.net.client, "--records", "--archive", self.ours, "-T", self.files + "/to_server",
                           "-F", self.files + "/from_server", "-c", 40, "-i", "0.01e", "-L", 0.4, "-z", 0.2, "-E", 0.1,
                           "-a", "5,50,95,99.9", *arguments, self.net.v4)

    def check(self, archive, test):
        """owstats says what owping said."""
        found = self.ask(archive, "show", test["sid"], "--percentiles", "5,50,95,99.9")["session"]
        summary = test["summary"]
        for key in ("sent", "received", "lost", "skipped", "duplicates", "unknown", "delay_min_ns", "delay_median_ns",
                    "delay_mean_ns", "delay_max_ns", "jitter_ns", "ipdv_count", "ipdv_mean_ns", "ipdv_max_ns",
                    "first_ns", "last_ns"):
            self.assertEqual(found[key], summary[key], key)
        self.assertEqual(found["percentiles"], test["percentiles"])
        self.assertEqual(found["clock_error_ns"], test["clock_error"]["error_ns"])
        self.assertEqual((found["outcome"], found["percentiles_from"], found["next_seq"]),
                         ("finished", "packets", test["next_seq"]))
        self.assertEqual((found["sender"], found["sender_port"], found["receiver"], found["receiver_port"]),
                         (test["sender"]["address"], test["sender"]["port"], test["receiver"]["address"],
                          test["receiver"]["port"]))
        self.assertEqual(found["schedule"], test["schedule"])

    def check_export(self, archive, test):
        """Octet for octet what owping saved, below the lines of '#'."""
        with open("%s/%s" % (self.files, test["direction"]), encoding="ascii") as file:
            saved = [line for line in file if not line.startswith("#")]
        self.assertEqual(len(saved), 40)
        answer = helper.run("export", test["sid"], archive=archive)
        self.assertEqual((answer.status, answer.stdout), (0, "".join(saved)), answer.stderr)
        exported = self.ask(archive, "export", test["sid"])["records"]
        for record in exported:
            self.assertFalse(record.pop("duplicate"))
        self.assertEqual(exported, test["records"])

    def test_same_as_owping(self):
        run = self.measure()
        self.assert_status(run, 0)
        for test in run.document["tests"]:
            self.check(self.ours, test)
            self.check_export(self.ours, test)
        sids = {row["sid"] for row in self.ask(self.ours, "list")["sessions"]}
        self.assertEqual(sids, {test["sid"] for test in run.document["tests"]})

    def test_raw(self):
        """owping -R itself."""
        raw = self.start(self.net.client, "owping", "-R", "-f", "--archive", self.ours, "-c", 20, "-i", "0.01e",
                         "-L", 0.3, "-z", 0.2, "-E", 0.1, self.net.v4, json_output=False).end()
        self.assert_status(raw, 0)
        sid = self.ask(self.ours, "list")["sessions"][0]["sid"]
        self.assertEqual(helper.run("export", sid, archive=self.ours).stdout, raw.stdout)

    def test_while_owampd_writes(self):
        """What the server received, while it runs: the session under way, then its end."""
        control = self.keep(owamp.Control(self.net.client, self.net.v4))
        self.assertEqual(control.set_up(owamp.OPEN), owamp.OK)
        udp = control.udp()
        accept, port, sid = control.request(True, udp.getsockname()[1], packets=100, start=owamp.now(),
                                            timeout=owamp.SECOND, slots=[(owamp.FIXED, owamp.SECOND // 10)])
        self.assertEqual(accept, owamp.OK)
        self.assertEqual(control.start(), owamp.OK)
        maker = owamp.PacketKeys(control.mode, sid, control.keys)
        for seq in range(5):
            udp.sendto(maker.packet(seq), (self.net.v4, port))
        found = harness.until(lambda: self.running(sid), "5 packets of a running session in the archive")
        self.assertEqual((found["outcome"], found["received"], found["end_ns"]), ("running", 5, None))
        text = helper.run("show", sid.hex(), archive=self.theirs).stdout
        self.assertIn("note: the session is running", text)
        control.stop([(sid, 5, [])])
        found = harness.until(lambda: self.ended(sid), "the session's end in the archive")
        self.assertEqual((found["outcome"], found["received"], found["lost"]), ("finished", found["sent"], 0))

    def session(self, sid):
        answer = helper.run("show", sid.hex(), "--json", archive=self.theirs)
        return json.loads(answer.stdout)["session"] if answer.status == 0 else None

    def running(self, sid):
        found = self.session(sid)
        return found if found and found["received"] == 5 else None

    def ended(self, sid):
        found = self.session(sid)
        return found if found and found["outcome"] != "running" else None


if __name__ == "__main__":
    harness.main()
