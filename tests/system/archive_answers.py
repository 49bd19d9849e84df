"""What the views and the queries of docs/archive.md should say of archive_model's content, from its records."""
import collections
import datetime
import functools

from archive_model import (DAY, HOUR, INT64_MAX, MINUTE, NAMES, SECOND, WEEK, Figures, bucket, delay_ns,
                           error_ns, first_arrivals, grouped, make_clock, make_clock_sources, reordered, rounded, runs, send_ns,
                           to_ntp)

Asked = collections.namedtuple("Asked", "sender receiver begin end")

# In which order the rows of each view are compared.
KEYS = {
    "packets": ["session_id", "arrival"],
    "pair_sessions": ["session_id"],
    "pair_minutes": ["session_id", "minute_ns"],
    "pair_histograms": ["session_id", "hour_ns", "delay_ns"],
    "hourly_percentiles": ["sender", "receiver", "hour_ns"],
    "daily_percentiles": ["sender", "receiver", "day_ns"],
    "session_totals": ["session_id"],
    "latest_results": ["sender", "receiver"],
    "loss_episodes": ["session_id", "first_seq"],
    "doubtful_sessions": ["session_id"],
    "meter_trouble": ["session_id"],
    "clock_events": ["time_ns", "program"],
    "clock_now": ["program", "name"],
    "session_clocks": ["session_id"],
}


def view_error_ns(estimate):
    """Beyond a scale of 46 the view only says that it is large."""
    return INT64_MAX if (estimate >> 8 & 63) > 46 else error_ns(estimate)


def text(ns, form):
    if ns is None:
        return None
    return datetime.datetime.fromtimestamp(ns // SECOND, datetime.timezone.utc).strftime(form)


def precise(ns):
    return None if ns is None else text(ns, "%Y-%m-%dT%H:%M:%S") + ".%03dZ" % (ns // 1000000 % 1000)


def to_minute(ns):
    return text(ns, "%Y-%m-%dT%H:%MZ")


def ms(ns):
    return None if ns is None else ns / 1e6


def percent(part, whole):
    return 100.0 * part / whole if whole else None


def sorted_by(rows, *columns):
    return sorted(rows, key=lambda row: [row[column] for column in columns])


def within(begin, time, end):
    return begin <= time < end


def is_asked(row, asked):
    return (row["sender"], row["receiver"]) == (asked.sender, asked.receiver)


def kept(method):
    """Computed once; packets_kept is all that can change."""
    @functools.wraps(method)
    def wrapper(self):
        key = method.__name__, self.packets_kept
        if key not in self.cache:
            self.cache[key] = method(self)
        return self.cache[key]
    return wrapper


class Answers:
    """A method for each view."""

    def __init__(self, sessions):
        self.everything = sessions
        self.sessions = [session for session in sessions if not session.removal_due]
        self.packets_kept = 1
        self.cache = {}

    def of_pair(self, asked):
        return [session for session in self.sessions
                if (session.sender, session.receiver) == (asked.sender, asked.receiver)]

    def by_pair(self):
        pairs = collections.defaultdict(list)
        for session in self.sessions:
            pairs[session.sender, session.receiver].append(session)
        return sorted(pairs.items())

    @kept
    def packets(self):
        rows = []
        for session in self.everything:
            for number, record in enumerate(session.stored if self.packets_kept else ()):
                send, delay = send_ns(record), delay_ns(record)
                residue = None if delay is None else \
                    record.receive - record.send - rounded(delay << 32, SECOND)
                rows.append({
                    "session_id": session.id, "arrival": 2 * number, "seq": record.seq, "send_time_ns": send,
                    "delay_ns": delay, "marks": record.duplicate + 2 * record.dropped,
                    "duplicate": int(record.duplicate), "dropped": int(record.dropped),
                    "send_error_estimate": record.send_error,
                    "receive_error_estimate": record.receive_error, "ttl": record.ttl,
                    "send_residue": record.send - to_ntp(send), "receive_residue": residue or 0,
                    "receive_time_ns": None if delay is None else send + delay,
                    "send_synchronized": record.send_error >> 15,
                    "receive_synchronized": record.receive_error >> 15,
                    "send_error_ns": view_error_ns(record.send_error),
                    "receive_error_ns": view_error_ns(record.receive_error)})
        return sorted_by(rows, "session_id", "arrival")

    def pair_sessions(self):
        return [{
            "session_id": session.id, "sid": session.sid,
            "sender": session.sender, "sender_name": NAMES[session.sender],
            "receiver": session.receiver, "receiver_name": NAMES[session.receiver],
            "start_ns": session.start, "start_time": precise(session.start),
            "end_ns": session.end_ns, "end_time": precise(session.end_ns),
            "outcome": session.outcome, "reason": session.reason, "packets": session.packets,
            "records": session.columns["records"], "packets_kept": self.packets_kept,
        } for session in self.sessions]

    @kept
    def pair_minutes(self):
        rows = []
        for session in self.sessions:
            late = collections.Counter(send_ns(record) // MINUTE * MINUTE
                                       for record in reordered(session.content))
            for minute, records in grouped(session.content, MINUTE).items():
                figures = Figures(records)
                p50, p95 = figures.percentile(50), figures.percentile(95)
                rows.append({
                    "sender": session.sender, "receiver": session.receiver, "session_id": session.id,
                    "minute_ns": minute, "minute": to_minute(minute), "sent": figures.sent,
                    "received": figures.received, "lost": figures.lost, "dropped": figures.dropped,
                    "duplicates": figures.duplicates,
                    "reordered": late[minute], "delay_min_ns": figures.min, "delay_p50_ns": p50,
                    "delay_p95_ns": p95,
                    "delay_p99_ns": figures.percentile(99), "delay_p999_ns": figures.percentile(99.9),
                    "delay_max_ns": figures.max, "jitter_ns": p95 - p50 if figures.received else None,
                    "clock_error_ns": figures.clock_error, "synchronized": figures.synchronized})
        return rows

    def pair_histograms(self):
        rows = []
        for session in self.sessions:
            for hour, records in grouped(first_arrivals(session.content), HOUR).items():
                counts = collections.Counter(bucket(delay_ns(record)) for record in records)
                rows += [{"sender": session.sender, "receiver": session.receiver, "session_id": session.id,
                          "hour_ns": hour, "hour": to_minute(hour), "delay_ns": delay, "packets": packets}
                         for delay, packets in sorted(counts.items())]
        return rows

    def percentiles(self, span, name, form):
        rows = []
        for (sender, receiver), sessions in self.by_pair():
            records = [record for session in sessions for record in session.content]
            for begin, some in grouped(records, span).items():
                figures = Figures(some)
                rows.append({
                    "sender": sender, "receiver": receiver, name + "_ns": begin, name: text(begin, form),
                    "sent": figures.sent, "packets": figures.received, "lost": figures.lost,
                    "dropped": figures.dropped,
                    "delay_min_ns": figures.min, "delay_p50_ns": figures.percentile(50),
                    "delay_p95_ns": figures.percentile(95), "delay_p99_ns": figures.percentile(99),
                    "delay_p999_ns": figures.percentile(99.9), "delay_max_ns": figures.max})
        return rows

    @kept
    def hourly_percentiles(self):
        return self.percentiles(HOUR, "hour", "%Y-%m-%dT%H:%MZ")

    @kept
    def daily_percentiles(self):
        return self.percentiles(DAY, "day", "%Y-%m-%d")

    def totals(self, session):
        figures = Figures(session.content)
        return {
            "session_id": session.id, "sid": session.sid,
            "sender": session.sender, "sender_name": NAMES[session.sender],
            "receiver": session.receiver, "receiver_name": NAMES[session.receiver],
            "start_ns": session.start, "start_time": precise(session.start),
            "outcome": session.outcome, "reason": session.reason, "packets": session.packets,
            "sent": figures.sent, "received": figures.received, "lost": figures.lost,
            "loss_percent": round(percent(figures.lost, figures.sent), 4) if figures.sent else None,
            "dropped": figures.dropped,
            "duplicates": figures.duplicates, "reordered": len(reordered(session.content)),
            "delay_min_ns": figures.min, "delay_p50_ns": figures.percentile(50),
            "delay_p95_ns": figures.percentile(95), "delay_p99_ns": figures.percentile(99),
            "delay_p999_ns": figures.percentile(99.9), "delay_max_ns": figures.max,
            "clock_error_ns": figures.clock_error, "synchronized": figures.synchronized,
            "packets_kept": self.packets_kept, "summaries_due": session.summaries_due}

    def session_totals(self):
        return [self.totals(session) for session in self.sessions]

    @kept
    def latest_results(self):
        known = [[session for session in sessions if session.content or session.outcome != "running"]
                 for _, sessions in self.by_pair()]
        return [self.totals(max(sessions, key=lambda session: (session.start, session.id)))
                for sessions in known]

    @kept
    def loss_episodes(self):
        rows = []
        for session in self.sessions:
            for first, last in runs(session.content):
                begin, end = send_ns(first), send_ns(last)
                rows.append({
                    "sender": session.sender, "receiver": session.receiver, "session_id": session.id,
                    "begin_ns": begin, "begin_time": precise(begin), "end_ns": end, "end_time": precise(end),
                    "duration_ns": end - begin, "first_seq": first.seq, "last_seq": last.seq,
                    "packets": last.seq - first.seq + 1})
        return rows

    @kept
    def doubtful_sessions(self):
        rows = []
        for session in self.sessions:
            figures = Figures(session.content)
            if figures.received and (figures.clock_error > figures.min or not figures.synchronized):
                rows.append({
                    "sender": session.sender, "receiver": session.receiver, "session_id": session.id,
                    "sid": session.sid, "start_ns": session.start, "start_time": precise(session.start),
                    "outcome": session.outcome, "received": figures.received, "delay_min_ns": figures.min,
                    "clock_error_ns": figures.clock_error, "synchronized": figures.synchronized})
        return rows

    @kept
    def meter_trouble(self):
        rows = []
        for session in self.sessions:
            health = collections.defaultdict(lambda: None, session.health or {})
            end = INT64_MAX if session.end_ns is None else session.end_ns
            steps = [row for row in make_clock()
                     if row[1] == session.program and row[5] and session.start <= row[0] <= end]
            count = len(steps) if health["clock_steps"] is None else health["clock_steps"]
            dropped = Figures(session.content).dropped
            bad = (dropped or any((health[name] or 0) > most for name, most in (
                ("socket_drops", 0), ("unstamped", 0), ("send_errors", 0),
                ("send_lateness_mean_ns", 1000000), ("send_lateness_max_ns", 100000000)))
                   or session.records_lost or count)
            if bad:
                rows.append({
                    "sender": session.sender, "receiver": session.receiver, "session_id": session.id,
                    "sid": session.sid, "start_ns": session.start, "start_time": precise(session.start),
                    "outcome": session.outcome, "dropped": dropped or None, "socket_drops": health["socket_drops"],
                    "unstamped": health["unstamped"], "send_errors": health["send_errors"],
                    "send_error_text": health["send_error_text"],
                    "send_lateness_mean_ns": health["send_lateness_mean_ns"],
                    "send_lateness_max_ns": health["send_lateness_max_ns"],
                    "records_lost": session.records_lost, "clock_steps": count})
        return rows

    @kept
    def clock_events(self):
        rows, before = [], {}
        for row in sorted(make_clock()):
            old = before.get(row.program)
            before[row.program] = row
            changed = old and (
                (old.source, old.synchronized, old.alarm is None) != (row.source, row.synchronized, row.alarm is None)
                or any(None not in pair and pair[0] != pair[1]
                       for pair in ((old.steered, row.steered), (old.leap, row.leap))))
            if row.step or changed:
                old = old or row._replace(source=None, synchronized=None, bound=None, alarm=None, steered=None,
                                          leap=None)
                rows.append({
                    "time_ns": row.time, "time": precise(row.time), "program": row.program, "step_ns": row.step,
                    "source_before": old.source, "source": row.source, "synchronized_before": old.synchronized,
                    "synchronized": row.synchronized, "bound_before_ns": old.bound, "bound_ns": row.bound,
                    "alarm_before": old.alarm, "alarm": row.alarm, "steered_by_before": old.steered,
                    "steered_by": row.steered, "leap_before": old.leap, "leap": row.leap})
        return rows

    @kept
    def clock_now(self):
        latest_of = {(row.program, row.name): row for row in sorted(make_clock_sources(), key=lambda row: row.time)}
        return [{"program": row.program, "name": row.name, "source": row.source, "state": row.state,
                 "used": row.used, "contradicted": row.contradicted, "steers": row.steers, "offset_ns": row.offset,
                 "bound_ns": row.bound, "age_ns": row.age, "reason": row.reason, "time_ns": row.time,
                 "time": precise(row.time)} for _, row in sorted(latest_of.items())]

    @kept
    def session_clocks(self):
        rows = []
        for session in self.sessions:
            figures = Figures(session.content)
            end = INT64_MAX if session.end_ns is None else session.end_ns
            mine = [row for row in sorted(make_clock()) if row.program == session.program and row.time <= end]
            during = [row for row in mine if row.time >= session.start]
            last = mine[-1] if mine else None
            health = collections.defaultdict(lambda: None, session.health or {})
            steps = sum(row.step != 0 for row in during) if health["clock_steps"] is None else health["clock_steps"]
            known = health["clock_contradiction"]
            before = [row for row in mine if row.time <= session.start]
            # Until a minute after the end, if the session itself knows of a contradiction.
            near = [row.alarm for row in sorted(make_clock()) if row.program == session.program and row.alarm
                    and session.start <= row.time <= end + (known or 0) * MINUTE]
            alarm = before[-1].alarm if before and known in (None, 1) else None
            alarm = alarm or (near[0] if near else None)
            rows.append({
                "sender": session.sender, "receiver": session.receiver, "session_id": session.id,
                "sid": session.sid, "start_ns": session.start, "start_time": precise(session.start),
                "outcome": session.outcome, "direction": session.columns["direction"],
                "send_error_ns": figures.send_error if figures.received else None,
                "receive_error_ns": figures.receive_error if figures.received else None,
                "synchronized": figures.synchronized, "delay_min_ns": figures.min,
                "source": health["clock_source"] or (last.source if last else None), "steered_by": last.steered if last else None,
                "clock_steps": steps, "contradiction": known or 0, "alarm": alarm})
        return rows


def latest(known, _):
    return [{"sender": row["sender"], "receiver": row["receiver"], "start_time": row["start_time"],
             "outcome": row["outcome"], "sent": row["sent"], "loss_percent": row["loss_percent"],
             "dropped": row["dropped"], "min_ms": ms(row["delay_min_ns"]), "p50_ms": ms(row["delay_p50_ns"]),
             "p99_ms": ms(row["delay_p99_ns"]),
             "clock_error_ms": ms(row["clock_error_ns"])} for row in known.latest_results()]


def lossy_pairs(known, asked):
    rows, pairs = [], collections.defaultdict(list)
    for row in known.loss_episodes():
        if within(asked.begin, row["begin_ns"], asked.end):
            pairs[row["sender"], row["receiver"]].append(row)
    for (sender, receiver), some in pairs.items():
        rows.append({"sender": sender, "receiver": receiver, "lost": sum(row["packets"] for row in some),
                     "episodes": len(some), "longest": max(row["packets"] for row in some),
                     "longest_ms": ms(max(row["duration_ns"] for row in some)),
                     "first_time": min(row["begin_time"] for row in some),
                     "last_time": max(row["end_time"] for row in some)})
    return sorted(rows, key=lambda row: (-row["lost"], row["sender"], row["receiver"]))


def hours(known, asked):
    return [row for row in known.hourly_percentiles()
            if is_asked(row, asked)
            and within(asked.begin, row["hour_ns"], asked.end)]


def by_hour(known, asked):
    return [{"hour": row["hour"], "packets": row["packets"], "lost": row["lost"], "dropped": row["dropped"],
             "min_ms": ms(row["delay_min_ns"]), "p50_ms": ms(row["delay_p50_ns"]),
             "p99_ms": ms(row["delay_p99_ns"]), "p999_ms": ms(row["delay_p999_ns"]),
             "max_ms": ms(row["delay_max_ns"])} for row in hours(known, asked)]


def by_day(known, asked):
    rows = [row for row in known.daily_percentiles()
            if is_asked(row, asked)]
    return [{"day": row["day"], "sent": row["sent"], "loss_percent": percent(row["lost"], row["sent"]),
             "dropped": row["dropped"], "p50_ms": ms(row["delay_p50_ns"]), "p95_ms": ms(row["delay_p95_ns"]),
             "p99_ms": ms(row["delay_p99_ns"])} for row in reversed(rows)][:30]


def two_weeks(known, asked):
    rows = []
    records = [record for session in known.of_pair(asked) for record in session.content]
    for name, begin in (("the week before", asked.end - 2 * WEEK), ("this week", asked.end - WEEK)):
        figures = Figures([record for record in records if within(begin, send_ns(record), begin + WEEK)])
        if figures.sent:
            rows.append({"week": name, "packets": figures.received or None,
                         "loss_percent": percent(figures.lost, figures.sent),
                         "p50_ms": ms(figures.percentile(50)), "p99_ms": ms(figures.percentile(99))})
    return rows


def jitter(known, asked):
    rows = [row for row in known.pair_minutes() if is_asked(row, asked)
            and within(asked.begin, row["minute_ns"], asked.end)]
    return [{"minute": row["minute"], "received": row["received"], "jitter_ms": ms(row["jitter_ns"]),
             "spread_ms": ms(row["delay_max_ns"] - row["delay_min_ns"]) if row["received"] else None}
            for row in sorted_by(rows, "minute_ns", "session_id")]


def busiest(known, asked):
    rows = [row for row in known.loss_episodes() if is_asked(row, asked)
            and within(asked.begin, row["begin_ns"], asked.end)]
    rows.sort(key=lambda row: (-row["packets"], row["begin_ns"]))
    return [{"begin_time": row["begin_time"], "packets": row["packets"],
             "duration_ms": ms(row["duration_ns"]),
             "session_id": row["session_id"], "first_seq": row["first_seq"]} for row in rows[:10]]


def started(known, asked):
    sessions = [session for session in known.of_pair(asked) if within(asked.begin, session.start, asked.end)]
    return sorted(sessions, key=lambda session: session.start)


def suspects(known, asked):
    troubled = {row["session_id"] for row in known.meter_trouble()}
    rows = []
    for session in started(known, asked):
        total, health = known.totals(session), collections.defaultdict(lambda: None, session.health or {})
        if total["lost"] or total["dropped"]:
            rows.append({"start_time": total["start_time"], "sid": session.sid, "lost": total["lost"],
                         "loss_percent": total["loss_percent"], "dropped": total["dropped"],
                         "socket_drops": health["socket_drops"],
                         "discarded_time": health["discarded_time"], "send_errors": health["send_errors"],
                         "late_max_ms": ms(health["send_lateness_max_ns"]),
                         "suspect": "meter" if session.id in troubled else "network"})
    return rows


def bad_meter(known, asked):
    rows = [row for row in known.meter_trouble() if within(asked.begin, row["start_ns"], asked.end)]
    return [{"start_time": row["start_time"], "sender": row["sender"], "receiver": row["receiver"],
             "dropped": row["dropped"], "socket_drops": row["socket_drops"], "unstamped": row["unstamped"],
             "send_errors": row["send_errors"], "send_error_text": row["send_error_text"],
             "late_mean_ms": ms(row["send_lateness_mean_ns"]), "late_max_ms": ms(row["send_lateness_max_ns"]),
             "records_lost": row["records_lost"], "clock_steps": row["clock_steps"]}
            for row in sorted_by(rows, "start_ns", "session_id")]


def clock(known, asked):
    return [{"time": row["time"], "program": row["program"], "step_ms": ms(row["step_ns"]),
             "source_before": row["source_before"], "source": row["source"],
             "synchronized_before": row["synchronized_before"], "synchronized": row["synchronized"],
             "bound_before_ms": ms(row["bound_before_ns"]), "bound_ms": ms(row["bound_ns"]), "alarm": row["alarm"]}
            for row in known.clock_events() if within(asked.begin, row["time_ns"], asked.end)]


def us(ns):
    return None if ns is None else ns / 1e3


def sources(known, _):
    return [{"program": row["program"], "name": row["name"], "source": row["source"], "state": row["state"],
             "used": row["used"], "offset_us": us(row["offset_ns"]), "bound_us": us(row["bound_ns"]),
             "reason": row["reason"]}
            for row in sorted(known.clock_now(), key=lambda row: (row["program"], -row["used"], row["name"]))]


def clocks(known, asked):
    rows = [row for row in known.session_clocks() if within(asked.begin, row["start_ns"], asked.end)]
    return [{"start_time": row["start_time"], "sender": row["sender"], "receiver": row["receiver"],
             "send_error_us": us(row["send_error_ns"]), "receive_error_us": us(row["receive_error_ns"]),
             "synchronized": row["synchronized"], "source": row["source"], "clock_steps": row["clock_steps"],
             "contradiction": row["contradiction"],
             "alarm": row["alarm"]} for row in sorted_by(rows, "start_ns", "session_id")]


def doubtful(known, asked):
    rows = [row for row in known.doubtful_sessions()
            if is_asked(row, asked)
            and within(asked.begin, row["start_ns"], asked.end)]
    return [{"start_time": row["start_time"], "sid": row["sid"], "received": row["received"],
             "min_ms": ms(row["delay_min_ns"]), "clock_error_ms": ms(row["clock_error_ns"]),
             "synchronized": row["synchronized"]} for row in sorted_by(rows, "start_ns")]


def incomplete(known, asked):
    rows = [row for row in known.pair_sessions()
            if row["outcome"] in ("broken", "invalid") and within(asked.begin, row["start_ns"], asked.end)]
    names = ("start_time", "end_time", "sender", "receiver", "sid", "outcome", "reason", "records")
    return [{name: row[name] for name in names} for row in sorted_by(rows, "start_ns", "session_id")]


def asymmetry(known, asked):
    there = {row["hour"]: row for row in hours(known, asked)}
    turned = Asked(asked.receiver, asked.sender, asked.begin, asked.end)
    back = {row["hour"]: row for row in hours(known, turned)}
    rows = []
    for hour in sorted(there.keys() & back.keys()):
        one, other = there[hour]["delay_p50_ns"], back[hour]["delay_p50_ns"]
        both = None not in (one, other)
        rows.append({"hour": hour, "there_ms": ms(one), "back_ms": ms(other),
                     # With what it can be wrong by, as a share of: both medians.
                     "difference_ms": (ms(one - other), ms(abs(one) + abs(other))) if both else None,
                     "there_lost": there[hour]["lost"], "back_lost": back[hour]["lost"]})
    return rows


def routes(known, asked):
    rows, before = [], None
    for session in sorted(started(known, asked), key=lambda session: session.id):
        for record in session.content:
            if record.receive is None:
                continue
            if before is not None and record.ttl != before:
                time = send_ns(record) + delay_ns(record)
                rows.append((time, {"time": text(time, "%Y-%m-%dT%H:%M:%SZ"), "seq": record.seq,
                                    "ttl_before": before, "ttl": record.ttl}))
            before = record.ttl
    return [row for _, row in sorted(rows, key=lambda row: row[0])]


def plot(known, asked):
    rows = [{"send_time_ns": send_ns(record), "seq": record.seq, "delay_ns": delay_ns(record),
             "dropped": record.dropped, "ttl": record.ttl}
            for session in known.of_pair(asked) for record in session.content
            if within(asked.begin, send_ns(record), asked.end) and not record.duplicate]
    return sorted_by(rows, "send_time_ns")


def contents(known, _):
    rows = []
    for (sender, receiver), sessions in known.by_pair():
        times = [precise(session.start) for session in sessions]
        rows.append({"sender": sender, "receiver": receiver, "sessions": len(sessions),
                     "with_packets": len(sessions),
                     "packets": sum(session.columns["records"] for session in sessions),
                     "first_time": min(times), "last_time": max(times)})
    return sorted(rows, key=lambda row: (-row["packets"], row["sender"], row["receiver"]))


# By heading; None: a test of its own.
QUERIES = {
    "How is each pair doing?": latest,
    "Which pairs lost packets in the last day?": lossy_pairs,
    "What was the 99th percentile of a pair, hour by hour?": by_hour,
    "How were the last days of a pair?": by_day,
    "Is this week worse than the one before?": two_weeks,
    "How did the jitter of a pair develop, minute by minute?": jitter,
    "Which were the busiest loss episodes of a pair?": busiest,
    "Was it the network or the meter?": suspects,
    "In which sessions did the meter do badly?": bad_meter,
    "When did our clock step, or change otherwise?": clock,
    "What did the clock's sources say last, and why is each used or not?": sources,
    "How far could the clocks have been off in each session?": clocks,
    "Which delays are not to be believed?": doubtful,
    "Which sessions are not complete, and why?": incomplete,
    "Is one direction slower than the other?": asymmetry,
    "Did the route change?": routes,
    "Can I have each packet, for a plot?": plot,
    "How large is the archive?": None,
    "What fills it?": contents,
    "What were the time stamps of a session on the wire?": None,
}
