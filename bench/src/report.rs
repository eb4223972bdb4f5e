//! What a run shows at its end.

pub mod json;
pub mod layout;
pub mod table;
pub mod value;
