//! How cases are dealt out to clients: by patients, never by pictures.

use crate::error::{MethodError, Result};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma};
use std::collections::BTreeMap;

/// Draws before a deal that leaves a client with too few cases is given up: strong skews over few classes need many.
const TRIES: u64 = 10_000;

/// Cases of each client.
pub type Deal = Vec<Vec<usize>>;

/// Label skew: each class's patients are dealt out in shares drawn from Dirichlet(`alpha`, ..., `alpha`)
/// (Hsu et al. 2019). A small `alpha` gives clients with few classes. Drawn again until every client has
/// `least` cases.
///
/// # Errors
/// Settings out of range, or no such deal in ten thousand draws.
pub fn by_label(
    y: &[usize],
    patients: &[String],
    clients: usize,
    alpha: f64,
    least: usize,
    seed: u64,
) -> Result<Deal> {
    if !(alpha > 0.0 && alpha.is_finite()) {
        return Err(MethodError::Config(format!(
            "the concentration {alpha} of a Dirichlet distribution must be positive"
        )));
    }
    check(clients, y.len(), least)?;
    let people = people(y, patients);
    let classes = y.iter().max().map_or(0, |c| c + 1);
    again(least, |draw| {
        let mut rng = rng(seed, draw);
        let mut deal = vec![Vec::new(); clients];
        for class in 0..classes {
            let mut own: Vec<&(usize, Vec<usize>)> =
                people.iter().filter(|(c, _)| *c == class).collect();
            own.shuffle(&mut rng);
            let shares = dirichlet(&vec![alpha; clients], &mut rng);
            hand_out(&own, &shares, &mut deal);
        }
        deal
    })
}

/// Quantity skew: patients of all classes are dealt out in shares from Dirichlet(`alpha`, ..., `alpha`).
///
/// # Errors
/// As [`by_label`].
pub fn by_quantity(
    y: &[usize],
    patients: &[String],
    clients: usize,
    alpha: f64,
    least: usize,
    seed: u64,
) -> Result<Deal> {
    // All patients are of one class as far as the deal goes.
    let one = vec![0; y.len()];
    by_label(&one, patients, clients, alpha, least, seed)
}

/// Natural skew: the client of a patient is where most of the patient's cases belong; the lower number on a tie.
///
/// # Errors
/// A client with fewer than `least` cases.
pub fn by_nature(
    place: &[usize],
    patients: &[String],
    clients: usize,
    least: usize,
) -> Result<Deal> {
    check(clients, place.len(), least)?;
    let mut deal = vec![Vec::new(); clients];
    for (place, cases) in people(place, patients) {
        deal[place].extend(cases);
    }
    deal.iter_mut().for_each(|own| own.sort_unstable());
    enough(&deal, least).map(|()| deal)
}

fn check(clients: usize, cases: usize, least: usize) -> Result<()> {
    if clients < 2 || cases < clients * least.max(1) {
        return Err(MethodError::TooFew {
            what: format!("cases for {clients} clients"),
            found: cases,
            needed: clients.max(2) * least.max(1),
        });
    }
    Ok(())
}

fn enough(deal: &Deal, least: usize) -> Result<()> {
    match deal.iter().position(|own| own.len() < least) {
        None => Ok(()),
        Some(k) => Err(MethodError::TooFew {
            what: format!("client {k}"),
            found: deal[k].len(),
            needed: least,
        }),
    }
}

fn again(least: usize, mut draw: impl FnMut(u64) -> Deal) -> Result<Deal> {
    let mut last = Ok(());
    for k in 0..TRIES {
        let mut deal = draw(k);
        deal.iter_mut().for_each(|own| own.sort_unstable());
        last = enough(&deal, least);
        if last.is_ok() {
            return Ok(deal);
        }
    }
    last.map(|()| Vec::new())
}

fn rng(seed: u64, draw: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(draw);
    rng
}

/// Each patient's commonest label (the lower of equals) and cases, in order of the patients' names.
fn people(y: &[usize], patients: &[String]) -> Vec<(usize, Vec<usize>)> {
    let mut of: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, p) in patients.iter().enumerate() {
        of.entry(p).or_default().push(i);
    }
    of.into_values()
        .map(|cases| {
            let most = cases.iter().map(|&i| y[i]).max().unwrap_or(0);
            let count = |c: usize| cases.iter().filter(|&&i| y[i] == c).count();
            let label = (0..=most).rev().max_by_key(|&c| count(c)).unwrap_or(0);
            (label, cases)
        })
        .collect()
}

/// Shares that sum to 1: gamma variates over their sum.
fn dirichlet(alpha: &[f64], rng: &mut impl Rng) -> Vec<f64> {
    // Alphas were checked; the floor keeps the sum above zero when every variate underflows.
    let draws: Vec<f64> = alpha
        .iter()
        .map(|&a| {
            Gamma::new(a, 1.0)
                .map_or(1.0, |g| g.sample(rng))
                .max(1e-300)
        })
        .collect();
    let sum: f64 = draws.iter().sum();
    draws.iter().map(|d| d / sum).collect()
}

fn hand_out(own: &[&(usize, Vec<usize>)], shares: &[f64], deal: &mut Deal) {
    let mut upto = 0.0;
    let mut next = 0;
    for (k, share) in shares.iter().enumerate() {
        upto += share;
        let end = if k + 1 == shares.len() {
            own.len()
        } else {
            ((upto * own.len() as f64).round() as usize).min(own.len())
        };
        for (_, cases) in &own[next..end.max(next)] {
            deal[k].extend(cases);
        }
        next = end.max(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases() -> (Vec<usize>, Vec<String>) {
        let y = (0..300).map(|i| i / 2 % 3).collect();
        (y, (0..300).map(|i| format!("p{:03}", i / 2)).collect())
    }

    /// Mean over clients of the share of their commonest class.
    fn purity(deal: &Deal, y: &[usize]) -> f64 {
        let of = |own: &Vec<usize>| {
            let count = |c| own.iter().filter(|&&i| y[i] == c).count();
            (0..3).map(count).max().unwrap() as f64 / own.len() as f64
        };
        deal.iter().map(of).sum::<f64>() / deal.len() as f64
    }

    #[test]
    fn every_case_is_dealt_once_and_patients_stay_whole() {
        let (y, patients) = cases();
        for deal in [
            by_label(&y, &patients, 5, 0.1, 8, 3).unwrap(),
            by_quantity(&y, &patients, 5, 0.5, 8, 3).unwrap(),
            by_nature(&y, &patients, 3, 8).unwrap(),
        ] {
            let mut all = deal.concat();
            all.sort_unstable();
            assert_eq!(all, (0..300).collect::<Vec<_>>());
            for own in &deal {
                assert!(own.len() >= 8);
                assert!(own.chunks(2).all(|c| patients[c[0]] == patients[c[1]]));
            }
        }
    }

    #[test]
    fn a_small_alpha_gives_pure_clients_and_a_large_one_mixed() {
        let (y, patients) = cases();
        let of = |alpha| {
            let each =
                (0..8).map(|s| purity(&by_label(&y, &patients, 5, alpha, 5, s).unwrap(), &y));
            each.sum::<f64>() / 8.0
        };
        let (low, high) = (of(0.1), of(100.0));
        assert!(low > 0.75 && high < 0.45, "{low} {high}");
    }

    #[test]
    fn what_cannot_be_dealt_is_an_error() {
        let (y, patients) = cases();
        assert!(by_label(&y, &patients, 5, 0.0, 5, 1).is_err());
        assert!(by_label(&y, &patients, 5, 1e-3, 59, 1).is_err());
        assert!(by_label(&y, &patients, 1, 0.5, 5, 1).is_err());
        assert!(by_nature(&[0; 300], &patients, 2, 1).is_err());
    }
}
