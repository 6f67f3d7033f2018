//! Counted n-grams over interned words.

use rustc_hash::FxHashMap;

/// Highest order.
pub const ORDERS: usize = 4;

/// Up to four word ids, unused places `u32::MAX`.
pub type Gram = [u32; ORDERS];

/// Words to ids, in order of first sight.
#[derive(Debug, Default)]
pub struct Words<'a> {
    ids: FxHashMap<&'a str, u32>,
}

impl<'a> Words<'a> {
    /// Ids of the words of a text; any white space separates.
    pub fn ids(&mut self, text: &'a str) -> Vec<u32> {
        text.split_whitespace()
            .map(|word| {
                let next = self.ids.len() as u32;
                *self.ids.entry(word).or_insert(next)
            })
            .collect()
    }
}

/// N-grams of one order with their counts, sorted.
pub fn counts(ids: &[u32], order: usize) -> Vec<(Gram, u32)> {
    let mut grams: Vec<Gram> = ids
        .windows(order)
        .map(|window| {
            let mut gram = [u32::MAX; ORDERS];
            gram[..order].copy_from_slice(window);
            gram
        })
        .collect();
    grams.sort_unstable();
    let mut counted: Vec<(Gram, u32)> = Vec::with_capacity(grams.len());
    for gram in grams {
        match counted.last_mut() {
            Some((last, count)) if *last == gram => *count += 1,
            _ => counted.push((gram, 1)),
        }
    }
    counted
}

/// Count of a gram in a sorted list.
pub fn count_of(counted: &[(Gram, u32)], gram: &Gram) -> u32 {
    counted
        .binary_search_by(|(g, _)| g.cmp(gram))
        .map_or(0, |i| counted[i].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grams_are_counted() {
        let mut words = Words::default();
        let ids = words.ids("a b a b  c");
        let two = counts(&ids, 2);
        assert_eq!(two.iter().map(|(_, c)| c).sum::<u32>(), 4);
        assert_eq!(count_of(&two, &[0, 1, u32::MAX, u32::MAX]), 2);
        assert!(counts(&ids[..1], 2).is_empty());
    }
}
