//! The policies in force, by bot: read from a folder or watched in a bucket, swapped whole. A broken
//! document keeps the old one and says why; a bot whose documents were never valid gets a problem, never
//! the defaults.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::StreamExt;
use portcullis_bus::{Kv, KvError, KvEvent, KvRecord};
use portcullis_core::BotId;
use portcullis_policy::Policy;

use portcullis_door::Problem;

/// How often a folder is looked at. Polling also sees the symbolic links that Kubernetes swaps.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Clone)]
enum Standing {
    Valid(Arc<Policy>),
    NeverValid,
}

/// What bots without a document get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strangers {
    /// They are not known; but `default` always is, with the built-in policy.
    Refused,
    /// The built-in policy: for commands that check for any bot.
    BuiltIn,
}

/// The policies in force. Cheap to clone; all clones see a change at once.
#[derive(Clone)]
pub struct Policies {
    by_bot: Arc<ArcSwap<HashMap<BotId, Standing>>>,
    /// Bots that are known without a document, each with the built-in policy.
    known: HashMap<BotId, Arc<Policy>>,
    strangers: Strangers,
    default: Arc<Policy>,
}

impl Policies {
    /// The built-in policy for `default`, and nothing else yet.
    pub fn new(strangers: Strangers) -> Self {
        Self {
            by_bot: Arc::default(),
            known: HashMap::new(),
            strangers,
            default: Arc::new(Policy::built_in(&BotId::fallback())),
        }
    }

    /// Changes what bots without a document of their own get.
    #[must_use]
    pub fn with_default(mut self, change: impl FnOnce(Policy) -> Policy) -> Self {
        self.default = Arc::new(change((*self.default).clone()));
        self
    }

    /// Puts a policy in force.
    pub fn set(&self, policy: Policy) {
        let policy = Arc::new(policy);
        self.change(|map| {
            map.insert(policy.stamp().bot.clone(), Standing::Valid(policy.clone()));
        });
    }

    /// Knows bots beside those that have a document: while they have none they get the built-in policy.
    #[must_use]
    pub fn knowing<'a>(mut self, bots: impl IntoIterator<Item = &'a BotId>) -> Self {
        let built_in = |bot: &BotId| (bot.clone(), Arc::new(Policy::built_in(bot)));
        self.known.extend(bots.into_iter().map(built_in));
        self
    }

    /// The policy to pin for a message.
    ///
    /// # Errors
    /// 404 for a bot that is not known, 503 for one whose document was never valid.
    pub fn pin(&self, bot: &BotId) -> Result<Arc<Policy>, Problem> {
        match self.by_bot.load().get(bot) {
            Some(Standing::Valid(policy)) => return Ok(policy.clone()),
            Some(Standing::NeverValid) => {
                return Err(Problem::no_policy(
                    "its document is broken and there is no earlier valid one",
                ));
            }
            None => {}
        }
        if let Some(policy) = self.known.get(bot) {
            return Ok(policy.clone());
        }
        if *bot == BotId::fallback() || self.strangers == Strangers::BuiltIn {
            return Ok(self.default.clone());
        }
        Err(Problem::unknown_bot(
            "give it a policy document (an empty one takes the defaults) or an API key",
        )
        .field("bot"))
    }

    /// Whether a bot is one of those that can be asked for, with a valid policy or not.
    ///
    /// # Errors
    /// 404 for a bot that is not known.
    pub fn known(&self, bot: &BotId) -> Result<(), Problem> {
        match self.pin(bot) {
            Err(problem) if problem.status == 404 => Err(problem),
            _ => Ok(()),
        }
    }

    /// The bots that have a document.
    pub fn bots(&self) -> Vec<BotId> {
        self.by_bot.load().keys().cloned().collect()
    }

    /// Follows a bucket: one document a bot, under the bot's name. Returns once its snapshot was read
    /// (`ready` is called) and the bucket was lost; the caller watches again.
    ///
    /// # Errors
    /// Where the bucket is away.
    pub async fn follow_bucket(&self, kv: &dyn Kv, ready: impl Fn()) -> Result<(), KvError> {
        let mut events = kv.watch().await?;
        let mut told = Some(HashSet::new());
        while let Some(event) = events.next().await {
            match event {
                KvEvent::Snapshot => {
                    // What went while nobody watched.
                    if let Some(told) = told.take() {
                        self.change(|map| map.retain(|bot, _| told.contains(bot)));
                    }
                    ready();
                }
                KvEvent::Gone { key } => {
                    if let Ok(bot) = BotId::parse(&key) {
                        tracing::info!(bot = %bot, "policy removed");
                        self.change(|map| {
                            map.remove(&bot);
                        });
                    }
                }
                KvEvent::Put { key, record } => match BotId::parse(&key) {
                    Ok(bot) => {
                        self.take_revision(kv, &bot, &record).await;
                        if let Some(told) = &mut told {
                            told.insert(bot);
                        }
                    }
                    Err(_) => {
                        tracing::warn!("a key of the policy bucket is not a bot; it is left out")
                    }
                },
            }
        }
        Ok(())
    }

    /// Takes a new revision; a broken one keeps what is in force, and where nothing is, the kept revisions
    /// are walked back to the last valid one.
    async fn take_revision(&self, kv: &dyn Kv, bot: &BotId, record: &KvRecord) {
        if self.take(bot, &record.revision.to_string(), &record.value) {
            return;
        }
        if matches!(self.by_bot.load().get(bot), Some(Standing::Valid(_))) {
            return;
        }
        for earlier in kv.history(bot.as_str()).await.unwrap_or_default() {
            if earlier.revision < record.revision
                && self.take(bot, &earlier.revision.to_string(), &earlier.value)
            {
                tracing::warn!(bot = %bot, revision = earlier.revision, "an earlier policy is in force");
                return;
            }
        }
    }

    /// Reads a folder: one `<bot>.toml` a bot.
    ///
    /// # Errors
    /// Where the folder cannot be read. Broken documents are no error here: they are logged.
    pub fn read_folder(&self, folder: &Path) -> std::io::Result<FolderState> {
        let mut state = FolderState {
            folder: folder.to_owned(),
            seen: HashMap::new(),
            wrong: HashSet::new(),
            told: HashSet::new(),
        };
        self.look(&mut state)?;
        Ok(state)
    }

    /// Follows a folder; never ends by itself.
    pub async fn follow_folder(&self, mut state: FolderState) {
        loop {
            tokio::time::sleep(LOOK).await;
            let policies = self.clone();
            let looked = tokio::task::spawn_blocking(move || {
                let looked = policies.look(&mut state);
                (state, looked)
            })
            .await;
            match looked {
                Ok((next, looked)) => {
                    state = next;
                    if let Err(error) = looked {
                        state.complain(format!("{error}; the old policies stay"));
                    }
                    state.hear();
                }
                Err(_) => return,
            }
        }
    }

    fn look(&self, state: &mut FolderState) -> std::io::Result<()> {
        let named = |path: &Path, error: std::io::Error| {
            std::io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        };
        let mut found = HashMap::new();
        let folder = state.folder.clone();
        for item in std::fs::read_dir(&folder).map_err(|error| named(&folder, error))? {
            let path = item.map_err(|error| named(&folder, error))?.path();
            if path.extension().is_none_or(|extension| extension != "toml") || path.is_dir() {
                continue;
            }
            let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let Ok(bot) = BotId::parse(name) else {
                state.complain(format!("{}: this file's name is not a bot's", path.display()));
                continue;
            };
            match (std::fs::read(&path), state.seen.get(&bot)) {
                (Ok(source), _) => {
                    found.insert(bot, source);
                }
                // One that cannot be read now is no reason to look at no other.
                (Err(error), Some(old)) => {
                    found.insert(bot, old.clone());
                    state.complain(format!("{}; the old policy stays", named(&path, error)));
                }
                (Err(error), None) => return Err(named(&path, error)),
            }
        }
        for bot in state.seen.keys().filter(|bot| !found.contains_key(*bot)) {
            tracing::info!(bot = %bot, "policy removed");
            self.change(|map| {
                map.remove(bot);
            });
        }
        for (bot, source) in &found {
            if state.seen.get(bot) != Some(source) {
                self.take(bot, "file", source);
            }
        }
        state.seen = found;
        Ok(())
    }

    /// Takes a document if it is valid; otherwise says why and keeps what is in force.
    fn take(&self, bot: &BotId, revision: &str, source: &[u8]) -> bool {
        let parsed = match std::str::from_utf8(source) {
            Ok(source) => Policy::parse(bot, revision, source).map_err(|error| error.to_string()),
            Err(_) => Err("not UTF-8".to_owned()),
        };
        match parsed {
            Ok(policy) => {
                tracing::info!(bot = %bot, version = %policy.stamp().version, "policy in force");
                self.set(policy);
                true
            }
            Err(error) => {
                let stays = match self.pin(bot) {
                    Ok(_) => "what is in force stays",
                    Err(_) => "the bot has none, and every message of it is refused",
                };
                tracing::error!(bot = %bot, revision, error, "policy refused; {stays}");
                metrics::counter!("portcullis_policy_refused_total", "bot" => bot.to_string())
                    .increment(1);
                self.change(|map| {
                    map.entry(bot.clone()).or_insert(Standing::NeverValid);
                });
                false
            }
        }
    }

    fn change(&self, change: impl Fn(&mut HashMap<BotId, Standing>)) {
        self.by_bot.rcu(|map| {
            let mut map = HashMap::clone(map);
            change(&mut map);
            map
        });
    }
}

/// What was last seen in a folder.
pub struct FolderState {
    folder: PathBuf,
    seen: HashMap<BotId, Vec<u8>>,
    /// What is wrong now, and what was already told: a thing is told once, until it was mended.
    wrong: HashSet<String>,
    told: HashSet<String>,
}

impl FolderState {
    fn complain(&mut self, what: String) {
        if !self.told.contains(&what) && !self.wrong.contains(&what) {
            tracing::warn!(what, "policy folder");
        }
        self.wrong.insert(what);
    }

    /// Ends a look at the folder.
    fn hear(&mut self) {
        self.told = std::mem::take(&mut self.wrong);
    }
}

#[cfg(test)]
mod tests {
    use portcullis_bus::MemoryKv;
    use portcullis_policy::Mode;

    use super::*;

    fn bot(name: &str) -> BotId {
        BotId::parse(name).unwrap()
    }

    #[test]
    fn a_broken_document_keeps_the_old_one_and_a_stranger_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("shop.toml", "version = 'a'\nmode = 'shadow'");
        write("bank.toml", "mode = 'x'");
        let policies = Policies::new(Strangers::Refused);
        let mut state = policies.read_folder(folder.path()).unwrap();
        assert_eq!(policies.pin(&bot("shop")).unwrap().document().mode, Mode::Shadow);
        assert_eq!(policies.pin(&bot("bank")).unwrap_err().status, 503);
        assert_eq!(policies.pin(&bot("tram")).unwrap_err().status, 404);
        assert!(policies.pin(&BotId::fallback()).is_ok());

        write("shop.toml", "version = 'b'\nmode = ");
        write("bank.toml", "");
        policies.look(&mut state).unwrap();
        assert_eq!(policies.pin(&bot("shop")).unwrap().stamp().version, "a");
        assert!(policies.pin(&bot("bank")).is_ok());

        write("shop.toml", "version = 'c'");
        policies.look(&mut state).unwrap();
        assert_eq!(policies.pin(&bot("shop")).unwrap().stamp().version, "c");
        std::fs::remove_file(folder.path().join("shop.toml")).unwrap();
        policies.look(&mut state).unwrap();
        assert_eq!(policies.pin(&bot("shop")).unwrap_err().status, 404);
    }

    #[tokio::test]
    async fn what_went_while_nobody_watched_is_gone_and_known_bots_stay_known() {
        let kv = MemoryKv::new(64);
        kv.put("shop", "version = 'a'".into()).await.unwrap();
        let policies = Policies::new(Strangers::Refused).knowing([&bot("bank")]);
        policies.set(Policy::parse(&bot("tram"), "1", "").unwrap());
        policies.set(Policy::parse(&bot("bank"), "1", "version = 'b'").unwrap());
        let followed = policies.follow_bucket(&kv, || {});
        let _ = tokio::time::timeout(std::time::Duration::from_millis(50), followed).await;
        assert_eq!(policies.pin(&bot("shop")).unwrap().stamp().version, "a");
        assert_eq!(policies.pin(&bot("tram")).unwrap_err().status, 404);
        assert_eq!(policies.pin(&bot("bank")).unwrap().stamp().version, "built-in");
    }

    #[tokio::test]
    async fn a_start_walks_back_to_the_last_valid_revision() {
        let kv = MemoryKv::new(64);
        kv.put("shop", "version = 'good'".into()).await.unwrap();
        kv.put("shop", "mode = 'x'".into()).await.unwrap();
        kv.put("shop", "[limits".into()).await.unwrap();
        kv.put("bank", "[limits".into()).await.unwrap();
        let policies = Policies::new(Strangers::Refused);
        let (ready, done) = tokio::sync::oneshot::channel();
        let ready = std::sync::Mutex::new(Some(ready));
        tokio::select! {
            followed = policies.follow_bucket(&kv, || {
                if let Some(ready) = ready.lock().unwrap().take() {
                    ready.send(()).unwrap();
                }
            }) => panic!("ended: {followed:?}"),
            done = done => done.unwrap(),
        }
        assert_eq!(policies.pin(&bot("shop")).unwrap().stamp().version, "good");
        assert_eq!(policies.pin(&bot("bank")).unwrap_err().status, 503);
    }
}
