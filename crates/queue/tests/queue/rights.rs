//! What the Redis user may do, and what is said when it may not.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use flashsale_queue::connect::{self, RightsError, SharedConnection, acl_rules, check_rights};
use flashsale_testbed::{
    data_dir::DataDir,
    redis::{AppendFsync, Redis},
};

struct Scene {
    redis: Redis,
    /// Connected as the user `shop`.
    shop: SharedConnection,
}

impl Scene {
    async fn set() -> Self {
        let redis = Redis::start(&DataDir::temporary().unwrap(), AppendFsync::EverySecond)
            .await
            .unwrap();
        let url = redis.url().replace("//:", "//shop:");
        let shop = connect::shared(&connect::redis_client(&url).unwrap()).unwrap();
        let scene = Self { redis, shop };
        let password = format!(">{}", scene.redis.password());
        scene
            .set_user(&format!("on {password} {}", acl_rules()))
            .await;
        scene
    }

    /// A connection of the user that may do everything.
    fn owner(&self) -> SharedConnection {
        connect::shared(&connect::redis_client(&self.redis.url()).unwrap()).unwrap()
    }

    async fn set_user(&self, rules: &str) {
        let mut owner = self.owner();
        let mut set = redis::cmd("ACL");
        set.arg("SETUSER").arg("shop");
        for rule in rules.split(' ') {
            set.arg(rule);
        }
        set.exec_async(&mut owner).await.unwrap();
    }

    async fn missing(&self) -> String {
        match check_rights(&self.shop).await {
            Ok(()) => String::new(),
            Err(RightsError::Missing(missing)) => missing.to_string(),
            Err(error) => error.to_string(),
        }
    }
}

#[tokio::test]
async fn each_command_that_is_missing_is_named() {
    let scene = Scene::set().await;
    assert_eq!(scene.missing().await, "");
    let rules = acl_rules();
    // What the connection itself needs, and what nothing depends on.
    let not_checked = [
        "+select",
        "+role",
        "+cluster|slots",
        "+cluster|info",
        "+asking",
        "+readonly",
        "+config|get",
    ];
    for rule in rules.split(' ').filter(|rule| rule.starts_with('+')) {
        let missing = if not_checked.contains(&rule) {
            ""
        } else {
            rule
        };
        let refused = rule.replace('+', "-");
        scene.set_user(&refused).await;
        assert_eq!(scene.missing().await, missing);
        scene.set_user(rule).await;
    }
}

#[tokio::test]
async fn keys_and_channels_that_are_missing_are_named() {
    let scene = Scene::set().await;
    scene.set_user("resetkeys ~shop:*").await;
    assert_eq!(scene.missing().await, "~fs:*");
    scene.set_user("resetkeys ~fs:* resetchannels").await;
    assert_eq!(scene.missing().await, "&fs:*");
}

#[tokio::test]
async fn a_check_leaves_nothing_behind() {
    let scene = Scene::set().await;
    assert_eq!(scene.missing().await, "");
    let mut owner = scene.owner();
    let keys: u64 = redis::cmd("DBSIZE").query_async(&mut owner).await.unwrap();
    assert_eq!(keys, 0);
}
