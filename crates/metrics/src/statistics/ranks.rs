//! Ranks with ties shared.

/// Ranks from 1 on; equal values get the mean of their ranks.
pub fn midranks(values: &[f64]) -> Vec<f64> {
    let mut ranks = vec![0.0; values.len()];
    for group in tied_groups(values) {
        let mean = (group.first + group.first + group.members.len() + 1) as f64 / 2.0;
        group.members.iter().for_each(|&i| ranks[i] = mean);
    }
    ranks
}

/// Entries of equal value and how many entries lie below them.
pub(crate) struct TiedGroup {
    pub(crate) first: usize,
    pub(crate) members: Vec<usize>,
}

/// Groups of equal values in rising order.
pub(crate) fn tied_groups(values: &[f64]) -> Vec<TiedGroup> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut groups: Vec<TiedGroup> = Vec::new();
    for (rank, i) in order.into_iter().enumerate() {
        match groups.last_mut() {
            Some(group) if values[group.members[0]] == values[i] => group.members.push(i),
            _ => groups.push(TiedGroup {
                first: rank,
                members: vec![i],
            }),
        }
    }
    groups
}

/// Σ f(t) over the sizes t of the groups of equal values.
pub(crate) fn tie_sum(values: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    tied_groups(values)
        .iter()
        .map(|g| f(g.members.len() as f64))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_the_mean_rank() {
        assert_eq!(midranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        assert_eq!(tie_sum(&[3.0, 1.0, 3.0], |t| t * t * t - t), 6.0);
    }
}
