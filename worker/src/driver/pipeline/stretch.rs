//! Whether what is acknowledged together was read in one piece: Redis then needs less than half the
//! time for it.

use flashsale_queue::lane::Run;

use crate::batch::Waiting;

/// A stretch of a lane, as it grows job by job.
#[derive(Debug, Default)]
pub(super) enum Stretch {
    /// No job yet.
    #[default]
    Empty,
    /// Everything from one entry to another.
    Whole {
        /// Id of the first entry.
        first: String,
        /// Id of the last one.
        last: String,
        /// As which the last one was read.
        read_as: u64,
        /// Entries in it.
        count: usize,
    },
    /// Something lies in between.
    Broken,
}

impl Stretch {
    /// With `jobs`, in this order.
    pub(super) fn add(&mut self, jobs: &[Waiting]) {
        for job in jobs {
            self.add_one(job);
        }
    }

    fn add_one(&mut self, job: &Waiting) {
        match (&mut *self, job.read_as) {
            (Self::Empty, Some(read_as)) => {
                *self = Self::Whole {
                    first: job.entry_id.clone(),
                    last: job.entry_id.clone(),
                    read_as,
                    count: 1,
                };
            }
            (
                Self::Whole {
                    last,
                    read_as: before,
                    count,
                    ..
                },
                Some(read_as),
            ) if read_as == *before + 1 => {
                last.clone_from(&job.entry_id);
                *before = read_as;
                *count += 1;
            }
            _ => *self = Self::Broken,
        }
    }

    /// With an entry of which nothing is known.
    pub(super) fn tear(&mut self) {
        *self = Self::Broken;
    }

    /// What it came to.
    pub(super) fn into_run(self) -> Option<Run> {
        match self {
            Self::Whole {
                first, last, count, ..
            } => Some(Run::new(first, last, count)),
            Self::Empty | Self::Broken => None,
        }
    }
}
