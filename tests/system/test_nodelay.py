"""Fault 10: both ends of a control connection must have TCP_NODELAY, or each request can wait for 40 ms."""
import re
import subprocess

import harness
import netns

# A leak checker cannot work beside a tracer.
STRACE = ("env", "ASAN_OPTIONS=detect_leaks=0", "strace", "-D", "-f", "-qq", "-e", "trace=setsockopt", "-o")


class NoDelay(harness.SystemTest):
    @staticmethod
    def nodelay_set(path):
        with open(path, encoding="ascii") as file:
            return re.search(r"setsockopt\(\d+, SOL_TCP, TCP_NODELAY, \[1\], 4\) = 0", file.read())

    def test_both_ends(self):
        net = self.keep(netns.Loopback())
        directory = self.directory()
        server = self.owampd(net.server, wrapper=(*STRACE, directory + "/server"))
        result = subprocess.run(net.client.command([*STRACE, directory + "/client", harness.program("owping"),
                                                    *map(str, harness.QUICK), net.v4]), capture_output=True,
                                timeout=harness.PATIENCE, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        server.wait_log("closed by the peer")
        for name in ("server", "client"):
            harness.until(lambda path="%s/%s" % (directory, name): self.nodelay_set(path), name)


if __name__ == "__main__":
    harness.main(harness.missing("strace"))
