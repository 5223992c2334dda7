//! Links, images and HTML that carry data out of a conversation.
//!
//! With a list of hosts, what leads elsewhere is a finding. Without one, what carries data is: a value that the
//! detectors know, a sentence, or readable text in base64, in the path, the query or the fragment.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use portcullis_core::Severity;
use portcullis_detect::Detector;
use portcullis_markup::tags::{self, TAG};
use portcullis_markup::{Code, attributes, markdown};

use crate::encoded;
use crate::hit::Hit;
use crate::settings::Links;
use crate::urls::{self, Url};

/// Tags that load or run something by themselves, or send what is typed into them.
const ACTIVE_TAGS: &[&str] = &[
    "script", "iframe", "frame", "object", "embed", "form", "base", "meta", "link", "style", "svg",
    "applet", "portal", "math",
];
/// Tags whose addresses are loaded without a click.
const LOADING_TAGS: &[&str] = &[
    "img", "image", "source", "video", "audio", "track", "input", "body", "table", "td", "picture",
    "bgsound",
];
/// Hosts of a list, and bytes of one name.
const HOSTS: usize = 1024;
const NAME: usize = 253;

static STARTS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(["//", "www.", "http:", "https:", "javascript:", "vbscript:", "data:"])
        .ok()
});

/// The lists of a policy, ready to be used.
pub(crate) struct Gate {
    hosts: Option<Vec<String>>,
    image_hosts: Option<Vec<String>>,
    active_html: bool,
    in_code: bool,
}

impl Gate {
    /// Reads a section.
    ///
    /// # Errors
    /// The field that does not hold.
    pub(crate) fn compile(section: &Links) -> Result<Self, &'static str> {
        let hosts = list(section.hosts.as_ref(), "settings.links.hosts")?;
        let image_hosts = list(section.image_hosts.as_ref(), "settings.links.image_hosts")?;
        Ok(Self {
            image_hosts: image_hosts.or_else(|| hosts.clone()),
            hosts,
            active_html: section.active_html,
            in_code: section.in_code,
        })
    }

    /// Looks at every address and tag of a text, and at the addresses as Markdown and a browser read them. `code` says
    /// where it is shown as code.
    pub(crate) fn find(&self, text: &str, code: &Code, hits: &mut Vec<Hit>) {
        let has_images = code.has_images() || text.contains("![");
        let is_live = |at| self.in_code || !code.keeps(at);
        let mut found = self.addresses(text, has_images, is_live);
        let tags = tags::each(text);
        let readings = [markdown(text), attributes(text, &tags)];
        for reading in readings.into_iter().flatten() {
            let seen = self.addresses(&reading.text, has_images, |at| is_live(reading.at(at)));
            found.extend(seen.into_iter().filter_map(|hit| {
                let span = reading.to_source(hit.span?)?;
                Some(hit.at(span.start, span.end))
            }));
        }
        hits.extend(merged(found));
        if self.active_html {
            return;
        }
        for (at, end) in tags {
            if self.in_code || !code.has(at) {
                hits.extend(active_tag(text, at, end));
            }
        }
    }

    fn addresses(&self, text: &str, has_images: bool, is_live: impl Fn(usize) -> bool) -> Vec<Hit> {
        let mut hits = Vec::new();
        let Some(starts) = STARTS.as_ref() else { return hits };
        let mut covered = 0;
        for start in starts.find_overlapping_iter(text) {
            let at = start.start();
            if at < covered || !is_live(at) {
                continue;
            }
            let url = match start.pattern().as_usize() {
                0 => urls::at_slashes(text, at),
                1 => urls::at_www(text, at),
                2 | 3 => urls::at_scheme(text, at),
                _ => urls::at_active(text, at),
            };
            if let Some(url) = url {
                covered = url.next;
                hits.extend(self.judge(text, &url, has_images));
            }
        }
        hits
    }

    fn judge(&self, text: &str, url: &Url, has_images: bool) -> Option<Hit> {
        let masked = |hit: Hit| hit.at(url.range.start, url.range.end).masked("LINK");
        if url.is_active() {
            return Some(masked(Hit::new("exfil.active", Severity::High, 0.95)));
        }
        let image = loads(text, url.range.start, has_images);
        let (hosts, kind) = match image {
            true => (&self.image_hosts, "exfil.image"),
            false => (&self.hosts, "exfil.link"),
        };
        match hosts {
            Some(hosts) if hosts.iter().any(|allowed| is_host(&url.host, allowed)) => None,
            Some(_) => {
                let severity = if image { Severity::High } else { Severity::Medium };
                Some(masked(Hit::new(kind, severity, 1.0)))
            }
            None => {
                let rest = text.get(url.rest..url.range.end).unwrap_or_default();
                let name = url.host.as_str();
                (carries(rest) || carries_in_name(name))
                    .then(|| masked(Hit::new(kind, Severity::High, 0.8)))
            }
        }
    }
}

fn list(
    given: Option<&Vec<String>>,
    field: &'static str,
) -> Result<Option<Vec<String>>, &'static str> {
    let Some(given) = given else { return Ok(None) };
    let is_name = |name: &str| {
        let stem = name.strip_prefix("*.").unwrap_or(name);
        let word =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | ':');
        !stem.is_empty() && name.len() <= NAME && stem.chars().all(word)
    };
    if given.len() > HOSTS || !given.iter().all(|name| is_name(name)) {
        return Err(field);
    }
    Ok(Some(given.clone()))
}

fn is_host(host: &str, allowed: &str) -> bool {
    match allowed.strip_prefix('*') {
        Some(below) => host.len() > below.len() && host.ends_with(below),
        None => host == allowed,
    }
}

/// What several readings of a text gave: an address counts once, as the worst that it is.
fn merged(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_by_key(|hit| hit.span);
    let mut merged: Vec<Hit> = Vec::with_capacity(hits.len());
    for hit in hits {
        match (merged.last_mut(), hit.span) {
            (Some(last), Some(span)) if last.span.is_some_and(|other| other.overlaps(&span)) => {
                let other = last.span.unwrap_or(span);
                let (start, end) = (other.start.min(span.start), other.end.max(span.end));
                if hit.severity > last.severity {
                    *last = hit;
                }
                *last = last.clone().at(start, end);
            }
            _ => merged.push(hit),
        }
    }
    merged
}

/// Whether the address that begins at `at` is loaded without a click. `has_images` says whether the text has any
/// in Markdown.
fn loads(text: &str, at: usize, has_images: bool) -> bool {
    let before = urls::window(text, at);
    let outer = urls::outer(before);
    if let Some(label) = outer.strip_suffix("](") {
        // ![label](address): the bracket that opens the label, labels of images may hold brackets
        let mut depth = 1;
        for (place, c) in label.char_indices().rev() {
            match c {
                ']' => depth += 1,
                '[' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return label.get(..place).is_some_and(|head| head.ends_with('!'));
            }
        }
        return false;
    }
    if outer.ends_with("]:") {
        // a reference: an image where the text has any by reference
        return has_images;
    }
    if urls::ends_in_css(outer.trim_end_matches(['"', '\''])) {
        return true;
    }
    tags::open(before).is_some_and(|open| {
        let name = tag_name(before, open);
        LOADING_TAGS.contains(&name.as_str()) || ACTIVE_TAGS.contains(&name.as_str())
    })
}

fn tag_name(text: &str, open: usize) -> String {
    let rest = text.get(open + 1..).unwrap_or_default();
    rest.chars()
        .take(16)
        .take_while(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase()
}

/// The tag that opens at `at` and ends before `end`, where it does something by itself.
fn active_tag(text: &str, at: usize, end: Option<usize>) -> Option<Hit> {
    let name = tag_name(text, at);
    let closed = end.is_some();
    let end = end.unwrap_or_else(|| text.floor_char_boundary((at + TAG).min(text.len())));
    let tag = text.get(at..end)?;
    let boundary = tag.as_bytes().get(1 + name.len());
    let is_tag = boundary.is_none_or(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'/'));
    let acts = ACTIVE_TAGS.contains(&name.as_str()) || (closed && has_handler(tag));
    (is_tag && acts).then(|| Hit::new("exfil.html", Severity::High, 0.9).at(at, end).masked("HTML"))
}

/// Whether a tag has an attribute such as `onerror=`.
fn has_handler(tag: &str) -> bool {
    let bytes = tag.as_bytes();
    bytes.windows(3).enumerate().any(|(at, window)| {
        let begins =
            matches!(window.first(), Some(b' ' | b'\t' | b'\n' | b'\r' | b'/' | b'"' | b'\''));
        let on = window.get(1..).is_some_and(|word| word.eq_ignore_ascii_case(b"on"));
        begins && on && {
            let rest = bytes.get(at + 3..).unwrap_or_default();
            let word = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
            let after = rest.iter().skip(word).find(|b| !b.is_ascii_whitespace());
            (2..=24).contains(&word) && after == Some(&b'=')
        }
    })
}

/// Whether what comes after the host says something of a conversation.
fn carries(rest: &str) -> bool {
    if rest.len() < 8 {
        return false;
    }
    let plain = percent_decoded(rest);
    if Detector::shared().detect(&plain).iter().any(|hit| !hit.entity.is_often_public()) {
        return true;
    }
    let says = |text: &str| encoded::decode(text).iter().any(|run| is_prose(&run.text, 2));
    says(&plain)
        || plain.split(['?', '&', '#', '/', '=', ';']).any(|part| is_prose(part, 5) || says(part))
}

/// A name whose labels are data, asked of a name server alone.
fn carries_in_name(host: &str) -> bool {
    host.split('.').any(|label| {
        label.len() >= 24 && encoded::decode(label).iter().any(|run| is_prose(&run.text, 2))
    })
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let pair = match after {
            [high, low, ..] if *first == b'%' => digit(high).zip(digit(low)),
            _ => None,
        };
        match pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => bytes.push(if *first == b'+' { b' ' } else { *first }),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a text has at least so many words, parted by spaces, of letters or digits.
fn is_prose(text: &str, words: usize) -> bool {
    let is_word = |word: &str| word.chars().any(char::is_alphanumeric) && word.len() <= 32;
    text.split_whitespace().filter(|word| is_word(word)).take(words).count() == words
}

#[cfg(test)]
#[path = "links_tests.rs"]
mod tests;
