#!/usr/bin/env python3
"""Which words METEOR 1.5 counts as function words, measured: each word of a lot of English is given to the jar
by itself, and its answer says how many function words it saw.

    meteor_function_words.py [--out crates/text/data/meteor_function_words_en.txt] [TEXT ...]

The words tried are the most frequent ones of Python's own documentation and doc strings, of this repository's
pages and of any TEXT, with marks, clitics and the words of news that such texts lack. Nothing is read out of
the jar but its answers. Needs `pip install pycocoevalcap==1.2` and a Java.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sysconfig
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "crates" / "text" / "data" / "meteor_function_words_en.txt"
MARKS = list("!\"#$%&'()*+,-./:;<=>?@[]^_`{}~") + ["--", "...", "''", "``", "‘", "’", "“", "”", "–", "—", "…", "£", "€"]
MARKS += [f"-{name}-" for name in ("lrb", "rrb", "lsb", "rsb", "lcb", "rcb")]
CLITICS = "'s 's. 't n't 'm 'd 're 've 'll s t m d re ve ll u.s. u.k. u.n. mr. mrs. dr. st. a.m. p.m. e.g. i.e.".split()
NEWS = """said says say told people government president minister country world state states year years month months
week weeks day days today monday tuesday wednesday thursday friday saturday sunday million billion percent police war
market company game team news city national international american united new york washington house party school man men
woman women he she him her hers his himself herself they them their theirs we us our ours you your yours i me my mine
who whom whose which what when where why how january february march april may june july august september october
november december north south east west old young life home work went came made took got against between during
before after since until while because although though""".split()


def words_of(paths: list[Path], most: int) -> list[str]:
    counts: Counter[str] = Counter()
    for path in paths:
        text = path.read_text(errors="ignore").lower()
        counts.update(re.findall(r"[a-z]+(?:'[a-z]+)?", text))
    return [word for word, _ in counts.most_common(most)]


class Jar:
    """The jar, asked through its pipe."""

    def __init__(self) -> None:
        import pycocoevalcap.meteor.meteor as module

        jar = Path(module.__file__).parent / "meteor-1.5.jar"
        command = ["java", "-Xmx1G", "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-m", "exact"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def is_function_word(self, word: str) -> bool:
        self.process.stdin.write(f"SCORE ||| {word} ||| {word}\n")
        self.process.stdin.flush()
        length, _, functions, *_ = (float(field) for field in self.process.stdout.readline().split())
        return length == 1 and functions == 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path, nargs="*")
    parser.add_argument("--most", type=int, default=20_000, help="words tried, the most frequent first")
    parser.add_argument("--out", type=Path, default=LIST)
    options = parser.parse_args()
    library = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("**/*.py"))
    pages = sorted((ROOT / "docs").glob("*.md"))
    tried = dict.fromkeys(words_of([*options.texts, *pages, *library], options.most) + MARKS + CLITICS + NEWS)
    jar = Jar()
    found = sorted(word for word in tried if jar.is_function_word(word))
    jar.process.kill()
    head = (
        "# Words that METEOR 1.5 weighs less: those that its authors found more than once in a thousand words of\n"
        "# news (Denkowski & Lavie 2014, section 2). Measured, not copied: bench/meteor_function_words.py asks the\n"
        "# program about each of many frequent words.\n"
    )
    options.out.write_text(head + "\n".join(found) + "\n")
    print(f"{len(found)} function words among {len(tried)} tried")


if __name__ == "__main__":
    main()
