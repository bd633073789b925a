//! `[launch]`: clients, ports and roles.

use super::*;

#[test]
fn one_profile_is_one_role() {
    let text = "[launch]\nprofile = 'unreal'\nclients = 2\nbase_port = 9000\nstagger = '5s'\nleaks = 'deny'";
    let launch = parse(text).unwrap().launch;
    assert_eq!(launch.stagger, Duration::from_secs(5));
    assert_eq!(launch.leaks, Leaks::Deny);
    let role = Role {
        name: "unreal".to_owned(),
        profile: "unreal".to_owned(),
        clients: 2,
        ports: Ports::Base(9000),
    };
    assert_eq!(launch.plan(), [role]);
}

#[test]
fn ports_may_be_automatic_or_listed() {
    let launch = parse("[launch]\nbase_port = 'auto'").unwrap().launch;
    assert_eq!((launch.clients, launch.ports), (3, Ports::Auto));
    let launch = parse("[launch]\nports = [9000, 8080]").unwrap().launch;
    assert_eq!(
        (launch.clients, launch.ports),
        (2, Ports::Each(vec![9000, 8080]))
    );
}

#[test]
fn numbers_may_be_written_as_toml_allows() {
    let launch = parse("[launch]\nclients = 0x0_2\nbase_port = +9_000")
        .unwrap()
        .launch;
    assert_eq!((launch.clients, launch.ports), (2, Ports::Base(9000)));
}

#[test]
fn roles_start_in_the_order_of_the_file_and_share_the_usual_ports() {
    let text = "
        [profile.server]
        program = 'srv'
        [[launch.role]]
        name = 'server'
        base_port = 9000
        [[launch.role]]
        name = 'player'
        profile = 'demo'
        clients = 2
        [[launch.role]]
        profile = 'python-http'
    ";
    let roles = parse(text).unwrap().launch.plan();
    let shown: Vec<_> = roles
        .iter()
        .map(|role| {
            (
                role.name.as_str(),
                role.profile.as_str(),
                role.clients,
                &role.ports,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("server", "server", 1, &Ports::Base(9000)),
            ("player", "demo", 2, &Ports::Base(8080)),
            ("python-http", "python-http", 1, &Ports::Base(8082)),
        ]
    );
}

#[test]
fn roles_that_cannot_be_are_refused() {
    let text = "
[launch]
clients = 2
[[launch.role]]
profile = 'demo'
base_port = 8080
[[launch.role]]
profile = 'demo'
ports = [8081, 8080]
[[launch.role]]
clients = 1
[[launch.role]]
name = 'nobody'
[[launch.role]]
name = '../x'
profile = 'demo'
stagger = '1s'
";
    insta::assert_snapshot!(report(text), @"
    xtask.toml:3:11: `clients` does not apply to a launch with roles; set it in each [[launch.role]]
      3 | clients = 2
        |           ^
    xtask.toml:7:1: there are two roles `demo`; give each a `name` of its own
      7 | [[launch.role]]
        | ^^^^^^^^^^^^^^^
    xtask.toml:9:9: port 8080 is also role `demo`'s; give each role ports of its own
      9 | ports = [8081, 8080]
        |         ^^^^^^^^^^^^
    xtask.toml:10:1: a role needs a `profile`, or the `name` of one
      10 | [[launch.role]]
         | ^^^^^^^^^^^^^^^
    xtask.toml:13:8: there is no profile `nobody` for this role; name one with `profile`
      13 | name = 'nobody'
         |        ^^^^^^^^
    xtask.toml:15:8: `name` must be named with letters, digits, `-` and `_` only
      15 | name = '../x'
         |        ^^^^^^
    xtask.toml:17:1: unknown key `stagger` in [launch.role], known here: `name`, `profile`, `clients`, `base_port`, `ports`
      17 | stagger = '1s'
         | ^^^^^^^
    ");
}

#[test]
fn ports_that_do_not_fit_are_refused() {
    for (text, count) in [
        ("clients = 3\nbase_port = 65534", 1),
        ("base_port = 65534", 1),
        ("clients = 60000", 1),
        ("clients = 3\nports = [1, 2]", 1),
        ("ports = [1, 2, 1]", 1),
        ("ports = []", 1),
        ("ports = [0, 65536, -1, 'x']", 4),
        ("base_port = 0", 1),
        ("base_port = 65536", 1),
        ("base_port = '8080'", 1),
        ("base_port = 1\nports = [1, 2, 3]", 1),
        ("clients = 0", 1),
        ("clients = 'three'", 1),
        ("clients = 99999999999999999999", 1),
    ] {
        let text = format!("[launch]\n{text}");
        let found = parse(&text).unwrap_err().mistakes.len();
        assert_eq!(found, count, "{}", report(&text));
    }
    insta::assert_snapshot!(messages("[launch]\nclients = 0"), @"2:11: `clients` must be a whole number from 1 to 65535, not 0");
    insta::assert_snapshot!(messages("[launch]\nclients = 3\nbase_port = 65534"), @"3:13: 3 clients from port 65534 would need ports past 65535; start lower, or at `auto`");
    insta::assert_snapshot!(messages("[launch]\nclients = 60000"), @"2:11: 60000 clients from port 8080 would need ports past 65535; start lower, or at `auto`");
    insta::assert_snapshot!(messages("[launch]\nclients = 3\nports = [1, 2]"), @"3:9: 2 ports for 3 clients; give one port for each client");
    insta::assert_snapshot!(messages("[launch]\nports = [1, 2, 1]"), @"2:16: `ports` item 3 repeats 1; give each client a port of its own");
    insta::assert_snapshot!(messages("[launch]\nports = [0, 65536, 'x']"), @"
    2:10: `ports` item 1 must be a whole number from 1 to 65535, not 0
    2:13: `ports` item 2 must be a whole number from 1 to 65535, not 65536
    2:20: `ports` item 3 must be a whole number from 1 to 65535, not a string
    ");
    insta::assert_snapshot!(messages("[launch]\nbase_port = '8080'"), @r#"2:13: `base_port` must be a port (without quotes) or "auto", not "8080""#);
    insta::assert_snapshot!(messages("[launch]\nbase_port = 1\nports = [1, 2, 3]"), @"3:9: `ports` and `base_port` exclude each other; keep one of them");
}
