//! The `consensus` command against real clients, honest ones and liars.

use crate::program::{Client, Ended, Program};

/// Starts as many clients as there are entries, numbered from 1; `true` is a liar.
fn clients(lying: &[bool]) -> Vec<Client> {
    (1..)
        .zip(lying)
        .map(|(number, lies): (u32, _)| {
            let number = number.to_string();
            let mut arguments = vec!["--number", &number];
            if *lies {
                arguments.push("--lie");
            }
            Client::start(&arguments)
        })
        .collect()
}

fn urls(clients: &[Client]) -> String {
    let urls: Vec<&str> = clients.iter().map(|client| client.url.as_str()).collect();
    urls.join(",")
}

fn test(clients: &[Client]) -> Ended {
    Program::start_with_urls(&["consensus"], Some(&urls(clients))).wait()
}

#[test]
fn three_honest_clients_agree() {
    let ended = test(&clients(&[false; 3])).expect_code(0);
    for part in [
        "3 clients ready",
        "client 1: thrust moved ship 1 alone",
        "ship 3: 3 of 3 reports accepted",
    ] {
        assert!(ended.stdout.contains(part), "{}", ended.stdout);
    }
    assert_eq!(ended.stderr, "");
}

#[test]
fn one_client_is_enough() {
    test(&clients(&[false])).expect_code(0);
}

#[test]
fn the_test_can_be_repeated_on_the_same_clients() {
    let clients = clients(&[false; 2]);
    test(&clients).expect_code(0);
    test(&clients).expect_code(0);
}

#[test]
fn the_test_can_be_held() {
    let clients = clients(&[false; 2]);
    let urls = urls(&clients);
    let ended = Program::start(&["consensus", "--urls", &urls, "--hold", "600ms"])
        .wait()
        .expect_code(0);
    assert!(ended.stdout.contains("held for"), "{}", ended.stdout);
}

#[test]
fn one_liar_among_four_is_outvoted_and_named() {
    // Whichever it is, the one whose ship is thrusted included.
    for liar in [0, 3] {
        let mut lying = [false; 4];
        lying[liar] = true;
        let ended = test(&clients(&lying)).expect_code(0);
        let number = liar + 1;
        let named = format!("client {number}'s report of ship {number}");
        assert!(ended.stderr.contains(&named), "{}", ended.stderr);
    }
}

#[test]
fn a_lying_majority_makes_the_test_fail() {
    let ended = test(&clients(&[false, true, true])).expect_code(1);
    assert!(ended.stdout.contains("FAILED"), "{}", ended.stdout);
    assert!(ended.stderr.contains("are needed"), "{}", ended.stderr);
}

#[test]
fn a_client_that_is_gone_makes_the_test_fail() {
    // A port that the system never gives to another test.
    let gone = "http://127.0.0.1:1";
    let client = Client::start(&[]);
    let urls = format!("{},{gone}", client.url);
    let ended = Program::start(&["consensus", "--urls", &urls])
        .wait()
        .expect_code(1);
    assert!(ended.stderr.contains(gone), "{}", ended.stderr);
}

#[test]
fn clients_with_the_same_number_are_refused() {
    let clients = [Client::start(&[]), Client::start(&[])];
    let ended = test(&clients).expect_code(1);
    assert!(ended.stderr.contains("--number"), "{}", ended.stderr);
}

#[test]
fn no_clients_is_a_usage_error_that_says_what_to_set() {
    let ended = Program::start(&["consensus"]).wait().expect_code(2);
    for part in ["XTASK_CLIENT_URLS", "--urls"] {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}
