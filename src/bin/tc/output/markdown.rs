//! Text of others in Markdown, which shows as it is: nothing of it is markup.

/// A text inside of a line.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let behind = chars.peek().copied().unwrap_or(' ');
        // Between letters these are no markup, and names like `rank_results` stay legible.
        let is_in_word = before.is_alphanumeric() && behind.is_alphanumeric();
        match c {
            '_' if is_in_word => out.push(c),
            '\\' | '`' | '*' | '_' | '~' | '[' | ']' | '|' | '$' => out.extend(['\\', c]),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Renderers make links of addresses, and call users by their names.
            ':' if behind == '/' => out.push_str("&#58;"),
            '.' if out.ends_with("www") || out.ends_with("WWW") => out.push_str("&#46;"),
            '@' => out.push_str("&#64;"),
            '#' if !is_in_word => out.push_str("&#35;"),
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// Lines of text, each of which stays a line, and none of which is a heading, an item of a list or the like.
pub(crate) fn lines(text: &str) -> String {
    let lines = text.trim().lines().map(|line| {
        let line = escaped(line.trim());
        let digits = line.chars().take_while(char::is_ascii_digit).count();
        match line.chars().nth(digits) {
            Some('-' | '+' | '=') if digits == 0 => format!("\\{line}"),
            Some('.' | ')') if digits > 0 => format!("{}\\{}", &line[..digits], &line[digits..]),
            _ => line,
        }
    });
    // A blank line ends a paragraph; any other end of a line has to be kept.
    lines.collect::<Vec<_>>().join("\\\n").replace("\\\n\\\n", "\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_markup() {
        for (text, expected) in [
            ("rank_results", "rank_results"),
            ("__call__", "\\_\\_call\\_\\_"),
            ("_fetch_", "\\_fetch\\_"),
            ("pay~~old~~", "pay\\~\\~old\\~\\~"),
            ("[pay](v2)", "\\[pay\\](v2)"),
            ("`id`", "\\`id\\`"),
            ("pay &amp; go", "pay &amp;amp; go"),
            ("make.<locals>.pay", "make.&lt;locals&gt;.pay"),
            ("a|b*c\\", "a\\|b\\*c\\\\"),
            ("see https://x.example www.x.example", "see https&#58;//x.example www&#46;x.example"),
            ("@ada #1 a#1", "&#64;ada &#35;1 a#1"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(lines("- a\n1. b\n\n# c\n+1\n12) d\n=="), "\\- a\\\n1\\. b\n\n&#35; c\\\n\\+1\\\n12\\) d\\\n\\==");
    }
}
