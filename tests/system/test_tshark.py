"""Test packets as another program reads them."""
import subprocess

import harness
import netns

PACKETS = 5
FIELDS = {4: ("ip.dsfield.dscp", "ip.ttl", "udp.length"), 6: ("ipv6.tclass.dscp", "ipv6.hlim", "udp.length")}


class Tshark(harness.SystemTest):
    def check(self, version):
        net = self.keep(netns.Veth())
        self.owampd(net.server, conf='test_ports = 9000\n')
        path = self.directory() + "/capture"
        capture = harness.Process(net.server, ["dumpcap", "-q", "-i", net.interface, "-f", "udp port 9000",
                                               "-c", str(PACKETS), "-w", path])
        self.processes.append(capture)
        self.addCleanup(capture.kill)
        capture.wait_log("File: ")
        run = self.owping(net.client, "-t", "-c", PACKETS, "-i", "0.02f", "-L", 0.3, "-z", 0.2, "-E", 0.05,
                          "-D", "EF",
                          "-s", 26, net.v4 if version == 4 else net.v6)
        self.assert_status(run, 0)
        self.assertEqual(capture.wait(), 0)
        fields = sum((["-e", field] for field in FIELDS[version]), [])
        result = subprocess.run(["tshark", "-n", "-r", path, "-T", "fields", *fields], capture_output=True,
                                text=True,
                                timeout=harness.PATIENCE, check=True)
        # 46 is EF; 8 octets of UDP header, 14 of OWAMP, 26 of padding.
        self.assertEqual(result.stdout.splitlines(), ["46\t255\t48"] * PACKETS)

    def test_ipv4(self):
        self.check(4)

    def test_ipv6(self):
        self.check(6)


if __name__ == "__main__":
    harness.main(harness.missing("tshark", "dumpcap"))
