//! The image holds what the chart starts.

use std::{collections::BTreeSet, fs, process::Command};

use crate::{
    helm::{render, root},
    values::{INSTALLATIONS, parse},
};

fn dockerfile() -> String {
    fs::read_to_string(root().join("Dockerfile")).unwrap()
}

#[test]
fn every_program_that_the_chart_starts_is_in_the_image() {
    let text = dockerfile();
    let copied = text
        .lines()
        .find(|line| line.starts_with("COPY --from=build"))
        .unwrap();
    let mut started = BTreeSet::from(["/flashsale-worker".to_owned()]);
    for values in INSTALLATIONS {
        for pod in render(&parse(values), &[]).pods() {
            let ours = pod.containers().filter(|container| {
                let image = container["image"].as_str().unwrap();
                image.starts_with("ghcr.io/flashsale/flashsale:")
            });
            started.extend(ours.map(|c| c["command"][0].as_str().unwrap().to_owned()));
        }
    }
    let expected = [
        "/flashsale",
        "/flashsale-gateway",
        "/flashsale-operator",
        "/flashsale-worker",
    ];
    assert_eq!(started, expected.map(str::to_owned).into());
    for program in started {
        let word = format!("/out{program}");
        assert!(
            copied.split_whitespace().any(|found| found == word),
            "{program}"
        );
    }
}

#[test]
fn it_is_built_by_the_toolchain_that_the_workspace_names() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "));
    let expected = format!("ARG RUST_VERSION={}", version.unwrap().trim_matches('"'));
    assert!(
        dockerfile().lines().any(|line| line == expected),
        "{expected}"
    );
}

#[test]
fn it_runs_as_the_user_that_the_chart_names() {
    let values = fs::read_to_string(crate::helm::chart().join("values.yaml")).unwrap();
    let user = values
        .lines()
        .find_map(|line| line.strip_prefix("runAsUser: "))
        .unwrap();
    let expected = format!("USER {user}:{user}");
    assert!(
        dockerfile().lines().any(|line| line == expected),
        "{expected}"
    );
}

/// The gateway embeds the shop when it is built, so the shop has to be there by then.
#[test]
fn the_gateway_is_built_with_the_shop_inside() {
    let text = dockerfile();
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no `{what}`"));
    let built = at("npm run build");
    let copied = at("COPY --from=storefront /src/storefront/dist storefront/dist");
    assert!(built < copied && copied < at("cargo build"));
    // One that was built here before must not take its place.
    let ignored = fs::read_to_string(root().join(".dockerignore")).unwrap();
    assert!(ignored.lines().any(|line| line == "storefront/dist"));
}

#[test]
fn the_shop_is_built_by_a_node_that_can() {
    let text = dockerfile();
    let image = "FROM docker.io/library/node:";
    let line = text.lines().find_map(|line| line.strip_prefix(image));
    let major = line.unwrap().split_once('-').unwrap().0;
    // A tag of a major version is its newest release.
    let status = Command::new(root().join("scripts/storefront"))
        .args(["--takes", &format!("{major}.999.0")])
        .status();
    assert!(status.unwrap().success(), "{major}");
}
