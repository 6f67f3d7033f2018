//! Translation edit rate (Snover et al. 2006) as sacreBLEU computes it: insertions, deletions, substitutions
//! and shifts of blocks, over the mean length of the references; lower case, cut at blanks; in percent.
//!
//! Finding the fewest edits with shifts is hard, so the search is greedy and bounded as in Tercom: blocks of
//! at most ten words, moved at most fifty, a beam in the edit distance.

const MAX_BLOCK: usize = 10;
const MAX_DISTANCE: usize = 50;
const MAX_CANDIDATES: usize = 1000;
const BEAM: usize = 25;
const FAR: u32 = u32::MAX / 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    Keep,
    Substitute,
    Insert,
    Delete,
}

/// Edits against the best reference, and the mean length of the references in words.
pub fn row(hypothesis: &str, references: &[String]) -> [f64; 2] {
    let (hypothesis, references): (String, Vec<String>) = (
        hypothesis.to_lowercase(),
        references.iter().map(|r| r.to_lowercase()).collect(),
    );
    let test: Vec<&str> = hypothesis.split_whitespace().collect();
    let (mut fewest, mut length) = (usize::MAX, 0);
    for reference in &references {
        let reference: Vec<&str> = reference.split_whitespace().collect();
        length += reference.len();
        fewest = fewest.min(edits(&test, &reference));
    }
    [
        fewest as f64,
        length as f64 / references.len().max(1) as f64,
    ]
}

/// The rate of the sums of rows, in percent.
pub fn from_sums(sums: &[f64]) -> f64 {
    match (sums[0], sums[1]) {
        (edits, length) if length > 0.0 => 100.0 * edits / length,
        (edits, _) if edits > 0.0 => 100.0,
        _ => 0.0,
    }
}

fn edits(test: &[&str], reference: &[&str]) -> usize {
    if reference.is_empty() {
        return test.len();
    }
    let (mut words, mut shifts, mut tried) = (test.to_vec(), 0, 0);
    while let Some(better) = shift(&words, reference, &mut tried) {
        if tried >= MAX_CANDIDATES {
            break;
        }
        words = better;
        shifts += 1;
    }
    shifts + distance(&words, reference).0 as usize
}

/// Edits saved, length, and start and target counted downwards: Tercom's order of shifts.
type Rank = (i64, usize, isize, isize);

/// The shift that saves most edits, if any saves one.
fn shift<'a>(words: &[&'a str], reference: &[&'a str], tried: &mut usize) -> Option<Vec<&'a str>> {
    let (before, trace) = distance(words, reference);
    let alignment = Alignment::new(&trace);
    let mut best: Option<(Rank, Vec<&str>)> = None;
    for (at, to, length) in blocks(words, reference) {
        if !alignment.may_move(at, to, length) {
            continue;
        }
        let mut last = None;
        for target in alignment.targets(to, length) {
            if last.replace(target) == Some(target) {
                continue;
            }
            let shifted = moved(words, at, length, target);
            let saved = i64::from(before) - i64::from(distance(&shifted, reference).0);
            let rank = (saved, length, -(at as isize), -(target as isize));
            *tried += 1;
            let better = match &best {
                None => true,
                Some((most, text)) => rank > *most || (rank == *most && shifted > *text),
            };
            if better {
                best = Some((rank, shifted));
            }
        }
        if *tried >= MAX_CANDIDATES {
            break;
        }
    }
    best.filter(|((saved, ..), _)| *saved > 0)
        .map(|(_, text)| text)
}

/// Which word of the text stands for each word of the reference, and which words are wrong.
struct Alignment {
    of_reference: Vec<isize>,
    reference_wrong: Vec<bool>,
    test_wrong: Vec<bool>,
}

impl Alignment {
    /// From the edits that turn the text into the reference, read the other way round.
    fn new(trace: &[Edit]) -> Self {
        let mut out = Alignment {
            of_reference: Vec::new(),
            reference_wrong: Vec::new(),
            test_wrong: Vec::new(),
        };
        let mut at = -1;
        for edit in trace {
            let wrong = *edit != Edit::Keep;
            if *edit != Edit::Insert {
                at += 1;
                out.test_wrong.push(wrong);
            }
            if *edit != Edit::Delete {
                out.of_reference.push(at);
                out.reference_wrong.push(wrong);
            }
        }
        out
    }

    /// Both the block and the place it would go to must hold an error, and the place must lie outside.
    fn may_move(&self, at: usize, to: usize, length: usize) -> bool {
        let target = self.of_reference[to];
        let inside = target >= at as isize && target < (at + length) as isize;
        self.test_wrong[at..at + length].contains(&true)
            && self.reference_wrong[to..to + length].contains(&true)
            && !inside
    }

    /// Places in the text before which the block could go.
    fn targets(&self, to: usize, length: usize) -> impl Iterator<Item = usize> + '_ {
        (to..to + length + 1).map_while(move |after| match after.checked_sub(1) {
            None => Some(0),
            Some(word) => self.of_reference.get(word).map(|t| (t + 1) as usize),
        })
    }
}

/// Blocks that occur in both texts: start in the text, start in the reference, length.
fn blocks<'b>(
    words: &'b [&str],
    reference: &'b [&str],
) -> impl Iterator<Item = (usize, usize, usize)> + 'b {
    (0..words.len()).flat_map(move |at| {
        let from = at.saturating_sub(MAX_DISTANCE);
        let to = reference.len().min(at + MAX_DISTANCE + 1);
        (from..to.max(from)).flat_map(move |start| {
            let same = words[at..].iter().zip(&reference[start..]).take(MAX_BLOCK);
            let length = same.take_while(|(a, b)| a == b).count();
            (1..=length).map(move |n| (at, start, n))
        })
    })
}

/// The text with `length` words at `start` moved to before `target`.
fn moved<'a>(words: &[&'a str], start: usize, length: usize, target: usize) -> Vec<&'a str> {
    let end = start + length;
    let block = &words[start..end];
    let parts: [&[&str]; 4] = if target < start {
        [
            &words[..target],
            block,
            &words[target..start],
            &words[end..],
        ]
    } else if target > end {
        [
            &words[..start],
            &words[end..target],
            block,
            &words[target..],
        ]
    } else {
        let after = (length + target).min(words.len());
        [
            &words[..start],
            &words[end..after.max(end)],
            block,
            &words[after.max(end)..],
        ]
    };
    parts.concat()
}

/// A band of one row of the edit distance.
struct Band {
    from: usize,
    cells: Vec<(u32, Edit)>,
}

impl Band {
    fn cost(&self, j: usize) -> u32 {
        j.checked_sub(self.from)
            .and_then(|k| self.cells.get(k))
            .map_or(FAR, |c| c.0)
    }

    fn edit(&self, j: usize) -> Option<Edit> {
        j.checked_sub(self.from)
            .and_then(|k| self.cells.get(k))
            .map(|c| c.1)
    }
}

/// Edit distance within a band round the diagonal, and the edits that turn the text into the reference.
fn distance(test: &[&str], reference: &[&str]) -> (u32, Vec<Edit>) {
    let ratio = if test.is_empty() {
        1.0
    } else {
        reference.len() as f64 / test.len() as f64
    };
    let beam = if ratio / 2.0 > BEAM as f64 {
        (ratio / 2.0 + BEAM as f64).ceil() as usize
    } else {
        BEAM
    };
    let first = (0..=reference.len())
        .map(|j| (j as u32, Edit::Insert))
        .collect();
    let mut rows = vec![Band {
        from: 0,
        cells: first,
    }];
    for i in 1..=test.len() {
        let diagonal = (i as f64 * ratio).floor() as usize;
        let from = diagonal.saturating_sub(beam);
        let to = if i == test.len() {
            reference.len() + 1
        } else {
            (reference.len() + 1).min(diagonal + beam)
        };
        let above = &rows[i - 1];
        let mut band = Band {
            from,
            cells: Vec::with_capacity(to.saturating_sub(from)),
        };
        for j in from..to {
            let mut cell = (FAR, Edit::Delete);
            let mut offer = |cost: u32, edit| {
                if cost < cell.0 {
                    cell = (cost, edit);
                }
            };
            if j > 0 {
                let same = test[i - 1] == reference[j - 1];
                let edit = if same { Edit::Keep } else { Edit::Substitute };
                offer(above.cost(j - 1) + u32::from(!same), edit);
            }
            offer(above.cost(j) + 1, Edit::Delete);
            if j > 0 {
                offer(band.cost(j - 1) + 1, Edit::Insert);
            }
            band.cells.push(cell);
        }
        rows.push(band);
    }
    let (mut i, mut j, mut trace) = (test.len(), reference.len(), Vec::new());
    let total = rows[i].cost(j);
    while i > 0 || j > 0 {
        let edit = rows[i]
            .edit(j)
            .unwrap_or(if i > 0 { Edit::Delete } else { Edit::Insert });
        trace.push(edit);
        i -= usize::from(edit != Edit::Insert);
        j -= usize::from(edit != Edit::Delete);
    }
    trace.reverse();
    (total, trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(hypothesis: &str, reference: &str) -> f64 {
        from_sums(&row(hypothesis, &[reference.to_owned()]))
    }

    #[test]
    fn a_moved_block_is_one_edit() {
        assert_eq!(rate("a b c d e f", "a b c d e f"), 0.0);
        assert_eq!(rate("d e f a b c", "a b c d e f"), 100.0 / 6.0);
        assert_eq!(rate("a x c", "A b c"), 100.0 / 3.0);
    }

    #[test]
    fn empty_texts() {
        assert_eq!(rate("", "a b"), 100.0);
        assert_eq!(rate("a b", ""), 100.0);
        assert_eq!(rate("", ""), 0.0);
    }
}
