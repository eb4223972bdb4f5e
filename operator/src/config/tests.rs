use std::time::Duration;

use clap::{Args as _, Command, FromArgMatches as _};

use super::*;

fn parse(extra: &[&str]) -> OperatorArgs {
    let command = OperatorArgs::augment_args(Command::new("operator"));
    let given = ["operator", "--worker-image", "flashsale:test"];
    let matches = command
        .try_get_matches_from(given.iter().chain(extra))
        .unwrap();
    OperatorArgs::from_arg_matches(&matches).unwrap()
}

#[test]
fn defaults_are_the_documented_ones() {
    let arguments = parse(&[]);
    let settings = arguments.settings().unwrap();
    assert_eq!(settings.namespaces, Vec::<String>::new());
    assert_eq!(settings.worker.pull_policy, "IfNotPresent");
    assert_eq!(settings.worker.listen_address.to_string(), "::");
    assert_eq!(settings.worker.run_as_user, Some(65_532));
    assert_eq!(settings.worker.run_as_group, Some(65_532));
    assert_eq!(arguments.probes_listen.to_string(), "[::]:9091");
    assert_eq!(settings.database_secret, "flashsale-database");
    assert_eq!(settings.worker_database_secret, None);
    assert_eq!(settings.redis_secret, "flashsale-redis");
    assert_eq!(settings.class, None);
    let allowed = settings.allowed;
    assert!(allowed.images.is_empty() && allowed.secrets.is_empty());
    assert_eq!(allowed.annotations.len(), 3);
    let lease = arguments.lease().unwrap().unwrap();
    assert_eq!(lease.name, "flashsale-operator");
    assert_eq!(
        [
            lease.timings.duration,
            lease.timings.renew_deadline,
            lease.timings.retry_period
        ],
        [15, 10, 2].map(Duration::from_secs)
    );
}

#[test]
fn lists_are_repeated_or_separated_by_commas() {
    let given = ["--namespace=b,a", "--namespace=b", "--allow-secret=x,y-*"];
    let settings = parse(&given).settings().unwrap();
    assert_eq!(settings.namespaces, ["a", "b"]);
    assert_eq!(settings.allowed.secrets, ["x", "y-*"].map(Pattern::from));
}

#[test]
fn image_is_required_and_may_not_be_empty() {
    let command = OperatorArgs::augment_args(Command::new("operator"));
    assert!(command.try_get_matches_from(["operator"]).is_err());
    let mut arguments = parse(&[]);
    arguments.worker.image = Some(" ".to_owned());
    assert_eq!(arguments.settings(), Err(ConfigError::NoWorkerImage));
}

#[test]
fn who_workers_run_as_can_be_left_to_the_platform_but_is_never_root() {
    let nobody = ["--worker-run-as-user=", "--worker-run-as-group="];
    let worker = parse(&nobody).settings().unwrap().worker;
    assert_eq!((worker.run_as_user, worker.run_as_group), (None, None));
    let worker = parse(&["--worker-run-as-group=0"]).settings().unwrap();
    assert_eq!(worker.worker.run_as_group, Some(0));
    for user in ["0", "-1", "root", "2147483648"] {
        let command = OperatorArgs::augment_args(Command::new("operator"));
        let user = format!("--worker-run-as-user={user}");
        let given = ["operator", "--worker-image=x", user.as_str()];
        assert!(command.try_get_matches_from(given).is_err(), "{user}");
    }
}

#[test]
fn election_can_be_switched_off() {
    assert_eq!(parse(&["--leader-elect=false"]).lease(), Ok(None));
    assert!(parse(&["--leader-elect"]).lease().unwrap().is_some());
}

#[test]
fn timings_by_which_two_could_lead_are_refused() {
    let error = parse(&["--lease-duration-seconds", "10"])
        .lease()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "--lease-duration-seconds (10) must be more than --renew-deadline-seconds (10): \
         a leader must have stopped before another starts"
    );
    let error = parse(&["--retry-period-seconds", "9"]).lease().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("1.2 times --retry-period-seconds")
    );
    let error = parse(&["--retry-period-seconds", "0"]).lease().unwrap_err();
    assert_eq!(error, ConfigError::NoRetryPeriod);
}

#[test]
fn names_that_kubernetes_refuses_are_refused_here() {
    for name in ["", "Shop", "-shop", "shop_1", "shop."] {
        let error = parse(&[&format!("--namespace={name}")])
            .settings()
            .unwrap_err();
        assert!(error.to_string().contains("is no name in Kubernetes"));
        let secret = parse(&[&format!("--worker-database-secret={name}")]);
        assert!(secret.settings().is_err(), "{name:?}");
    }
}

#[test]
fn two_processes_of_one_host_differ() {
    let arguments = parse(&[]);
    assert_ne!(arguments.identity().unwrap(), arguments.identity().unwrap());
    assert_eq!(parse(&["--identity", "a"]).identity().unwrap(), "a");
    let error = parse(&["--identity", ""]).identity().unwrap_err();
    assert_eq!(error, ConfigError::NoIdentity);
}
