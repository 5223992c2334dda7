//! Every subject, stream, bucket and consumer, by name.

use portcullis_core::{BotId, Entry, StageName};

/// What happened, for the readers of the record.
pub const JOURNAL: &str = "JOURNAL";
/// Messages that were submitted and are not yet judged.
pub const SUBMIT: &str = "SUBMIT";
/// Mail for bots: verdicts of submitted messages, and resolutions.
pub const VERDICT: &str = "VERDICT";
/// Sealed cases that wait for a human.
pub const HELD: &str = "HELD";
/// What is unlike the past of a person or a bot.
pub const ALERT: &str = "ALERT";
/// Entries that a reader could not read.
pub const DEAD: &str = "DEAD";

/// Bucket of policies, a key a bot.
pub const POLICY_BUCKET: &str = "portcullis_policy";
/// Bucket of what operators, the console and the anomaly watch have ordered.
pub const CONTROL_BUCKET: &str = "portcullis_control";
/// Bucket of verdicts already given, for repeated ids.
pub const VERDICTS_BUCKET: &str = "portcullis_verdicts";

/// Bucket of which model judges, a key a stage.
pub const MODEL_ROLES_BUCKET: &str = "portcullis_model_roles";
/// Object store of models, by digest.
pub const MODELS_STORE: &str = "portcullis_models";

/// Queue group of the doors of ingress, and the name of its consumer of `SUBMIT`.
pub const INGRESS: &str = "ingress";
/// Where bots ask: `portcullis.v1.ingress.<bot>`.
pub const INGRESS_DOOR: &str = "portcullis.v1.ingress.*";
/// Where bots open streams: `portcullis.v1.stream.<bot>`.
pub const STREAM_DOOR: &str = "portcullis.v1.stream.*";
/// Where operators ask: `portcullis.v1.admin.<command>`.
pub const ADMIN_DOOR: &str = "portcullis.v1.admin.*";

/// Where signed checkpoints of the record are told.
pub const CHECKPOINT: &str = "portcullis.v1.checkpoint";
/// Queue group of audit.
pub const AUDIT: &str = "audit";
/// Where audit tells the public key that ingress seals to.
pub const AUDIT_KEY: &str = "portcullis.v1.audit.key";

/// Where a stage is asked; its queue group is the stage's name.
pub fn stage_check(stage: &StageName) -> String {
    format!("portcullis.v1.stage.{stage}.check")
}

/// Where a bot asks for a verdict.
pub fn ingress(bot: &BotId) -> String {
    format!("portcullis.v1.ingress.{bot}")
}

/// Where a bot opens a stream.
pub fn stream(bot: &BotId) -> String {
    format!("portcullis.v1.stream.{bot}")
}

/// Where one instance of ingress takes the pieces of one bot's stream; `*` for any.
pub fn session(bot: &str, instance: &str, session: &str) -> String {
    format!("portcullis.v1.session.{bot}.{instance}.{session}")
}

/// Where a bot submits a message that must survive a restart of everything.
pub fn submit(bot: &BotId) -> String {
    format!("portcullis.v1.submit.{bot}")
}

/// Where verdicts of submitted messages are.
pub fn verdict(bot: &BotId) -> String {
    format!("portcullis.v1.verdict.{bot}")
}

/// Where resolutions of held messages are.
pub fn resolution(bot: &BotId) -> String {
    format!("portcullis.v1.resolution.{bot}")
}

/// Where an entry of the record goes.
pub fn journal(entry: &Entry) -> String {
    format!("portcullis.v1.journal.{}.{}", entry.body.kind(), entry.bot)
}

/// Where a sealed case is.
pub fn held(bot: &BotId, key: &str) -> String {
    format!("portcullis.v1.held.{bot}.{key}")
}

/// Where an operator's command goes.
pub fn admin(command: &str) -> String {
    format!("portcullis.v1.admin.{command}")
}

/// The last token of a subject: the bot of a door's request, the command of an operator's.
pub fn last_token(subject: &str) -> &str {
    subject.rsplit('.').next().unwrap_or_default()
}

/// User and consumer of a bot. The prefix keeps bots apart from processes.
pub fn bot_user(bot: &BotId) -> String {
    format!("bot-{bot}")
}

/// The prefix of a user's inboxes: nobody else may listen there.
pub fn inbox_prefix(user: &str) -> String {
    format!("_INBOX_{user}")
}
