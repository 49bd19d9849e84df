"""owping --clock and --clock-config: what they say, and what they refuse; and the clocks in a measurement's summary."""
import datetime
import json
import os
import pty
import re
import signal
import subprocess
import unittest

import harness
import netns

try:
    import jsonschema
except ImportError:
    jsonschema = None

SCHEMA = os.path.join(os.path.dirname(__file__), "../../docs/owping.schema.json")
EXAMPLE = os.path.join(os.path.dirname(__file__), "../../docs/examples/clock.conf")
LEGEND = "* in use   + could be used   x contradicted by another   ? says nothing that counts"

# Nobody is there, whatever the machine has outside of the namespace.
NOBODY = """clock {
    ptp "eth0" { socket = /nowhere/ptp4l }
    phc "card" { device = /nowhere/ptp0 }
    gps "roof" { }
    shm "pulse" { unit = 255 }
    chrony "ntp 1" { host = 127.0.0.1 }
}
"""
NAMES = ["eth0", "card", "roof", "pulse", "ntp 1"]


def parse_text(text):
    """The lines above the table, and of each source its mark, name, state and reason."""
    head, table, legend = text.strip("\n").split("\n\n")
    title, *rows = table.split("\n")
    sources = []
    for row in rows:
        if row.startswith("      "):
            sources[-1][3] = (sources[-1][3] + " " + row.strip()).strip()
            continue
        kind_at = title.index("kind")
        state_at = title.index("state")
        sources.append([row[0], row[2:kind_at].strip(), row[state_at:].split()[0], ""])
    return head.split("\n"), sources, legend


class ClockOwping(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())

    def config(self, text):
        path = os.path.join(self.directory(), "clock.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def clock(self, *arguments):
        command = self.net.client.command([harness.program("owping"), *map(str, arguments)])
        result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                                        timeout=harness.PATIENCE, check=False)
        self.assertIsNone(harness.SANITIZER.search(result.stderr), "a sanitizer complains")
        return result.returncode, result.stdout, result.stderr

    def looks(self, *arguments):
        status, out, err = self.clock("--json", *arguments)
        self.assertEqual((status, err), (0, ""))
        return [json.loads(line)["clock"] for line in out.splitlines()]

    def test_text(self):
        """Nobody vouches: each source says why, nothing is cut."""
        status, out, err = self.clock("--clock", "--clock-config", self.config(NOBODY))
        self.assertEqual((status, err), (0, ""))
        head, sources, legend = parse_text(out)
        self.assertTrue(head[0].startswith("NOT synchronized: "), head)
        self.assertIn("  steered by   ", head[1])
        self.assertEqual([source[:3] for source in sources], [["?", name, "absent"] for name in NAMES])
        for _, name, _, reason in sources:
            self.assertNotEqual(reason, "", name)
        self.assertIn("/nowhere/ptp4l", sources[0][3])
        self.assertIn("/nowhere/ptp0", sources[1][3])
        self.assertEqual(legend, LEGEND)
        self.assertNotIn("\033", out)
        for line in out.splitlines():
            self.assertLessEqual(len(line), 100)

    def test_json(self):
        """The same as one line, and as the schema has it."""
        looks = self.looks("--clock", "--clock-config", self.config(NOBODY))
        self.assertEqual(len(looks), 1)
        look = looks[0]
        self.assertFalse(look["synchronized"])
        self.assertFalse(look["disagreement"])
        self.assertEqual((look["source"], look["bound_ns"], look["age_ns"]), ("none", 16 * 10**9, None))
        self.assertEqual((look["steps"], look["last_step_ns"], look["alarm"]), (0, None, None))
        self.assertEqual([source["name"] for source in look["sources"]], NAMES)
        self.assertEqual([source["kind"] for source in look["sources"]], ["ptp", "phc", "gps", "shm", "chrony"])
        for source in look["sources"]:
            self.assertEqual((source["state"], source["used"], source["offset_ns"]), ("absent", False, None))
            self.assertNotEqual(source["text"], "")
        self.validate(look)
        self.validate_line({"clock": look})

    @unittest.skipIf(jsonschema is None, "python3-jsonschema is not installed")
    def test_schema_bites(self):
        look = self.looks("--clock", "--clock-config", self.config(NOBODY))[0]
        for key in look:
            with self.subTest(key=key), self.assertRaises(AssertionError):
                self.validate({name: value for name, value in look.items() if name != key})

    def validate_line(self, line):
        """What is printed, by the schema as it is, not by a part of it."""
        if jsonschema is None:
            return
        with open(SCHEMA, encoding="utf-8") as file:
            validator = jsonschema.Draft202012Validator(json.load(file))
        self.assertEqual([error.message for error in validator.iter_errors(line)], [])
        for wrong in {**line, "error": None}, {**line, "more": 1}, {}:
            self.assertFalse(validator.is_valid(wrong))

    def validate(self, look):
        if jsonschema is None:
            return
        with open(SCHEMA, encoding="utf-8") as file:
            schema = json.load(file)
        validator = jsonschema.Draft202012Validator({"$ref": "#/$defs/clock", "$defs": schema["$defs"]})
        self.assertEqual([error.message for error in validator.iter_errors(look)], [])

    @unittest.skipIf(os.path.exists("/usr/local/etc/owamp/clock.conf") or os.path.exists("/etc/owamp/clock.conf"),
                         "this host has a clock.conf")
    def test_defaults(self):
        """Without a file and with the example it is the same four, each with a reason."""
        for arguments in ((), ("--clock-config", EXAMPLE)):
            look = self.looks("--clock", *arguments)[0]
            self.assertEqual([source["name"] for source in look["sources"]], ["ptp", "gps", "chrony", "kernel"])
            for source in look["sources"]:
                self.assertNotEqual(source["text"], "", source["name"])
            # The namespace has neither; of the other two the machine may have its own.
            states = {source["name"]: source["state"] for source in look["sources"]}
            self.assertEqual((states["gps"], states["chrony"]), ("absent", "absent"))

    def test_seconds(self):
        """A look a second, none of them twice; and as text the last one once more in full."""
        path = self.config(NOBODY)
        looks = self.looks("--clock=3", "--clock-config", path)
        self.assertEqual(len(looks), 3)
        times = [datetime.datetime.strptime(look["time"], "%Y-%m-%dT%H:%M:%S.%fZ") for look in looks]
        for before, after in zip(times, times[1:]):
            self.assertGreaterEqual((after - before).total_seconds(), 0.75)
        status, out, err = self.clock("--clock=2", "--clock-config", path)
        self.assertEqual((status, err), (0, ""))
        lines, rest = out.split("\n\n", 1)
        title, *rows = lines.split("\n")
        self.assertEqual(title.split(), ["time", "source", "S", "bound", "offset"])
        self.assertEqual(len(rows), 2)
        for row in rows:
            self.assertRegex(row, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z  none +0 +16 s +-$")
        self.assertTrue(rest.startswith("NOT synchronized: "))

    def test_interrupted(self):
        """What was seen last is printed all the same; each line is there at once."""
        command = self.net.client.command([harness.program("owping"), "--clock=600", "--clock-config",
                                                   self.config(NOBODY)])
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                           stdin=subprocess.DEVNULL)
        self.addCleanup(process.kill)
        self.assertIn("source", process.stdout.readline())
        self.assertIn("none", process.stdout.readline())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=harness.PATIENCE)
        self.assertEqual((process.returncode, err), (0, ""))
        self.assertIn("NOT synchronized: ", out)
        self.assertIn(LEGEND, out)

    def test_terminal(self):
        """Colours on a terminal, unless they are not wanted."""
        path = self.config(NOBODY)
        for extra, coloured in ({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False):
            master, slave = pty.openpty()
            environment = {**os.environ, "TERM": "xterm", **extra}
            if "NO_COLOR" not in extra:
                environment.pop("NO_COLOR", None)
            command = self.net.client.command([harness.program("owping"), "--clock=1", "--clock-config", path])
            process = subprocess.Popen(command, stdout=slave, stderr=subprocess.DEVNULL,
                                                   stdin=subprocess.DEVNULL, env=environment)
            self.addCleanup(process.kill)
            os.close(slave)
            out = b""
            while True:
                try:
                    octets = os.read(master, 65536)
                except OSError:
                    break
                if not octets:
                    break
                out += octets
            os.close(master)
            self.assertEqual(process.wait(harness.PATIENCE), 0)
            self.assertEqual(b"\033[31mNOT synchronized\033[0m" in out, coloured, extra)
            self.assertEqual(b"\033" in out, coloured, extra)

    def test_usage(self):
        cases = (
            (("--clock", self.net.v4), self.net.v4 + ": --clock looks at this host only, expected no server"),
            (("--clock", "-c", 3), "--clock cannot be used with -c: expected --clock-config and --json at most"),
            (("--clock=x",), "--clock x: expected a number of seconds, from 1 to 4294967295"),
            (("--clock-config",), "--clock-config: the option needs an argument"),
        )
        for arguments, message in cases:
            status, out, err = self.clock(*arguments)
            self.assertEqual((status, out), (2, ""))
            self.assertEqual(err, "owping: %s\nTry 'owping --help'.\n" % message)
        for arguments, message in cases[:3]:
            status, out, err = self.clock(*arguments, "--json")
            self.assertEqual((status, json.loads(out)), (2, {"clock": None, "error": message}))
            self.validate_line(json.loads(out))
        for program in ("owfetch", "owup"):
            result = subprocess.run([harness.program(program), "--clock"], capture_output=True, text=True,
                        timeout=harness.PATIENCE, stdin=subprocess.DEVNULL, check=False)
            self.assertEqual(result.returncode, 2)

    def test_config_errors(self):
        path = self.config("clock {\n\tptp \"eth0\" {\n\t\tdomain = 300\n\t}\n}\n")
        wrong = path + ":3: clock: ptp \"eth0\": domain: '300', expected a number from 0 to 255"
        absent = "/nowhere/clock.conf: cannot read: No such file or directory"
        misspelt = os.path.join(os.path.dirname(path), "misspelt.conf")
        with open(misspelt, "w", encoding="utf-8") as file:
            file.write("clokc {\n}\n")
        none = misspelt + ": no section clock, expected clock { ... }"
        for file, message in (path, wrong), ("/nowhere/clock.conf", absent), (misspelt, none):
            status, out, err = self.clock("--clock", "--clock-config", file)
            self.assertEqual((status, out, err), (1, "", "owping: %s\n" % message))
            status, out, err = self.clock("--clock", "--json", "--clock-config", file)
            self.assertEqual((status, json.loads(out), err),
                                         (1, {"clock": None, "error": message}, "owping: %s\n" % message))
            # Before anything is measured, too.
            run = self.run_client(self.net.client, "owping", *harness.QUICK, "--clock-config", file, self.net.v4)
            self.assertEqual((run.status, run.document["error"]["reason"]), (1, message))
            self.assertIn(message, run.stderr)

    def test_no_leap_seconds(self):
        """A file that was asked for by name, with smearing and without."""
        for smear in "24h", "no":
            path = self.config("clock {\n\tkernel k { }\n\tsmear = %s\n\tleap_file = /nowhere/leap\n}\n" % smear)
            self.assertEqual(self.clock("--clock", "--clock-config", path),
                             (1, "", "owping: %s:4: clock: leap_file: /nowhere/leap: No such file or directory\n"
                              % path))

    def test_measurement(self):
        """The summary says what both clocks are worth, and of ours why."""
        self.owampd(self.net.server, limits=harness.GENEROUS)
        path = self.config(NOBODY)
        command = self.net.client.command([harness.program("owping"), *map(str, harness.QUICK), "-v1",
                                                   "--clock-config", path, self.net.v4])
        result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                    timeout=2 * harness.PATIENCE, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = re.findall(r"^clocks: .*$", result.stdout, re.M)
        self.assertEqual(len(lines), 2, result.stdout)
        for line in lines:
            self.assertRegex(line, r"^clocks: not synchronized here \(no source says .*\), "
                                 r"(not synchronized there|within .* of UTC there); by how much the delay is wrong is not "
                                 r"known, its variation holds$")
        sources = re.findall(r"^clock source (.*?): absent: .+$", result.stdout, re.M)
        self.assertEqual(sources, NAMES)
        run = self.run_client(self.net.client, "owping", *harness.QUICK, "--clock-config", path, self.net.v4)
        self.assert_status(run, 0)
        self.assertEqual([source["name"] for source in run.document["clock"]["sources"]], NAMES)
        self.validate(run.document["clock"])


if __name__ == "__main__":
    harness.main()
