//! What a gateway is measured by: its rate and latency under load, and how it judges labelled messages.

mod figures;
mod load;
mod report;
mod table;
mod target;

pub use figures::{Figures, Group, Groups, Judged, Label, Summary};
pub use load::{Measured, Plan, load};
pub use report::Report;
pub use table::table;
pub use target::{Failure, Target, is_here};
