"""owping --archive and owfetch --archive: every column against what the same run printed and saved."""
import contextlib
import math
import os
import signal
import sqlite3

import harness
import netns
import owamp
import raw
from test_loss import Script

KEYS, ALICE = harness.KEYS, harness.ALICE
PACKETS = 12
OPTIONS = ("-c", PACKETS, "-i", "0.015625e,0f", "-L", 0.5, "-z", 0.3, "-E", 0.1, "-s", 100, "-D", "AF41")
SLOTS = [("exponential", owamp.SECOND // 64, 15625000), ("fixed", 0, 0)]

KEEPING = "limit root with bandwidth=0, delete_on_fetch=off\nassign default root\n"
DENYING = "limit root with bandwidth=1, delete_on_fetch=off\nassign default root\n"


def ntp(ns):
    """Nearest to a time in ns since 1970, modulo 2^64."""
    return ((owamp.NTP_1970 << 32) + round_span(ns)) % (1 << 64)


def round_span(ns):
    """Nearest to a span in ns, in units of 2^-32 s, halves away from 0."""
    return (1 if ns >= 0 else -1) * ((2 * abs(ns) * (1 << 32) + 10**9) // (2 * 10**9))


def bound_ns(estimate):
    """What an Error Estimate states, in ns, rounded up."""
    scale, multiplier = estimate >> 8 & 63, estimate & 255
    return math.ceil((multiplier << scale) * 10**9 / (1 << 32)) if scale <= 20 else \
        -(-(multiplier << scale) * 10**9 // (1 << 32))


def nearest_rank(values, percent_10):
    """The smallest value that at least so many 1/1000 do not exceed."""
    return sorted(values)[-(-percent_10 * len(values) // 1000) - 1]


class Wrapped:
    """A namespace whose commands run below another command."""

    def __init__(self, space, wrapper):
        self.space = space
        self.wrapper = wrapper

    def command(self, command):
        return self.space.command([*self.wrapper, *command])


class Base(harness.SystemTest):
    def serve(self, net, limits=KEEPING):
        self.net = self.keep(net)
        self.space = self.net.client
        self.server = self.owampd(self.net.server, limits=limits, keys=KEYS)
        self.key = self.key_options(ALICE)
        self.files = self.directory()
        self.archive = self.files + "/results.db"

    def rows(self, sql, *parameters, path=None):
        with contextlib.closing(sqlite3.connect(path or self.archive)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(sql, parameters)]

    def change(self, sql):
        with contextlib.closing(sqlite3.connect(self.archive)) as database, database:
            database.execute(sql)

    def dump(self, path=None):
        with contextlib.closing(sqlite3.connect(path or self.archive)) as database:
            return list(database.iterdump())

    def measure(self, *arguments, target=None):
        """Returns the run and what owping saved, by direction."""
        saves = {"to_server": self.files + "/to", "from_server": self.files + "/from"}
        run = self.owping(self.space, "--records", "--archive", self.archive, *OPTIONS, *self.key,
                          "-T", saves["to_server"], "-F", saves["from_server"], *arguments,
                          target or self.net.v4)
        saved = {key: raw.Saved(path) for key, path in saves.items() if os.path.getsize(path)}
        return run, saved

    def packets(self, sid, path=None):
        rows = self.rows("SELECT packets.* FROM packets JOIN sessions USING (session_id) WHERE sid = ?"
                         " ORDER BY arrival", sid, path=path)
        for row in rows:
            del row["session_id"]
        return rows

    def session(self, sid):
        rows = self.rows("SELECT sessions.*, s.address AS sender, r.address AS receiver,"
                         " s.name AS sender_name, r.name AS receiver_name FROM sessions"
                         " JOIN endpoints AS s ON s.endpoint_id = sender_id"
                         " JOIN endpoints AS r ON r.endpoint_id = receiver_id WHERE sid = ?", sid)
        self.assertEqual(len(rows), 1)
        return rows[0]

    # Each of these takes a session as the document has it.

    def check_session(self, test, **others):
        row = self.session(test["sid"])
        to_server = test["direction"] == "to_server"
        wanted = {
            "sender": test["sender"]["address"], "sender_port": test["sender"]["port"],
            "receiver": test["receiver"]["address"], "receiver_port": test["receiver"]["port"],
            "ip_version": 6 if ":" in test["sender"]["address"] else 4,
            "direction": "sent" if to_server else "received",
            "server": "receiver" if to_server else "sender",
            "mode": test["mode"], "identity": None if test["mode"] == "unauthenticated" else ALICE,
            "class": None,
            "packets": test["packets"], "padding_octets": test["padding"], "type_p": test["type_p"],
            "dscp": test["dscp"], "timeout_ntp": round_span(test["timeout_ns"]),
            "timeout_ns": test["timeout_ns"], "start_ns": test["start_time_ns"],
            "outcome": "finished", "reason": None, "next_seq": test["next_seq"],
            "records": len(test["records"]), "records_lost": 0, "duplicates_left_out": 0,
            "packets_kept": 1, "summaries_due": 0, "removal_due": 0, "program": "owping", "version": "0.1.0",
        }
        wanted.update(others)
        self.assertEqual({key: row[key] for key in wanted}, wanted)
        self.assertEqual(self.rows("SELECT slot, distribution, interval_ntp, interval_ns FROM slots"
                                   " WHERE session_id = ? ORDER BY slot", row["session_id"]),
                         [{"slot": slot, "distribution": name, "interval_ntp": interval, "interval_ns": ns}
                          for slot, (name, interval, ns) in enumerate(SLOTS)])
        self.assertEqual(self.rows("SELECT first_seq, last_seq FROM skip_ranges WHERE session_id = ?"
                                   " ORDER BY first_seq", row["session_id"]),
                         [{"first_seq": first, "last_seq": last} for first, last in test["skip_ranges"]])
        return row

    def check_packets(self, test, saved):
        """Against the document in ns, and to the last bit against the saved file."""
        rows = self.packets(test["sid"])
        seen = set()
        self.assertEqual(len(rows), len(test["records"]))
        for arrival, (row, record, bits) in enumerate(zip(rows, test["records"], saved.records)):
            lost = record["delay_ns"] is None
            self.assertEqual((row["arrival"], row["seq"]), (arrival, record["seq"]))
            for key in ("send_time_ns", "delay_ns", "send_error_ns", "receive_error_ns"):
                self.assertEqual(row[key], record[key], key)
            for key in ("send_synchronized", "receive_synchronized"):
                self.assertEqual(bool(row[key]), record[key], key)
            self.assertEqual(row["ttl"], 255 if lost else record["ttl"])
            self.assertEqual(row["duplicate"], 1 if not lost and row["seq"] in seen else 0)
            self.assertEqual(bound_ns(row["send_error_estimate"]), record["send_error_ns"])
            self.assertEqual(bound_ns(row["receive_error_estimate"]), record["receive_error_ns"])
            self.assertEqual(ntp(row["send_time_ns"]) + row["send_residue"], bits.send_time)
            if lost:
                self.assertEqual((row["receive_time_ns"], bits.receive_time), (None, 0))
                continue
            seen.add(row["seq"])
            self.assertEqual(bits.send_time + round_span(row["delay_ns"]) + row["receive_residue"],
                             bits.receive_time)
            # Either is rounded, but not the same sum.
            self.assertLessEqual(abs(row["receive_time_ns"] - record["receive_time_ns"]), 1)

    def check_derived(self, test, session_id):
        """The minutes, from the records; all that the schema says of them."""
        minutes = {}
        for record in test["records"]:
            minutes.setdefault(record["send_time_ns"] // 60_000_000_000 * 60_000_000_000, []).append(record)
        rows = self.rows("SELECT * FROM minutes WHERE session_id = ? ORDER BY minute_ns", session_id)
        self.assertEqual([row["minute_ns"] for row in rows], sorted(minutes))
        arrived = set()
        for row in rows:
            delays, lost = [], 0
            for record in minutes[row["minute_ns"]]:
                if record["delay_ns"] is None:
                    lost += 1
                elif record["seq"] not in arrived:
                    arrived.add(record["seq"])
                    delays.append(record["delay_ns"])
            self.assertEqual((row["sent"], row["received"], row["lost"]),
                             (len(delays) + lost, len(delays), lost))
            self.assertEqual(row["duplicates"], len(minutes[row["minute_ns"]]) - len(delays) - lost)
            if delays:
                self.assertEqual([row["delay_%s_ns" % name] for name in ("p50", "p95", "p99", "p999")],
                                 [nearest_rank(delays, rank) for rank in (500, 950, 990, 999)])
                self.assertEqual((row["delay_min_ns"], row["delay_max_ns"]), (min(delays), max(delays)))
        self.assertEqual(sum(row["lost"] for row in rows), test["summary"]["lost"])
        buckets = self.rows("SELECT coalesce(sum(packets), 0) AS n FROM histograms WHERE session_id = ?",
                            session_id)
        self.assertEqual(buckets, [{"n": test["summary"]["received"]}])

    def check_health(self, test, session_id):
        """What this host knows of itself; the server does not tell."""
        row = self.rows("SELECT * FROM health WHERE session_id = ?", session_id)[0]
        send, receive = test["health"]["send"], test["health"]["receive"]
        if send:
            self.assertEqual((row["sent"], row["send_errors"], row["send_error_text"]),
                             (send["sent"], send["send_errors"], send["last_error"]))
            self.assertEqual((row["send_lateness_max_ns"], row["send_stamp_gap_max_ns"]),
                             (send["lateness_max_ns"], send["stamp_gap_max_ns"]))
            self.assertLessEqual(abs(row["send_lateness_mean_ns"] - send["lateness_mean_ns"]), 1)
            self.assertIsNone(row["socket_drops"])
        else:
            self.assertIsNone(row["sent"])
            for key in ("socket_drops", "unstamped", "strangers"):
                self.assertEqual(row[key], receive[key], key)
            for key, count in receive["discarded"].items():
                self.assertEqual(row["discarded_" + key], count, key)

    def check_clock(self, run, program="owping"):
        """One row at the start and one at the end, with all sources."""
        rows = self.rows("SELECT * FROM clock ORDER BY time_ns")
        self.assertEqual(len(rows), 2)
        for row in rows:
            self.assertEqual((row["program"], row["source"], row["step_ns"]),
                             (program, run.document["clock"]["source"], 0))
            self.assertEqual(bool(row["synchronized"]), run.document["clock"]["synchronized"])
            self.assertGreater(row["bound_ns"], 0)
            self.assertEqual(row["steered_by"], run.document["clock"]["steered_by"])
            sources = self.rows("SELECT * FROM clock_sources WHERE clock_id = %d" % row["clock_id"])
            self.assertEqual(sorted(source["name"] for source in sources),
                             sorted(source["name"] for source in run.document["clock"]["sources"]))
            for source in sources:
                self.assertNotEqual(source["reason"], "", source["name"])
        times = [record["send_time_ns"] for test in run.document["tests"] for record in test["records"]]
        self.assertLess(rows[0]["time_ns"], min(times))
        self.assertGreater(rows[1]["time_ns"], max(times))

    def check_whole(self, run, saved, **others):
        for test in run.document["tests"]:
            with self.subTest(direction=test["direction"]):
                row = self.check_session(test, **others)
                self.check_packets(test, saved[test["direction"]])
                self.check_derived(test, row["session_id"])
                self.check_health(test, row["session_id"])
                # Agreed on before the schedule starts, ended after the last arrival.
                self.assertLess(row["created_ns"], row["start_ns"])
                self.assertGreater(row["end_ns"], max(record["receive_time_ns"] or 0
                                                      for record in test["records"]))
        self.assertEqual(self.rows("PRAGMA integrity_check"), [{"integrity_check": "ok"}])
        self.assertEqual(self.rows("PRAGMA foreign_key_check"), [])


class Archive(Base):
    def setUp(self):
        super().setUp()
        self.serve(netns.Loopback())

    def archived(self, run):
        self.assertIsNone(run.document["archive"]["error"])
        return [(entry["sid"], entry["result"], entry["outcome"])
                for entry in run.document["archive"]["sessions"]]

    def test_every_column(self):
        """Both directions, with a key, to a name."""
        run, saved = self.measure("-4", target="localhost")
        self.assert_status(run, 0)
        self.assertEqual(len(run.document["tests"]), 2)
        self.assertEqual(self.archived(run),
                         [(test["sid"], "stored", "finished") for test in run.document["tests"]])
        self.assertEqual(run.document["archive"]["file"], self.archive)
        self.check_whole(run, saved, mode="encrypted", peer="127.0.0.1", dscp=34,
                         sender_name="localhost", receiver_name="localhost")
        self.check_clock(run)

    def test_open_mode(self):
        """No identity, no name; IPv6."""
        self.key = []
        run, saved = self.measure(target="::1")
        self.assert_status(run, 0)
        self.check_whole(run, saved, mode="unauthenticated", identity=None, ip_version=6, peer="::1",
                         sender_name=None, receiver_name=None)

    def test_added_up(self):
        """Runs are added to a file; it is an archive for sqlite3, not for others to read by chance."""
        sids = []
        for direction in ("-t", "-f"):
            run = self.owping(self.space, "--archive", self.archive, direction, *harness.QUICK, self.net.v4)
            self.assert_status(run, 0)
            sids += [test["sid"] for test in run.document["tests"]]
        self.assertEqual([row["sid"] for row in self.rows("SELECT sid FROM sessions ORDER BY session_id")],
                         sids)
        self.assertEqual(self.rows("PRAGMA application_id"), [{"application_id": 0x4F574D50}])
        self.assertEqual(self.rows("SELECT count(*) AS n FROM endpoints"), [{"n": 1}])

    def test_fetched(self):
        """The rows of owfetch are those of owping."""
        run, _ = self.measure()
        self.assert_status(run, 0)
        test = run.document["tests"][0]
        other = self.files + "/fetched.db"
        fetched = self.owfetch(self.space, "--archive", other, *self.key, "localhost", test["sid"])
        self.assert_status(fetched, 0)
        self.assertEqual(self.archived(fetched), [(test["sid"], "stored", "finished")])
        self.assertEqual(self.packets(test["sid"], other), self.packets(test["sid"]))
        session = self.session(test["sid"])
        mine, self.archive = self.archive, other
        again = self.check_session(dict(test, records=test["records"]), program="owfetch",
                                   receiver_name="localhost")
        self.assertEqual(again["start_residue"], session["start_residue"])
        # The server does not say when: the start stands for the one, the last arrival for the other.
        self.assertEqual(again["created_ns"], again["start_ns"])
        self.assertEqual(again["end_ns"], max(row["receive_time_ns"] for row in self.packets(test["sid"])))
        self.assertEqual(self.rows("SELECT count(*) AS n FROM health"), [{"n": 0}])
        for table in ("minutes", "histograms"):
            sql = "SELECT * FROM %s JOIN sessions USING (session_id) WHERE sid = ?" % table
            keep = [key for key in self.rows("SELECT * FROM " + table)[0] if key != "session_id"]
            self.assertEqual([[row[key] for key in keep] for row in self.rows(sql, test["sid"])],
                             [[row[key] for key in keep] for row in self.rows(sql, test["sid"], path=mine)])

    def test_there_already(self):
        """A session that is complete stays as it is; one that is not gives way to one that is."""
        run, _ = self.measure("-t")
        sid = run.document["tests"][0]["sid"]
        packets = self.packets(sid)
        sessions = self.rows("SELECT * FROM sessions ORDER BY session_id")
        self.change("DELETE FROM clock")
        for client in (True, False):
            run = self.run_client(self.space, "owfetch", "--archive", self.archive, *self.key, self.net.v4,
                                  sid, json_output=client)
            self.assert_status(run, 0)
            self.assertIn("owfetch: archive %s: session %s is left as it is: stored before by owping, "
                          "finished" % (self.archive, sid), run.stderr)
            if client:
                self.assertEqual(self.archived(run), [(sid, "kept", "finished")])
        self.assertEqual(self.rows("SELECT * FROM sessions ORDER BY session_id"), sessions)
        self.assertEqual(self.packets(sid), packets)
        run = self.run_client(self.space, "owfetch", "-Q", "--archive", self.archive, *self.key, self.net.v4,
                              sid, json_output=False)
        self.assertEqual((run.status, run.stdout, run.stderr), (0, "", ""))

        self.change("UPDATE sessions SET outcome = 'broken', reason = 'torn' WHERE sid = '%s'" % sid)
        self.change("DELETE FROM packet_rows WHERE seq > 3 AND session_id ="
                    " (SELECT session_id FROM sessions WHERE sid = '%s')" % sid)
        run = self.owfetch(self.space, "--archive", self.archive, *self.key, self.net.v4, sid)
        self.assert_status(run, 0)
        self.assertEqual(self.archived(run), [(sid, "replaced", "finished")])
        self.assertEqual(self.packets(sid), packets)

        self.change("UPDATE sessions SET outcome = 'running', program = 'owampd' WHERE sid = '%s'" % sid)
        run = self.owfetch(self.space, "--archive", self.archive, *self.key, self.net.v4, sid)
        self.assert_status(run, 1)
        self.assertEqual(self.archived(run), [(sid, "failed", "finished")])
        self.assertIn("owfetch: archive %s: session %s: the session is there and still runs (owampd)"
                      % (self.archive, sid), run.stderr)
        self.assertEqual(run.document["tests"][0]["summary"]["received"], PACKETS)

    def test_stopped_early(self):
        """By Ctrl-C: finished, with the records that are valid, and why there are no more."""
        client = self.start(self.space, "owping", "--records", "--archive", self.archive, "-c", 1000, "-i",
                            "0.01f", "-L", 0.2, "-z", 0.1, "-E", 0.1, self.net.v4)
        sent = self.space.datagrams_sent()
        harness.until(lambda: self.space.datagrams_sent() > sent + 100, "test packets")
        client.process.signal(signal.SIGINT)
        run = client.end()
        self.assert_status(run, 3)
        self.assertIn("owping: interrupted by SIGINT: ", run.stderr)
        for test in run.document["tests"]:
            row = self.session(test["sid"])
            self.assertLess(test["next_seq"], 1000)
            self.assertEqual((row["outcome"], row["reason"], row["next_seq"]),
                             ("finished", "ended early: %d of 1000 packets were reached" % test["next_seq"],
                              test["next_seq"]))
            self.assertEqual([packet["seq"] for packet in self.packets(test["sid"])],
                             [record["seq"] for record in test["records"]])

    def test_server_gone(self):
        """What came so far is kept, as broken; of what was sent nothing is known, so nothing is stored."""
        client = self.start(self.space, "owping", "--records", "--archive", self.archive, "-c", 1000, "-i",
                            "0.01f", "-L", 0.2, "-z", 0.1, self.net.v4)
        sent = self.space.datagrams_sent()
        harness.until(lambda: self.space.datagrams_sent() > sent + 100, "test packets")
        self.server.kill()
        run = client.end()
        self.assert_status(run, 1)
        test = run.document["tests"][1]
        self.assertEqual(self.archived(run), [(test["sid"], "stored", "broken")])
        row = self.session(test["sid"])
        self.assertEqual((row["outcome"], row["next_seq"]), ("broken", None))
        self.assertRegex(row["reason"], "closed the control connection|reset by peer")
        self.assertEqual([packet["seq"] for packet in self.packets(test["sid"])],
                         [record["seq"] for record in test["records"]])
        self.assertEqual(self.rows("SELECT count(*) AS n FROM sessions"), [{"n": 1}])


class Named(Base):
    def test_name(self):
        """The name that the user gave belongs to the server's end, in both directions."""
        self.serve(netns.Veth())
        hosts = self.files + "/hosts"
        with open(hosts, "w", encoding="ascii") as file:
            file.write("%s server.example\n" % self.net.v4)
        self.space = Wrapped(self.space, ["unshare", "--mount", "sh", "-c",
                                          'mount --bind "$0" /etc/hosts && exec "$@"', hosts])
        run, saved = self.measure(target="server.example")
        self.assert_status(run, 0)
        self.assertEqual(len(run.document["tests"]), 2)
        self.check_whole(run, saved, peer=self.net.v4)
        self.assertEqual(self.rows("SELECT address, name FROM endpoints ORDER BY address"),
                         [{"address": self.net.v4, "name": "server.example"},
                          {"address": self.net.client_v4, "name": None}])


class Refused(Base):
    def test_refused(self):
        """There is nothing to store, but the file is there for the next run."""
        self.serve(netns.Loopback(), DENYING)
        run = self.owping(self.space, "--archive", self.archive, *harness.QUICK, self.net.v4)
        self.assert_status(run, 1)
        self.assertEqual(run.document["archive"],
                         {"file": self.archive, "error": None, "sessions": []})
        for table in ("sessions", "clock", "endpoints"):
            self.assertEqual(self.rows("SELECT count(*) AS n FROM " + table), [{"n": 0}])


class Lossy(Base):
    def test_lost_and_doubled(self):
        """Some packets lost, some twice."""
        self.serve(netns.Wire())

        def fate(index, packet):
            return [packet] * (0, 1, 2, 1)[index % 4]

        self.net.to_server, self.net.to_client = Script(fate), Script(fate)
        run, saved = self.measure()
        self.assert_status(run, 0)
        for test in run.document["tests"]:
            self.assertEqual((test["summary"]["lost"], test["summary"]["duplicates"]), (3, 3))
        self.check_whole(run, saved, peer=self.net.v4)
        for test in run.document["tests"]:
            lost = sorted(record["seq"] for record in test["records"] if record["delay_ns"] is None)
            sql = "SELECT first_seq, last_seq FROM losses JOIN sessions USING (session_id) WHERE sid = ?"
            self.assertEqual([seq for row in self.rows(sql, test["sid"])
                              for seq in range(row["first_seq"], row["last_seq"] + 1)], lost)
            fetched = self.files + "/%s.db" % test["sid"]
            if test["direction"] == "to_server":
                self.assert_status(self.owfetch(self.space, "--archive", fetched, *self.key, self.net.v4,
                                                test["sid"]), 0)
                self.assertEqual(self.packets(test["sid"], fetched), self.packets(test["sid"]))


if __name__ == "__main__":
    harness.main(netns.wire_unavailable)
