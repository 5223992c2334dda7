//! What every door has in common: requests that are read strictly, problems that quote nothing, and keys
//! of which only the hashes are kept.

pub mod auth;
pub mod limits;
mod problem;
mod read;
pub mod request;
mod serve;
mod told;

pub use problem::Problem;
pub use read::json;
pub use serve::{body, serve};
pub use told::tell;
