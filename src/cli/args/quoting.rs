//! Reads and writes the word at the cursor as a user types it in a shell: a shell runs what an unquoted name of a file contains.

use super::shell::Shell;
use crate::input::printable;

/// The manner in which the user types the word at the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoting {
    shell: Shell,
    /// The quote that is open at bash's cursor. Bash passes the word without this quote.
    open: Option<char>,
}

impl Quoting {
    /// Returns the quoting at the end of the line, which bash's script passes, and no other one.
    pub fn at_end(line: &str, shell: Shell) -> Self {
        let open = if shell == Shell::Bash { unquoted(line, None).1 } else { None };
        Self { shell, open }
    }

    /// Returns the path that the begun word means. Returns none if that path begins with a tilde that the shell keeps as it is: the
    /// completer would look for it at home.
    pub fn meaning(self, begun: &str) -> Option<String> {
        if self.shell != Shell::Bash {
            return Some(begun.to_owned());
        }
        let (meaning, _) = unquoted(begun, self.open);
        (!meaning.starts_with("~/") || self.keeps_home(begun)).then_some(meaning)
    }

    /// Returns the path as the user would type it behind the begun word, so that the shell runs nothing of it. Shells other than bash
    /// and PowerShell quote the words themselves. Returns none for a path with control characters or hidden ones, which the shell
    /// would show.
    pub fn typed(self, path: &str, begun: &str) -> Option<String> {
        if printable(path) != path {
            return None;
        }
        let (home, rest) = match path.strip_prefix("~/") {
            Some(rest) if self.keeps_home(begun) => ("~/", rest),
            _ => ("", path),
        };
        let quoted = match (self.shell, self.open) {
            (Shell::Elvish | Shell::Fish | Shell::Zsh, _) => rest.to_owned(),
            (Shell::Bash, Some('\'')) => rest.replace('\'', r"'\''"),
            (Shell::Bash, Some(_)) => rest.chars().map(in_double_quotes).collect(),
            (Shell::Bash | Shell::Powershell, _) if rest.chars().all(is_plain) => rest.to_owned(),
            (Shell::Bash, None) => {
                rest.chars().flat_map(|c| (!is_plain(c)).then_some('\\').into_iter().chain([c])).collect()
            }
            (Shell::Powershell, _) => format!("'{}'", rest.replace('\'', "''")),
        };
        Some(format!("{home}{quoted}"))
    }

    /// Checks whether the shell replaces the tilde at the beginning of the word by the user's home.
    fn keeps_home(self, begun: &str) -> bool {
        self.open.is_none() && begun.starts_with("~/")
    }
}

/// Checks whether a character has no meaning of its own in bash and PowerShell.
fn is_plain(char: char) -> bool {
    char.is_alphanumeric() || "_-./:@%+,=".contains(char)
}

/// Writes a character for bash between double quotes. Bash replaces `!` there, and a backslash in front of it would stay.
fn in_double_quotes(char: char) -> String {
    match char {
        '$' | '`' | '"' | '\\' => format!("\\{char}"),
        '!' => r#""\!""#.to_owned(),
        other => other.to_string(),
    }
}

/// Returns the text that bash reads from a line, and the quote that is open at the end of the line. `open` is the quote that is open
/// before it.
fn unquoted(line: &str, mut open: Option<char>) -> (String, Option<char>) {
    let (mut text, mut chars) = (String::with_capacity(line.len()), line.chars().peekable());
    while let Some(char) = chars.next() {
        match (open, char) {
            (None, '"' | '\'') => open = Some(char),
            (Some(quote), char) if char == quote => open = None,
            (None, '\\') => text.extend(chars.next()),
            (Some('"'), '\\') => text.push(chars.next_if(|next| "$`\"\\".contains(*next)).unwrap_or(char)),
            (_, char) => text.push(char),
        }
    }
    (text, open)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn path_is_quoted_for_the_shell() {
        let at = |shell| Quoting::at_end("taskbell --config it", shell);
        let path = "it's $(id).json";
        assert_eq!(at(Shell::Bash).typed(path, "it").unwrap(), r"it\'s\ \$\(id\).json");
        assert_eq!(at(Shell::Powershell).typed(path, "it").unwrap(), "'it''s $(id).json'");
        assert_eq!(at(Shell::Zsh).typed(path, "it").unwrap(), path);
        for shell in [Shell::Bash, Shell::Powershell, Shell::Fish] {
            for plain in ["./ops/mine-1.json", "~/ops/mine-1.json"] {
                assert_eq!(at(shell).typed(plain, &plain[..2]).unwrap(), plain);
            }
            for hidden in ["a\nb", "a\u{1b}[31mb", "a\u{202e}b"] {
                assert_eq!(at(shell).typed(hidden, "a"), None);
            }
        }
        assert_eq!(at(Shell::Bash).typed("~/a b", "~/").unwrap(), r"~/a\ b");
        assert_eq!(at(Shell::Powershell).typed("~/a b", "~/").unwrap(), "~/'a b'");
        assert_eq!(at(Shell::Bash).typed("~/b", "").unwrap(), r"\~/b", "a folder whose name is a tilde");
    }

    #[test]
    fn path_between_quotes_has_the_escapes_of_these_quotes_alone() {
        let path = r#"it's "$(id)" `id` \ !.json"#;
        for (line, typed) in [
            ("taskbell --config \"it", r#"it's \"\$(id)\" \`id\` \\ "\!".json"#),
            ("taskbell --config 'it", r#"it'\''s "$(id)" `id` \ !.json"#),
            ("taskbell \"a'b\" --config \\\"it", r#"it\'s\ \"\$\(id\)\"\ \`id\`\ \\\ \!.json"#),
        ] {
            assert_eq!(Quoting::at_end(line, Shell::Bash).typed(path, "it").unwrap(), typed, "{line}");
        }
    }

    #[test]
    fn begun_word_means_what_bash_would_read() {
        for (line, begun, meaning) in [
            ("x a", "a", Some("a")),
            (r"x a\ b", r"a\ b", Some("a b")),
            (r#"x "a\$\b c"#, r"a\$\b c", Some(r"a$\b c")),
            (r"x 'a\$ ", r"a\$ ", Some(r"a\$ ")),
            ("x ~/a", "~/a", Some("~/a")),
            (r"x \~/a", r"\~/a", None),
            ("x '~/a", "~/a", None),
        ] {
            assert_eq!(Quoting::at_end(line, Shell::Bash).meaning(begun).as_deref(), meaning, "{line}");
        }
    }

    proptest! {
        #[test]
        fn typed_path_is_read_as_the_path(path in "[ -~é]{1,12}", quote in prop_oneof![Just(""), Just("'"), Just("\"")]) {
            let quoting = Quoting::at_end(&format!("x {quote}"), Shell::Bash);
            let typed = quoting.typed(&path, "").unwrap();
            prop_assert_eq!(unquoted(&format!("{quote}{typed}{quote}"), None), (path, None));
        }
    }
}
