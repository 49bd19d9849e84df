"""AES-128 after FIPS 197, slow and independent of any library that the product uses."""


def _make_sbox():
    box = [0] * 256
    p = q = 1
    while True:
        p ^= (p << 1 & 0xFF) ^ (0x1B if p & 0x80 else 0)  # times 3
        for shift in (1, 2, 4):  # divided by 3
            q ^= q << shift & 0xFF
        if q & 0x80:
            q ^= 0x09
        x = q
        for shift in range(1, 5):
            x ^= (q << shift | q >> (8 - shift)) & 0xFF
        box[p] = x ^ 0x63
        if p == 1:
            break
    box[0] = 0x63
    return box


def _times(a, b):
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = (a << 1 & 0xFF) ^ (0x1B if a & 0x80 else 0)
        b >>= 1
    return product


_SBOX = _make_sbox()
_INVERSE = [_SBOX.index(x) for x in range(256)]
_MUL = {k: [_times(x, k) for x in range(256)] for k in (2, 3, 9, 11, 13, 14)}
_SHIFT = [(i + 4 * (i % 4)) % 16 for i in range(16)]
_UNSHIFT = [_SHIFT.index(i) for i in range(16)]


class AES:
    def __init__(self, key):
        words = [list(key[i:i + 4]) for i in range(0, 16, 4)]
        rcon = 1
        for i in range(4, 44):
            word = words[-1]
            if i % 4 == 0:
                word = [_SBOX[x] for x in word[1:] + word[:1]]
                word[0] ^= rcon
                rcon = _times(rcon, 2)
            words.append([a ^ b for a, b in zip(word, words[i - 4])])
        self._keys = [sum(words[i:i + 4], []) for i in range(0, 44, 4)]

    def encrypt(self, block):
        m2, m3 = _MUL[2], _MUL[3]
        s = [a ^ b for a, b in zip(block, self._keys[0])]
        for number, key in enumerate(self._keys[1:], 1):
            s = [_SBOX[s[i]] for i in _SHIFT]
            if number < 10:
                mixed = []
                for c in range(0, 16, 4):
                    a, b, d, e = s[c:c + 4]
                    mixed += [m2[a] ^ m3[b] ^ d ^ e, a ^ m2[b] ^ m3[d] ^ e,
                              a ^ b ^ m2[d] ^ m3[e], m3[a] ^ b ^ d ^ m2[e]]
                s = mixed
            s = [a ^ b for a, b in zip(s, key)]
        return bytes(s)

    def decrypt(self, block):
        m9, m11, m13, m14 = _MUL[9], _MUL[11], _MUL[13], _MUL[14]
        s = [a ^ b for a, b in zip(block, self._keys[10])]
        for number in range(9, -1, -1):
            s = [_INVERSE[s[i]] for i in _UNSHIFT]
            s = [a ^ b for a, b in zip(s, self._keys[number])]
            if number > 0:
                mixed = []
                for c in range(0, 16, 4):
                    a, b, d, e = s[c:c + 4]
                    mixed += [m14[a] ^ m11[b] ^ m13[d] ^ m9[e], m9[a] ^ m14[b] ^ m11[d] ^ m13[e],
                              m13[a] ^ m9[b] ^ m14[d] ^ m11[e], m11[a] ^ m13[b] ^ m9[d] ^ m14[e]]
                s = mixed
        return bytes(s)


def _xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


class CBC:
    """One direction of a stream: whole blocks, chained over all calls."""

    def __init__(self, key, iv=bytes(16)):
        self._aes = AES(key)
        self._last = iv

    def encrypt(self, text):
        out = []
        for i in range(0, len(text), 16):
            self._last = self._aes.encrypt(_xor(text[i:i + 16], self._last))
            out.append(self._last)
        return b"".join(out)

    def decrypt(self, text):
        out = []
        for i in range(0, len(text), 16):
            out.append(_xor(self._aes.decrypt(text[i:i + 16]), self._last))
            self._last = text[i:i + 16]
        return b"".join(out)
