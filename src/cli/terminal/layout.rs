//! Breaks long lines between words: a terminal alone would break them within a word.

use unicode_width::UnicodeWidthStr;

use crate::style::plain;

/// The least width at which lines are broken. A narrower terminal leaves no room for an indentation.
const NARROWEST: usize = 20;

/// Returns the text with lines of at most this many cells. Breaks a line at its spaces, but not within a command in backticks, if the
/// command fits on a line. The rest of a line is indented: under its last column, if the line is the row of a table. A word that is
/// longer than a line stays whole; a word that is too long for its column, such as a URL, begins a line at the left instead.
#[must_use]
pub fn wrapped(text: &str, columns: usize) -> String {
    if columns < NARROWEST {
        return text.to_owned();
    }
    text.split_inclusive('\n').map(|line| broken(line, columns)).collect()
}

fn broken(line: &str, columns: usize) -> String {
    let (body, end) = line.strip_suffix('\n').map_or((line, ""), |body| (body, "\n"));
    if cells(body.trim_end()) <= columns {
        return line.to_owned();
    }
    let (hang, left) = (hang(body, columns), own(&plain(body)).max(2));
    let mut text = String::new();
    let mut room = columns;
    for (gap, word) in words(body, columns - hang) {
        let (wide, first) = (cells(word), text.is_empty());
        if !first && gap.len() + wide > room {
            let indent = if wide > columns - hang { left.min(hang) } else { hang };
            text.push('\n');
            text += &" ".repeat(indent);
            room = columns - indent;
        } else {
            text += gap;
            room = room.saturating_sub(gap.len());
        }
        text += word;
        room = room.saturating_sub(wide);
    }
    // A question ends with the space before the answer.
    text + &body[body.trim_end().len()..] + end
}

/// Returns the number of cells, without the styles.
fn cells(text: &str) -> usize {
    plain(text).width()
}

/// Returns the indentation of the lines after the first one: the beginning of the last column that leaves half of the width, or
/// else two cells more than the line's own.
fn hang(body: &str, columns: usize) -> usize {
    let shown = plain(body);
    let own = own(&shown);
    let mut found = own + 2;
    for (at, _) in shown.match_indices("  ") {
        let next = &shown[at..];
        let start = at + next.len() - next.trim_start().len();
        let column = shown[..start].width();
        if at > own && column <= columns / 2 {
            found = found.max(column);
        }
    }
    found.min(columns / 2)
}

/// Returns the indentation of a line.
fn own(shown: &str) -> usize {
    shown.len() - shown.trim_start().len()
}

/// Returns the words, each with the spaces before it. A command in backticks is a word if it is at most this wide.
fn words(body: &str, widest: usize) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = body.trim_end();
    while !rest.is_empty() {
        let word = rest.trim_start_matches(' ');
        let gap = &rest[..rest.len() - word.len()];
        let mut end = word.find(' ').unwrap_or(word.len());
        if word[..end].matches('`').count() % 2 == 1
            && let Some(close) = word[end..].find('`').map(|close| end + close + 1)
        {
            let whole = close + word[close..].find(' ').unwrap_or(word.len() - close);
            if cells(&word[..whole]) <= widest {
                end = whole;
            }
        }
        found.push((gap, &word[..end]));
        rest = &word[end..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::Style;

    #[test]
    fn lines_are_broken_between_words_and_indented() {
        for (text, columns, told) in [
            ("short\n", 20, "short\n"),
            ("  hint: give the region and the profile\n", 24, "  hint: give the region\n    and the profile\n"),
            ("error: one two three four five\n\nlast", 20, "error: one two three\n  four five\n\nlast"),
            ("Make 9 changes to the stack batch? [y/N] ", 30, "Make 9 changes to the stack\n  batch? [y/N] "),
            ("+ rule/a  taskbell is a name of the rule\n", 30, "+ rule/a  taskbell is a name\n          of the rule\n"),
            ("now run `taskbell drift --all` to see it\n", 26, "now run\n  `taskbell drift --all`\n  to see it\n"),
            (
                "see arn:aws:lambda:us-east-1:123456789012:function:x now\n",
                20,
                "see\n  arn:aws:lambda:us-east-1:123456789012:function:x\n  now\n",
            ),
            ("  rules     https://us-east-1.console/rules\n", 40, "  rules\n  https://us-east-1.console/rules\n"),
            ("  rules     https://us-east-1.console/rules\n", 43, "  rules     https://us-east-1.console/rules\n"),
            (
                "  log  https://us-east-1.console/longer-than-a-line\n",
                30,
                "  log\n  https://us-east-1.console/longer-than-a-line\n",
            ),
            (
                "a line that a terminal of ten cells leaves alone\n",
                10,
                "a line that a terminal of ten cells leaves alone\n",
            ),
        ] {
            assert_eq!(wrapped(text, columns), told, "{text:?} in {columns}");
        }
    }

    #[test]
    fn styles_take_no_cells() {
        let (red, end) = (Style::RED, format!("{:#}", Style::RED));
        let text = format!("{red}error:{end} one two three\n");
        assert_eq!(wrapped(&text, 20), text);
        assert_eq!(
            plain(&wrapped(&text.repeat(2).replacen('\n', " ", 1), 20)),
            "error: one two three\n  error: one two\n  three\n"
        );
    }

    #[test]
    fn no_word_is_lost() {
        let text = "~ function/notifier  /timeout  3 -> 30  changed outside taskbell; `taskbell setup` repairs it メモリ不足\n";
        for columns in 20..120 {
            let told = wrapped(text, columns);
            assert_eq!(
                told.split_whitespace().collect::<Vec<_>>(),
                text.split_whitespace().collect::<Vec<_>>(),
                "{columns}"
            );
            assert!(
                told.lines().all(|line| line.width() <= columns || !line.trim().contains(' ')),
                "{columns}: {told}"
            );
        }
    }
}
