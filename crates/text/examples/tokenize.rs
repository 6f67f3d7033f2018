//! Tokenises standard input line by line with the PTB tokenizer, as pycocoevalcap's jar does:
//! `cargo run -p hilum-text --example tokenize < lines.txt`. With `--all`, punctuation stays.

use hilum_text::tokenize::ptb;
use std::io::{BufRead, Write};

fn main() -> std::io::Result<()> {
    let all = std::env::args().any(|a| a == "--all");
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let tokens = if all {
            ptb::tokens(&line)
        } else {
            ptb::caption_tokens(&line)
        };
        writeln!(out, "{}", tokens.join(" "))?;
    }
    out.flush()
}
