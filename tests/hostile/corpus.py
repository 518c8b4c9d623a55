"""Archives that no honest tool writes: each tries to write outside its folder, to hide a file, or to wear out a reader.

All hold a whole model besides, so that nothing but the trick can be the reason to refuse them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping

from rehub.archive.tar import Limits
from tests import sample
from tests.hostile.tar_bytes import (
    END,
    base_256,
    files,
    folder,
    long_name,
    member,
    pax,
    pax_record,
    zipped,
    zipped_zeros,
)

FILES = {"saved_model.pb": sample.SAVED_MODEL, "assets/words.txt": b"hello\n"}
MODEL = files(FILES)
OUTSIDE = f"{tempfile.gettempdir()}/rehub-outside"
"""A folder that must not come to be."""


def _archives(parts: Mapping[str, bytes]) -> dict[str, bytes]:
    """The whole model with something more; plain and zipped in turn."""
    whole = {name: MODEL + part + END for name, part in parts.items()}
    return {name: zipped(data) if place % 2 else data for place, (name, data) in enumerate(whole.items())}


def _shown(name: str) -> str:
    return ascii(name)[1:-1] if len(name) < 50 else f"{ascii(name)[1:30]}... of {len(name)}"


def _named(group: str, names: Iterable[str]) -> dict[str, bytes]:
    """A file of each name, however long: where it is, the name stands in a header of its own."""
    return {
        f"{group}: {_shown(name)}": (
            member(name.encode(), b"x")
            if len(name.encode()) < 100
            else pax((b"path", name.encode())) + member(b"short", b"x")
        )
        for name in names
    }


def _pairs(group: str, pairs: Iterable[tuple[str, str]]) -> dict[str, bytes]:
    return {
        f"{group}: {ascii(one)[1:-1]} {ascii(two)[1:-1]}": member(one.encode(), b"1") + member(two.encode(), b"2")
        for one, two in pairs
    }


NAMES = {
    **_named("absolute", [f"{OUTSIDE}/x", f"/{OUTSIDE}/x", f"./{OUTSIDE}/../x", "/"]),
    **_named("up", ["../x", "../../x", "assets/../../x", "assets/..", "./../x", "assets/../../../x", ".."]),
    **_named("looks like up", ["\uff0e\uff0e/x", "\u2025/x", ".\u200c./x", "\u200b/x", "\u2024\u2024/x", "... /x"]),
    **_named("backslash", ["..\\x", "a\\b", "\\x", "\\\\server\\share\\x", "\\\\?\\C:\\x", "a/..\\..\\x"]),
    **_named("drive", ["C:/x", "c:x", "C:", "assets/c:/x", "file:///x"]),
    **_named("stream", ["saved_model.pb:evil", "saved_model.pb::$DATA", "assets/words.txt:x:$DATA"]),
    **_named("control", ["a\x1b[2Jb", "a\nb", "a\rb", "a\x7fb", "a\u0085b", "a\tb"]),
    **_named("invisible", ["a\u202etxt.exe", "\u2066a\u2069", "model\u200e.pb", "a\u200bb", "a\u200db", "\ufeffa"]),
    **_named(
        "Windows device", ["CON", "assets/aux.txt", "nul", "Com1.log", "lpt\u00b9", "prn.tar.gz", "conout$", "con ."]
    ),
    **_named("Windows strips", ["evil.", "evil ", "folder./x", "saved_model.pb.", "saved_model.pb "]),
    **_named("long", ["x" * 256, "y" * 5000, "/".join(["y" * 200] * 30), "\u00fc" * 128, "x" * 1_000_000]),
    **_named("deep", ["a/" * 65 + "x", "a/" * 499 + "x", "a/" * 100_000 + "x"]),
    "NUL: pax": pax((b"path", b"assets/x\0/../../y")) + member(b"x", b"x"),
    "NUL: long name": long_name(b"assets/x\0../../y") + member(b"x", b"x"),
    "no UTF-8": member(b"assets/\xff\xfe", b"x"),
    "no UTF-8: overlong": member(b"assets/\xc0\xae\xc0\xae/x", b"x"),
    "no UTF-8: half a character": pax((b"path", b"assets/\xed\xa0\x80")) + member(b"x", b"x"),
    "no name": member(b"", b"x"),
    "no name: dot": member(b"./", b"x"),
    "absolute: prefix": member(b"x", b"x", prefix=OUTSIDE.encode()),
    "up: prefix": member(b"x", b"x", prefix=b"../.."),
    "up: folder": folder(b"../x"),
    "absolute: folder": folder(OUTSIDE.encode() + b"/made"),
    "record: beside": member(b"../1.rehub.json", b"{}"),
}

TWICE = {
    **_pairs(
        "case",
        [("a", "A"), ("Assets/x", "assets/y"), ("assets/Words.txt", "x"), ("\u1e9e", "ss"), ("\u03c3", "\u03c2")],
    ),
    **_pairs("Turkish", [("i", "\u0131"), ("i", "\u0130"), ("I", "\u0131"), ("\u0130", "\u0131")]),
    **_pairs("composed", [("\u00e9", "e\u0301"), ("\u1112\u1161\u11ab", "\ud55c"), ("\u212b", "a\u030a")]),
    **_pairs("no width", [("ab", "a\u200db"), ("ab", "a\ufe0fb"), ("ab", "a\u00adb"), ("ab", "a\U000e0101b")]),
    **_pairs("wide", [("ab", "\uff41b"), ("fi", "\ufb01"), ("k", "\u212a"), ("s", "\u017f"), ("1", "\u2460")]),
    **_pairs("duplicate", [("saved_model.pb", "x"), ("./saved_model.pb", "x"), ("a", "a"), ("a/b", "a//./b")]),
    **_pairs("file and folder", [("a", "a/b"), ("a/b", "a"), ("assets", "x"), ("saved_model.pb/x", "y")]),
    "duplicate: folder over file": folder(b"saved_model.pb"),
    "duplicate: by pax": pax((b"path", b"saved_model.pb")) + member(b"x", b"evil"),
    "duplicate: by long name": long_name(b"saved_model.pb") + member(b"x", b"evil"),
}

KINDS = {
    **{
        f"link: {kind.decode()} {target.decode()[:20]}": member(b"assets/link", kind=kind, link=target)
        for kind in (b"1", b"2")
        for target in (b"saved_model.pb", b"../../x", OUTSIDE.encode() + b"/x", b"/etc/passwd", b"link")
    },
    "link: then through it": member(b"l", kind=b"2", link=OUTSIDE.encode()) + member(b"l/x", b"x"),
    "link: chain": member(b"a", kind=b"2", link=b"b") + member(b"b", kind=b"2", link=b"..") + member(b"a/x", b"x"),
    "link: with content": member(b"a", b"x" * 600, kind=b"1", link=b"saved_model.pb"),
    "link: long target": long_name(b"../" * 50, b"K") + member(b"a", kind=b"2", link=b"x"),
    "link: pax target": pax((b"linkpath", OUTSIDE.encode())) + member(b"a", kind=b"2"),
    **{f"device: {kind.decode()}": member(b"d", kind=kind, device=b"0000001\x000000003\0") for kind in (b"3", b"4")},
    "pipe": member(b"p", kind=b"6"),
    "unknown kind": member(b"x", kind=b"Z"),
    "GNU dump of a folder": member(b"d/", b"Yx\0", kind=b"D"),
    "GNU volume": member(b"volume", kind=b"V"),
    "GNU part of a file": member(b"x", b"x", kind=b"M"),
    "Solaris header": member(b"x", pax_record(b"path", b"../x"), kind=b"X") + member(b"y", b"x"),
    "sparse: old GNU": member(b"s", bytes(512), kind=b"S", magic=b"ustar  \0"),
    "sparse: GNU 0.0": pax((b"GNU.sparse.size", b"99999999"), (b"GNU.sparse.numblocks", b"0")) + member(b"s"),
    "sparse: GNU 0.1": pax((b"GNU.sparse.map", b"0,1"), (b"GNU.sparse.name", b"../s")) + member(b"s", b"x"),
    "sparse: GNU 1.0": pax(
        (b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"99999999999")
    )
    + member(b"GNUSparseFile.0/s", b"1\n0\n1\n".ljust(512, b"\0") + b"x"),
    "sparse: star": pax((b"SCHILY.realsize", b"99999999999")) + member(b"s", b"x"),
    "sparse: Solaris": pax((b"SUN.holesdata", b" 0 1")) + member(b"s", b"x"),
}

HEADERS = {
    "pax: path leads out": pax((b"path", b"../x")) + member(b"x", b"x"),
    "pax: last path leads out": pax((b"path", b"a"), (b"path", b"../x")) + member(b"x", b"x"),
    "pax: other charset": pax((b"hdrcharset", b"BINARY"), (b"path", b"W\xf6rter")) + member(b"x", b"x"),
    "pax: no path": pax((b"path", b"")) + member(b"x", b"x"),
    "pax: path for all": pax((b"path", b"y"), kind=b"g") + member(b"x", b"x"),
    "pax: size for all": pax((b"size", b"0"), kind=b"g") + member(b"x", b"x"),
    "pax: sparse for all": pax((b"GNU.sparse.major", b"1"), kind=b"g") + member(b"x", b"x"),
    "pax: sizes differ": pax((b"size", b"0")) + member(b"x", b"x" * 600),
    "pax: size takes the next header in": pax((b"size", b"513")) + member(b"x", b"x") + member(b"y", b"y"),
    "pax: negative size": pax((b"size", b"-1")) + member(b"x", b"x"),
    "pax: size in words": pax((b"size", b"1e3")) + member(b"x", b"x"),
    "pax: other digits": pax((b"size", "\u0661".encode())) + member(b"x", b"x"),
    "pax: huge size": pax((b"size", b"9" * 5000)) + member(b"x", b"x"),
    "pax: negative length": member(b"h", b"-9 path=x\n", kind=b"x") + member(b"x", b"x"),
    "pax: length 0": member(b"h", b"0 path=x\n", kind=b"x") + member(b"x", b"x"),
    "pax: too short a length": member(b"h", b"5 path=x\n", kind=b"x") + member(b"x", b"x"),
    "pax: length into the next record": member(b"h", b"14 path=x\n9 size=1\n", kind=b"x") + member(b"x", b"x"),
    "pax: length beyond the header": member(b"h", b"99 path=x\n", kind=b"x") + member(b"x", b"x"),
    "pax: no length": member(b"h", b"path=x\n", kind=b"x") + member(b"x", b"x"),
    "pax: length of many digits": member(b"h", b"9" * 9000 + b" path=x\n", kind=b"x") + member(b"x", b"x"),
    "pax: no newline": member(b"h", b"9 path=xy", kind=b"x") + member(b"x", b"x"),
    "pax: no member": pax((b"path", b"x")),
    "pax: negative header": member(b"h", kind=b"x", size=base_256(-512)) + member(b"x", b"x"),
    "pax: huge header": member(b"h", kind=b"x", size=1 << 30) + member(b"x", b"x"),
    "long name: no member": long_name(b"x" * 200),
    "long name: huge": member(b"././@LongLink", kind=b"L", size=2 << 20) + bytes(2 << 20),
    "size: negative": member(b"x", b"x", size=base_256(-1)),
    "size: negative octal": member(b"x", b"x", size=b"-0000000001\0"),
    "size: large": member(b"x", b"x", size=base_256(1 << 90)),
    "size: all of it": member(b"x", b"x", size=b"\x80" + b"\xff" * 11),
    "size: no octal": member(b"x", b"x", size=b"00000000009\0"),
    "size: words": member(b"x", b"x", size=b"0x000000001\0"),
    "checksum: wrong": member(b"x", b"x", checksum=b"000000\0 "),
    "checksum: no number": member(b"x", b"x", checksum=b"zzzzzzz\0"),
    "end mark alone, then more": bytes(512) + member(b"x", b"x"),
}


def _around() -> dict[str, bytes]:
    """What is wrong with the archive as a whole."""
    whole = MODEL + END
    good = zipped(whole)
    trailer = len(good) - 8
    return {
        "text behind": whole + b"x",
        "text behind zeros": whole + bytes(9000) + b"x",
        "an archive behind": whole + member(b"evil", b"x") + END,
        "the same archive behind": whole + whole,
        "gzip behind tar": whole + good,
        "gzip: text behind": good + b"x",
        "gzip: text behind zeros": good + bytes(600) + b"x",
        "gzip: an archive behind": good + zipped(member(b"evil", b"x") + END),
        "gzip: tar behind": good + whole,
        "gzip: in gzip": zipped(good),
        "gzip: of nothing": zipped(b""),
        "gzip: empty members only": zipped(b"") * 5000,
        "gzip: wrong CRC": good[:trailer] + bytes(4) + good[trailer + 4 :],
        "gzip: wrong size": good[:-4] + bytes(4),
        "gzip: other method": good[:2] + b"\x07" + good[3:],
        "gzip: name without end": good[:3] + b"\x08" + good[4:10] + b"x" * 9000,
        "cut: no end mark": MODEL,
        "cut: within a content": MODEL + member(b"x", b"x" * 2000)[:700],
        "cut: within a header": MODEL + member(b"x", b"x")[:300],
        "cut: gzip": good[: len(good) // 2],
        "cut: gzip trailer": good[:-3],
    }


ARCHIVES: Mapping[str, bytes] = {**_archives({**NAMES, **TWICE, **KINDS, **HEADERS}), **_around()}
"""By what is wrong with them."""

NO_ARCHIVES: Mapping[str, bytes] = {
    "empty": b"",
    "zeros": bytes(10240),
    "a page": b"<!DOCTYPE html><title>Log in</title>" * 30,
    "zip": b"PK\x03\x04" + bytes(2000),
    "bzip2": b"BZh91AY&SY" + bytes(2000),
}
"""What servers send in place of archives."""

NO_MODELS: Mapping[str, bytes] = {
    name: zipped(data + END)
    for name, data in {
        "only a folder": folder(b"assets/"),
        "in a folder": files({f"net/{name}": data for name, data in FILES.items()}),
        "saved_model.pb is a folder": folder(b"saved_model.pb/") + member(b"saved_model.pb/x", b"x"),
        "saved_model.pb is empty": member(b"saved_model.pb"),
        "saved_model.pb is damaged": member(b"saved_model.pb", b"\xff" * 40),
        "tfhub_module.pb is a folder": MODEL + folder(b"tfhub_module.pb"),
        "tfhub_module.pb is damaged": MODEL + member(b"tfhub_module.pb", b"\xff"),
        "index is damaged": MODEL + member(b"variables/variables.index", b"x"),
        "record": MODEL + member(b"1.rehub.json", b"{}"),
        "record below": MODEL + member(b"assets/2.Rehub.JSON", b"{}"),
        "note of the newest version": MODEL + member(b"latest.rehub.json", b"{}"),
    }.items()
}
"""Archives that can be unpacked, by what is wrong with the model in them."""


def _many(count: int, name: Callable[[int], str]) -> bytes:
    return b"".join(folder(name(place).encode()) for place in range(count))


BOMBS: Mapping[str, Callable[[Limits], bytes]] = {
    "ratio": lambda limits: zipped_zeros(
        MODEL + member(b"x", size=3 * limits.ratio_free_bytes), 2 * limits.ratio_free_bytes
    ),
    "ratio behind the end": lambda limits: zipped_zeros(MODEL + END, 2 * limits.ratio_free_bytes),
    "total in one": lambda limits: zipped(MODEL + member(b"x", size=base_256(limits.total_bytes + 1))),
    "total of two": lambda limits: zipped(MODEL + pax((b"size", b"%d" % limits.total_bytes)) + member(b"x")),
    "members": lambda limits: zipped(MODEL + _many(limits.members, "{}".format) + END),
    "one folder again": lambda limits: zipped(MODEL + _many(limits.members, lambda _: "assets") + END),
    "folders in names": lambda limits: zipped(MODEL + _many(limits.members // 40, lambda n: f"{n}{'/a' * 40}") + END),
    "headers": lambda limits: (
        MODEL + pax((b"comment", b"x" * 999_000)) * (limits.members // 900 + 3) + member(b"x") + END
    ),
    "records in a header": lambda _: zipped(MODEL + member(b"h", b"5 a=\n" * 200_000, kind=b"x") + member(b"x") + END),
    "padding": lambda _: MODEL + bytes(20 << 20),
    "empty gzip members": lambda _: zipped(MODEL + END) + zipped(b"") * 300_000,
    "zeros behind gzip": lambda _: zipped(MODEL + END) + bytes(20 << 20),
}
"""Archives that fill the disk, the memory or the time of a reader with these limits."""
