"""What the tests in the virtual machine share: kernel modules, and the system clock, which is theirs to set.

They are run by tests/vm/run and nowhere else.
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))

# pylint: disable=wrong-import-position
import clock_case
import harness
import kernel_clock

MODULES = os.environ.get("OWAMP_VM_MODULES", "")


class VmCase(clock_case.ClockCase):
    def setUp(self):
        super().setUp()
        kernel_clock.neglect()

    def module(self, name, **parameters):
        """Loads one of tests/vm/modules until the test ends."""
        self.command("insmod", os.path.join(MODULES, name + ".ko"),
                     *("%s=%d" % parameter for parameter in parameters.items()))
        self.addCleanup(self.command, "rmmod", name)

    def set_parameter(self, module, name, value):
        with open("/sys/module/%s/parameters/%s" % (module, name), "w", encoding="ascii") as file:
            file.write("%d" % value)

    def command(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=harness.PATIENCE, check=False)
        self.assertEqual(done.returncode, 0, "%s: %s" % (" ".join(command), done.stderr))
        return done.stdout


def unavailable():
    """Why these tests cannot be run: a clock that matters must never be set by them."""
    return None if os.environ.get("OWAMP_VM") else "they set the clock, so only tests/vm/run runs them"


def main(*conditions):
    if unavailable():
        print("SKIPPED, NOTHING WAS TESTED: %s" % unavailable(), file=sys.stderr)
        sys.exit(harness.SKIPPED)
    harness.main(*conditions)
