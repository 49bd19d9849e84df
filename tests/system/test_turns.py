"""What a connection does in one turn, and to others: pipelining, shared results, starting."""
import struct
import subprocess

import harness
import netns
import owamp

DELETING = "limit root with bandwidth=0, disk=0, max_packet_rate=0, delete_on_fetch=on\nassign default root\n"


class Turns(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.server = self.owampd(self.net.server, limits=DELETING)

    def connect(self):
        control = self.keep(owamp.Control(self.net.client, self.net.v4))
        self.assertEqual(control.set_up(owamp.OPEN), owamp.OK)
        return control

    def finished(self, control):
        """An open session of 3 packets, none of which was sent to the server."""
        mark = self.server.mark()
        accept, _, sid = control.request(True, 5000, packets=3, slots=((owamp.FIXED, owamp.SECOND // 64),),
                                         timeout=owamp.SECOND // 8, start=owamp.now())[:3]
        self.assertEqual(accept, owamp.OK)
        self.assertEqual(control.start(), owamp.OK)
        control.read_stop()
        control.stop([(sid, 3, ())])
        self.server.wait_log("session %s finished" % sid.hex(), mark)
        return sid

    def test_deleted_by_another_connection(self):
        """Open results go with their own connection: another that fetches them whole takes nothing away."""
        first, second = self.connect(), self.connect()
        sid = self.finished(first)
        for control in (second, first):
            fetched = control.fetch(sid)
            self.assertEqual((fetched.accept, len(fetched.records)), (owamp.OK, 3))
        self.assertEqual(second.fetch(sid).accept, 1)
        mark = self.server.mark()
        first.close()
        self.server.wait_log("closed by the peer|reset by peer", mark)
        self.assert_served(self.net.client, self.net.v4)

    def test_pipelined_fetches(self):
        """Commands that wait behind a fetch are answered after it."""
        control = self.connect()
        sid = self.finished(control)
        part = struct.pack(">B7xII16s", 4, 0, 1, sid) + bytes(16)
        one = 32 + 96 + 16 + 16 + 16 + 16 + 64 + 16
        control.socket.sendall(part * 5)
        answer = b""
        while len(answer) < 5 * one:
            octets = control.socket.recv(65536)
            self.assertTrue(octets)
            answer += octets
        self.assertEqual(len(answer), 5 * one)
        self.assertEqual(answer[:one] * 5, answer)

    def test_start_that_fails(self):
        """Without --foreground, too, the command says so and fails."""
        command = self.net.server.command([harness.program("owampd"), "--listen", "[::]:861"])
        run = subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
        self.assertEqual(run.returncode, 1)
        self.assertIn("Address already in use", run.stderr)


if __name__ == "__main__":
    harness.main()
