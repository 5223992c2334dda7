//! The sample configuration of each process and the sample policy: generated from the types, read back as
//! the defaults.

use portcullis_config::{StageConfig, load_from, sample, schema};
use portcullis_core::BotId;
use portcullis_host::Counters;
use portcullis_policy::{Document, Policy};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::workspace::{generated, root};

/// The sample of one process is as its types say, and reading it changes nothing.
fn holds<T: JsonSchema + Serialize + DeserializeOwned + Default>(process: &str) {
    let path = format!("deploy/config/{process}.sample.toml");
    let head = format!(
        "# Configuration of {process}: every field with its default. Generated from the types; a field is also\n\
         # set by the environment, as in PORTCULLIS__NATS__URL for url of [nats].\n\n"
    );
    generated(&path, &format!("{head}{}", sample::<T>().unwrap()));
    // The same types as a JSON Schema, which charts refuse bad values by.
    let schema = serde_json::to_string_pretty(&schema::<T>()).unwrap();
    generated(&format!("deploy/config/{process}.schema.json"), &format!("{schema}\n"));
    let read: T = load_from(Some(&root().join(&path)), []).unwrap();
    let json = |config: &T| serde_json::to_value(config).unwrap();
    assert_eq!(json(&read), json(&T::default()), "{path}");
}

#[test]
fn each_process_has_its_sample() {
    holds::<portcullis_ingress::config::Config>("ingress");
    holds::<portcullis_audit::start::Config>("audit");
    holds::<portcullis_anomaly::start::Config>("anomaly");
    holds::<portcullis_search::start::Config>("search");
    holds::<StageConfig<Counters>>("rate-limit");
    holds::<StageConfig<portcullis_injection_classifier::ModelConfig>>("injection-classifier");
    for stage in ["sanitizer", "sentiment", "moderation"] {
        holds::<StageConfig>(stage);
    }
}

/// The settings of moderation, which stand under `[stages.moderation.settings]` of a policy.
#[test]
fn moderations_settings_have_their_sample() {
    let path = "deploy/config/moderation.settings.sample.toml";
    let head = "# Moderation's settings, [stages.moderation.settings] of a policy: every field with its default. Generated\n\
                # from the types; examples are in the service's README.\n\n";
    generated(path, &format!("{head}{}", sample::<portcullis_moderation::Settings>().unwrap()));
}

#[test]
fn the_policy_has_its_sample() {
    let path = "deploy/config/policy.sample.toml";
    let head = "# A policy, one document a bot: every field with its default. Generated from the types. The settings of\n\
                # a stage are described in its README.\n\n";
    let text = format!("{head}{}", sample::<Document>().unwrap());
    generated(path, &text);
    let policy = Policy::parse(&BotId::fallback(), "1", &text).unwrap();
    assert_eq!(policy.document(), &Document::default());
}
