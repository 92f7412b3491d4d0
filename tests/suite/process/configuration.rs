//! What an operator is told of the settings, and of a port that another program has.

use std::net::TcpListener;

use tempfile::TempDir;

use super::server::{run, text, usher};

#[test]
fn the_settings_in_force_are_printed_with_their_source_and_without_secrets() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("Rocket.toml"), "[default.usher]\nsite_name = \"Staff\"\n").unwrap();
    let secret = directory.path().join("password");
    std::fs::write(&secret, "very secret\n").unwrap();
    let variables = [
        ("DATABASE_URL", "postgres://ada:very-secret@db.example.org/usher"),
        ("USHER_SMTP_PASSWORD_FILE", secret.to_str().unwrap()),
        ("USHER_PUBLIC_ORIGIN", "HTTPS://Users.Example.org:443/"),
        ("ROCKET_PORT", "8123"),
        ("ROCKET_SHUTDOWN", "{grace=20}"),
    ];
    let output = run(usher(directory.path(), &variables, &["config"]), "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    for line in [
        "databases.main.url = \"postgres://ada:(secret)@db.example.org/usher\"    # the variable DATABASE_URL",
        "smtp_password = \"(secret)\"    # the variable USHER_SMTP_PASSWORD_FILE",
        "public_origin = \"https://users.example.org\"    # the variable USHER_PUBLIC_ORIGIN",
        "session_seconds = 28800    # default",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    for line in [
        "port = 8123    # the variable ROCKET_PORT",
        "address = \"127.0.0.1\"    # default",
        "limits.form = \"32KiB\"    # default",
        "shutdown.grace = 20    # the variable ROCKET_SHUTDOWN, grace",
        "shutdown.mercy = 1    # default",
        "ip_header = false    # default",
        "databases.main.max_connections = 10    # default",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert!(
        printed
            .lines()
            .any(|line| line.starts_with("site_name = \"Staff\"") && line.ends_with("Rocket.toml"))
    );
    assert!(!printed.contains("very"), "{printed}");
}

#[test]
fn a_setting_of_the_server_that_is_refused_is_named_as_it_is_written() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let refusal = |variables: &[(&str, &str)]| {
        let output = run(usher(path, variables, &["check"]), "");
        assert_eq!(output.status.code(), Some(1), "{variables:?}: {}", text(&output.stdout));
        text(&output.stderr)
    };
    for (variable, value, named) in [
        ("ROCKET_PORT", "70000", "ROCKET_PORT: "),
        ("ROCKET_PORT", "-1", "ROCKET_PORT: "),
        ("ROCKET_PORT", "http", "ROCKET_PORT: "),
        ("ROCKET_ADDRESS", "localhost", "ROCKET_ADDRESS: "),
        ("ROCKET_WORKERS", "0", "ROCKET_WORKERS: must be from 1 to 1024"),
        ("ROCKET_WORKERS", "many", "ROCKET_WORKERS: "),
        ("ROCKET_KEEP_ALIVE", "-1", "ROCKET_KEEP_ALIVE: "),
        ("ROCKET_LIMITS", "{form=\"many\"}", "ROCKET_LIMITS, form: "),
        ("ROCKET_SHUTDOWN", "{grace=\"x\"}", "ROCKET_SHUTDOWN, grace: "),
        ("ROCKET_SHUTDOWN", "20", "ROCKET_SHUTDOWN: "),
        ("ROCKET_TLS", "{certs=\"a\"}", "ROCKET_TLS: this build speaks plain HTTP only"),
        ("ROCKET_ADRESS", "::1", "ROCKET_ADRESS: there is no such setting"),
        ("ROCKET_IP_HEADER", "X-Real-IP", "ROCKET_IP_HEADER: any client could send"),
        ("ROCKET_DATABASES", "{mian={url=\"x\"}}", "ROCKET_DATABASES, mian: there is no such setting"),
        ("ROCKET_DATABASES", "{main={max_connections=0}}", "ROCKET_DATABASES, main.max_connections: must be"),
        ("USHER_SMTP_PORT", "70000", "usher.smtp_port: "),
    ] {
        let said = refusal(&[(variable, value)]);
        assert!(
            said.contains(&format!("usher: {named}")) || said.contains(&format!("refused: {named}")),
            "{said}"
        );
        assert!(variable == "USHER_SMTP_PORT" || !said.contains("usher: usher."), "{said}");
    }
    for (file, named) in [
        ("[default]\nport = 70000", "port: "),
        ("[default]\naddress = \"localhost\"", "address: "),
        ("[default.shutdown]\ngrace = -1", "shutdown.grace: "),
        ("[default]\nhttp2 = true", "http2: this build speaks HTTP/1.1 only"),
        ("[default.databases.mian]\nurl = \"sqlite://x.db\"", "databases.mian: there is no such setting"),
        ("[default.databases.main]\nurl = 5", "databases.main.url: "),
    ] {
        std::fs::write(path.join("Rocket.toml"), file).unwrap();
        let said = refusal(&[]);
        assert!(said.starts_with(&format!("usher: {named}")), "{said}");
        assert!(said.trim_end().ends_with("Rocket.toml)"), "{said}");
    }
}

#[test]
fn of_a_port_that_another_program_has_the_next_free_one_is_said() {
    let directory = TempDir::new().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let output = run(usher(directory.path(), &[("ROCKET_PORT", &port)], &["serve"]), "");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{said}");
    assert!(said.contains(" is free: ROCKET_PORT="), "{said}");
}

#[test]
fn who_listens_for_others_without_an_origin_is_warned() {
    let directory = TempDir::new().unwrap();
    let other = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let variables = [("ROCKET_PORT", port.as_str()), ("ROCKET_ADDRESS", "0.0.0.0")];
    let said = text(&run(usher(directory.path(), &variables, &["serve"]), "").stderr);
    assert!(said.contains("WARNING: public_origin is not set: links begin with http://0.0.0.0"), "{said}");
}

#[test]
fn authorities_that_are_not_there_stop_the_start_by_the_setting_and_the_file() {
    let directory = TempDir::new().unwrap();
    let variables = [
        ("USHER_SMTP_HOST", "mail.example.org"),
        ("USHER_MAIL_FROM", "usher@example.org"),
        ("USHER_SMTP_CA", "/no/such/ca.pem"),
    ];
    let output = run(usher(directory.path(), &variables, &["serve"]), "");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("usher.smtp_ca: /no/such/ca.pem: No such file or directory"), "{said}");
}

/// With a name that is misspelt the default would count: another, empty database.
#[test]
fn every_subcommand_refuses_a_database_or_a_secret_that_would_not_count() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let secret = path.join("secret");
    std::fs::write(&secret, "\n").unwrap();
    let in_file = |name| (name, secret.to_str().unwrap());
    for (file, variable, complaint) in [
        (
            "[default.databases.mian]\nurl = \"sqlite://x.db\"",
            None,
            "databases.mian: there is no such setting",
        ),
        ("[databases.main]\nurl = \"sqlite://x.db\"", None, "databases: it belongs into a profile"),
        ("[usher]\nsite_name = \"x\"", None, "usher: it belongs into a profile"),
        ("", Some(in_file("DATABASE_URL_FILE")), "secret is empty"),
        ("", Some(in_file("USHER_SECRET_KEY_FILE")), "secret is empty"),
        ("", Some(("USHER_SECRET_KEY", "short")), "usher.secret_key: "),
    ] {
        std::fs::write(path.join("Rocket.toml"), file).unwrap();
        let variables: Vec<(&str, &str)> = variable.into_iter().collect();
        for arguments in
            [&["check"][..], &["serve"], &["createsuperuser", "--username", "a", "--password-stdin"]]
        {
            let output = run(usher(path, &variables, arguments), "violet harbour 41 lantern\n");
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{file} {variable:?} {arguments:?}: {said}");
            assert!(said.contains(complaint), "{file} {variable:?} {arguments:?}: {said}");
        }
        let makes_none = variable.is_none_or(|(name, _)| name != "USHER_SECRET_KEY");
        assert!(!makes_none || !path.join("usher.db").exists(), "{file} {variable:?}");
    }
}
