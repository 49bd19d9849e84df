"""Half-open connections: the link goes away, and no packet says so. What each wait is bounded by."""
import harness
import netns
import owamp

TWO_SESSIONS = "limit root with test_sessions=2\nassign default root\n"


class HalfOpen(harness.SystemTest):
    CONF = "control_timeout = 1s\nhandshake_timeout = 1s\nend_delay = 100ms\n"

    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Wire())
        self.server = self.owampd(self.net.server, conf=self.CONF, limits=TWO_SESSIONS)

    def cut(self):
        self.net.to_server = self.net.to_client = lambda packet: []

    def mend(self):
        self.net.to_server = self.net.to_client = lambda packet: [packet]

    def connect(self):
        control = self.keep(owamp.Control(self.net.client, self.net.v4))
        self.assertEqual(control.set_up(), owamp.OK)
        return control

    def test_idle(self):
        """Bounded by control_timeout."""
        self.connect()
        descriptors = self.server.descriptors()
        self.cut()
        self.server.wait_log("idle for control_timeout")
        harness.until(lambda: self.server.descriptors() < descriptors, "the connection is closed")

    def test_set_up(self):
        """Bounded by handshake_timeout."""
        control = self.keep(owamp.Control(self.net.client, self.net.v4))
        control.greeting()
        self.cut()
        self.server.wait_log("no complete Set-Up-Response within handshake_timeout")

    def test_server_in_measurement(self):
        """Bounded by the schedule, Timeout, and handshake_timeout for the answer to Stop-Sessions."""
        control = self.connect()
        udp = control.udp()
        fields = {"packets": 10, "timeout": owamp.SECOND // 2, "slots": [(owamp.FIXED, owamp.SECOND // 20)]}
        self.assertEqual(control.request(True, udp.getsockname()[1], **fields)[0], owamp.OK)
        self.assertEqual(control.request(False, udp.getsockname()[1], sid=b"x" * 16, **fields)[0], owamp.OK)
        self.assertEqual(control.start(), owamp.OK)
        self.cut()
        self.server.wait_log("no Stop-Sessions in answer to ours")
        self.server.wait_log("broken off")
        self.mend()
        self.assert_served(self.net.client, self.net.v4)

    def test_owping_in_measurement(self):
        """Bounded by the schedule, Timeout, and --step-timeout."""
        client = self.start(self.net.client, "owping", "-c", 40, "-i", "0.05f", "-L", 0.5, "-z", 0.1, "-E",
                            0.1,
                            "--step-timeout", 1, self.net.v4)
        self.server.wait_log("2 sessions started")
        harness.until(lambda: self.net.client.datagrams_sent() >= 20, "some packets sent")
        self.cut()
        run = client.end()
        self.assert_status(run, 1)
        self.assertIn("no answer in time while waiting for the server's Stop-Sessions", run.stderr)
        from_server = run.document["tests"][1]
        self.assertEqual(from_server["outcome"], "partial")
        # What came before the cut is valid; section 3.8 has what follows the last packet discarded.
        self.assertGreater(from_server["summary"]["received"], 5)
        self.assertEqual(from_server["summary"]["lost"], 0)

    def test_owping_connecting(self):
        self.cut()
        run = self.owping(self.net.client, *harness.QUICK, "--connect-timeout", 0.5, self.net.v4)
        self.assert_status(run, 1)
        self.assertIn("no connection within", run.stderr)


if __name__ == "__main__":
    harness.main(netns.wire_unavailable)
