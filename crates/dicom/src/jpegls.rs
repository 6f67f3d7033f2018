//! JPEG-LS (ITU-T T.87), lossless and near-lossless, up to 16 bits, any interleave. The crates at hand decode only one
//! component or fail on the reference files, so this is our own, written from the standard.

/// A decoded stream, samples interleaved by pixel.
pub(crate) struct Decoded {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) components: usize,
    pub(crate) samples: Vec<i32>,
}

/// T.87 Table A.9's order of run lengths.
const J: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];

/// Decodes a stream whose frame size the caller has checked.
///
/// # Errors
/// In words: what is damaged or not supported.
pub(crate) fn decode(data: &[u8]) -> Result<Decoded, String> {
    if !data.starts_with(&[0xFF, 0xD8]) {
        return Err("no start of image".into());
    }
    let mut stream = Stream::default();
    let mut at = 2;
    loop {
        let (marker, segment, next) = segment(data, at)?;
        match marker {
            0xF7 => stream.read_frame(segment, data.len())?,
            0xF8 => stream.read_preset(segment)?,
            0xDA => at = stream.read_scan(segment, data, next)?,
            0xD9 => break,
            0xDD if segment.iter().any(|&b| b != 0) => {
                return Err("restart intervals are not supported".into());
            }
            0xE8 if segment.starts_with(b"mrfx") => {
                return Err("HP colour transforms are not supported".into());
            }
            0xC0..=0xCF if marker != 0xC4 && marker != 0xCC => {
                return Err("a JPEG stream, not JPEG-LS".into());
            }
            _ => {}
        }
        if marker != 0xDA {
            at = next;
        } else if stream.done == stream.components {
            break;
        }
    }
    stream.finish()
}

/// Marker, payload and position after the segment at `at`.
fn segment(data: &[u8], mut at: usize) -> Result<(u8, &[u8], usize), String> {
    while data.get(at) == Some(&0xFF) && data.get(at + 1) == Some(&0xFF) {
        at += 1;
    }
    let (Some(&0xFF), Some(&marker)) = (data.get(at), data.get(at + 1)) else {
        return Err("no marker where one is due".into());
    };
    if marker == 0xD9 {
        return Ok((marker, &[], at + 2));
    }
    let length = data.get(at + 2..at + 4).ok_or("a segment is cut")?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    let payload = data
        .get(at + 4..at + 2 + length.max(2))
        .ok_or("a segment is cut")?;
    Ok((marker, payload, at + 2 + length.max(2)))
}

#[derive(Default)]
struct Stream {
    width: usize,
    height: usize,
    precision: u32,
    components: usize,
    preset: [i32; 5],
    planes: Vec<Vec<i32>>,
    done: usize,
}

impl Stream {
    fn read_frame(&mut self, s: &[u8], bytes: usize) -> Result<(), String> {
        let head = s.get(..6).ok_or("the frame header is cut")?;
        self.precision = u32::from(head[0]);
        self.height = usize::from(u16::from_be_bytes([head[1], head[2]]));
        self.width = usize::from(u16::from_be_bytes([head[3], head[4]]));
        self.components = usize::from(head[5]);
        let subsampled = s[6..].chunks_exact(3).any(|c| c[1] != 0x11);
        if !(2..=16).contains(&self.precision)
            || !(1..=4).contains(&self.components)
            || self.width == 0
            || self.height == 0
            || subsampled
        {
            return Err("a frame header that is not supported".into());
        }
        // Every line of every component takes at least one bit.
        if self.height * self.components > 8 * bytes {
            return Err("the scan ends early".into());
        }
        self.planes = vec![vec![0; self.width * self.height]; self.components];
        self.done = 0;
        Ok(())
    }

    fn read_preset(&mut self, s: &[u8]) -> Result<(), String> {
        if s.first() != Some(&1) {
            return Err("only preset coding parameters of type 1 are supported".into());
        }
        let values = s.get(1..11).ok_or("the preset parameters are cut")?;
        for (target, b) in self.preset.iter_mut().zip(values.chunks_exact(2)) {
            *target = i32::from(u16::from_be_bytes([b[0], b[1]]));
        }
        Ok(())
    }

    /// Decodes the scan that starts at `from`; returns where it ends.
    fn read_scan(&mut self, s: &[u8], data: &[u8], from: usize) -> Result<usize, String> {
        let count = usize::from(*s.first().ok_or("the scan header is cut")?);
        let tail = s
            .get(1 + 2 * count..4 + 2 * count)
            .ok_or("the scan header is cut")?;
        let (near, interleave, point) = (i32::from(tail[0]), tail[1], tail[2]);
        if self.planes.is_empty() || count == 0 || self.done + count > self.components {
            return Err("a scan that does not fit the frame".into());
        }
        if point != 0
            || (count == 1 && interleave != 0 && self.components > 1)
            || (count > 1 && !(1..=2).contains(&interleave))
        {
            return Err("a scan of a kind that is not supported".into());
        }
        let coding = Coding::new(self.precision, near, self.preset)?;
        let mut scan = Scan::new(coding, Bits::new(&data[from..]), self.width, count);
        for y in 0..self.height {
            if interleave == 2 && count > 1 {
                scan.line_by_sample()?
            } else {
                scan.line_by_line()?
            }
            for (c, line) in scan.current.iter().enumerate() {
                let plane = &mut self.planes[self.done + c];
                plane[y * self.width..(y + 1) * self.width].copy_from_slice(&line[1..=self.width]);
            }
            scan.next_line();
        }
        self.done += count;
        let used = from + scan.bits.at.saturating_sub(8);
        let end = (used..data.len().saturating_sub(1))
            .find(|&i| data[i] == 0xFF && data[i + 1] >= 0x80 && data[i + 1] != 0xFF);
        Ok(end.unwrap_or(data.len()))
    }

    fn finish(self) -> Result<Decoded, String> {
        if self.done != self.components || self.planes.is_empty() {
            return Err("not all components are there".into());
        }
        let samples = match &self.planes[..] {
            [one] => one.clone(),
            planes => (0..planes[0].len())
                .flat_map(|i| planes.iter().map(move |p| p[i]))
                .collect(),
        };
        Ok(Decoded {
            width: self.width,
            height: self.height,
            components: self.components,
            samples,
        })
    }
}

/// Coding parameters (T.87 C.2.4.1.1 and A.2.1).
#[derive(Clone, Copy)]
struct Coding {
    max: i32,
    near: i32,
    t: [i32; 3],
    reset: i32,
    range: i32,
    qbpp: u32,
    limit: u32,
}

fn bits_for(values: i32) -> u32 {
    32 - (values - 1).leading_zeros()
}

impl Coding {
    fn new(precision: u32, near: i32, preset: [i32; 5]) -> Result<Self, String> {
        let max = if preset[0] > 0 {
            preset[0]
        } else {
            (1 << precision) - 1
        };
        if max >= 1 << precision || near > 255.min(max / 2) {
            return Err("parameters out of range".into());
        }
        let t = thresholds(max, near, [preset[1], preset[2], preset[3]])?;
        let range = (max + 2 * near) / (2 * near + 1) + 1;
        let bpp = bits_for(max + 1).max(2);
        let reset = if preset[4] > 0 { preset[4] } else { 64 };
        Ok(Coding {
            max,
            near,
            t,
            reset,
            range,
            qbpp: bits_for(range),
            limit: 2 * (bpp + bpp.max(8)),
        })
    }

    fn quantise(&self, d: i32) -> i32 {
        let [t1, t2, t3] = self.t;
        let level = |d: i32| {
            if d <= self.near {
                0
            } else if d < t1 {
                1
            } else if d < t2 {
                2
            } else if d < t3 {
                3
            } else {
                4
            }
        };
        if d < 0 { -level(-d) } else { level(d) }
    }

    /// Prediction plus dequantised error, brought back into the range of samples.
    fn reconstruct(&self, prediction: i32, error: i32) -> i32 {
        let step = 2 * self.near + 1;
        let mut value = prediction + error * step;
        if value < -self.near {
            value += self.range * step;
        } else if value > self.max + self.near {
            value -= self.range * step;
        }
        value.clamp(0, self.max)
    }
}

fn thresholds(max: i32, near: i32, preset: [i32; 3]) -> Result<[i32; 3], String> {
    let clamp = |v: i32, low: i32| if v > max || v < low { low } else { v };
    let base = if max >= 128 {
        let f = (max.min(4095) + 128) / 256;
        [
            f + 2 + 3 * near,
            4 * f + 3 + 5 * near,
            17 * f + 4 + 7 * near,
        ]
    } else {
        let f = 256 / (max + 1);
        [
            (3 / f + 3 * near).max(2),
            (7 / f + 5 * near).max(3),
            (21 / f + 7 * near).max(4),
        ]
    };
    let mut t = [0; 3];
    let mut low = near + 1;
    for i in 0..3 {
        t[i] = if preset[i] > 0 {
            preset[i]
        } else {
            clamp(base[i], low)
        };
        if t[i] < low || t[i] > max.max(low) {
            return Err("thresholds out of order".into());
        }
        low = t[i];
    }
    Ok(t)
}

#[derive(Clone, Copy)]
struct Context {
    a: i32,
    b: i32,
    c: i32,
    n: i32,
}

#[derive(Clone, Copy)]
struct RunContext {
    a: i32,
    n: i32,
    negative: i32,
}

struct Scan<'a> {
    coding: Coding,
    bits: Bits<'a>,
    width: usize,
    contexts: Vec<Context>,
    runs: [RunContext; 2],
    run_index: Vec<usize>,
    /// Lines with one sample of margin on both sides.
    previous: Vec<Vec<i32>>,
    current: Vec<Vec<i32>>,
}

impl<'a> Scan<'a> {
    fn new(coding: Coding, bits: Bits<'a>, width: usize, components: usize) -> Self {
        let a = ((coding.range + 32) / 64).max(2);
        Scan {
            coding,
            bits,
            width,
            contexts: vec![
                Context {
                    a,
                    b: 0,
                    c: 0,
                    n: 1
                };
                365
            ],
            runs: [RunContext {
                a,
                n: 1,
                negative: 0,
            }; 2],
            run_index: vec![0; components],
            previous: vec![vec![0; width + 2]; components],
            current: vec![vec![0; width + 2]; components],
        }
    }

    fn begin_line(&mut self) {
        for (previous, current) in self.previous.iter_mut().zip(&mut self.current) {
            current[0] = previous[1];
            previous[self.width + 1] = previous[self.width];
        }
    }

    fn next_line(&mut self) {
        std::mem::swap(&mut self.previous, &mut self.current);
    }

    /// Neighbours a (left), b (above), c (above left), d (above right) of column `x` (from 1).
    fn neighbours(&self, c: usize, x: usize) -> [i32; 4] {
        let (previous, current) = (&self.previous[c], &self.current[c]);
        [
            current[x - 1],
            previous[x],
            previous[x - 1],
            previous[x + 1],
        ]
    }

    fn gradient_context(&self, [a, b, c, d]: [i32; 4]) -> i32 {
        let q = |d| self.coding.quantise(d);
        (q(d - b) * 9 + q(b - c)) * 9 + q(c - a)
    }

    fn line_by_line(&mut self) -> Result<(), String> {
        self.begin_line();
        for c in 0..self.current.len() {
            let mut x = 1;
            while x <= self.width {
                let around = self.neighbours(c, x);
                let context = self.gradient_context(around);
                if context != 0 {
                    self.current[c][x] = self.regular(context, around)?;
                    x += 1;
                } else {
                    x = self.run(c..c + 1, x, c)?;
                }
            }
        }
        Ok(())
    }

    fn line_by_sample(&mut self) -> Result<(), String> {
        self.begin_line();
        let components = self.current.len();
        let mut x = 1;
        while x <= self.width {
            let around: Vec<[i32; 4]> = (0..components).map(|c| self.neighbours(c, x)).collect();
            let contexts: Vec<i32> = around.iter().map(|&n| self.gradient_context(n)).collect();
            if contexts.iter().all(|&q| q == 0) {
                x = self.run(0..components, x, 0)?;
                continue;
            }
            for c in 0..components {
                self.current[c][x] = self.regular(contexts[c], around[c])?;
            }
            x += 1;
        }
        Ok(())
    }

    /// Regular mode (A.4 to A.6).
    fn regular(&mut self, context: i32, [a, b, c, _]: [i32; 4]) -> Result<i32, String> {
        let (sign, q) = if context < 0 {
            (-1, -context)
        } else {
            (1, context)
        };
        let ctx = self.contexts[q as usize];
        let median = if c >= a.max(b) {
            a.min(b)
        } else if c <= a.min(b) {
            a.max(b)
        } else {
            a + b - c
        };
        let prediction = (median + sign * ctx.c).clamp(0, self.coding.max);
        let k = golomb_parameter(ctx.n, ctx.a)?;
        let mapped = self.bits.golomb(k, self.coding.limit, self.coding.qbpp)?;
        let error = if self.coding.near == 0 && k == 0 && 2 * ctx.b <= -ctx.n {
            if mapped & 1 == 1 {
                mapped >> 1
            } else {
                -(mapped >> 1) - 1
            }
        } else if mapped & 1 == 1 {
            -((mapped + 1) >> 1)
        } else {
            mapped >> 1
        };
        self.contexts[q as usize] = updated(ctx, error, &self.coding);
        Ok(self.coding.reconstruct(prediction, sign * error))
    }

    /// Run mode (A.7) for the components of `of`; returns the column after the run.
    fn run(
        &mut self,
        of: std::ops::Range<usize>,
        start: usize,
        index: usize,
    ) -> Result<usize, String> {
        let mut x = start;
        loop {
            let order = J[self.run_index[index]];
            let one = self.bits.take(1)? == 1;
            let length = if one {
                1 << order
            } else {
                self.bits.take(order)? as usize
            };
            let count = length.min(self.width + 1 - x);
            if !one && count < length {
                return Err("a run leaves the line".into());
            }
            for c in of.clone() {
                let value = self.current[c][start - 1];
                self.current[c][x..x + count].fill(value);
            }
            x += count;
            if !one {
                break;
            }
            if count == length && self.run_index[index] < 31 {
                self.run_index[index] += 1;
            }
            if x > self.width {
                return Ok(x);
            }
        }
        if x > self.width {
            return Err("a run ends past the line".into());
        }
        let together = of.len() > 1;
        for c in of {
            let [a, b, ..] = self.neighbours(c, x);
            self.current[c][x] = self.interruption(a, b, J[self.run_index[index]], together)?;
        }
        self.run_index[index] = self.run_index[index].saturating_sub(1);
        Ok(x + 1)
    }

    /// Run interruption sample (A.7.2). Sample interleave uses the first kind for all components.
    fn interruption(&mut self, a: i32, b: i32, order: u32, together: bool) -> Result<i32, String> {
        let kind = usize::from(!together && (a - b).abs() <= self.coding.near);
        let (prediction, sign) = if kind == 1 {
            (a, 1)
        } else {
            (b, if a > b { -1 } else { 1 })
        };
        let ctx = self.runs[kind];
        let k = golomb_parameter(ctx.n, ctx.a + if kind == 1 { ctx.n >> 1 } else { 0 })?;
        let mapped = self
            .bits
            .golomb(k, self.coding.limit - order - 1, self.coding.qbpp)?;
        let sum = mapped + kind as i32;
        let odd = sum & 1 == 1;
        let size = (sum + i32::from(odd)) / 2;
        let error = if (k != 0 || 2 * ctx.negative >= ctx.n) == odd {
            -size
        } else {
            size
        };
        let run = &mut self.runs[kind];
        run.negative += i32::from(error < 0);
        run.a += (mapped + 1 - kind as i32) >> 1;
        if run.n == self.coding.reset {
            run.a >>= 1;
            run.n >>= 1;
            run.negative >>= 1;
        }
        run.n += 1;
        Ok(self.coding.reconstruct(prediction, sign * error))
    }
}

fn golomb_parameter(n: i32, a: i32) -> Result<u32, String> {
    (0..24)
        .find(|&k| (i64::from(n) << k) >= i64::from(a))
        .ok_or_else(|| "a context overflows".to_owned())
}

/// Context update (A.6).
fn updated(ctx: Context, error: i32, coding: &Coding) -> Context {
    let Context {
        mut a,
        mut b,
        mut c,
        mut n,
    } = ctx;
    b += error * (2 * coding.near + 1);
    a += error.abs();
    if n == coding.reset {
        a >>= 1;
        b = if b >= 0 { b >> 1 } else { -((1 - b) >> 1) };
        n >>= 1;
    }
    n += 1;
    if b <= -n {
        b = (b + n).max(-n + 1);
        c = (c - 1).max(-128);
    } else if b > 0 {
        b = (b - n).min(0);
        c = (c + 1).min(127);
    }
    Context { a, b, c, n }
}

/// Bits, most significant first; a byte after 0xFF carries seven.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
    after_ff: bool,
}

impl<'a> Bits<'a> {
    fn new(data: &'a [u8]) -> Self {
        Bits {
            data,
            at: 0,
            held: 0,
            count: 0,
            after_ff: false,
        }
    }

    fn fill(&mut self) {
        while self.count <= 48 {
            let Some(&byte) = self.data.get(self.at) else {
                return;
            };
            if self.after_ff && byte >= 0x80 {
                return;
            }
            let bits = if self.after_ff { 7 } else { 8 };
            self.held = self.held << bits | u64::from(byte);
            self.count += bits;
            self.after_ff = byte == 0xFF;
            self.at += 1;
        }
    }

    fn take(&mut self, bits: u32) -> Result<u32, String> {
        if bits == 0 {
            return Ok(0);
        }
        if self.count < bits {
            self.fill();
            if self.count < bits {
                return Err("the scan ends early".into());
            }
        }
        self.count -= bits;
        Ok((self.held >> self.count) as u32 & ((1u64 << bits) - 1) as u32)
    }

    fn golomb(&mut self, k: u32, limit: u32, qbpp: u32) -> Result<i32, String> {
        let escape = limit
            .checked_sub(qbpp + 1)
            .ok_or("a code limit that is too small")?;
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > escape {
                return Err("a code is too long".into());
            }
        }
        let value = if zeros < escape {
            (zeros << k) + self.take(k)?
        } else {
            self.take(qbpp)? + 1
        };
        Ok(value as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T.87 Annex H.3: 4x4, 8 bits, lossless.
    #[test]
    fn the_example_of_the_standard() {
        let stream = [
            0xFF, 0xD8, 0xFF, 0xF7, 0x00, 0x0B, 0x08, 0x00, 0x04, 0x00, 0x04, 0x01, 0x01, 0x11,
            0x00, 0xFF, 0xDA, 0x00, 0x08, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0xC0, 0x00, 0x00,
            0x6C, 0x80, 0x20, 0x8E, 0x01, 0xC0, 0x00, 0x00, 0x57, 0x40, 0x00, 0x00, 0x6E, 0xE6,
            0x00, 0x00, 0x01, 0xBC, 0x18, 0x00, 0x00, 0x05, 0xD8, 0x00, 0x00, 0x91, 0x60, 0xFF,
            0xD9,
        ];
        let image = decode(&stream).unwrap();
        assert_eq!((image.width, image.height, image.components), (4, 4, 1));
        assert_eq!(
            image.samples,
            [
                0, 0, 90, 74, 68, 50, 43, 205, 64, 145, 145, 145, 100, 145, 145, 145
            ]
        );
    }

    #[test]
    fn cut_streams_are_errors() {
        assert!(decode(&[0xFF, 0xD8]).is_err());
        assert!(
            decode(&[
                0xFF, 0xD8, 0xFF, 0xF7, 0, 11, 8, 0, 4, 0, 4, 1, 1, 0x11, 0, 0xFF, 0xDA, 0, 8, 1,
                1, 0, 0, 0, 0
            ])
            .is_err()
        );
    }
}
