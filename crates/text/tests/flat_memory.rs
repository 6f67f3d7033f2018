//! Memory stays flat however long the input is: lines are made as they are read, and the peak after
//! many must be that after few. `HILUM_LINES` sets how many (default 60,000; one million is ten minutes
//! of a debug build).

#![cfg(target_os = "linux")]
// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use hilum_text::LabelOptions;
use hilum_text::facts::stream::{FactOptions, Format, facts_jsonl};
use hilum_text::stream::label_jsonl;
use std::io::{BufReader, Read};

/// Makes up lines until `left` of them are read.
struct Lines {
    number: u64,
    left: u64,
    buffer: Vec<u8>,
    at: usize,
}

impl Lines {
    fn new(first: u64, count: u64) -> BufReader<Self> {
        BufReader::new(Lines {
            number: first,
            left: count,
            buffer: Vec::new(),
            at: 0,
        })
    }
}

impl Read for Lines {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.buffer.len() {
            if self.left == 0 {
                return Ok(0);
            }
            let text = "Small left pleural effusion, unchanged. No pneumothorax. The heart is mildly enlarged.";
            self.buffer = format!(
                "{{\"id\":{},\"findings\":\"{text}\",\"impression\":\"\"}}\n",
                self.number
            )
            .into_bytes();
            self.number += 1;
            self.left -= 1;
            self.at = 0;
        }
        let take = out.len().min(self.buffer.len() - self.at);
        out[..take].copy_from_slice(&self.buffer[self.at..self.at + take]);
        self.at += take;
        Ok(take)
    }
}

/// Peak resident memory of this process in MB.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<f64>()
        .unwrap()
        / 1024.0
}

#[test]
fn ten_times_the_lines_take_no_more_memory() {
    let lines: u64 = std::env::var("HILUM_LINES").map_or(60_000, |n| n.parse().unwrap());
    let options = FactOptions {
        extract: Default::default(),
        format: Format::Facts,
        frames: None,
        reader: None,
    };
    let read = |first: u64, count: u64| {
        let labels = label_jsonl(
            Lines::new(first, count),
            std::io::sink(),
            &LabelOptions::default(),
            false,
        )
        .unwrap();
        let facts = facts_jsonl(Lines::new(first, count), std::io::sink(), &options).unwrap();
        assert_eq!((labels.done, facts.done), (count, count));
    };
    read(0, lines / 10);
    let few = peak_mb();
    read(0, lines);
    let many = peak_mb();
    println!(
        "peak after {} lines {few:.0} MB, after {lines} {many:.0} MB",
        lines / 10
    );
    // The ids kept for the duplicate check are eight bytes each, up to 2^20 of them, and twice that while growing.
    assert!(many < few + 48.0, "{few} MB grew to {many} MB");
}
