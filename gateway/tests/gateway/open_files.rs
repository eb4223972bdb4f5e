//! The limit of open files: raised at start.

use crate::support::{World, process::GatewayProcess};

#[tokio::test]
async fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let world = World::new().await;
    let process = GatewayProcess::start_limited(&world, (512, 1_500), &[]).await;
    assert_eq!(process.metric("process_max_fds").await, Some(1_500.0));
}
