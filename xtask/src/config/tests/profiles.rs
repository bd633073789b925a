//! `[profile.NAME]` over the built-in ones.

use super::*;

#[test]
fn a_builtin_profile_keeps_what_is_not_given() {
    let text = "
        [profile.unreal]
        program = 'UnrealEditor'
        env = { SEED = '{number}' }
        ready = { timeout = '4m' }
        shutdown.grace = '0s'
    ";
    let config = parse(text).unwrap();
    let defaults = builtin::profiles(Path::new("/nowhere"));
    let default = &defaults["unreal"];
    let profile = config.profile("unreal").unwrap();
    assert_eq!(config.program("unreal").unwrap(), "UnrealEditor");
    assert_eq!(profile.args, default.args);
    assert_eq!(profile.console, ClientConsole::New);
    assert_eq!(profile.lock_files, default.lock_files);
    assert_eq!(profile.env["SEED"], "{number}");
    assert_eq!(profile.ready.timeout, Duration::from_mins(4));
    assert_eq!(profile.ready.path, "/status");
    assert_eq!(profile.shutdown.grace, Duration::ZERO);
}

#[test]
fn every_key_of_a_profile_is_read() {
    let text = "
        [profile.own]
        program = './bin/own'
        project = '/p/own.json'
        args = ['{{x}}', '{run_dir}/{role}']
        env = { A = '1' }
        cwd = '/w'
        console = 'new'
        ready = { path = '/up', status = 204, timeout = '1s', request_timeout = '100ms', host = '::1' }
        shutdown = { grace = '1m30s' }
        lock_files = ['*.lock']
        survive = ['zenserver*']
    ";
    let profile = parse(text).unwrap().profiles["own"].clone();
    let expected = Profile {
        program: Some("./bin/own".to_owned()),
        project: Some(absolute(Path::new("/p/own.json"))),
        args: vec!["{{x}}".to_owned(), "{run_dir}/{role}".to_owned()],
        env: [("A".to_owned(), "1".to_owned())].into(),
        cwd: Some(absolute(Path::new("/w"))),
        console: ClientConsole::New,
        ready: Ready {
            path: "/up".to_owned(),
            status: 204,
            timeout: Duration::from_secs(1),
            request_timeout: Duration::from_millis(100),
            host: Some("::1".to_owned()),
        },
        shutdown: Shutdown {
            grace: Duration::from_secs(90),
        },
        survive: vec!["zenserver*".to_owned()],
        lock_files: vec!["*.lock".to_owned()],
    };
    assert_eq!(profile, expected);
}

#[test]
fn what_a_profile_cannot_be_is_refused() {
    let text = r#"
[profile.own]
program = ""
args = ["-p{prot}", "{port", 8080]
env = { PORT = 8080, "A=B" = "x", C = "{rol}" }
console = "nwe"
ready = { path = "status", status = 42, timeout = "0s", request_timeout = 2, hots = "x" }
shutdown = { grace = "ten" }
lock_files = ["../**", "/tmp/*", 'C:\*', "a/[b"]
survive = ["*", "bin/zen*", "zen["]
cwd = []
[profile.none]
[profile."a b"]
program = "x"
[profile]
three = 3
"#;
    insta::assert_snapshot!(report(text), @r#"
    xtask.toml:3:11: `program` must not be empty
      3 | program = ""
        |           ^^
    xtask.toml:4:9: `args` item 1 has an unknown placeholder `{prot}`, did you mean `{port}`?
      4 | args = ["-p{prot}", "{port", 8080]
        |         ^^^^^^^^^^
    xtask.toml:4:21: `args` item 2 has an unpaired `{` in "{port"; for the brace itself write `{{`
      4 | args = ["-p{prot}", "{port", 8080]
        |                     ^^^^^^^
    xtask.toml:4:30: `args` item 3 must be a string, not an integer
      4 | args = ["-p{prot}", "{port", 8080]
        |                              ^^^^
    xtask.toml:5:16: `env` variable PORT must be a string, not an integer
      5 | env = { PORT = 8080, "A=B" = "x", C = "{rol}" }
        |                ^^^^
    xtask.toml:5:22: `env` has a name that is empty or holds `=` or NUL
      5 | env = { PORT = 8080, "A=B" = "x", C = "{rol}" }
        |                      ^^^^^
    xtask.toml:5:39: `env` variable C has an unknown placeholder `{rol}`, did you mean `{role}`?
      5 | env = { PORT = 8080, "A=B" = "x", C = "{rol}" }
        |                                       ^^^^^^^
    xtask.toml:6:11: `console` must be "new" or "log", not "nwe", did you mean "new"?
      6 | console = "nwe"
        |           ^^^^^
    xtask.toml:7:18: `path` must start with `/`, not "status"
      7 | ready = { path = "status", status = 42, timeout = "0s", request_timeout = 2, hots = "x" }
        |                  ^^^^^^^^
    xtask.toml:7:37: `status` must be a whole number from 100 to 599, not 42
      7 | ready = { path = "status", status = 42, timeout = "0s", request_timeout = 2, hots = "x" }
        |                                     ^^
    xtask.toml:7:51: `timeout` must be more than zero
      7 | ready = { path = "status", status = 42, timeout = "0s", request_timeout = 2, hots = "x" }
        |                                                   ^^^^
    xtask.toml:7:75: `request_timeout` needs a unit: write "2s" for seconds or "2ms" for milliseconds
      7 | ready = { path = "status", status = 42, timeout = "0s", request_timeout = 2, hots = "x" }
        |                                                                           ^
    xtask.toml:7:78: unknown key `hots` in [profile.own.ready], did you mean `host`?
      7 | ready = { path = "status", status = 42, timeout = "0s", request_timeout = 2, hots = "x" }
        |                                                                              ^^^^
    xtask.toml:8:22: `grace` must be a duration like "10s", "3m", "500ms" or "1m30s", not "ten"
      8 | shutdown = { grace = "ten" }
        |                      ^^^^^
    xtask.toml:9:15: `lock_files` item 1 must stay below the project's folder: no `..`, no absolute path
      9 | lock_files = ["../**", "/tmp/*", 'C:\*', "a/[b"]
        |               ^^^^^^^
    xtask.toml:9:24: `lock_files` item 2 must stay below the project's folder: no `..`, no absolute path
      9 | lock_files = ["../**", "/tmp/*", 'C:\*', "a/[b"]
        |                        ^^^^^^^^
    xtask.toml:9:34: `lock_files` item 3 must stay below the project's folder: no `..`, no absolute path
      9 | lock_files = ["../**", "/tmp/*", 'C:\*', "a/[b"]
        |                                  ^^^^^^
    xtask.toml:9:42: `lock_files` item 4 has a bad glob: unclosed character class; missing ']'
      9 | lock_files = ["../**", "/tmp/*", 'C:\*', "a/[b"]
        |                                          ^^^^^^
    xtask.toml:10:12: `survive` item 1 has `*`, which matches every program: name those that are meant
      10 | survive = ["*", "bin/zen*", "zen["]
         |            ^^^
    xtask.toml:10:17: `survive` item 2 has `bin/zen*` for a name: names have no folders
      10 | survive = ["*", "bin/zen*", "zen["]
         |                 ^^^^^^^^^^
    xtask.toml:10:29: `survive` item 3 has a bad glob `zen[`: unclosed character class; missing ']'
      10 | survive = ["*", "bin/zen*", "zen["]
         |                             ^^^^^^
    xtask.toml:11:7: `cwd` must be a string, not an array
      11 | cwd = []
         |       ^^
    xtask.toml:12:10: this profile has no program; add `program = "…"`
      12 | [profile.none]
         |          ^^^^
    xtask.toml:13:10: [profile.a b] must be named with letters, digits, `-` and `_` only
      13 | [profile."a b"]
         |          ^^^^^
    xtask.toml:16:9: [profile.three] must be a table, not an integer
      16 | three = 3
         |         ^
    "#);
}
