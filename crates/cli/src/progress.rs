//! Progress on stderr, and only where a person looks at it.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// A bar over `total` things; hidden when stderr is no terminal or `shown` is false.
pub fn bar(total: usize, what: &str, shown: bool) -> ProgressBar {
    if !shown || total < 2 || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total as u64).with_message(what.to_owned());
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Columns of the terminal on stdout, 100 where there is none.
pub fn columns() -> u16 {
    terminal_size::terminal_size().map_or(100, |(width, _)| width.0.clamp(40, 160))
}

/// Whether colour is welcome on stdout (`NO_COLOR` says no).
pub fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
