#!/usr/bin/env python3
"""Checks what "clonecratesio prove NAME VERSION" writes, without any code of ours.

Usage: check_proof.py PROOF PUBLIC-KEY [CRATE-FILE]

It is written from the specifications alone (RFC 8032 for Ed25519, RFC 6962 and
RFC 9162 for the tree, c2sp.org for the formats, the comment of package statement for
the leaf), so that whoever distrusts the program can read all that has to be trusted.
It needs nothing but Python. Not made to be fast, nor to handle secrets.
"""
import base64, hashlib, sys

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
I = pow(2, (P - 1) // 4, P)


def sha256(data):
    return hashlib.sha256(data).digest()


def add(a, b):  # points in extended coordinates (RFC 8032, section 5.1.4)
    A, B = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    C, E = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = B - A, E - C, E + C, B + A
    return e * f % P, g * h % P, f * g % P, e * h % P


def mul(n, point):
    total = (0, 1, 1, 0)
    while n:
        if n & 1:
            total = add(total, point)
        point, n = add(point, point), n >> 1
    return total


def decode(data):  # section 5.1.3
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * I % P
    if y >= P or (x * x - xx) % P or not x and sign:
        raise ValueError("no point of the curve")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def signed(key, text, sig):  # section 5.1.7
    s = int.from_bytes(sig[32:], "little")
    if len(sig) != 64 or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(sig[:32] + key + text).digest(), "little") % L
    a, b = mul(s, BASE), add(decode(sig[:32]), mul(k, decode(key)))
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def root(leaf, index, size, path):  # RFC 9162, section 2.1.3.2
    n, last, h = index, size - 1, sha256(b"\0" + leaf)
    for p in path:
        if last == 0:
            raise ValueError("the path is too long")
        if n & 1 or n == last:
            h = sha256(b"\1" + p + h)
            while not n & 1 and n:
                n, last = n >> 1, last >> 1
        else:
            h = sha256(b"\1" + h + p)
        n, last = n >> 1, last >> 1
    if last:
        raise ValueError("the path is too short")
    return h


def b64(text):
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("base64 that could be written otherwise")
    return data


def check(proof, vkey, crate=None):
    """Returns the leaf and the text of the statement, or raises ValueError."""
    name, key_id, key = vkey.strip().split("+", 2)
    algorithm_and_key = b64(key)
    if sha256(name.encode() + b"\n" + algorithm_and_key)[:4].hex() != key_id or algorithm_and_key[0] != 1:
        raise ValueError("the key is damaged, or no Ed25519 key")
    head, text, signatures = proof.split("\n\n")
    first, extra, index, *path = head.split("\n")
    if first != "c2sp.org/tlog-proof@v1" or not extra.startswith("extra ") or not index.startswith("index "):
        raise ValueError("no proof of a version")
    leaf, number, text = b64(extra[6:]), int(index[6:]), text + "\n"
    lines = signatures.split("\n")
    good = 0
    for line in lines[:-1]:
        dash, signer, sig = line.split(" ")
        sig = b64(sig)
        if dash == "\u2014" and signer == name and sig[:4].hex() == key_id:
            good += signed(algorithm_and_key[1:], text.encode(), sig[4:])
    if good != 1 or lines[-1]:
        raise ValueError("not signed with this key")
    origin, size, tree, sentence = text.split("\n")[:4]
    if index != f"index {number}" or not 0 <= number < int(size) or root(leaf, number, int(size), [b64(p) for p in path]) != b64(tree):
        raise ValueError("the path does not lead from the leaf to the root")
    crate_name, version, checksum = leaf.decode("ascii").removesuffix("\n").split(" ")
    if leaf != f"{crate_name} {version} {checksum}\n".encode() or len(checksum) != 64:
        raise ValueError("no leaf of a crate file")
    if crate is not None and sha256(crate).hex() != checksum:
        raise ValueError("another crate file")
    return leaf.decode(), text


def main(args):
    if len(args) not in (2, 3):
        sys.exit("usage: check_proof.py PROOF PUBLIC-KEY [CRATE-FILE]")
    proof, vkey = (open(name, "rb").read().decode("utf-8") for name in args[:2])
    try:
        leaf, text = check(proof, vkey, open(args[2], "rb").read() if len(args) == 3 else None)
    except ValueError as e:
        sys.exit(f"not proved: {e}")
    print("proved:", leaf + text, end="")


if __name__ == "__main__":
    main(sys.argv[1:])
