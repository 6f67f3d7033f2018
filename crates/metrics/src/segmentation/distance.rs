//! Exact Euclidean distance to the nearest marked element, any spacing (Felzenszwalb and Huttenlocher 2012).

use super::mask::strides;

/// Distance of every element to the nearest `true` element of `marked`, in units of `spacing`; infinite
/// everywhere when nothing is marked. Shapes as in [`super::Mask`].
pub fn distance_to(marked: &[bool], shape: &[usize], spacing: &[f64]) -> Vec<f64> {
    let mut squared: Vec<f64> = marked
        .iter()
        .map(|m| if *m { 0.0 } else { f64::INFINITY })
        .collect();
    for ((length, stride), step) in shape.iter().zip(strides(shape)).zip(spacing) {
        along_axis(&mut squared, *length, stride, *step);
    }
    squared.iter_mut().for_each(|v| *v = v.sqrt());
    squared
}

fn along_axis(field: &mut [f64], length: usize, stride: usize, step: f64) {
    let mut line = vec![0.0; length];
    let mut hull = Hull::with_capacity(length);
    let starts = (0..field.len()).filter(|at| (at / stride).is_multiple_of(length));
    for start in starts {
        for (i, v) in line.iter_mut().enumerate() {
            *v = field[start + i * stride];
        }
        hull.build(&line, step);
        hull.for_each(length, step, |i, value| field[start + i * stride] = value);
    }
}

/// Lower envelope of the parabolas (x − x_i)² + f_i.
struct Hull {
    /// Place and value of each parabola of the envelope.
    parabolas: Vec<(f64, f64)>,
    /// Where each of them takes over.
    from: Vec<f64>,
}

impl Hull {
    fn with_capacity(n: usize) -> Self {
        Hull {
            parabolas: Vec::with_capacity(n),
            from: Vec::with_capacity(n),
        }
    }

    fn build(&mut self, line: &[f64], step: f64) {
        self.parabolas.clear();
        self.from.clear();
        for (i, &f) in line.iter().enumerate().filter(|(_, f)| f.is_finite()) {
            let x = i as f64 * step;
            let mut start = f64::NEG_INFINITY;
            while let (Some(&(px, pf)), Some(&pfrom)) = (self.parabolas.last(), self.from.last()) {
                start = ((f + x * x) - (pf + px * px)) / (2.0 * (x - px));
                if start > pfrom {
                    break;
                }
                self.parabolas.pop();
                self.from.pop();
                start = f64::NEG_INFINITY;
            }
            self.parabolas.push((x, f));
            self.from.push(start);
        }
    }

    fn for_each(&self, length: usize, step: f64, mut set: impl FnMut(usize, f64)) {
        let mut k = 0;
        for i in 0..length {
            let x = i as f64 * step;
            while k + 1 < self.from.len() && self.from[k + 1] <= x {
                k += 1;
            }
            if let Some((px, f)) = self.parabolas.get(k) {
                set(i, (x - px) * (x - px) + f);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brute_force(marked: &[bool], shape: &[usize], spacing: &[f64]) -> Vec<f64> {
        let strides = strides(shape);
        let place = |at: usize| -> Vec<f64> {
            (0..shape.len())
                .map(|a| (at / strides[a] % shape[a]) as f64 * spacing[a])
                .collect()
        };
        let gap = |a: usize, b: usize| -> f64 {
            place(a)
                .iter()
                .zip(place(b))
                .map(|(x, y)| (x - y) * (x - y))
                .sum::<f64>()
                .sqrt()
        };
        let all = |at| {
            (0..marked.len())
                .filter(|&m| marked[m])
                .map(|m| gap(at, m))
                .fold(f64::INFINITY, f64::min)
        };
        (0..marked.len()).map(all).collect()
    }

    #[test]
    fn equals_the_definition() {
        for (shape, spacing) in [
            (vec![7, 9], vec![0.7, 1.4]),
            (vec![3, 5, 4], vec![2.5, 0.8, 1.0]),
        ] {
            let n: usize = shape.iter().product();
            for seed in 1..6_usize {
                let marked: Vec<bool> = (0..n).map(|i| (i * 31 + seed * 17) % 13 == 0).collect();
                let fast = distance_to(&marked, &shape, &spacing);
                let slow = brute_force(&marked, &shape, &spacing);
                assert!(fast.iter().zip(&slow).all(|(a, b)| (a - b).abs() < 1e-9));
            }
        }
    }

    #[test]
    fn nothing_marked_is_infinitely_far() {
        assert!(
            distance_to(&[false; 6], &[2, 3], &[1.0, 1.0])
                .iter()
                .all(|d| d.is_infinite())
        );
    }
}
