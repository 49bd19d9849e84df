"""Fault 10: both ends of a control connection must have TCP_NODELAY, or each request can wait for 40 ms."""
import shutil
import subprocess
import sys

import harness
import netns

# A leak checker cannot work beside a tracer.
STRACE = ("env", "ASAN_OPTIONS=detect_leaks=0", "strace", "-f", "-qq", "-e", "trace=setsockopt", "-o")


class NoDelay(harness.SystemTest):
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
            with open("%s/%s" % (directory, name), encoding="ascii") as file:
                self.assertRegex(file.read(), r"setsockopt\(\d+, SOL_TCP, TCP_NODELAY, \[1\], 4\) = 0", name)


if __name__ == "__main__":
    if not shutil.which("strace"):
        print("SKIPPED, NOTHING WAS TESTED: strace is not installed", file=sys.stderr)
        sys.exit(harness.SKIPPED)
    harness.main()
