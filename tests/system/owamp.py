"""RFC 4656 once more, written from the text: schedules, test packets, a control client that can misbehave."""
import hashlib
import hmac
import os
import socket
import struct
import time

from aes import AES, CBC

OPEN, AUTHENTICATED, ENCRYPTED = 1, 2, 4
MODES = {"O": OPEN, "A": AUTHENTICATED, "E": ENCRYPTED}
MODE_NAMES = {"O": "unauthenticated", "A": "authenticated", "E": "encrypted"}
PORT = 861

NTP_1970 = 2208988800
SECOND = 1 << 32
EXPONENTIAL, FIXED = 0, 1
ALL = (0, 0xFFFFFFFF)  # Begin Seq and End Seq of a complete fetch

# An error estimate of about 2 ms, not synchronized.
ESTIMATE = 0x1780
MULTIPLIER_0 = 0x1700

# The Accept values, section 3.3.
OK, FAILURE, INTERNAL, UNSUPPORTED, PERMANENT, TEMPORARY = range(6)

TIMEOUT = 30


def interval(seconds):
    return int(seconds * SECOND)


def ntp(unix_ns):
    return (NTP_1970 << 32) + (unix_ns << 32) // 10**9


def now():
    return ntp(time.time_ns())


# Section 5.

Q = [0, 0xB17217F8, 0xEEF193F7, 0xFD271862, 0xFF9D6DD0, 0xFFF4CFD0, 0xFFFEE819, 0xFFFFE7FF, 0xFFFFFE2B,
     0xFFFFFFE0, 0xFFFFFFFE, 0xFFFFFFFF]
LN2 = Q[1]


def uniforms(sid):
    aes = AES(sid)
    counter = 0
    while True:
        block = aes.encrypt(counter.to_bytes(16, "big"))
        yield from struct.unpack(">4I", block)
        counter += 4


def exponentials(sid):
    """Deviates of mean 1, in units of 2^-32."""
    uniform = uniforms(sid)
    while True:
        u = next(uniform)
        j = 0
        while j < 32 and u & 0x80000000 >> j:
            j += 1
        if j == 32:
            yield 32 * LN2
            continue
        u = u << (j + 1) & 0xFFFFFFFF
        if u < LN2:
            yield j * LN2 + u
            continue
        k = 2
        while k < 11 and u >= Q[k]:
            k += 1
        v = min(next(uniform) for _ in range(k))
        yield ((j << 32) + v) * LN2 >> 32


def schedule(sid, start, slots, packets):
    """The send time of each packet. slots are pairs of type and parameter."""
    deviates = exponentials(sid)
    times = []
    at = start
    for seq in range(packets):
        kind, parameter = slots[seq % len(slots)]
        at += next(deviates) * parameter >> 32 if kind == EXPONENTIAL else parameter
        times.append(at)
    return times


# Section 4.1.2.

class PacketKeys:
    """Makes test packets of a session."""

    def __init__(self, mode, sid, keys=None):
        self.mode = mode
        if mode != OPEN:
            aes_key, hmac_key = keys
            self._aes_key = AES(sid).encrypt(aes_key)
            self._hmac_key = CBC(sid).encrypt(hmac_key)

    def packet(self, seq, stamp=None, estimate=ESTIMATE, padding=b"", break_hmac=False):
        stamp = now() if stamp is None else stamp
        if self.mode == OPEN:
            return struct.pack(">IQH", seq, stamp, estimate) + padding
        first = struct.pack(">I12x", seq)
        second = struct.pack(">QH6x", stamp, estimate)
        covered = first if self.mode == AUTHENTICATED else first + second
        tag = hmac.digest(self._hmac_key, covered, "sha1")[:16]
        if break_hmac:
            tag = bytes([tag[0] ^ 1]) + tag[1:]
        if self.mode == AUTHENTICATED:
            return AES(self._aes_key).encrypt(first) + second + tag + padding
        return CBC(self._aes_key).encrypt(first + second) + tag + padding


# Section 3.

GREETING = struct.Struct(">12xI16s16sI12x")
ACCEPT_SESSION = struct.Struct(">BxH16s12x")
FETCH_ACK = struct.Struct(">BBxxIII")
RECORD = struct.Struct(">IHHQQB")


def request_session(to_server, local, peer, port, sid=bytes(16), packets=10, slots=((FIXED, SECOND // 50),),
                    slot_count=None, start=None, timeout=SECOND, padding=0, type_p=0, ipvn=None):
    """Request-Session as its two parts without HMACs. Every field can be wrong."""
    family = socket.AF_INET6 if ":" in local else socket.AF_INET
    mine = socket.inet_pton(family, local).ljust(16, b"\0")
    theirs = socket.inet_pton(family, peer).ljust(16, b"\0")
    head = struct.pack(">BBBB II HH 16s16s16s I QQ I 8x", 1, ipvn or (6 if ":" in local else 4),
                       0 if to_server else 1, 1 if to_server else 0,
                       len(slots) if slot_count is None else slot_count, packets,
                       port if to_server else 0, 0 if to_server else port,
                       mine if to_server else theirs, theirs if to_server else mine, sid, padding,
                       now() + interval(0.2) if start is None else start, timeout, type_p)
    body = b"".join(struct.pack(">B7xQ", kind, parameter) for kind, parameter in slots)
    return head, body


class Record:
    def __init__(self, wire):
        self.seq, self.send_error, self.receive_error, self.send_time, self.receive_time, self.ttl = \
            RECORD.unpack(wire)
        self.lost = self.receive_time == 0


class Fetched:
    def __init__(self, accept, finished=0, next_seq=0, skips=(), records=(), octets=b""):
        self.accept = accept
        self.octets = octets  # all of the answer but HMACs
        self.finished = finished
        self.next_seq = next_seq
        self.skips = skips
        self.records = records


class Closed(Exception):
    """The server closed the connection."""


class Control:
    """A control connection from a namespace."""

    def __init__(self, space, address, port=PORT, timeout=TIMEOUT, source=None):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def connect():
            connection = socket.socket(family, socket.SOCK_STREAM)
            connection.settimeout(timeout)
            if source:
                connection.bind((source, 0))
            connection.connect((address, port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection

        self.socket = space.call(connect)
        self.local = self.socket.getsockname()[0]
        self.peer = address
        self.space = space
        self.mode = None
        self.keys = None
        self._encrypt = self._decrypt = None
        self._sent = self._received = b""  # what the next HMAC covers
        self._udp = []

    def close(self):
        self.socket.close()
        for udp in self._udp:
            udp.close()

    def _recv(self, size):
        data = b""
        while len(data) < size:
            try:
                part = self.socket.recv(size - len(data))
            except ConnectionResetError:
                part = b""
            if not part:
                raise Closed("%d of %d octets" % (len(data), size))
            data += part
        return data

    def closed_by_peer(self):
        """Waits for the end of the connection; what came before it is dropped."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    # Set-up, section 3.1.

    def greeting(self):
        self.offered, self.challenge, self.salt, self.count = GREETING.unpack(self._recv(64))
        return self.offered

    def set_up(self, mode=OPEN, user=None, secret=None):
        """Returns Accept of the Server-Start."""
        self.greeting()
        return self.respond(mode, user, secret)

    def respond(self, mode, user=None, secret=None):
        self.mode = mode
        key_id = token = iv = b""
        if mode in (AUTHENTICATED, ENCRYPTED):
            key = hashlib.pbkdf2_hmac("sha1", secret, self.salt, self.count, 16)
            self.keys = (os.urandom(16), os.urandom(32))
            iv = os.urandom(16)
            key_id = user.encode()
            token = CBC(key).encrypt(self.challenge + b"".join(self.keys))
        self.socket.sendall(struct.pack(">I80s64s16s", mode, key_id, token, iv))
        clear = self._recv(32)
        accept = clear[15]
        if accept == OK and self.keys:
            self._encrypt = CBC(self.keys[0], iv)
            self._decrypt = CBC(self.keys[0], clear[16:])
        self.server_start = struct.unpack(">Q8x", self.read(16))[0]
        return accept

    # The streams, sections 3.2 and 3.4.

    def write(self, text):
        self._sent += text
        self.socket.sendall(self._encrypt.encrypt(text) if self._encrypt else text)

    def write_hmac(self):
        tag = hmac.digest(self.keys[1], self._sent, "sha1")[:16] if self._encrypt else bytes(16)
        self.socket.sendall(self._encrypt.encrypt(tag) if self._encrypt else tag)
        self._sent = b""

    def read(self, size):
        text = self._recv(size)
        if self._decrypt:
            text = self._decrypt.decrypt(text)
        self._received += text
        return text

    def read_hmac(self):
        covered, self._received = self._received, b""
        tag = self.read(16)
        self._received = b""
        if self._decrypt:
            assert tag == hmac.digest(self.keys[1], covered, "sha1")[:16], "HMAC of the server"

    # Commands.

    def udp(self, connect_to=None):
        """A UDP socket of this host for test packets."""
        def create():
            family = socket.AF_INET6 if ":" in self.local else socket.AF_INET
            created = socket.socket(family, socket.SOCK_DGRAM)
            created.settimeout(TIMEOUT)
            created.bind((self.local, 0))
            return created

        made = self.space.call(create)
        self._udp.append(made)
        return made

    def send_request(self, to_server, port, **fields):
        head, body = request_session(to_server, self.local, self.peer, port, **fields)
        self.write(head)
        self.write_hmac()
        if body:
            self.write(body)
        self.write_hmac()

    def read_accept_session(self):
        """Accept, port, SID."""
        answer = ACCEPT_SESSION.unpack(self.read(32))
        self.read_hmac()
        return answer

    def request(self, to_server, port, **fields):
        self.send_request(to_server, port, **fields)
        return self.read_accept_session()

    def start(self):
        self.write(struct.pack(">B15x", 2))
        self.write_hmac()
        accept = self.read(16)[0]
        self.read_hmac()
        return accept

    def stop(self, sessions=(), accept=OK):
        """sessions: SID, Next Seqno, skip ranges."""
        self.write(struct.pack(">BBxxI8x", 3, accept, len(sessions)))
        for sid, next_seq, skips in sessions:
            text = struct.pack(">16sII", sid, next_seq, len(skips))
            text += b"".join(struct.pack(">II", *skip) for skip in skips)
            self.write(text + bytes(-len(text) % 16))
        self.write_hmac()

    def read_stop(self):
        """Accept and the sessions."""
        command, accept, count = struct.unpack(">BBxxI8x", self.read(16))
        assert command == 3, "not Stop-Sessions but %d" % command
        sessions = []
        for _ in range(count):
            head = self.read(32)
            sid, next_seq, skip_count = struct.unpack(">16sII", head[:24])
            size = 24 + 8 * skip_count
            text = head + self.read(size + -size % 16 - 32)
            sessions.append((sid, next_seq, list(struct.iter_unpack(">II", text[24:size]))))
        self.read_hmac()
        return accept, sessions

    def fetch(self, sid, begin=ALL[0], end=ALL[1]):
        self.write(struct.pack(">B7xII16s", 4, begin, end, sid))
        self.write_hmac()
        ack = self.read(16)
        accept, finished, next_seq, skip_count, record_count = FETCH_ACK.unpack(ack)
        self.read_hmac()
        if accept != OK:
            return Fetched(accept)
        request = self.read(96)
        self.read_hmac()
        slots = self.read(16 * struct.unpack(">I", request[4:8])[0])
        self.read_hmac()
        skips = self.read(8 * skip_count + -8 * skip_count % 16)
        self.read_hmac()
        size = RECORD.size * record_count
        wire = self.read(size + -size % 16)
        self.read_hmac()
        return Fetched(accept, finished, next_seq, list(struct.iter_unpack(">II", skips[:8 * skip_count])),
                       [Record(wire[i:i + 25]) for i in range(0, size, 25)],
                       ack + request + slots + skips + wire)
