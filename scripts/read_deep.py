#!/usr/bin/env python3
"""Rebuilds a .crate out of a deep segment, without any code of ours.

Usage: read_deep.py SEGMENT                            lists what is in it
       read_deep.py SEGMENT NAME VERSION > FILE        writes the .crate
       read_deep.py -tar SEGMENT NAME VERSION > FILE   writes the tar that is in it

It is written from the specification alone, the comment of package deep, so that an
archive outlives its program. It needs Python, with the real zlib and not zlib-ng
(zlib.ZLIB_RUNTIME_VERSION says), and the stock zstd command. It makes what zlib made:
encoders 2 and 3, and 0, which needs nothing. For the others it says which library to
call; the tar it can always write. A damaged directory ends it: verify goes on behind.
"""
import struct, subprocess, sys, zlib
from hashlib import sha256

DIRECTORY, TABLE = 0x184D2A5D, 0x184D2A5E
MEM_LEVEL = {2: 8, 3: 9}
OTHERS = {
    1: "miniz 2.0.7 or miniz_oxide, level 9",
    4: "zlib-rs 0.4 or 0.5, level 9, window bits -15, memLevel 8",
    5: "zlib-rs 0.6 or zlib-ng 2.3, level 9, window bits -15, memLevel 8",
}


class Damage(Exception): ...


def require(good, what):
    if not good:
        raise Damage(what)


class Fields:
    """Numbers and strings, one behind the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        require(self.at + n <= len(self.data), "it ends too early")
        self.at += n
        return self.data[self.at - n : self.at]

    def u8(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def string(self):
        return self.take(self.u8())

    def number(self):
        byte = self.u8()
        return byte if byte < 128 else byte - 128 + 128 * self.number()


def packs(segment):
    """Yields (name, versions, frame) of each pack; segment is an open file."""
    while True:
        head = segment.read(8)
        magic, size = struct.unpack("<II", head) if len(head) == 8 else (TABLE, 0)
        if magic == TABLE:
            return
        require(magic == DIRECTORY and size <= 32 << 10, "there is no directory where one ought to be")
        body = segment.read(size)
        require(len(body) == size and sha256(head + body[:-32]).digest() == body[-32:], "a directory is damaged")
        f = Fields(body[:-32])
        require(f.take(8) == b"deeppack" and f.u8() == 1, "this is another format")
        name, frame_size, content, frame_sum = f.string().decode("ascii"), f.u32(), f.u32(), f.take(32)
        versions = []
        for _ in range(f.u8()):
            v = {"version": f.string().decode("ascii"), "sha256": f.take(32), "size": f.u32(), "encoder": f.u8(), "reason": f.u8()}
            v.update(header=f.string(), stream_sha256=f.take(32), stream=f.u32(), recipe=f.u32(), content=content, frame=frame_sum)
            versions.append(v)
        yield name, versions, segment.read(frame_size)


def tar_header(template, prefix):
    header = bytearray(prefix + template[: 100 - len(prefix)] + template[100:])
    header[148:156] = b" " * 8
    header[148:156] = b"%07o\0" % sum(header)
    return bytes(header)


def stream(name, versions, frame, wanted):
    """Follows the recipe of a version: its tar, or the .crate kept verbatim."""
    require(sha256(frame).digest() == wanted["frame"], "its pack is damaged")
    done = subprocess.run(["zstd", "-dc"], input=frame, stdout=subprocess.PIPE, check=True)
    require(len(done.stdout) == wanted["content"], "the content has another length")
    f = Fields(done.stdout)
    lengths = [f.number() for _ in range(f.number())]
    recipes = [f.take(v["recipe"]) for v in versions]
    items = [f.take(n) for n in lengths]
    recipe, made = Fields(recipes[versions.index(wanted)]), []
    prefix = f"{name}-{wanted['version']}/".encode()
    while recipe.at < len(recipe.data):
        operation = recipe.number()
        if operation == 0:
            made.append(recipe.take(recipe.number()))
        elif operation == 1:
            made.append(items[recipe.number()])
        else:
            made += [tar_header(items[recipe.number()], prefix), items[recipe.number()]]
            made.append(bytes(-len(made[-1]) % 512))
    made = b"".join(made)
    require(sha256(made).digest() == wanted["stream_sha256"], "the recipe makes other bytes")
    return made


def crate(made, version):
    """The .crate of a tar, if zlib made it."""
    encoder = version["encoder"]
    if encoder == 0:
        return made
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, MEM_LEVEL.get(encoder, 8))
    body = deflate.compress(made) + deflate.flush()
    data = version["header"] + body + struct.pack("<II", zlib.crc32(made), len(made))
    if sha256(data).digest() != version["sha256"]:
        how = OTHERS.get(encoder, f"encoder {encoder}, which is newer than this script")
        if encoder in MEM_LEVEL:
            how = f"the zlib of zlib.net (this Python has {zlib.ZLIB_RUNTIME_VERSION})"
        raise Damage(f"zlib here does not make these bytes: -tar writes the tar; call deflate of {how}, and put "
                     f"the gzip header {version['header'].hex()} before and CRC-32 and length behind it")
    return data


def main(arguments):
    tar = arguments[:1] == ["-tar"]
    path, *wanted = arguments[tar:] or sys.exit(__doc__)
    with open(path, "rb") as segment:
        for name, versions, frame in packs(segment):
            for v in versions:
                if not wanted:
                    print(name, v["version"], v["sha256"].hex(), v["size"], f"encoder {v['encoder']}")
                elif [name, v["version"]] == wanted:
                    require(not tar or v["encoder"], "it is kept verbatim, there is no tar")
                    made = stream(name, versions, frame, v)
                    return sys.stdout.buffer.write(made if tar else crate(made, v))
    require(not wanted, f"{' '.join(wanted)} is not in it")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Damage as why:
        sys.exit(f"{sys.argv[0]}: {' '.join(sys.argv[1:])}: {why}")
