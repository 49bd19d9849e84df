"""Start-Sessions for many sessions at a time, and their stop."""
import os
import signal
import socket
import struct
import time

import harness
import netns
import owamp

SO_TIMESTAMPNS = 35


class Start(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.space = self.net.client

    def start_sessions(self, control):
        """When Start-Ack came, by the kernel's stamp: on loopback, within the server's call of send()."""
        control.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        control.write(bytes([2]) + bytes(15))
        control.write_hmac()
        answer, ancillary, _, _ = control.socket.recvmsg(32, 1024)
        self.assertEqual((len(answer), answer[0]), (32, owamp.OK))
        stamps = [struct.unpack("qq", data) for _, kind, data in ancillary if kind == SO_TIMESTAMPNS]
        return owamp.ntp(stamps[0][0] * 10**9 + stamps[0][1])

    def test_many_sessions(self):
        """Receivers are ready when Start-Ack is there, and our own packets leave after it."""
        count = 400
        server = self.owampd(self.net.server, limits=harness.GENEROUS, conf="test_ports = 0\n")
        control = self.keep(owamp.Control(self.space, self.net.v4))
        self.assertEqual(control.set_up(), owamp.OK)
        to_us, to_them = [], []
        start = owamp.now()
        for _ in range(count):
            udp = control.udp()
            fields = {"packets": 2, "start": start, "timeout": 8 * owamp.SECOND,
                      "slots": [(owamp.FIXED, owamp.SECOND // 1000)]}
            accept, _, sid = control.request(False, udp.getsockname()[1], sid=os.urandom(16), **fields)
            self.assertEqual(accept, owamp.OK)
            to_us.append((sid, udp))
            udp = control.udp()
            accept, port, sid = control.request(True, udp.getsockname()[1], **fields)
            self.assertEqual(accept, owamp.OK)
            to_them.append((sid, udp, port))
        acknowledged = self.start_sessions(control)
        for sid, udp, port in to_them:
            udp.sendto(owamp.PacketKeys(owamp.OPEN, sid).packet(0), (self.net.v4, port))
            udp.sendto(owamp.PacketKeys(owamp.OPEN, sid).packet(1), (self.net.v4, port))
        for _, udp in to_us:
            for expected in range(2):
                seq, stamp = struct.unpack(">IQ", udp.recv(100)[:12])
                self.assertEqual(seq, expected)
                self.assertGreater(stamp, acknowledged)
        server.wait_log("%d sessions started" % (2 * count))
        control.stop([(sid, 2, []) for sid, _, _ in to_them])
        accept, stopped = control.read_stop()
        self.assertEqual(accept, owamp.OK)
        self.assertEqual({(sid, next_seq) for sid, next_seq, _ in stopped}, {(sid, 2) for sid, _ in to_us})
        server.wait_count("finished: 2 packets received, 0 lost, 0 duplicates", count)
        server.wait_count("ended: 2 of 2 packets sent", count)
        # And the connection goes on.
        udp = control.udp()
        self.assertEqual(control.request(True, udp.getsockname()[1])[0], owamp.OK)
        self.assertEqual(control.start(), owamp.OK)

    def test_rounds(self):
        """What is over does not count against sessions_per_connection_max."""
        server = self.owampd(self.net.server, conf="sessions_per_connection_max = 2\n",
                             limits=harness.GENEROUS, keys=harness.KEYS)
        control = self.keep(owamp.Control(self.space, self.net.v4))
        secret = harness.KEYS[harness.ALICE]
        self.assertEqual(control.set_up(owamp.ENCRYPTED, harness.ALICE, secret), owamp.OK)
        for _ in range(3):
            accept, _, sid = control.request(True, 5000)
            self.assertEqual(accept, owamp.OK)
            self.assertEqual(control.request(False, 5000, sid=os.urandom(16))[0], owamp.OK)
            self.assertEqual(control.request(True, 5001)[0], owamp.TEMPORARY)
            self.assertEqual(control.start(), owamp.OK)
            control.stop([(sid, 0, [])])
            self.assertEqual(control.read_stop()[0], owamp.OK)
        server.wait_count("session refused", 3)

    def test_stop_behind_start(self):
        """A client that does not wait for Start-Ack: its Stop-Sessions is read when all have been started."""
        count = 300
        server = self.owampd(self.net.server, limits=harness.GENEROUS, conf="test_ports = 0\n")
        control = self.keep(owamp.Control(self.space, self.net.v4))
        self.assertEqual(control.set_up(), owamp.OK)
        to_them, to_us = [], []
        for _ in range(count):
            accept, _, sid = control.request(True, 5000)
            self.assertEqual(accept, owamp.OK)
            to_them.append(sid)
            to_us.append(os.urandom(16))
            self.assertEqual(control.request(False, 5000, sid=to_us[-1])[0], owamp.OK)
        control.write(bytes([2]) + bytes(15))
        control.write_hmac()
        control.stop([(sid, 0, []) for sid in to_them])
        self.assertEqual(control.read(32)[0], owamp.OK)
        accept, stopped = control.read_stop()
        self.assertEqual((accept, {sid for sid, _, _ in stopped}), (owamp.OK, set(to_us)))
        server.wait_count("finished: 0 packets received, 0 lost", count)

    def test_over_before_all_are_started(self):
        """Sessions that end at once do not make the server stop before the others were started."""
        count = 500
        self.owampd(self.net.server, limits=harness.GENEROUS, conf="test_ports = 0\nend_delay = 0\n")
        control = self.keep(owamp.Control(self.space, self.net.v4))
        self.assertEqual(control.set_up(), owamp.OK)
        start = owamp.now()
        sids = [os.urandom(16) for _ in range(count)]
        for sid in sids:
            self.assertEqual(control.request(False, 5000, sid=sid, packets=1, start=start, timeout=1,
                                             slots=[(owamp.FIXED, 1)])[0], owamp.OK)
        self.assertEqual(control.start(), owamp.OK)
        accept, stopped = control.read_stop()
        self.assertEqual((accept, {sid for sid, _, _ in stopped}), (owamp.OK, set(sids)))

    def test_packets_behind_stop(self):
        """Stop-Sessions may overtake packets. Where it says that all were sent, they are awaited."""
        server = self.owampd(self.net.server, limits=harness.GENEROUS)
        control = self.keep(owamp.Control(self.space, self.net.v4))
        self.assertEqual(control.set_up(), owamp.OK)
        sessions = []
        for _ in range(2):
            udp = control.udp()
            accept, port, sid = control.request(True, udp.getsockname()[1], packets=2, start=owamp.now(),
                                                timeout=5 * owamp.SECOND, slots=[(owamp.FIXED, 1 << 20)])
            self.assertEqual(accept, owamp.OK)
            sessions.append((udp, port, sid))
        self.assertEqual(control.start(), owamp.OK)
        control.stop([(sid, 2, []) for _, _, sid in sessions])
        self.assertEqual(control.read_stop(), (owamp.OK, []))
        for udp, port, sid in sessions:
            for seq in range(2):
                udp.sendto(owamp.PacketKeys(owamp.OPEN, sid).packet(seq), (self.net.v4, port))
        server.wait_count("finished: 2 packets received, 0 lost", 2)

    def test_slow_start(self):
        """A server that is held up while it starts sessions does not call its client idle for that."""
        server = self.owampd(self.net.server, limits=harness.GENEROUS,
                             conf="test_ports = 0\ncontrol_timeout = 1s\n")
        for delay in (0.005, 0.01, 0.02):
            control = self.keep(owamp.Control(self.space, self.net.v4))
            self.assertEqual(control.set_up(), owamp.OK)
            for _ in range(1000):
                self.assertEqual(control.request(True, 5000, packets=1)[0], owamp.OK)
            control.write(bytes([2]) + bytes(15))
            control.write_hmac()
            # Somewhere among them, wherever that is.
            time.sleep(delay)
            server.signal(signal.SIGSTOP)
            time.sleep(1.1)
            server.signal(signal.SIGCONT)
            self.assertEqual(control.read(32)[0], owamp.OK)
            control.close()
        self.assert_never_logged(server, "idle for control_timeout")

    def test_given_up_while_starting(self):
        """The client goes once it has Start-Ack, while senders are being started: nothing is left."""
        server = self.owampd(self.net.server, limits=harness.GENEROUS, conf="test_ports = 0\n")
        self.assert_served(self.space, self.net.v4)
        before = server.descriptors()
        for _ in range(3):
            mark = server.mark()
            control = owamp.Control(self.space, self.net.v4)
            self.assertEqual(control.set_up(), owamp.OK)
            for _ in range(600):
                accept, _, _ = control.request(False, 5000, packets=100000, sid=os.urandom(16))
                self.assertEqual(accept, owamp.OK)
            self.assertEqual(control.start(), owamp.OK)
            control.close()
            server.wait_log("closed by the peer|reset by peer|Broken pipe", mark)
        harness.until(lambda: server.descriptors() <= before, "descriptors of sessions are closed")
        self.assert_served(self.space, self.net.v4)


if __name__ == "__main__":
    harness.main()
