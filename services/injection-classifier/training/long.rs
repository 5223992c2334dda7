//! Long texts put together from short ones: harmless ones, and the same with an attack in the middle.

use portcullis_model::Channel;

use crate::data::{ORDINARY, Row, channel};

/// Bytes of a long text.
const LONG: usize = 16 * 1024;
/// Long attacks at most: each costs the encoder dozens of windows.
const ATTACKS: usize = 80;
/// Long harmless texts at most.
const HARMLESS: usize = 40;

/// Long texts of one channel.
pub(crate) struct Long {
    harmless: Vec<Row>,
    attacks: Vec<Row>,
}

impl Long {
    /// Makes them of rows: documents one after another, and in their middle the attacks of the channel.
    pub(crate) fn of(rows: &[&Row], asked: Channel) -> Self {
        let documents = [
            "benign_document",
            "hard_benign_security_text",
            "benign_code",
            "benign_email",
            ORDINARY,
        ];
        let mut harmless: Vec<Row> = Vec::new();
        let mut text = String::new();
        for row in rows.iter().filter(|row| documents.contains(&row.kind.as_str())) {
            text.push_str(&row.text);
            text.push_str("\n\n");
            if text.len() >= LONG && harmless.len() < HARMLESS {
                let text = std::mem::take(&mut text);
                harmless.push(Row { text, kind: "long".to_owned(), ..(*row).clone() });
            }
        }
        let is_fit = |row: &&&Row| {
            let direct = ["direct_injection", "jailbreak", "prompt_leak"];
            let fits = match asked {
                Channel::User => direct.contains(&row.kind.as_str()),
                Channel::Context => {
                    channel(&row.kind) == Channel::Context || direct.contains(&row.kind.as_str())
                }
            };
            row.attack && fits && row.text.len() < 1_000
        };
        let fit: Vec<&&Row> = rows.iter().filter(is_fit).collect();
        let every = fit.len().div_ceil(ATTACKS).max(1);
        let attacks =
            fit.iter().step_by(every).zip(harmless.iter().cycle()).map(|(attack, host)| {
                let middle = host.text.floor_char_boundary(host.text.len() / 2);
                let (before, after) = host.text.split_at(middle);
                Row { text: format!("{before}\n{}\n{after}", attack.text), ..(**attack).clone() }
            });
        Self { attacks: attacks.collect(), harmless }
    }

    pub(crate) fn harmless(&self) -> Vec<&Row> {
        self.harmless.iter().collect()
    }

    pub(crate) fn attacks(&self) -> Vec<&Row> {
        self.attacks.iter().collect()
    }
}
