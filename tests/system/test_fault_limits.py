"""Faults of other implementations, which this one must not have: limits and resources."""
import harness
import netns
import owamp

MEGABYTE = 1 << 20


class Limits(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())

    def control(self):
        control = self.keep(owamp.Control(self.net.client, self.net.v4))
        self.assertEqual(control.set_up(), owamp.OK)
        return control

    def test_2_no_pause(self):
        """Slots of 0 s have no bandwidth that could be computed; no class may allow them."""
        server = self.owampd(self.net.server, limits=harness.GENEROUS)
        control = self.control()
        for to_server in (True, False):
            for slots in ([(owamp.FIXED, 0)], [(owamp.EXPONENTIAL, 0)],
                          [(owamp.FIXED, 0), (owamp.EXPONENTIAL, 0)]):
                with self.subTest(to_server=to_server, slots=slots):
                    mark = server.mark()
                    accept = control.request(to_server, 5000, packets=1000, slots=slots)[0]
                    self.assertEqual(accept, owamp.PERMANENT)
                    server.wait_log(
                        r"notice: 127\.0\.0\.1:\d+: session refused \(Accept 4\): class root: the schedule "
                        "sends without end or pause, no class allows that", mark)
        self.assertEqual(control.request(True, 5000)[0], owamp.OK)

    def test_2_owping_says_so(self):
        self.owampd(self.net.server)
        run = self.owping(self.net.client, "-t", "-i", "0f", "-c", 10, self.net.v4)
        self.assert_status(run, 2)
        self.assertIn("-i 0f: expected seconds", run.stderr)
        run = self.owping(self.net.client, "-t", "-i", "0.000001f", "-c", 10, self.net.v4)
        self.assert_status(run, 1)
        self.assertEqual(run.document["tests"][0]["accept"], owamp.PERMANENT)
        self.assertIn("permanent resource limitation", run.stderr)

    def test_2_tiny_pauses(self):
        """Nor does a pause of 2^-32 s get around the limits."""
        server = self.owampd(self.net.server)
        control = self.control()
        for slots in ([(owamp.FIXED, 1)], [(owamp.FIXED, 0)] * 100 + [(owamp.FIXED, 1)]):
            with self.subTest(slots=len(slots)):
                mark = server.mark()
                self.assertEqual(control.request(True, 5000, packets=1000, slots=slots)[0], owamp.PERMANENT)
                server.wait_log("class root: bandwidth is limited to 1000000 bit/s, the session needs", mark)

    def request_flood(self, control, packets):
        """10 us between packets, 100 s of Timeout."""
        udp = control.udp()
        return udp, control.request(True, udp.getsockname()[1], packets=packets, timeout=owamp.interval(100),
                                    slots=[(owamp.FIXED, owamp.SECOND // 100000)], start=owamp.now())

    def test_3_default_limits(self):
        server = self.owampd(self.net.server)
        control = self.control()
        self.assertEqual(self.request_flood(control, 10000000)[1][0], owamp.PERMANENT)
        server.wait_log(r"session refused \(Accept 4\): class root: \w+ is limited to")

    def test_3_memory_under_generous_limits(self):
        """What is held follows the packets, not rate times Timeout: that would be 10,000,000 packets."""
        server = self.owampd(self.net.server, limits=harness.GENEROUS)
        control = self.control()
        before = server.memory()
        udp, (accept, port, sid) = self.request_flood(control, 0xFFFFFFFF)
        self.assertEqual(accept, owamp.OK)
        self.assertEqual(control.start(), owamp.OK)
        maker = owamp.PacketKeys(owamp.OPEN, sid)
        for seq in range(1000):
            udp.sendto(maker.packet(seq), (self.net.v4, port))
        self.assert_served(self.net.client, self.net.v4)
        self.assertLess(server.memory() - before, 64 * MEGABYTE)
        control.stop([(sid, 1000, [])])
        control.read_stop()

    def test_3_many_requests(self):
        """Nor do requests add up: what is never started holds a socket and little else."""
        server = self.owampd(self.net.server, limits=harness.GENEROUS)
        control = self.control()
        before = server.memory()
        for _ in range(200):
            self.assertEqual(self.request_flood(control, 10000000)[1][0], owamp.OK)
        self.assertLess(server.memory() - before, 64 * MEGABYTE)

    def test_12_one_process(self):
        """20 bidirectional sessions: no process more, and no thread either."""
        server = self.owampd(self.net.server, limits=harness.GENEROUS)
        self.assert_served(self.net.client, self.net.v4)
        threads = server.threads()
        self.assertLessEqual(threads, 8)
        controls = []
        for _ in range(20):
            control = self.control()
            udp = control.udp()
            port = udp.getsockname()[1]
            # The Timeout is for a busy machine, where it can take long to get all of them started.
            fields = {"slots": [(owamp.FIXED, owamp.SECOND // 4)], "timeout": 100 * owamp.SECOND}
            accept, to_port, sid = control.request(True, port, packets=100, **fields)
            self.assertEqual(accept, owamp.OK)
            accept = control.request(False, port, sid=bytes([len(controls)]) * 16, packets=100, **fields)[0]
            self.assertEqual(accept, owamp.OK)
            controls.append((control, udp, to_port, sid))
        for control, _, _, _ in controls:
            self.assertEqual(control.start(), owamp.OK)
        for _, udp, to_port, sid in controls:
            udp.sendto(owamp.PacketKeys(owamp.OPEN, sid).packet(0), (self.net.v4, to_port))
            self.assertEqual(len(udp.recv(100)), 14)
        self.assertEqual(server.threads(), threads)
        self.assertEqual(server.children(), [])
        for control, _, _, sid in controls:
            control.stop([(sid, 1, [])])
            self.assertEqual(control.read_stop()[0], owamp.OK)


if __name__ == "__main__":
    harness.main()
