//! `portcullis admin model`: models of the injection classifier on the bus, put there, judged in shadow, switched
//! and switched back.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use portcullis_bus::{Kv, Models, Roles, Stored};
use portcullis_bus_nats::{NatsKv, NatsModels, subjects};
use portcullis_core::StageName;
use portcullis_injection_classifier::CascadeBundle;

use crate::{nats, out};

/// The fewest letters of a digest that name a model.
const SHORTEST: usize = 6;

/// What can be done with models.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Check a bundle's folder and put it into the store, where it does nothing yet. Prints its digest.
    Put {
        /// The folder with manifest.json.
        folder: PathBuf,
        #[command(flatten)]
        bus: Bus,
    },
    /// Let a model judge beside the one that is live; both scores stand in receipts. `none` ends it.
    Shadow {
        /// Its digest, or the beginning of it; `none`.
        model: String,
        #[command(flatten)]
        bus: Bus,
    },
    /// Let a model judge. `own`: the one that is part of the program.
    Live {
        /// Its digest, or the beginning of it; `own`.
        model: String,
        #[command(flatten)]
        bus: Bus,
    },
    /// Let the model judge that judged before.
    Back(Bus),
    /// List the models in the store, and which of them does what.
    List(Bus),
}

/// Where the bus is, and who orders.
#[derive(clap::Args)]
pub(crate) struct Bus {
    /// The NATS server.
    #[arg(long = "nats", value_name = "URL", env = "PORTCULLIS__NATS__URL")]
    url: String,
    /// Who orders it, for the record.
    #[arg(long, env = "USER")]
    by: Option<String>,
    #[command(flatten)]
    login: nats::Login,
}

/// The store and the roles.
struct Store {
    models: NatsModels,
    roles: NatsKv,
    by: Option<String>,
}

/// Does what is asked.
pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lines = runtime.block_on(async {
        match &command {
            Command::Put { folder, bus } => {
                let put = CascadeBundle::archive(folder);
                let (bundle, archive) = put.with_context(|| folder.display().to_string())?;
                let store = Store::open(bus).await?;
                let (digest, name) = (bundle.digest(), &bundle.manifest().model);
                store.models.put(digest, name, archive.into()).await?;
                // what was stored is what was sent, to the last byte
                store.holds(digest).await?;
                anyhow::Ok(vec![format!("{digest}  {name}")])
            }
            Command::Shadow { model, bus } => {
                let store = Store::open(bus).await?;
                let shadow = match model.as_str() {
                    "none" => None,
                    model => Some(store.named(model).await?),
                };
                store.order(|roles| Roles { shadow, ..roles }).await
            }
            Command::Live { model, bus } => {
                let store = Store::open(bus).await?;
                let live = match model.as_str() {
                    "own" => None,
                    model => Some(store.named(model).await?),
                };
                store.order(|roles| roles.with_live(live)).await
            }
            Command::Back(bus) => Store::open(bus).await?.order(Roles::switched_back).await,
            Command::List(bus) => Store::open(bus).await?.list().await,
        }
    })?;
    out::print(&lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

impl Store {
    async fn open(bus: &Bus) -> anyhow::Result<Self> {
        let client = bus.login.connect(&bus.url).await?;
        Ok(Self {
            models: NatsModels::open(client.clone()).await?,
            roles: NatsKv::open(client, subjects::MODEL_ROLES_BUCKET).await?,
            by: bus.by.clone(),
        })
    }

    /// The digest that a beginning means, of a model that is whole and fits this release.
    async fn named(&self, beginning: &str) -> anyhow::Result<String> {
        anyhow::ensure!(beginning.len() >= SHORTEST, "{SHORTEST} letters of the digest at least");
        let all = self.models.list().await?;
        let mut found = all.iter().filter(|stored| stored.digest.starts_with(beginning));
        let stored = found.next().context("no such model in the store: see admin model list")?;
        anyhow::ensure!(found.next().is_none(), "several models begin so: give more of the digest");
        self.holds(&stored.digest).await?;
        Ok(stored.digest.clone())
    }

    async fn holds(&self, digest: &str) -> anyhow::Result<()> {
        let bundle = CascadeBundle::from_archive(&self.models.fetch(digest).await?)?;
        anyhow::ensure!(bundle.digest() == digest, "the bundle is another than its name says");
        Ok(())
    }

    async fn now(&self) -> anyhow::Result<Roles> {
        let record = self.roles.get(StageName::injection_classifier().as_str()).await?;
        let roles = record.map(|record| serde_json::from_slice(&record.value)).transpose();
        Ok(roles.context("the roles in force cannot be read")?.unwrap_or_default())
    }

    async fn order(&self, change: impl FnOnce(Roles) -> Roles) -> anyhow::Result<Vec<String>> {
        let roles = Roles { by: self.by.clone(), ..change(self.now().await?) };
        let value = serde_json::to_vec(&roles)?;
        self.roles.put(StageName::injection_classifier().as_str(), value.into()).await?;
        Ok(vec![
            format!("live    {}", roles.live.as_deref().unwrap_or("own")),
            format!("shadow  {}", roles.shadow.as_deref().unwrap_or("none")),
            format!("back    {}", roles.back.as_deref().unwrap_or("own")),
        ])
    }

    async fn list(&self) -> anyhow::Result<Vec<String>> {
        let (roles, mut all) = (self.now().await?, self.models.list().await?);
        all.sort_by(|a, b| (&a.name, &a.digest).cmp(&(&b.name, &b.digest)));
        let role = |digest: Option<&String>| {
            let roles = [("live", &roles.live), ("shadow", &roles.shadow), ("back", &roles.back)];
            let is = |(name, role): (&'static str, &Option<String>)| {
                let absent_is_none = name == "shadow" && role.is_none();
                (role.as_ref() == digest && !absent_is_none).then_some(name)
            };
            roles.into_iter().filter_map(is).collect::<Vec<_>>().join(", ")
        };
        let own =
            format!("{:<64}  {:<24} {:>12}  {}", "own", "part of the program", "-", role(None));
        let line = |Stored { digest, name, bytes }: &Stored| {
            let name = out::harmless(name);
            format!("{:<64}  {name:<24} {bytes:>12}  {}", out::harmless(digest), role(Some(digest)))
        };
        Ok(std::iter::once(own).chain(all.iter().map(line)).collect())
    }
}
