//! Rust sources, read just closely enough to tell code from comments, strings and tests.

/// The code alone: comments, strings and characters are blanked, lines stay where they are.
pub(crate) fn code(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    let mut before = ' ';
    while let Some(next) = rest.chars().next() {
        let end = match next {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment_end(rest),
            '"' => string_end(rest),
            'r' if !is_word(before) || matches!(before, 'b' | 'c') => {
                raw_string_end(rest).unwrap_or(0)
            }
            '\'' => character_end(rest).unwrap_or(0),
            _ => 0,
        };
        if end == 0 {
            out.push(next);
            before = next;
            rest = &rest[next.len_utf8()..];
        } else {
            out.extend(rest[..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            before = ' ';
            rest = &rest[end..];
        }
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Comments nest.
fn comment_end(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn string_end(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw_string_end(rest: &str) -> Option<usize> {
    let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
    let body = rest[1 + hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close).map_or(body.len(), |at| at + close.len());
    Some(rest.len() - body.len() + end)
}

/// A character, and no lifetime.
fn character_end(rest: &str) -> Option<usize> {
    let mut inside = rest[1..].char_indices();
    let (_, first) = inside.next()?;
    if first == '\\' {
        inside.next()?;
        return inside.find(|(_, c)| *c == '\'').map(|(at, _)| at + 2);
    }
    inside.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at + 2)
}

/// Whether code names this word, whole.
pub(crate) fn names(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        !code[..at].ends_with(is_word) && !code[at + word.len()..].starts_with(is_word)
    })
}

/// Lines with code on them.
pub(crate) fn code_lines(source: &str) -> usize {
    code(source).lines().filter(|line| !line.trim().is_empty()).count()
}

/// All lines but those of items for tests.
pub(crate) fn lines_without_tests(source: &str) -> usize {
    const MARK: &str = "#[cfg(test)]";
    let code = code(source);
    let mut lines = code.lines().count();
    let mut at = 0;
    while let Some(start) = code[at..].find(MARK).map(|found| at + found) {
        let end = item_end(&code, start + MARK.len());
        lines -= code[start..end].lines().count();
        at = end;
    }
    lines
}

/// Where the item that begins here ends: at its closing brace, or at a semicolon before any brace.
fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0;
    for (at, c) in code[start..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return start + at + 1;
                }
            }
            ';' if depth == 0 => return start + at + 1,
            _ => {}
        }
    }
    code.len()
}

/// The names of the tests in a file that run by default.
pub(crate) fn tests(source: &str) -> Vec<String> {
    let code = code(source);
    let mut found = Vec::new();
    let (mut is_test, mut is_ignored) = (false, false);
    for line in code.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            (is_test, is_ignored) = (true, false);
        } else if line.starts_with("#[ignore") {
            is_ignored = true;
        } else if let Some(rest) = line.split("fn ").nth(1).filter(|_| is_test) {
            if !is_ignored {
                found.push(rest.chars().take_while(|c| is_word(*c)).collect());
            }
            is_test = false;
        }
    }
    found
}

#[test]
fn code_is_told_from_everything_else() {
    let source = "let a = \"axum \\\" axum\"; // axum\nlet b = r#\"axum \" axum\"#;\n\
                  /* axum /* axum */ axum */ let c: &'a str = x('\\'', '\"', b\"axum\");\n";
    let code = code(source);
    assert!(!code.contains("axum"), "{code}");
    assert_eq!(code.lines().count(), source.lines().count());
    assert!(code.contains("let c: &'a str = x("), "{code}");
    assert!(names("use axum::Router;", "axum") && !names("use axum_extra::X;", "axum"));
}

#[test]
fn tests_are_not_counted_as_source() {
    let source = "//! What.\nfn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { \"}\"; }\n}\nfn c() {}\n\
                  #[cfg(test)]\nmod more;\n";
    assert_eq!(lines_without_tests(source), 3);
    assert_eq!(code_lines(source), 8);
    let source = "#[test]\nfn one() {}\nfn no() {}\n#[tokio::test(flavor = \"x\")]\n#[ignore]\n\
                  async fn two() {}\n#[tokio::test]\nasync fn three() {}\n";
    assert_eq!(tests(source), ["one", "three"]);
}
