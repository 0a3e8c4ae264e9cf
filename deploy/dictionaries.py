"""Fetches the FreeDict dictionaries of six languages from Debian, and writes them as lists of English words.

`LANGUAGE.tsv` has one line a word or phrase, in the order of their bytes: the word in lower case, a tab, and its
English translations, with commas between them, in the order of the dictionary. Words that only the dictionary from
English has come from there, except German ones: that dictionary is large enough. apt checks the signatures of the
packages.
"""

import collections
import gzip
import os
import pathlib
import re
import shutil
import subprocess
import unicodedata

LANGUAGES = ["deu", "fra", "ita", "nld", "por", "spa"]
LARGE = ["deu"]
MAX_TRANSLATIONS = 12
MAX_WORDS = 3
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# Grammar, subjects, regions and pronunciations.
LABELS = re.compile(r"<[^>]*>|\[[^\]]*\]|\([^)]*\)|/[^/\n]*/")
# Examples, notes and references.
ASIDES = ('"', "Note:", "Synonym", "see:", "Antonym", "Usage:")
# What stands for the object of a verb.
PLACEHOLDERS = re.compile(r"\b(?:sth|sb|so|smth|smb|etw|jdn|jdm|jds)\b\.?(?:/\S+)?|^to |^an? |^the |^one's |^\d+\. *")
WORDS = re.compile(r"[^\W\d_]+(?:[ '’-][^\W\d_]+)*")


def fetch(folder, scratch):
    """Writes the dictionaries into `folder`. Without apt it writes none, and says what that costs."""
    packages = [f"dict-freedict-{code}-eng" for code in LANGUAGES]
    packages += [f"dict-freedict-eng-{code}" for code in LANGUAGES if code not in LARGE]
    if not download(packages, scratch):
        print("The dictionaries come from Debian or Ubuntu packages, which cannot be fetched here. Without them,")
        print("questions in another language than the documents are not translated.")
        return
    folder.mkdir(parents=True, exist_ok=True)
    for archive in sorted(pathlib.Path(scratch).glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", archive, pathlib.Path(scratch) / "root"], check=True)
    installed = pathlib.Path(scratch) / "root/usr/share"
    for code in LANGUAGES:
        entries = translations(installed / "dictd", code)
        lines = [f"{word}\t{','.join(words)}\n" for word, words in entries.items()]
        (folder / f"{code}.tsv").write_text("".join(sorted(lines, key=lambda line: line.partition("\t")[0].encode())))
        shutil.copy(installed / f"doc/dict-freedict-{code}-eng/copyright", folder / f"LICENSE.{code}")


def download(packages, scratch):
    """Downloads the packages. Updates the lists of apt if it does not know them. Returns whether all are there."""
    if not shutil.which("apt-get"):
        return False
    print("downloading the FreeDict dictionaries from Debian", flush=True)
    command = ["apt-get", "download", "-qq", *packages]
    update = [*([] if os.getuid() == 0 else ["sudo"]), "apt-get", "update", "-qq"]
    quiet = {"cwd": scratch, "stderr": subprocess.DEVNULL}
    if subprocess.run(command, **quiet).returncode == 0:
        return True
    subprocess.run(update, check=False)
    return subprocess.run(command, **quiet).returncode == 0


def translations(dictd, code):
    """English words by word, from both directions unless the first is large."""
    found = collections.defaultdict(list)
    for head, text in articles(dictd / f"freedict-{code}-eng"):
        add(found[plain(head)], glosses(text))
    for head, text in [] if code in LARGE else articles(dictd / f"freedict-eng-{code}"):
        for gloss in glosses(text):
            add(found[plain(gloss)], [plain(head)])
    return {word: words for word, words in found.items() if is_entry(word) and words}


def articles(path):
    """The headwords of a dictionary in the format of dictd, and the lines below each."""
    data = gzip.open(path.with_suffix(".dict.dz")).read()
    for line in path.with_suffix(".index").read_text().splitlines():
        head, start, length = line.split("\t")[:3]
        if head.startswith("00") or "…" in head:
            continue
        start = number(start)
        text = data[start : start + number(length)].decode(errors="replace")
        yield head, text.partition("\n")[2]


def number(text):
    """A number to the base of 64."""
    value = 0
    for digit in text:
        value = value * 64 + DIGITS.index(digit)
    return value


def glosses(text):
    """The translations in an article."""
    for line in text.splitlines():
        line = line.strip()
        if line and not line.startswith(ASIDES):
            yield from map(plain, re.split(r"[,;]", LABELS.sub(" ", line)))


def plain(text):
    """A word or phrase in lower case, without abbreviations in capitals and placeholders."""
    words = [word for word in text.split() if len(word) < 2 or not word.isupper()]
    return PLACEHOLDERS.sub("", unicodedata.normalize("NFC", " ".join(words)).lower()).strip(" .!?-")


def is_entry(text):
    return bool(WORDS.fullmatch(text)) and len(text) > 1 and len(text.split()) <= MAX_WORDS


def add(words, more):
    for word in more:
        if is_entry(word) and word.isascii() and word not in words and len(words) < MAX_TRANSLATIONS:
            words.append(word)
