//! Masked values that can be given back: numbers from the vault on the way to the bot, values on the way back.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use portcullis_core::{Cause, Decision, Direction, Effect, Interaction, StageName};
use portcullis_policy::{Mode, Policy, judge};

use crate::edits::{self, Numbers};
use crate::placeholders::{self, Values};
use crate::receipt;
use crate::walk::Walk;

/// The most time that the vault gets of a message's own.
const PATIENCE: Duration = Duration::from_millis(25);

/// The vault of one conversation, as ingress keeps it.
pub trait Vaulting: Send + Sync {
    /// The number of each value (entity, value) in this conversation; `None` for one that is not kept.
    /// `Err` where the store is away.
    fn entrust<'a>(
        &'a self,
        values: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<Vec<Option<u32>>, Cause>>;

    /// The values of this conversation. `Err` where the store is away.
    fn open(&self) -> BoxFuture<'_, Result<Values, Cause>>;
}

/// What the vault gave for one message.
#[derive(Default)]
pub(crate) struct Vaulted {
    /// For a message of a person.
    pub(crate) numbers: Numbers,
    /// Whether look-alikes are escaped.
    pub(crate) escape: bool,
    /// Whether placeholders and escapes are given back.
    pub(crate) restores: bool,
    /// For an answer of the bot.
    pub(crate) values: Values,
}

/// Asks the vault for what a message needs of it, and says in the receipt how that went. Nothing is asked for
/// a message that is not going to be forwarded.
pub(crate) async fn ask(
    walk: &mut Walk,
    interaction: &Interaction,
    policy: &Policy,
    vault: Option<&dyn Vaulting>,
    deadline: Instant,
) -> Vaulted {
    let mut vaulted = Vaulted::default();
    let settings = &policy.document().placeholders;
    let inbound = interaction.direction == Direction::Inbound;
    let wanted = match inbound {
        true => edits::wanted(&interaction.text, walk.edits()),
        false => Vec::new(),
    };
    // Taking back escapes needs no vault.
    let needs =
        !wanted.is_empty() || (!inbound && placeholders::any_to_restore(interaction.text.expose()));
    let way = interaction.direction;
    let so_far = judge(policy, way, &walk.findings, &walk.gaps).decision;
    let stays = matches!(so_far, Decision::Throttle | Decision::Block);
    // In shadow mode nothing is changed, on neither way.
    if stays || policy.document().mode != Mode::Enforce {
        return vaulted;
    }
    vaulted.escape = inbound && settings.restore;
    vaulted.restores = !inbound && settings.restore;
    let stage = StageName::vault();
    if !needs {
        return vaulted;
    }
    if !settings.restore {
        walk.receipt.push(receipt::skipped(&stage, "off_by_policy"));
        return vaulted;
    }
    let began = Instant::now();
    let until = deadline.min(began + PATIENCE);
    let asked = async {
        let Some(vault) = vault else { return Err((Cause::Absent, "no_conversation")) };
        let away = |cause| (cause, "away");
        if !inbound {
            return vault.open().await.map_err(away).map(|values| (Vec::new(), values));
        }
        let numbers = vault.entrust(&wanted).await.map_err(away)?;
        Ok((numbers, Values::new()))
    };
    let answered = tokio::time::timeout_at(until.into(), asked).await;
    let failed = match answered.unwrap_or(Err((Cause::Late, "late"))) {
        Ok((numbers, values)) => {
            vaulted.values = values;
            let full = numbers.iter().any(Option::is_none);
            let numbered = wanted.into_iter().zip(numbers);
            vaulted.numbers =
                numbered.filter_map(|(value, number)| Some((value, number?))).collect();
            full.then_some((Cause::Partial, "full"))
        }
        Err(failed) => Some(failed),
    };
    let took = began.elapsed();
    match failed {
        None => walk.receipt.push(receipt::kept(&stage, took)),
        Some((cause, why)) => {
            let effect: Effect = settings.on_gap.effect();
            let line = receipt::gap(&stage, cause, effect, took);
            walk.receipt.push(portcullis_core::Check { why: Some(why.into()), ..line });
            walk.gap(&stage, cause, effect);
        }
    }
    vaulted
}
