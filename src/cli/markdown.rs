//! Texts from elsewhere in Markdown: nothing in them is markup there, and they stay on their line.

/// The text as it is.
pub fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '\n' | '\r' => " ".to_owned(),
        // `@name` would call somebody, and `#1` would link.
        '@' | '#' => format!("&#{};", u32::from(c)),
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '|' | '~' | '!' => format!("\\{c}"),
        other => other.to_string(),
    };
    text.chars().map(escape).collect()
}

/// A name as code: it holds no backtick and no bar.
pub fn code(name: &str) -> String {
    format!("`{}`", name.replace(['`', '|', '\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_is_markup() {
        assert_eq!(escaped("a|b\n<img> @team *x* #1"), r"a\|b &lt;img> &#64;team \*x\* &#35;1");
        assert_eq!(code("rule/a`|b"), "`rule/a  b`");
    }
}
