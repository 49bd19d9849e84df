"""Reads the records that owping saves: all bits of the times, which the JSON document rounds."""


class SavedRecord:
    def __init__(self, line):
        fields = line.split()
        self.seq = int(fields[0])
        self.send_time = int(fields[1])
        self.receive_time = int(fields[4])
        self.ttl = int(fields[7])
        self.lost = self.receive_time == 0


class Saved:
    def __init__(self, path):
        self.header = {}
        self.records = []
        with open(path, encoding="ascii") as file:
            for line in file:
                if not line.startswith("# "):
                    self.records.append(SavedRecord(line))
                elif not line.startswith("# SEQ "):
                    key, _, value = line[2:].rstrip("\n").partition(" ")
                    self.header[key] = value
        self.sid = bytes.fromhex(self.header["sid"])
        self.start = int(self.header["start"])
