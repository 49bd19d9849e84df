"""A test with an owampd that keeps an archive, and with measurements whose records are known."""
import os
import re
import sqlite3

import archive_helper
import harness
import netns
import owamp


class ArchiveTest(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.net = self.keep(netns.Loopback())
        self.folder = self.directory()
        self.path = os.path.join(self.folder, "archive")

    # What is measured.

    def serve(self, **options):
        self.server = self.owampd(self.net.server, limits=harness.GENEROUS, keys=harness.KEYS,
                                  arguments=("--archive", self.path), **options)
        return self.server

    def measurement(self, **options):
        return self.keep(archive_helper.Measurement(self.net.client, self.net.v4, **options)).start()

    def measure(self):
        """A short measurement with its end. The server answers as ever."""
        made = self.measurement(packets=20, interval=0.002, timeout=0.4, omitted=[11])
        made.send_all()
        self.assertEqual(made.stop()[0], owamp.OK)
        return made

    @staticmethod
    def due(measurement):
        """How many records there are of what the client says it reached."""
        return len(measurement.sent) + sum(seq in measurement.omitted for seq in range(measurement.next_seq))

    def account(self, measurement, how="finished"):
        """What the log says of a session: received, lost (also by the schedule only), could not be stored."""
        line = self.server.wait_log(r"session %s (.*): (\d+) packets received, (\d+) lost, 0 duplicates(.*)"
                                    % measurement.sid.hex())
        self.assertEqual(line[1], how)
        self.assertEqual(int(line[2]), len(measurement.sent), "packets received, of all that were sent")
        lost = re.fullmatch(r"(?:; ended early, at packet \d+ of \d+|; the control connection[^;]*"
                            r"|; owampd[^;]*|; the server[^;]*)*(?:; (\d+) records could not be stored)?", line[4])
        self.assertIsNotNone(lost, line[0])
        return int(line[2]), int(line[3]), int(lost[1] or 0)

    def assert_fetched(self, measurement, count=20):
        answer = measurement.fetch()
        self.assertEqual((answer.accept, len(answer.records)), (owamp.OK, count))

    # What is in the file.

    def stored(self, sid):
        """How many records; also if there is no such session yet, or no file that is one."""
        try:
            return archive_helper.value(self.path, "SELECT count(*) FROM packets JOIN sessions"
                                        " USING (session_id) WHERE sid = ?", sid)
        except sqlite3.OperationalError as error:
            if str(error) not in ("no such table: packets", "unable to open database file"):
                raise
            return 0

    def row(self, measurement):
        """Outcome, reason, records, records_lost of a session that has ended."""
        rows = []

        def ended():
            rows[:] = archive_helper.ask(self.path, "SELECT outcome, reason, records, records_lost"
                                         " FROM sessions WHERE sid = ? AND outcome <> 'running'",
                                         measurement.sid.hex())
            return rows

        harness.until(ended, "the session's end is in the file")
        self.assertEqual(rows[0][2], self.stored(measurement.sid.hex()))
        return rows[0]

    def assert_whole(self, measurement):
        """Finished, with every packet that was sent and every loss."""
        self.account(measurement)
        self.assertEqual(self.row(measurement), ("finished", None, self.due(measurement), 0))

    def assert_sound(self, path=None):
        db = archive_helper.connect(path or self.path)
        try:
            self.assertIsNone(archive_helper.damage(db))
        finally:
            db.close()
