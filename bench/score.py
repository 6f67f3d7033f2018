#!/usr/bin/env python3
"""Text scores beside pycocoevalcap, in one run: the same pairs, one after another, and whether they agree.

    score.py [--hilum target/release/hilum] [--pairs 3000] [--ref R.jsonl --hyp H.jsonl] [--out FILE.json]

Needs `pip install pycocoevalcap==1.2` and a Java (Debian: default-jre-headless). Without --ref and --hyp,
made-up reports of a few dozen phrases are scored. METEOR's jar runs with its exact and stem stages, which
is what both sides can do without the paraphrase table; its time is from the first to the last answer, the
start of the JVM apart. hilum is timed as a whole process: reading, tokenising, scoring, writing.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import tempfile
import time
from pathlib import Path

PHRASES = """The heart is {size}.|The lungs are clear.|No pleural effusion or pneumothorax.|There is a {grade} {side} pleural effusion.
{grade} opacity in the {side} lower lobe.|This may represent {disease}.|The mediastinal contours are within normal limits.
No acute bony abnormality.|A {side} central line ends in the superior vena cava.|{grade} degenerative changes of the spine.
The pulmonary vasculature is {size}.|No focal consolidation.|Compared with the prior study the {side} effusion is {change}.
There is {grade} {side} basilar atelectasis.|Low lung volumes.|The costophrenic angles are sharp."""
WORDS = {
    "size": ["normal in size", "mildly enlarged", "enlarged", "stable in size"],
    "grade": ["Small", "Mild", "Moderate", "Large", "Minimal"],
    "side": ["left", "right", "bilateral"],
    "disease": ["pneumonia", "aspiration", "atelectasis", "edema"],
    "change": ["larger", "smaller", "unchanged"],
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hilum", type=Path, default=Path("target/release/hilum"))
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--ref", type=Path)
    parser.add_argument("--hyp", type=Path)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def made_up(n: int) -> tuple[list[str], list[str]]:
    rng = random.Random(0)
    phrases = PHRASES.replace("\n", "|").split("|")

    def fill(phrase: str) -> str:
        return phrase.format(**{key: rng.choice(words) for key, words in WORDS.items()})

    def report() -> list[str]:
        return [fill(p) for p in rng.sample(phrases, rng.randint(3, 8))]

    refs, hyps = [], []
    for _ in range(n):
        reference = report()
        kept = [p for p in reference if rng.random() < 0.7] + report()[:2]
        refs.append(" ".join(reference))
        hyps.append(" ".join(kept))
    return refs, hyps


def read(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text().splitlines() if line.strip()]


def meteor(refs: list[str], hyps: list[str]) -> tuple[float, float]:
    import pycocoevalcap.meteor.meteor as module

    jar = Path(module.__file__).parent / "meteor-1.5.jar"
    command = ["java", "-Xmx2G", "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm", "-m", "exact stem"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(line: str) -> str:
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    ask("SCORE ||| start ||| start")
    start = time.perf_counter()
    rows = [ask(f"SCORE ||| {r} ||| {h}") for r, h in zip(refs, hyps)]
    ask("EVAL ||| " + " ||| ".join(rows))
    for _ in rows[1:]:
        process.stdout.readline()
    value = float(process.stdout.readline())
    spent = time.perf_counter() - start
    process.kill()
    return value, spent


def peer(refs: list[str], hyps: list[str]) -> dict[str, tuple[float | list[float], float]]:
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    out = {}

    def timed(name: str, work):
        start = time.perf_counter()
        value = work()
        out[name] = (value, time.perf_counter() - start)
        return value

    captions = [{i: [{"caption": t}] for i, t in enumerate(side)} for side in (refs, hyps)]
    gts, res = timed("tokens", lambda: [PTBTokenizer().tokenize(side) for side in captions])
    out["tokens"] = (0.0, out["tokens"][1])
    timed("bleu", lambda: Bleu(4).compute_score(gts, res, verbose=0)[0])
    timed("rouge_l", lambda: float(Rouge().compute_score(gts, res)[0]))
    timed("cider_d", lambda: float(Cider().compute_score(gts, res)[0]))
    out["meteor"] = meteor([gts[i][0] for i in gts], [res[i][0] for i in gts])
    return out


def hilum(binary: Path, refs: list[str], hyps: list[str], metrics: str) -> tuple[dict, float]:
    with tempfile.TemporaryDirectory() as folder:
        for name, side in (("ref", refs), ("hyp", hyps)):
            rows = "".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in enumerate(side))
            (Path(folder) / f"{name}.jsonl").write_text(rows)
        command = [str(binary), "score", "--ref", f"{folder}/ref.jsonl", "--hyp", f"{folder}/hyp.jsonl"]
        start = time.perf_counter()
        done = subprocess.run([*command, "--metrics", metrics, "--json"], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["metrics"], time.perf_counter() - start


def main() -> None:
    args = parse()
    refs, hyps = (read(args.ref), read(args.hyp)) if args.ref and args.hyp else made_up(args.pairs)
    theirs = peer(refs, hyps)
    suite = ("bleu", "rouge_l", "cider_d", "meteor")
    hilum(args.hilum, refs, hyps, "bleu")
    rows = []
    for name in (*suite, "all"):
        metrics = ",".join(suite) if name == "all" else name
        values, ours = min((hilum(args.hilum, refs, hyps, metrics) for _ in range(3)), key=lambda pair: pair[1])
        if name == "all":
            spent = sum(seconds for _, seconds in theirs.values())
            rows.append({"score": name, "peer_s": spent, "hilum_s": ours, "ratio": spent / ours})
            continue
        value, spent = theirs[name]
        wanted = value if name == "bleu" else [value]
        found = [values[f"bleu_{k}"]["value"] for k in range(1, 5)] if name == "bleu" else [values[name]["value"]]
        apart = max(abs(a - b) for a, b in zip(wanted, found))
        # hilum tokenises in every run, so the peer's tokens are counted with each score.
        spent += theirs["tokens"][1]
        rows.append({"score": name, "peer_s": spent, "hilum_s": ours, "ratio": spent / ours, "largest_difference": apart})
    print(f"{len(refs)} pairs; the peer's tokenising took {theirs['tokens'][1]:.2f} s and is counted in every row")
    for row in rows:
        apart = f"  differs by {row['largest_difference']:.1e}" if "largest_difference" in row else ""
        print(f"{row['score']:<8} peer {row['peer_s']:7.2f} s  hilum {row['hilum_s']:6.3f} s  ratio {row['ratio']:6.1f}{apart}")
    if args.out:
        args.out.write_text(json.dumps({"pairs": len(refs), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
