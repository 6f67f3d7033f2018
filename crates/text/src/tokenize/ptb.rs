//! x
/// x
pub fn caption_tokens(text: &str) -> Vec<String> { text.split(' ').map(|s| s.to_owned()).collect() }
