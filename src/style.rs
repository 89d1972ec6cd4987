//! Styles the text that taskbell prints, and filters everything that `Output` prints: no character of a foreign text controls a
//! terminal or a log viewer.
//!
//! Two libraries write to the terminal themselves, because they move the cursor or switch the echo off: `indicatif` draws the lines of
//! progress, whose texts pass through [`crate::input::printable`] first, and `rpassword` asks for a secret, in taskbell's own words.
//!
//! Names, reasons, log lines and errors come from outside, and all code that renders them would have to remember to make them safe.
//! A forgotten place must not matter, so the filter is where the text leaves taskbell ([`Filter`]), and not where a text enters. A
//! filter at the end sees one text, in which it has to distinguish taskbell's own escape sequences from foreign ones. Therefore
//! taskbell's own styles are no escape sequences until then: a [`Style`] writes a mark instead of the character ESC, and the mark
//! contains a number that is different in each process, so that no foreign text can contain it. The filter replaces every control
//! character and every hidden character ([`crate::input::printable_char`]), and then the marks become ESC.
//!
//! The end cannot know whose line break a line break is. So the renderers put foreign texts onto one line
//! ([`crate::input::printable`]), and the filter only guarantees that no line is a command of a CI system: `::error::` at the
//! beginning of a line and `##[error]` anywhere are commands of GitHub's runner, and `##vso[…]` is one of Azure's. The filter puts a
//! space into each of them, except for taskbell's own annotations, which bear the mark as well.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

use crate::input::printable_char;

/// The mark of this process, which stands for ESC, or for the permission to begin a line with `::`. Noncharacters: Unicode
/// guarantees that no text needs them.
static MARK: LazyLock<String> = LazyLock::new(|| {
    let number = RandomState::new().build_hasher().finish();
    let digit = |at: u32| char::from_u32(0xfdd0 + u32::try_from((number >> (4 * at)) & 0xf).unwrap_or_default());
    std::iter::once('\u{fdef}').chain((0..16).filter_map(digit)).collect()
});

/// A style of taskbell's own text. `{style}` begins it, and `{style:#}` ends it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style(anstyle::Style);

impl Style {
    pub const PLAIN: Self = Self(anstyle::Style::new());
    pub const BOLD: Self = Self(anstyle::Style::new().bold());
    pub const DIM: Self = Self(anstyle::Style::new().dimmed());
    pub const RED: Self = Self(anstyle::AnsiColor::Red.on_default());
    pub const GREEN: Self = Self(anstyle::AnsiColor::Green.on_default());
    pub const YELLOW: Self = Self(anstyle::AnsiColor::Yellow.on_default());
    pub const CYAN: Self = Self(anstyle::AnsiColor::Cyan.on_default());

    /// Returns a style with this colour of the text.
    #[must_use]
    pub fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self(anstyle::Style::new().fg_color(Some(anstyle::RgbColor(red, green, blue).into())))
    }

    #[must_use]
    pub const fn bold(self) -> Self {
        Self(self.0.bold())
    }

    #[must_use]
    pub const fn italic(self) -> Self {
        Self(self.0.italic())
    }

    #[must_use]
    pub const fn underline(self) -> Self {
        Self(self.0.underline())
    }
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sequences = if f.alternate() { format!("{:#}", self.0) } else { self.0.to_string() };
        f.write_str(&marked(&sequences))
    }
}

/// Returns text with escape sequences of a library that styles taskbell's own text, such as clap, as text with marks. The text must
/// contain no foreign escape sequence.
#[must_use]
pub fn marked(text: &str) -> String {
    text.replace('\u{1b}', &MARK)
}

/// Returns the text without styles: as it is printed where nothing is coloured.
#[must_use]
pub fn plain(text: &str) -> String {
    anstream::adapter::strip_str(&text.replace(MARK.as_str(), "\u{1b}")).to_string()
}

/// Returns the beginning of a command of a workflow, which must begin a line.
#[must_use]
pub fn workflow_command() -> String {
    format!("{}::", *MARK)
}

/// A filter of everything that `Output` prints to a stream. Remembers the end of the last text: a line may be printed in pieces.
#[derive(Debug)]
pub struct Filter {
    /// Whether the line consists of spaces so far.
    is_blank: bool,
    /// Whether the line consists of spaces and a colon so far.
    is_colon: bool,
    /// The number of `#` at the end of the line so far.
    hashes: usize,
    /// The last character, for the selectors of variants.
    last: char,
}

impl Default for Filter {
    fn default() -> Self {
        Self { is_blank: true, is_colon: false, hashes: 0, last: '\n' }
    }
}

impl Filter {
    /// Returns the text as it may be printed.
    pub fn passed(&mut self, text: &str) -> String {
        let mut passed = String::with_capacity(text.len());
        for (at, piece) in text.split(MARK.as_str()).enumerate() {
            let foreign = match (at, piece.strip_prefix("::")) {
                (0, _) => piece,
                (_, Some(command)) => {
                    passed += "::";
                    (self.is_blank, self.last) = (false, ':');
                    command
                }
                (_, None) => {
                    // A sequence of taskbell's own styles ends with an `m`.
                    let (sequence, rest) = piece.split_at(piece.find('m').map_or(0, |end| end + 1));
                    passed += "\u{1b}";
                    passed += sequence;
                    rest
                }
            };
            foreign.chars().for_each(|char| self.pass(char, &mut passed));
        }
        passed
    }

    fn pass(&mut self, char: char, passed: &mut String) {
        let char = if matches!(char, '\n' | '\t') { char } else { printable_char(char, self.last) };
        let is_command = match char {
            ':' => self.is_colon,
            '[' => self.hashes >= 2,
            char => self.hashes >= 2 && char.is_ascii_alphabetic(),
        };
        if is_command {
            passed.push(' ');
        }
        passed.push(char);
        (self.is_colon, self.hashes) = (self.is_blank && char == ':', if char == '#' { self.hashes + 1 } else { 0 });
        self.is_blank = char == '\n' || (self.is_blank && char.is_whitespace());
        self.last = char;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(text: &str) -> String {
        Filter::default().passed(text)
    }

    #[test]
    fn only_taskbells_own_styles_reach_the_terminal() {
        let (red, end) = (Style::RED, format!("{:#}", Style::RED));
        let text = format!("{red}own{end} \u{1b}[32mforeign\u{1b}[0m \u{fdef}[31m {}", Style::BOLD.bold());
        assert_eq!(passed(&text), "\u{1b}[31mown\u{1b}[0m \u{fffd}[32mforeign\u{fffd}[0m \u{fffd}[31m \u{1b}[1m");
        assert_eq!(plain(&format!("{red}own{end}")), "own");
    }

    #[test]
    fn no_line_becomes_a_command_of_a_workflow() {
        for (text, shown) in [
            ("::error::x", ": :error::x"),
            ("a\n \t::error::x\n::b", "a\n \t: :error::x\n: :b"),
            ("a::error::x", "a::error::x"),
            ("a ##[error]x", "a ## [error]x"),
            ("##vso[task.setvariable]", "## vso[task.setvariable]"),
            ("### A title, ## and #1", "### A title, ## and #1"),
        ] {
            assert_eq!(passed(text), shown);
        }
        assert_eq!(passed(&format!("{}error::x\n", workflow_command())), "::error::x\n");
        let mut filter = Filter::default();
        let pieces = ["a\n", " :", ":x"].map(|piece| filter.passed(piece)).concat();
        assert_eq!(pieces, "a\n : :x");
        // A style, which is removed for a pipe, is not the beginning of a line.
        let styled = format!("{}::x", Style::RED);
        assert_eq!(passed(&styled), "\u{1b}[31m: :x");
    }
}
