#!/usr/bin/env python3
"""Verifies the audit log of a Cloister appliance, independently of the appliance's own code.

    verify_log.py verify FOLDER --key FILE [--against CHECKPOINT]...
    verify_log.py check PROOF --key FILE

Needs Python 3.9 and nothing else. Formats: RFC 6962 (tree), RFC 8032 (Ed25519), and C2SP signed-note,
tlog-checkpoint and tlog-proof. Exit status: 0 sound, 1 tampered, 2 not proven in part, 3 usage.
"""

import argparse
import base64
import hashlib
import json
import pathlib
import sys

SOUND, TAMPERED, INCOMPLETE, USAGE = 0, 1, 2, 3
# Entries are in the order of their times since this version of the format.
ASCENDING_SINCE = 2


class UsageError(Exception):
    """An argument or a file is not what it should be."""


# ---- Ed25519, RFC 8032: points are (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_MINUS_1 = pow(2, (P - 1) // 4, P)


def add(a, b):
    first = (a[1] - a[0]) * (b[1] - b[0]) % P
    second = (a[1] + a[0]) * (b[1] + b[0]) % P
    third = 2 * a[3] * b[3] * D % P
    fourth = 2 * a[2] * b[2] % P
    e, f, g, h = second - first, fourth - third, fourth + third, second + first
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar, point):
    product = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            product = add(product, point)
        point = add(point, point)
        scalar >>= 1
    return product


def decode_point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * SQRT_MINUS_1 % P
    if x * x % P != square or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


BASE = decode_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signed(key, message, signature):
    public, nonce = decode_point(key), decode_point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or public is None or nonce is None or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + key + message).digest()
    left = multiply(scalar, BASE)
    right = add(nonce, multiply(int.from_bytes(digest, "little") % ORDER, public))
    same_x = (left[0] * right[2] - right[0] * left[2]) % P == 0
    return same_x and (left[1] * right[2] - right[1] * left[2]) % P == 0


# ---- Notes and checkpoints

class VerifierKey:
    """`name+id+key`, with the id in hexadecimal and the type and key in Base64."""

    def __init__(self, text):
        try:
            self.name, identity, data = text.strip().split("+", 2)
            data = base64.b64decode(data, validate=True)
            self.identity = bytes.fromhex(identity)
        except ValueError:
            raise UsageError("not a verifier key") from None
        expected = hashlib.sha256(self.name.encode() + b"\n" + data).digest()[:4]
        if len(data) != 33 or data[0] != 1 or expected != self.identity:
            raise UsageError("not an Ed25519 verifier key")
        self.key = data[1:]

    def open_note(self, note):
        """The text of a note, or `None` if this key did not sign it."""
        text, found, signatures = note.rpartition("\n\n")
        if not found:
            raise UsageError("not a signed note")
        text += "\n"
        for line in signatures.splitlines():
            prefix = f"\u2014 {self.name} "
            if not line.startswith(prefix):
                continue
            try:
                blob = base64.b64decode(line[len(prefix):], validate=True)
            except ValueError:
                continue
            if blob[:4] == self.identity and is_signed(self.key, text.encode(), blob[4:]):
                return text
        return None


def parse_checkpoint(text):
    """(size, root) of the text of a checkpoint."""
    try:
        _origin, size, root = text.splitlines()[:3]
        root = base64.b64decode(root, validate=True)
        size = int(size) if size.isascii() and size.isdigit() else -1
    except ValueError:
        raise UsageError("not a checkpoint") from None
    if size < 0 or len(root) != 32:
        raise UsageError("not a checkpoint")
    return size, root


# ---- The tree, RFC 6962

def hash_leaf(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def hash_node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """The roots of the complete subtrees, as (level, hash), the largest first."""

    def __init__(self):
        self.size, self.subtrees = 0, []

    def push(self, leaf):
        level = 0
        while self.subtrees and self.subtrees[-1][0] == level:
            leaf = hash_node(self.subtrees.pop()[1], leaf)
            level += 1
        self.subtrees.append((level, leaf))
        self.size += 1

    def root(self):
        if not self.subtrees:
            return hashlib.sha256(b"").digest()
        root = self.subtrees[-1][1]
        for _level, left in reversed(self.subtrees[:-1]):
            root = hash_node(left, root)
        return root


def root_of_path(leaf, index, size, path):
    """RFC 9162, section 2.1.3.2; `None` if the length is wrong."""
    if index >= size:
        return None
    position, last, root = index, size - 1, leaf
    for beside in path:
        if last == 0:
            return None
        if position & 1 or position == last:
            root = hash_node(beside, root)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            root = hash_node(root, beside)
        position, last = position >> 1, last >> 1
    return root if last == 0 else None


# ---- Commands

def read_text(path):
    # Line breaks are signed, so they are read as they are.
    try:
        return pathlib.Path(path).read_bytes().decode()
    except (OSError, UnicodeDecodeError) as cause:
        raise UsageError(f"{path}: {cause}") from None


def own_checkpoint(folder, key, findings):
    path = folder / "checkpoint"
    if not path.exists():
        findings.append("the log has no checkpoint")
        return []
    try:
        text = key.open_note(read_text(path))
        if text is not None:
            return [parse_checkpoint(text)]
    except UsageError:
        pass
    findings.append("the log's own checkpoint does not hold")
    return []


def instant(text):
    """An RFC 3339 time in UTC, as a value that can be compared. Fractions have any number of digits."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return seconds, float(f"0.{fraction or 0}")


def compare_entry(line, place, last, findings):
    """Compares an entry with its place. Returns its time."""
    try:
        entry = json.loads(line)
        position, at, version = entry["seq"], instant(entry["at"]), entry["v"]
    except (AttributeError, ValueError, KeyError, TypeError):
        findings.append(f"the entry at place {place} is not readable")
        return last
    if position != place:
        findings.append(f"the entry at place {place} says that it is entry {position}")
    if version >= ASCENDING_SINCE and last is not None and at < last:
        findings.append(f"the entry at place {place} is dated before the entry that precedes it")
    return at


def verify(folder, key, notes):
    findings, gaps, anchors = [], [], []
    for note in notes:
        text = key.open_note(note)
        if text is None:
            findings.append("a checkpoint from elsewhere is signed by another key")
        else:
            anchors.append(parse_checkpoint(text))
    own = own_checkpoint(folder, key, findings)
    expected = sorted(anchors + own)
    tree, last = Tree(), None
    path = folder / "entries.jsonl"
    lines = path.open("rb") if path.exists() else iter(())
    for line in lines:
        if not line.endswith(b"\n"):
            gaps.append(f"{len(line)} bytes after the last entry are no entry")
            break
        while expected and expected[0][0] == tree.size:
            compare_root(expected.pop(0), tree, findings)
        last = compare_entry(line[:-1], tree.size, last, findings)
        tree.push(hash_leaf(line[:-1]))
    for checkpoint in expected:
        compare_root(checkpoint, tree, findings)
    sealed = own[0][0] if own else 0
    if tree.size > sealed:
        gaps.append(f"no checkpoint of the log covers the last {tree.size - sealed} entries")
    if not anchors:
        gaps.append("no checkpoint from elsewhere was compared")
    return {"entries": tree.size, "root": tree.root().hex(), "findings": findings, "gaps": gaps}


def compare_root(checkpoint, tree, findings):
    size, root = checkpoint
    if size > tree.size:
        findings.append(f"{size} entries were signed, and only {tree.size} are there")
    elif root != tree.root():
        findings.append(f"the first {size} entries are not those that were signed")


def check(proof, key):
    """The entry that a proof proves, or `None`."""
    head, _, note = proof.partition("\n\n")
    try:
        header, extra, index, *path = head.splitlines()
        if header != "c2sp.org/tlog-proof@v1" or not extra.startswith("extra "):
            raise ValueError
        entry = base64.b64decode(extra[len("extra "):], validate=True)
        index = int(index.removeprefix("index "))
        path = [base64.b64decode(line, validate=True) for line in path]
    except ValueError:
        raise UsageError("not a proof with an entry") from None
    text = key.open_note(note)
    if text is None:
        return None
    size, root = parse_checkpoint(text)
    if root_of_path(hash_leaf(entry), index, size, path) != root:
        return None
    return json.loads(entry)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], exit_on_error=False)
    commands = parser.add_subparsers(dest="command", required=True)
    verification = commands.add_parser("verify")
    verification.add_argument("folder", type=pathlib.Path)
    verification.add_argument("--against", action="append", default=[])
    proof = commands.add_parser("check")
    proof.add_argument("proof")
    for command in (verification, proof):
        command.add_argument("--key", required=True)
    return parser.parse_args()


def main():
    try:
        arguments = parse_arguments()
        key = VerifierKey(read_text(arguments.key))
        if arguments.command == "check":
            entry = check(read_text(arguments.proof), key)
            print(json.dumps(entry, indent=2))
            return SOUND if entry is not None else TAMPERED
        notes = [read_text(path) for path in arguments.against]
        report = verify(arguments.folder, key, notes)
    except (UsageError, argparse.ArgumentError) as cause:
        print(f"verify_log.py: {cause}", file=sys.stderr)
        return USAGE
    print(json.dumps(report, indent=2))
    if report["findings"]:
        return TAMPERED
    return INCOMPLETE if report["gaps"] else SOUND


if __name__ == "__main__":
    sys.exit(main())
