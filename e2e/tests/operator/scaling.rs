//! Workers follow the queue: at once, never in vain, and as slowly as asked.

mod bounds;
mod pace;
mod spare;
mod spikes;
mod subresource;
mod suspend;
