//! The settings of an appliance, and the components that they describe.
//!
//! [`Config`] merges the compiled-in `cloister.toml`, the site's file and the environment.
//! [`ModelSelection`] adds the models that an administrator activated. [`components`] opens what
//! both describe: models, the file reader, weights, rules. The appliance and the evaluation
//! program share this crate, so that an evaluation measures what the appliance runs.
//!
//! This crate deliberately knows neither HTTP nor commands, and it holds no state.
//!
//! To add a setting, add it with its comment to `cloister.toml` and to its section in
//! [`settings`]. To rename one, also add the old name to [`settings::RENAMED`].

pub mod components;
mod model_selection;
pub mod settings;
mod system;

pub use model_selection::{ModelRole, ModelSelection};
pub use settings::{Config, ConfigError};
pub use system::{SystemClock, SystemEntropy};
