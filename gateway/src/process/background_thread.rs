//! The thread of the tasks that shoppers' connections must not delay.
//!
//! Where the processor is the limit, thousands of connections are ready to run at any time, and a task
//! among them gets its turn after all of them. A call to Redis needs several turns: to be sent, to be
//! answered, and to pass the decisions on. Among the connections, calls took so long that buys exceeded
//! their time limits while Redis was idle. The kernel gives a thread of its own its share of the
//! processor, however many connections the others have.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime with one thread. Tasks that are left end when it is dropped.
#[derive(Debug)]
pub(super) struct BackgroundThread {
    /// Always there until it is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl BackgroundThread {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("background")
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for BackgroundThread {
    /// Waits for nothing, since a runtime must not be waited for by a task of another.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
