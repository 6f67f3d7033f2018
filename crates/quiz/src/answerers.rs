//! Scripted answerers that a harness is checked with.

use crate::answer::{Answer, Letters, Numbers};
use crate::question::{Key, Select};
use crate::random::Choices;

/// Knows the key.
pub fn oracle(key: &[Key]) -> Vec<Answer> {
    let one = |k: &Key| {
        let letters = k.accepts.first().cloned().unwrap_or_default();
        answer(k, &letters, |r| 0.5 * (r[0] + r[1]))
    };
    key.iter().map(one).collect()
}

/// Chooses any letter, or any letters where all that apply are asked for; numbers between 0 and twice the largest that would be right.
pub fn guesser(key: &[Key], seed: u64) -> Vec<Answer> {
    let one = |k: &Key| {
        let mut choices = Choices::new(seed, &format!("guess {}", k.id));
        let n = k.letters.len();
        let letters: Vec<char> = match k.select {
            Select::One => k
                .letters
                .get(choices.below(n))
                .copied()
                .into_iter()
                .collect(),
            Select::All => some(&k.letters, &mut choices),
        };
        answer(k, &letters, |r| 2.0 * r[1] * choices.unit())
    };
    key.iter().map(one).collect()
}

/// Any letters that are not none, all such sets alike.
fn some(letters: &[char], choices: &mut Choices) -> Vec<char> {
    loop {
        let mut set = letters.to_vec();
        set.retain(|_| choices.below(2) == 1);
        if !set.is_empty() || letters.is_empty() {
            return set;
        }
    }
}

fn answer(key: &Key, letters: &[char], value: impl FnMut(&[f64; 2]) -> f64) -> Answer {
    let mut names: Vec<String> = letters.iter().map(char::to_string).collect();
    let choice = if key.select == Select::One && names.len() == 1 {
        Letters::One(names.remove(0))
    } else {
        Letters::Many(names)
    };
    let values: Vec<f64> = key.ranges.iter().map(value).collect();
    let value = match values.as_slice() {
        [] => None,
        [one] => Some(Numbers::One(*one)),
        many => Some(Numbers::Many(many.to_vec())),
    };
    Answer {
        id: key.id.clone(),
        choice,
        value,
    }
}
