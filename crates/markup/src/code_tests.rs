//! Tests of what is code: what a reader of Markdown shows as code may be missing, what it does not never counts.

use super::*;

fn in_code(text: &str) -> Vec<&str> {
    Code::of(text).found.into_iter().map(|range| &text[range]).collect()
}

#[test]
fn fences_and_spans_are_code() {
    assert_eq!(in_code("a `b` c ``d ` e`` f"), ["`b`", "``d ` e``"]);
    assert_eq!(in_code("```html\n<b>\n```\nafter `x`"), ["<b>\n```\n", "`x`"]);
    assert_eq!(in_code("~~~ a`b\n```\nc\n~~~\r\nd").concat(), "```\nc\n~~~\r\n");
    assert_eq!(
        in_code("1. a\n   ```sh\n   b\n\n   c\n   ```\n2. d").concat(),
        "   b\n\n   c\n   ```\n"
    );
    assert_eq!(in_code("- ```\n  b\n  ```\nc").concat(), "  b\n  ```\n");
    assert_eq!(in_code("```\na\rb\r```\rc").concat(), "a\rb\r```\r");
    assert_eq!(in_code("<b>x</b> `y`\n\n<div>\n\n```\na\n```\n").concat(), "`y`a\n```\n");
    assert_eq!(in_code("don`t\n- `a`\n\n`b`").concat(), "`a``b`");
    assert_eq!(in_code("```\n⚠️ a\n```\n⚠️ `b`").concat(), "⚠️ a\n```\n`b`");
}

/// What is live in each of these is `![x](…)` or what stands in its place: nothing of it may be code.
#[test]
fn what_only_looks_so_is_not() {
    for text in [
        "x ` y\n![x](https://e.n)",
        "text ```\n![x](https://e.n)\n```",
        // a fence without an end, and one whose end is none
        "```\n![x](https://e.n)",
        "```\n![x](https://e.n)\n``` a",
        // in an item, and closed in it or with it
        "- ```\n  x\n  ```\n![x](https://e.n)\n```",
        "- ```\n  x\n\n![x](https://e.n)\n```\n```",
        "1) ```\n   x\n![x](https://e.n)\n```",
        "- a\n  ```\n  x\n![x](https://e.n)\n```\n",
        "  ```\nx\n  ```\n![x](https://e.n)\n```\n",
        "- a\n\n     ```\n  ```\n  ![x](https://e.n)\n  ```",
        "-\t```\n\tx\n\t```\n![x](https://e.n)\n```",
        // in a block of HTML, in a comment, in a formula
        "<div>\n```\n\n![x](https://e.n)\n\n<div>\n```",
        "- <div>\n  ```\n\n  ![x](https://e.n)\n\n  <div>\n  ```",
        "<!--\n```\n-->\n\n![x](https://e.n)\n\n<!--\n```\n-->",
        "<x-y>\n```\n\n![x](https://e.n)\n\n<x-y>\n```",
        "<pre>\n\n```\n</pre>\n![x](https://e.n)\n<pre>\n```\n</pre>",
        "$$\n```\n$$\n![x](https://e.n)\n$$\n```\n$$",
        "<div>`![x](https://e.n)`</div>",
        "> <div>`![x](https://e.n)`</div>",
        // other ends of lines, other blanks
        "x\r```\n```\n![x](https://e.n)\n```",
        "```\nx\n```\u{a0}\n```\n![x](https://e.n)\n```",
        "\u{feff}```\n```\n![x](https://e.n)\n```",
        // not of CommonMark, but of some that are read widely
        "[a]:\n```\n![x](https://e.n)\n```\n",
        "<pre></script>\n\n```\n![x](https://e.n)\n```\n",
        "<?>\n\n```\n![x](https://e.n)\n```\n",
        "```\n```\t\n```\n![x](https://e.n)\n```\n",
        // over the end of a line
        "`a\nb` ![x](https://e.n) `c`",
        "<img alt=\"\n`\" src=\"https://e.n\" title=\"`\">",
        "[a](\n`) ![x](https://e.n) [b](`)",
    ] {
        let at = text.find("![x]").or(text.find("src")).unwrap();
        assert!(!Code::of(text).has(at), "{text:?}: {:?}", in_code(text));
    }
}

#[test]
fn too_many_ways_to_read_a_text_are_none() {
    let fences: String =
        (4..40).rev().map(|marks| format!("    {}\n", "`".repeat(marks))).collect();
    assert!(in_code(&format!("{fences}\n\n```\na\n```\n`b`")).is_empty());
}

#[test]
fn a_text_that_grows_has_the_same_code() {
    let text =
        "- a\n\n  ```\r\n  b\r  c\n  ```\n`d` e\n\n<div>\n\n~~~\nf\n~~~\ng `h\n`i` j\n\n`k` l\n";
    let whole = Code::of(text);
    for from in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
        let mut lines = Lines::default();
        // in two steps: the state does not hang on how it grew
        lines.read(text, from / 2);
        lines.read(text, from);
        let code = Code::rest(text, lines.start, &lines);
        for at in lines.start..text.len() {
            assert_eq!(code.has(at - lines.start), whole.has(at), "{at} from {from}");
        }
    }
    let open = "a\n```\nb\n``";
    assert_eq!(Code::so_far(open, 0, &Lines::default()).open(), Some(6));
    let closed = format!("{open}`\n");
    assert_eq!(Code::so_far(&closed, 0, &Lines::default()).open(), None);
}

#[test]
fn of_a_line_whose_start_is_left_out_only_a_fence_says_what_it_is() {
    let mut lines = Lines::default();
    let long = "a ".repeat(4096);
    let text = format!("`{long}` ![x](https://e.n) `");
    let code = Code::so_far(&text, 8000, &lines);
    assert!((8000..text.len()).all(|at| !code.has(at - 8000)));
    let text = format!("```\n{long}\n```\n");
    lines.read(&text, 8000);
    assert_eq!(lines.start, 4);
    let code = Code::so_far(&text, 8000, &lines);
    assert!((8000..text.len() - 4).all(|at| code.keeps(at - 8000)));
}
