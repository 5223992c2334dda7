//! A policy's regular expressions, in linear time, and how far an unfinished text may still grow into a match.

use portcullis_core::Severity;
use regex::{Regex, RegexBuilder};
use regex_automata::nfa::thompson::{NFA, State, WhichCaptures};
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use rustc_hash::FxHashMap;

use crate::hit::Hit;
use crate::settings::Pattern;

/// Expressions of one policy, characters of one, and bytes of one when it is compiled.
const PATTERNS: usize = 64;
const LENGTH: usize = 1024;
const COMPILED: usize = 512 * 1024;
const NEST: u32 = 64;

/// One expression, ready to be used.
pub(crate) struct Compiled {
    kind: String,
    regex: Regex,
    /// The same expression as a machine that is walked byte by byte.
    pub(crate) machine: Machine,
    severity: Severity,
    mask: bool,
}

/// Compiles a policy's expressions.
///
/// # Errors
/// The field that does not hold; an expression that cannot be read or grows too large is one.
pub(crate) fn compile(patterns: &[Pattern]) -> Result<Vec<Compiled>, &'static str> {
    const FIELD: &str = "settings.guidelines.patterns";
    if patterns.len() > PATTERNS {
        return Err(FIELD);
    }
    let one = |pattern: &Pattern| {
        if pattern.regex.is_empty() || pattern.regex.len() > LENGTH || !is_name(&pattern.name) {
            return None;
        }
        let regex = RegexBuilder::new(&pattern.regex)
            .size_limit(COMPILED)
            .dfa_size_limit(COMPILED)
            .nest_limit(NEST)
            .build()
            .ok()?;
        Some(Compiled {
            kind: format!("guideline.pattern.{}", pattern.name),
            regex,
            machine: Machine::of(&pattern.regex)?,
            severity: pattern.severity,
            mask: pattern.mask,
        })
    };
    patterns.iter().map(|pattern| one(pattern).ok_or(FIELD)).collect()
}

/// Whether it is a name that can stand in a finding's kind.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

impl Compiled {
    pub(crate) fn find(&self, text: &str, hits: &mut Vec<Hit>) {
        for found in self.regex.find_iter(text).filter(|found| !found.is_empty()) {
            let hit =
                Hit::new(self.kind.clone(), self.severity, 1.0).at(found.start(), found.end());
            hits.push(if self.mask { hit.masked("WITHHELD") } else { hit });
        }
    }
}

/// An expression as the machine of Thompson (1968), with the transitions on bytes alone.
pub(crate) struct Machine {
    nfa: NFA,
    /// States that wait for a byte, reached from the start without one.
    start: Vec<StateID>,
}

/// Where the machine stands: each state that waits for a byte, with the earliest place at which what led
/// there began. Matches that are complete wait for nothing and are not among them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    states: FxHashMap<StateID, usize>,
}

impl Machine {
    fn of(pattern: &str) -> Option<Self> {
        let nfa = NFA::compiler()
            .syntax(syntax::Config::new().nest_limit(NEST))
            .configure(
                NFA::config().nfa_size_limit(Some(COMPILED)).which_captures(WhichCaptures::None),
            )
            .build(pattern)
            .ok()?;
        let mut start = Vec::new();
        closure(&nfa, nfa.start_anchored(), &mut Default::default(), &mut |state| {
            start.push(state)
        });
        Some(Self { nfa, start })
    }

    /// Takes the next byte, which is at `at`.
    pub(crate) fn step(&self, standing: &mut Standing, at: usize, byte: u8) {
        let mut next = FxHashMap::default();
        let mut go = |state: StateID, began: usize| {
            if let Some(to) = on_byte(&self.nfa, state, byte) {
                let mut seen = Default::default();
                closure(&self.nfa, to, &mut seen, &mut |state| {
                    let earliest = next.entry(state).or_insert(began);
                    *earliest = began.min(*earliest);
                });
            }
        };
        for (state, began) in &standing.states {
            go(*state, *began);
        }
        for state in &self.start {
            go(*state, at);
        }
        standing.states = next;
    }
}

impl Standing {
    /// The earliest place at which something began that may still become a match, or a longer one.
    pub(crate) fn open(&self) -> Option<usize> {
        self.states.values().min().copied()
    }

    /// Forgets what began before this place.
    pub(crate) fn forget_before(&mut self, at: usize) {
        self.states.retain(|_, began| *began >= at);
    }
}

fn on_byte(nfa: &NFA, state: StateID, byte: u8) -> Option<StateID> {
    match nfa.state(state) {
        State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
        State::Sparse(sparse) => sparse.matches_byte(byte),
        State::Dense(dense) => dense.matches_byte(byte),
        _ => None,
    }
}

/// Every state that waits for a byte and can be reached without one. What an expression demands of its
/// surroundings (`^`, `\b`) counts as given: what is held back may be more than is needed, never less.
fn closure(
    nfa: &NFA,
    from: StateID,
    seen: &mut rustc_hash::FxHashSet<StateID>,
    tell: &mut impl FnMut(StateID),
) {
    let mut open = vec![from];
    while let Some(state) = open.pop() {
        if !seen.insert(state) {
            continue;
        }
        match nfa.state(state) {
            State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) => tell(state),
            State::Look { next, .. } | State::Capture { next, .. } => open.push(*next),
            State::Union { alternates } => open.extend(alternates.iter().copied()),
            State::BinaryUnion { alt1, alt2 } => open.extend([*alt1, *alt2]),
            State::Fail | State::Match { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(pattern: &str, text: &str) -> Option<usize> {
        let machine = Machine::of(pattern).unwrap();
        let mut standing = Standing::default();
        for (at, byte) in text.bytes().enumerate() {
            machine.step(&mut standing, at, byte);
        }
        standing.open()
    }

    #[test]
    fn what_may_still_become_a_match_is_known_from_its_start() {
        assert_eq!(open("ticket-[0-9]{4}", "my ticket-12"), Some(3));
        assert_eq!(open("ticket-[0-9]{4}", "my ticket-1234"), None);
        assert_eq!(open("ticket-[0-9]{4}", "my ticket-x"), None);
        assert_eq!(open("(?i)\\bproject\\s+\\w+", "ask Project  X"), Some(4));
        assert_eq!(open("ab*c", "zabbb"), Some(1));
        assert_eq!(open("[a-z]+@", "one two"), Some(4));
    }

    #[test]
    fn expressions_are_bounded() {
        let pattern = |regex: &str| Pattern {
            name: "x".into(),
            regex: regex.into(),
            mask: false,
            severity: Severity::High,
        };
        for bad in ["", "(", "(?=a)", "a{1000}{1000}", "\\p{L}{500}"] {
            assert!(compile(&[pattern(bad)]).is_err(), "{bad}");
        }
        let compiled = compile(&[pattern("(a|a)*$")]).unwrap();
        let mut hits = Vec::new();
        compiled[0].find(&format!("{}b", "a".repeat(50_000)), &mut hits);
        assert!(hits.is_empty());
    }
}
