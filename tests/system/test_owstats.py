"""owstats list, show, summary, histogram and timeline: what they say, against archives whose content is known."""
import collections
import sys
import unittest

import archive_model as model
import owstats_helper as helper
from owstats_helper import run, time_text, within

HOUR, MINUTE, SECOND, DAY, NOW = model.HOUR, model.MINUTE, model.SECOND, model.DAY, model.NOW
PARIS, TOKYO, LIMA = model.PARIS, model.TOKYO, model.LIMA
SEED = 4656


def expected_session(session):
    """A session of the model as list --json shows it."""
    figures = model.Figures(session.content)
    known = figures.received > 0
    return {
        "sid": session.sid, "start_ns": session.start_ns, "end_ns": session.end_ns,
        "sender": session.sender, "sender_name": model.NAMES[session.sender],
        "receiver": session.receiver, "receiver_name": model.NAMES[session.receiver],
        "direction": session.direction, "outcome": session.outcome, "reason": session.reason,
        "packets": session.packets, "sent": figures.sent, "received": figures.received, "lost": figures.lost,
        "lost_percent": 100 * figures.lost / figures.sent if figures.sent else None,
        "dropped": figures.dropped,
        "skipped": sum(last - first + 1 for first, last in session.skips),
        "duplicates": figures.duplicates, "reordered": len(model.reordered(session.content)),
        "unknown": session.packets if session.outcome == "finished" and not session.content else 0,
        "delay_min_ns": figures.min, "delay_median_ns": figures.percentile(50),
        "delay_p95_ns": figures.percentile(95),
        "delay_max_ns": figures.max, "clock_error_ns": figures.clock_error,
        "synchronized": bool(figures.synchronized) if known else None,
        "doubtful": known and figures.clock_error > figures.min, "percentiles_from": "packets"}


def visible(sessions):
    return sorted((session for session in sessions if not session.removal_due),
                  key=lambda session: (session.start_ns, session.id))


class Model(helper.OwstatsTest):
    """Reads one archive that no test changes, or a copy of it."""

    @classmethod
    def setUpClass(cls):
        cls.sessions = model.make_sessions(SEED)
        holder = helper.OwstatsTest()
        cls.addClassCleanup(holder.doCleanups)
        cls.archive = holder.archive_of(cls.sessions)

    def copy(self):
        return self.archive_of(self.sessions)

    def pair(self, sender, receiver):
        return [session for session in visible(self.sessions)
                if (session.sender, session.receiver) == (sender, receiver)]

    def check_sessions(self, found, expected):
        self.assertEqual([row["sid"] for row in found], [session.sid for session in expected])
        for row, session in zip(found, expected):
            wanted = expected_session(session)
            if row["lost_percent"] is not None:
                self.assertAlmostEqual(row.pop("lost_percent"), wanted.pop("lost_percent"), places=6)
            self.assertEqual(row, wanted)


class List(Model):
    def test_all(self):
        self.check_sessions(self.ask(self.archive, "list")["sessions"], visible(self.sessions))

    def test_without_a_command(self):
        self.assertEqual(self.ask(self.archive), self.ask(self.archive, "list"))

    def test_by_endpoint(self):
        to_lima = self.pair(PARIS, LIMA)
        for name in (LIMA, "lima", "LIMA", "[2001:DB8:0::3]"):
            self.check_sessions(self.ask(self.archive, "list", "--to", name)["sessions"], to_lima)
        found = self.ask(self.archive, "--from", TOKYO, "--to", "paris")["sessions"]
        self.check_sessions(found, self.pair(TOKYO, PARIS))

    def test_by_outcome(self):
        for outcome in ("running", "finished", "broken", "invalid"):
            found = self.ask(self.archive, "--outcome", outcome)["sessions"]
            expected = [session for session in visible(self.sessions) if session.outcome == outcome]
            self.assertTrue(expected)
            self.check_sessions(found, expected)

    def test_by_time(self):
        since, until = NOW - 5 * HOUR, NOW - 3 * HOUR
        found = self.ask(self.archive, "--since", "@%d" % (since // SECOND),
                         "--until", time_text(until, 3))["sessions"]
        expected = [session for session in visible(self.sessions)
                    if session.start_ns < until and (session.end_ns is None or session.end_ns >= since)]
        self.assertGreater(len(expected), 2)
        self.assertLess(len(expected), 12)
        self.check_sessions(found, expected)

    def test_limit(self):
        self.check_sessions(self.ask(self.archive, "--limit", 5)["sessions"], visible(self.sessions)[-5:])
        text = self.text(self.archive, "--limit", 5)
        self.assertIn("note: the newest 5 of %d sessions; --limit 0 shows all" % len(visible(self.sessions)), text)
        self.assertEqual(self.ask(self.archive, "--limit", 0)["notes"], [])
        self.assertEqual(text.splitlines()[5].split()[-1], visible(self.sessions)[-1].sid)

    def test_text(self):
        lines = self.text(self.archive, "--to", "lima", "-n", "n").splitlines()
        self.assertEqual(lines[0].split(), ["start", "from", "to", "dir", "outcome", "sent", "lost", "drop", "dup",
                                            "min", "median", "P95", "max", "err", "SID"])
        for line, session in zip(lines[1:], self.pair(PARIS, LIMA)):
            figures = model.Figures(session.content)
            mark = "!" * (figures.clock_error > figures.min) + "?" * (not figures.synchronized)
            fields = line.split()
            self.assertEqual(fields[:6], [time_text(session.start_ns, 0), "paris", "lima", "sent", "finished",
                                          str(figures.sent)])
            self.assertEqual(fields[6:9], [str(figures.lost), str(figures.dropped), str(figures.duplicates)])
            self.assertTrue(fields[13].endswith(mark) and fields[13].rstrip("!?") + mark == fields[13], line)
            self.assertEqual(fields[14], session.sid)
        self.assertEqual(lines[1 + len(self.pair(PARIS, LIMA)):], [
            "delays and err in ns",
            "! the clocks' error bound exceeds the smallest delay; ? a clock was not synchronized"])

    def test_csv(self):
        rows = self.rows(self.archive, "list")
        documents = self.ask(self.archive, "list")["sessions"]
        self.assertEqual(len(rows), len(documents))
        for row, session in zip(rows, documents):
            self.assertEqual(row.pop("start_time"), time_text(session["start_ns"], 9))
            end = row.pop("end_time")
            self.assertEqual(end, time_text(session["end_ns"], 9) if session["end_ns"] else "")
            self.assertEqual(list(row), list(session))
            for key, value in session.items():
                if isinstance(value, float):
                    self.assertAlmostEqual(float(row[key]), value)
                else:
                    self.assertEqual(row[key], {True: "true", False: "false", None: ""}.get(value, str(value))
                                     if not isinstance(value, int) or isinstance(value, bool) else str(value))

    def test_unix_time(self):
        first = visible(self.sessions)[0]
        self.assertTrue(self.text(self.archive, "-U", "--limit", 0).splitlines()[1].startswith(
            "%d " % (first.start_ns // SECOND)))

    def test_nothing_found(self):
        self.fails(1, "none of the %d sessions is as asked for" % len(visible(self.sessions)), "list", "--until",
                   "2020-01-01", archive=self.archive)
        self.fails(1, "no session has an endpoint berlin", "list", "--to", "berlin", archive=self.archive)
        self.fails(1, "no session yet", "list", archive=self.archive_of([]))


class Show(Model):
    def session(self, *arguments, archive=None):
        return self.ask(archive or self.archive, "show", *arguments)["session"]

    def some(self):
        """One of each kind."""
        there = self.pair(PARIS, TOKYO)
        return [there[0], there[-2], *self.pair(PARIS, LIMA), *self.pair(LIMA, PARIS)]

    def test_statistics(self):
        for session in self.some():
            found = self.session(session.sid, "--percentiles", "1,50,99,99.9,100")
            figures = model.Figures(session.content)
            self.check_sessions([{key: found[key] for key in expected_session(session)}], [session])
            self.check_percentiles(found["percentiles"], figures.delays, True)
            if figures.received:
                self.assertEqual(found["delay_mean_ns"], round(sum(figures.delays) / figures.received))
                self.assertEqual(found["jitter_ns"], figures.percentile(95) - figures.percentile(50))
                self.check_variation(found, session)
                ttl = [record.ttl for record in model.first_arrivals(session.content)]
                self.assertEqual((found["ttl_min"], found["ttl_max"]), (min(ttl), max(ttl)))
                self.assertEqual((found["send_error_ns"], found["receive_error_ns"]),
                                 (figures.send_error, figures.receive_error))

    def check_variation(self, found, session):
        delays = {record.seq: model.delay_ns(record) for record in model.first_arrivals(session.content)}
        steps = [abs(delays[seq] - delays[seq - 1]) for seq in delays if seq - 1 in delays]
        self.assertEqual((found["ipdv_count"], found["ipdv_max_ns"]), (len(steps), max(steps)))
        self.assertLessEqual(abs(found["ipdv_mean_ns"] - sum(steps) / len(steps)), 0.5)

    def test_losses_minutes_health(self):
        session = next(session for session in self.pair(PARIS, TOKYO)
                       if session.health and session.health["unstamped"])
        found = self.session(session.sid, "--minutes")
        self.assertEqual(found["loss_episodes"], [
            {"begin_ns": model.send_ns(first), "end_ns": model.send_ns(last), "first_seq": first.seq,
             "last_seq": last.seq, "packets": last.seq - first.seq + 1}
            for first, last in model.runs(session.content)])
        self.assertEqual(found["health"], session.health)
        minutes = model.grouped(session.content, MINUTE)
        self.assertEqual([minute["minute_ns"] for minute in found["minutes"]], list(minutes))
        for minute, records in zip(found["minutes"], minutes.values()):
            figures = model.Figures(records)
            self.assertEqual((minute["sent"], minute["lost"], minute["dropped"], minute["duplicates"],
                              minute["delay_p50_ns"], minute["delay_p999_ns"]),
                             (figures.sent, figures.lost, figures.dropped, figures.duplicates, figures.percentile(50),
                              figures.percentile(99.9)))
        self.assertEqual([row["minute_ns"] for row in self.rows(self.archive, "show", session.sid, "--minutes")],
                         [str(minute) for minute in minutes])
        text = self.text(self.archive, "show", session.sid, "--minutes")
        self.assertRegex(text, "\n  packets without the kernel's time stamp +3\n")
        self.assertIn("exact, from the packets", text)

    def test_prefix(self):
        session = next(session for session in visible(self.sessions) if "a" in session.sid[:9])
        others = [other.sid for other in visible(self.sessions) if other.sid != session.sid]
        length = next(n for n in range(4, 33) if not any(sid.startswith(session.sid[:n]) for sid in others))
        for digits in (session.sid[:length], session.sid[:length].upper(), session.sid):
            self.assertEqual(self.session(digits)["sid"], session.sid)
        few, matching = next((sid[:n], found) for sid in others for n in range(4, 32)
                             for found in [[other for other in [*others, session.sid] if other.startswith(sid[:n])]]
                             if 1 < len(found) <= 20)
        self.fails(1, "%s...: more than one session, listed above" % few, "show", few, archive=self.archive)
        answer = run("show", few, archive=self.archive)
        self.assertEqual(sorted(line.split()[0] for line in answer.stderr.splitlines()[:-1]), sorted(matching))
        self.fails(1, "no session ffff...", "show", "ffff", archive=self.archive)
        self.fails(1, "no session %s" % ("f" * 32), "show", "f" * 32, archive=self.archive)

    def test_pruned(self):
        archive = self.copy()
        exact_only = {"first_ns", "last_ns", "delay_mean_ns", "ipdv_count", "ipdv_mean_ns", "ipdv_max_ns", "ttl_min",
                      "ttl_max"}
        for session in self.some():
            self.prune(archive, session.id)
            before, after = self.session(session.sid), self.session(session.sid, archive=archive)
            self.assertEqual((after["packets_kept"], after["percentiles_from"]), (False, "histograms"))
            self.check_percentiles(after["percentiles"], model.Figures(session.content).delays, False)
            same = set(before) - exact_only - {"packets_kept", "percentiles_from", "percentiles", "delay_median_ns",
                                               "delay_p95_ns", "jitter_ns", "n_reordered"}
            for key in same:
                self.assertEqual(after[key], before[key], key)
            for key in exact_only:
                self.assertIsNone(after[key], key)
        text = self.text(archive, "show", self.some()[0].sid)
        self.assertIn("~ from histograms", text)
        self.assertIn("note: the packets are pruned", text)
        self.assertIn("~ from histograms, within 1 %", self.text(archive, "list", "--limit", 0))


class Ranges(Model):
    def check_direction(self, found, sessions, low, high, exact):
        chosen = [within(low, high, session.content) for session in sessions]
        records = [record for content in chosen for record in content]
        figures = model.Figures(records)
        late = sum(len(within(low, high, model.reordered(session.content))) for session in sessions)
        self.assertEqual((found["sent"], found["received"], found["lost"], found["dropped"], found["duplicates"],
                          found["reordered"]),
                         (figures.sent, figures.received, figures.lost, figures.dropped, figures.duplicates, late))
        self.assertEqual((found["delay_min_ns"], found["delay_max_ns"]), (figures.min, figures.max))
        self.check_percentiles(found["percentiles"], figures.delays, exact)
        return figures

    def test_summary(self):
        found = self.ask(self.archive, "summary", "paris", TOKYO, "--percentiles", "1,50,99.9")["directions"]
        for direction, ends in zip(found, ((PARIS, TOKYO), (TOKYO, PARIS))):
            sessions = self.pair(*ends)
            figures = self.check_direction(direction, sessions, 0, 2**63, True)
            self.assertEqual((direction["sessions"], direction["percentiles_from"]), (len(sessions), "packets"))
            self.assertEqual(direction["sessions_running"], sum(session.outcome == "running" for session in sessions))
            self.assertEqual(direction["clock_error_ns"], figures.clock_error)
            self.check_worst(direction, sessions)

    def check_worst(self, direction, sessions):
        minutes = [(time, model.Figures(records)) for session in sessions
                   for time, records in model.grouped(session.content, MINUTE).items()]
        most = max(figures.lost for _, figures in minutes)
        self.assertEqual(direction["worst_minute_lost"], most)
        self.assertIn((direction["worst_minute_ns"], direction["worst_minute_sent"],
                       direction["worst_minute_delay_p95_ns"]),
                      [(time, figures.sent, figures.percentile(95)) for time, figures in minutes
                       if figures.lost == most])

    def test_part(self):
        """Packets count by when they were sent, to the ns."""
        first = self.pair(PARIS, TOKYO)[0]
        sent = sorted(model.send_ns(record) for record in first.content)
        low, high = sent[20], sent[600]
        found = self.ask(self.archive, "summary", PARIS, TOKYO, "--since", time_text(low, 9), "--until",
                         time_text(high, 9))["directions"]
        self.assertEqual((found[0]["begin_ns"], found[0]["end_ns"]), (low, high))
        self.check_direction(found[0], self.pair(PARIS, TOKYO), low, high, True)
        self.check_direction(found[1], self.pair(TOKYO, PARIS), low, high, True)

    def test_whole_hours(self):
        """With one session pruned, the histograms' hours are what can be asked for."""
        archive = self.copy()
        first = self.pair(PARIS, TOKYO)[0]
        self.prune(archive, first.id)
        low, high = first.start_ns // HOUR * HOUR, first.start_ns // HOUR * HOUR + 2 * HOUR
        found = self.ask(archive, "summary", PARIS, TOKYO, "--since", time_text(low + 10 * MINUTE, 3), "--until",
                         time_text(high - 10 * MINUTE, 3))["directions"][0]
        self.assertEqual((found["begin_ns"], found["end_ns"], found["percentiles_from"]), (low, high, "histograms"))
        self.check_direction(found, self.pair(PARIS, TOKYO), low, high, False)
        text = self.text(archive, "summary", PARIS, TOKYO, "--since", time_text(low, 0), "--until", time_text(high, 0))
        self.assertIn("%s to %s, whole hours" % (time_text(low, 3), time_text(high, 3)), text)
        self.assertIn("percentiles within 1 %, from histograms", text)

    def test_one_direction(self):
        """Of the other one it says that there is nothing."""
        archive = self.archive_of(self.pair(PARIS, LIMA))
        self.assertIn("--- from lima to paris ---\nno session\n", self.text(archive, "summary", "paris", "lima"))
        found = self.ask(archive, "summary", "paris", "lima")["directions"][1]
        self.assertEqual((found["sessions"], found["sent"], found["begin_ns"], found["delay_min_ns"]),
                         (0, 0, None, None))
        self.assertEqual([row["sessions"] for row in self.rows(archive, "summary", "paris", "lima")], 
                         [str(len(self.pair(PARIS, LIMA))), "0"])

    def test_nothing(self):
        self.fails(1, "no session between %s and lima" % TOKYO, "summary", TOKYO, "lima", archive=self.archive)
        self.fails(1, "in that time", "summary", PARIS, TOKYO, "--until", "2020-01-01", archive=self.archive)
        self.fails(1, "no session has an endpoint rome", "timeline", "rome", PARIS, archive=self.archive)
        self.fails(1, "no session from %s to lima" % TOKYO, "histogram", TOKYO, "lima", archive=self.archive)

    def check_timeline(self, found, sessions, step, exact):
        for row in found["steps"]:
            # A packet that was sent a little before its session's start is in the first.
            low = row["begin_ns"] if row is not found["steps"][0] else 0
            self.check_direction(row, sessions, low, row["begin_ns"] + step, exact)
        begins = [row["begin_ns"] for row in found["steps"]]
        self.assertEqual(begins, list(range(found["begin_ns"], found["end_ns"], step)))
        self.assertEqual(sum(row["sent"] for row in found["steps"]),
                         sum(model.Figures(session.content).sent for session in sessions))

    def test_timeline(self):
        sessions = self.pair(TOKYO, PARIS)
        for text, step in (("1h", HOUR), ("90min", 90 * MINUTE), ("1d", DAY)):
            found = self.ask(self.archive, "timeline", TOKYO, PARIS, "--step", text)
            self.assertEqual((found["step_ns"], found["percentiles_from"]), (step, "packets"))
            self.check_timeline(found, sessions, step, True)
        self.assertEqual(found["begin_ns"] % DAY, 0)
        self.assertEqual([row["begin_ns"] for row in self.rows(self.archive, "timeline", TOKYO, PARIS, "--step", "1d")],
                         [str(row["begin_ns"]) for row in found["steps"]])

    def test_timeline_pruned(self):
        archive = self.copy()
        sessions = self.pair(TOKYO, PARIS)
        self.prune(archive, *(session.id for session in sessions[:5]))
        found = self.ask(archive, "timeline", TOKYO, PARIS, "--step", "6h")
        self.assertEqual(found["percentiles_from"], "histograms")
        self.check_timeline(found, sessions, 6 * HOUR, False)
        found = self.ask(archive, "timeline", TOKYO, PARIS, "--step", "10min")
        self.assertEqual(found["sessions_left_out"], 5)
        self.assertIn("5 of %d sessions are left out" % len(sessions), found["notes"][0])
        self.assertEqual(sum(row["sent"] for row in found["steps"]),
                         sum(model.Figures(session.content).sent for session in sessions[5:]))
        self.prune(archive, *(session.id for session in sessions))
        self.fails(1, "expected --step 1h or a multiple", "timeline", TOKYO, PARIS, "--step", "10min", archive=archive)

    def test_timeline_text(self):
        found = self.ask(self.archive, "timeline", TOKYO, PARIS, "--step", "1d", "--percentiles", "50,95")
        lines = self.text(self.archive, "timeline", TOKYO, PARIS, "--step", "1d", "--percentiles", "50,95", "-n", "n",
                          "--width", 80).splitlines()
        self.assertEqual(lines[0].split(), ["time", "sent", "lost", "drop", "P50", "P95", "P95"])
        largest = max(row["percentiles"][1]["delay_ns"] or 0 for row in found["steps"])
        width = max(line.count("\u2588") for line in lines)
        for line, row in zip(lines[1:], found["steps"]):
            fields = line.split()
            self.assertEqual(fields[:4], [time_text(row["begin_ns"], 0), str(row["sent"]), str(row["lost"]),
                                          str(row["dropped"])])
            if row["sent"] == 0:
                self.assertEqual(fields[4:], ["-", "-"])
                continue
            bar = row["percentiles"][1]["delay_ns"] / largest * width
            self.assertEqual(fields[6].count("\u2588"), int(bar))

    def test_too_many_steps(self):
        self.fails(1, "expected a larger --step or a shorter time", "timeline", PARIS, TOKYO, "--step", "1s",
                   archive=self.archive)


class Histogram(Model):
    def expected(self, delays):
        return sorted(collections.Counter(model.bucket(delay) for delay in delays).items())

    def check(self, buckets, delays):
        self.assertEqual([bucket["packets"] for bucket in buckets], [count for _, count in self.expected(delays)])
        for bucket, (middle, _) in zip(buckets, self.expected(delays)):
            self.assertTrue(bucket["low_ns"] <= middle <= bucket["high_ns"])
        self.assertAlmostEqual(buckets[-1]["cumulative_percent"], 100)

    def test_session(self):
        archive = self.copy()
        for session in (self.pair(PARIS, TOKYO)[0], self.pair(PARIS, LIMA)[0]):
            figures = model.Figures(session.content)
            found = self.ask(archive, "histogram", session.sid)
            self.assertEqual((found["counted_from"], found["lost"], found["dropped"]),
                             ("packets", figures.lost, figures.dropped))
            self.check(found["buckets"], figures.delays)
            self.prune(archive, session.id)
            after = self.ask(archive, "histogram", session.sid)
            self.assertEqual(after.pop("counted_from"), "histograms")
            found.pop("counted_from")
            self.assertEqual(after, found)

    def test_pair(self):
        archive = self.copy()
        delays = [delay for session in self.pair(TOKYO, PARIS) for delay in model.Figures(session.content).delays]
        self.check(self.ask(archive, "histogram", TOKYO, PARIS)["buckets"], delays)
        self.prune(archive, *(session.id for session in self.pair(TOKYO, PARIS)[::2]))
        self.check(self.ask(archive, "histogram", TOKYO, PARIS)["buckets"], delays)

    def test_rows(self):
        """Fewer rows hold the same packets."""
        session = self.pair(PARIS, TOKYO)[0]
        figures = model.Figures(session.content)
        for rows in (4, 7, 20, 200):
            buckets = self.ask(self.archive, "histogram", session.sid, "--rows", rows)["buckets"]
            self.assertLessEqual(len(buckets), rows)
            for bucket in buckets:
                self.assertEqual(bucket["packets"],
                                 sum(bucket["low_ns"] <= delay <= bucket["high_ns"] for delay in figures.delays))
            self.assertEqual(sum(bucket["packets"] for bucket in buckets), figures.received)

    def test_drawn(self):
        session = self.pair(PARIS, TOKYO)[0]
        for locale, block in (("C.UTF-8", "\u2588"), ("C", "#")):
            text = self.text(self.archive, "histogram", session.sid, "--width", 100, LC_ALL=locale)
            lines = text.splitlines()
            self.assertLessEqual(max(map(len, lines[1:])), 100)
            self.assertLessEqual(len(lines), 24)
            self.assertEqual(lines[1].split(), ["from", "to", "packets", "%", "cum.", "%"])
            bars = [(int(line.split()[2]), line.count(block)) for line in lines[2:-2]]
            self.assertEqual(sum(packets for packets, _ in bars), model.Figures(session.content).received)
            self.assertEqual(max(bars)[1], max(blocks for _, blocks in bars))
            self.assertGreater(max(bars)[1], 40)

    def test_nothing_received(self):
        session = next(session for session in visible(self.sessions)
                       if session.content and not model.first_arrivals(session.content))
        self.fails(1, "no packet was received: no delay", "histogram", session.sid, archive=self.archive)


if __name__ == "__main__":
    sys.exit(0 if unittest.main(exit=False, verbosity=2).result.wasSuccessful() else 1)
