//! Imports in the console, as a browser without scripts does them.

use std::time::Duration;

use rocket::http::{Header, Method};
use rocket::tokio::time::sleep;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use usher::model::session::Credential;

use crate::app::{Answer, By, PASSWORD, Person, TestApp};
use crate::audit::trail;
use crate::console::{hidden, page, send, send_from, token};

/// Of the password `otter`.
pub(crate) const OTTER: &str = "pbkdf2_sha256$1000$salt$XpXOQQ8fv/daUi48T63mbhH/KAcKDLwnFpZsQr7xpoA=";

/// Sends files, by their names, with a token.
async fn upload(app: &TestApp, by: &Person, token: &str, files: &[(&str, &[u8])]) -> Answer {
    let mut body =
        format!("--limit\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n{token}\r\n").into_bytes();
    for (name, content) in files {
        let head =
            format!("--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n");
        body.extend(head.as_bytes());
        body.extend(b"Content-Type: application/octet-stream\r\n\r\n");
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(b"--limit--\r\n");
    let request = app.request(Method::Post, "/users/import", Some((by, By::Cookie)));
    let kind = Header::new("Content-Type", "multipart/form-data; boundary=limit");
    Answer::of(request.header(kind).body(body).dispatch().await).await
}

/// Uploads files from the page, and returns the page that judges them.
pub(crate) async fn check(app: &TestApp, by: &Person, files: &[(&str, &[u8])]) -> String {
    let token = token(&page(app, by, "/users/import").await.body);
    let answer = upload(app, by, &token, files).await;
    assert_eq!((answer.status, answer.header("Location")), (303, Some("/users/import")), "{}", answer.body);
    page(app, by, "/users/import").await.body
}

/// Presses the button that imports, and waits for the end of it: the path of the run, and its page.
pub(crate) async fn import(app: &TestApp, by: &Person, html: &str) -> (String, String) {
    let (token, number) = (token(html), hidden(html, "number"));
    let (answer, _) = send(app, by, "/users/import/run", &[("token", &token), ("number", &number)]).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let path = answer.header("Location").expect("a page").to_owned();
    let html = finished(app, by, &path).await;
    (path, html)
}

/// The page of a run once it has come to its end.
pub(crate) async fn finished(app: &TestApp, by: &Person, path: &str) -> String {
    loop {
        let html = page(app, by, path).await.body;
        if !html.contains("Look again") {
            return html;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// What the page says of a verdict or the like.
fn figure(html: &str, name: &str) -> String {
    let after =
        html.split(&format!("<dt>{name}</dt><dd>")).nth(1).unwrap_or_else(|| panic!("{name}: {html}"));
    after.split("</dd>").next().unwrap().to_owned()
}

async fn has_user(app: &TestApp, by: &Person, username: &str) -> bool {
    page(app, by, &format!("/users?q={username}")).await.body.contains(&format!("\"Select {username}\""))
}

fn users(lines: &[&str]) -> String {
    format!("pk,username,email,password\n{}\n", lines.join("\n"))
}

#[apply(on_both)]
async fn se_6_a_superuser_imports_after_seeing_what_would_be_done_and_giving_the_password(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    assert!(page(&app, &admin, "/users").await.body.contains("href=\"/users/import\""));
    let ada = format!("500,ada,ada@example.org,{OTTER}");
    let content = users(&[&ada, "501,bob,bob@example.org,hunter2", "502,admin,,", "x,carl,,"]);
    let html = check(&app, &admin, &[("C:\\people\\users.csv", content.as_bytes())]).await;
    for (name, number) in [("To create", "2"), ("Unchanged", "0"), ("Conflicts", "1"), ("Refused", "1")] {
        assert_eq!(figure(&html, name), number, "{name}");
    }
    for part in [
        "<b>users.csv</b>: a table, 4 rows.",
        "ada@example.org · bob@example.org",
        "Must be a whole number from 1",
        "A user with that username already exists.",
        ">Import 2 users</button>",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("hunter2") && !html.contains("pbkdf2"), "{html}");
    assert!(!has_user(&app, &admin, "ada").await && trail(&app).await.is_empty(), "nothing is done yet");
    let report = page(&app, &admin, "/users/import/report").await;
    assert_eq!(report.header("Content-Type"), Some("text/csv; charset=utf-8"));
    let verdicts: Vec<&str> =
        report.body.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(verdicts, ["created", "created", "conflict", "refused"]);
    assert!(!report.body.contains("hunter2") && !report.body.contains("pbkdf2"));

    app.clock.advance(Duration::from_mins(6));
    let html = page(&app, &admin, "/users/import").await.body;
    assert!(html.contains("name=\"current_password\""), "{html}");
    let (form_token, number) = (token(&html), hidden(&html, "number"));
    let form = [("token", form_token.as_str()), ("number", number.as_str())];
    for password in ["", "not the password"] {
        let fields = [form[0], form[1], ("current_password", password)];
        let (answer, _) = send(&app, &admin, "/users/import/run", &fields).await;
        assert_eq!(answer.status, 422, "{password}");
        assert!(answer.body.contains("There is a problem"));
    }
    assert!(!has_user(&app, &admin, "ada").await);
    let fields = [form[0], form[1], ("current_password", PASSWORD)];
    let (answer, _) = send(&app, &admin, "/users/import/run", &fields).await;
    assert_eq!(
        (answer.status, answer.header("Location")),
        (303, Some("/users/imports/1")),
        "{}",
        answer.body
    );
    let (again, _) = send(&app, &admin, "/users/import/run", &form).await;
    assert_eq!(again.header("Location"), Some("/users/imports/1"), "sent twice, it is done once");
    let html = finished(&app, &admin, "/users/imports/1").await;
    assert!(html.contains("<h1>2 users imported</h1>"), "{html}");
    assert_eq!(figure(&html, "Without a password, invited"), "1");
    assert_eq!(app.obtain("ada", "otter").await.status, 200);
    let report = page(&app, &admin, "/users/import/report").await;
    assert_eq!(report.body.lines().count(), 5, "{}", report.body);

    let trail = trail(&app).await;
    let imported: Vec<_> = trail.iter().filter(|entry| entry.action == "imported").collect();
    let [entry] = imported[..] else { panic!("{imported:?}") };
    let details: Value = serde_json::from_str(&entry.details).unwrap();
    let digest: String =
        Sha256::digest(&content).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    assert_eq!(details["sha256"], json!(digest));
    assert_eq!(
        (&details["created"], &details["refused"], &details["conflicts"]),
        (&json!(2), &json!(2), &json!(1))
    );
    assert_eq!((entry.actor_id, entry.door.as_str(), entry.batch_id), (Some(admin.id()), "console", Some(1)));
    let added = |entry: &&usher::model::audit::StoredEntry| {
        entry.action == "user_created" && entry.batch_id == Some(1) && entry.actor_id == Some(admin.id())
    };
    assert_eq!(trail.iter().filter(added).count(), 2);
    let html = page(&app, &admin, "/audit").await.body;
    assert!(html.contains("href=\"/users/imports/1\""), "{html}");
}

#[apply(on_both)]
async fn an_import_is_taken_back_but_for_users_who_signed_in_or_were_changed(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let lines: Vec<String> = (0..450).map(|n| format!("{},user{n},,{OTTER}", 1000 + n)).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let html = check(&app, &admin, &[("users.csv", users(&lines).as_bytes())]).await;
    let (path, html) = import(&app, &admin, &html).await;
    assert!(
        html.contains("<h1>450 users imported</h1>") && html.contains("action=\"/users/imports/1/undo\"")
    );
    assert_eq!(app.obtain("user7", "otter").await.status, 200);
    let change = json!({"first_name": "Changed"});
    assert_eq!(app.send(&admin, Method::Patch, "/v1/users/1008", &change).await.status, 200);
    let reset = json!({"password": "another long password"});
    assert_eq!(app.send(&admin, Method::Patch, "/v1/users/1009", &reset).await.status, 200);
    app.clock.advance(Duration::from_mins(6));
    let (asked, _) = send_from(&app, &admin, &path, "/users/imports/1/undo", &[]).await;
    assert_eq!(asked.status, 422, "the password is asked for");
    let password = [("current_password", PASSWORD)];
    let (answer, _) = send_from(&app, &admin, &path, "/users/imports/1/undo", &password).await;
    assert_eq!(
        (answer.status, answer.header("Location")),
        (303, Some("/users/imports/2")),
        "{}",
        answer.body
    );
    let html = finished(&app, &admin, "/users/imports/2").await;
    for part in [
        "<h1>447 users removed</h1>",
        ">user7</a></th><td>The user has signed in since.</td>",
        ">user8</a></th><td>The user was changed since.</td>",
        ">user9</a></th><td>The user was changed since.</td>",
        "It takes <a href=\"/users/imports/1\">an import</a> back.",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!has_user(&app, &admin, "user10").await && has_user(&app, &admin, "user8").await);
    assert_eq!(page(&app, &admin, "/users/1010").await.status, 404);
    let html = page(&app, &admin, "/users/imports/1").await.body;
    assert!(
        html.contains("It was <a href=\"/users/imports/2\">undone</a>")
            && !html.contains("/users/imports/1/undo")
    );
    let (again, _) = send_from(&app, &admin, "/users", "/users/imports/1/undo", &[]).await;
    assert_eq!(again.status, 409, "it is undone already");
    let trail = trail(&app).await;
    let count = |action: &str| trail.iter().filter(|entry| entry.action == action).count();
    assert_eq!((count("user_removed"), count("import_undone")), (447, 1));
    let bulk = page(&app, &admin, "/users/bulk/1").await;
    assert_eq!(bulk.status, 404, "an import is no action on users who were here");
    assert!(app.person("next", "").await.id() > 1449, "a key is never given twice");
}

#[apply(on_both)]
async fn an_import_can_be_taken_back_within_a_day(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let html = check(&app, &admin, &[("users.csv", b"username\nada\n")]).await;
    import(&app, &admin, &html).await;
    app.clock.advance(Duration::from_hours(24));
    let cookie = app.session(admin.user.id, Credential::Cookie).await.secret.to_text();
    let again = Person { cookie, ..admin.clone() };
    let html = page(&app, &again, "/users/imports/1").await.body;
    assert!(html.contains("1 user imported") && !html.contains("/undo\""), "{html}");
    let (late, _) = send_from(&app, &again, "/users", "/users/imports/1/undo", &[]).await;
    assert_eq!(late.status, 409);
    assert!(has_user(&app, &again, "ada").await);
}

#[apply(on_both)]
async fn files_that_belong_together_are_uploaded_together(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let passwd = b"ada:x:1000:1000:Ada Lovelace:/home/ada:/bin/sh\n";
    let shadow = b"ada:$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1:1:0:9:7:::\n";
    let html = check(&app, &admin, &[("passwd", passwd), ("shadow", shadow)]).await;
    assert!(
        html.contains("<b>passwd</b>: accounts of Unix, 1 row.") && html.contains("Used with it: shadow.")
    );
    assert_eq!(figure(&html, "With a weak hash, stored as argon2id of it"), "1");
    assert!(!html.contains("svn8Uo"), "{html}");
    import(&app, &admin, &html).await;
    assert_eq!(app.obtain("ada", "Hello world!").await.status, 200);
    let html = check(&app, &admin, &[("shadow", shadow)]).await;
    assert!(html.contains("Nothing can be imported.") && html.contains("give the file with the users, too"));
}

#[apply(on_both)]
async fn initial_passwords_are_taken_in_the_browser_too(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let content = b"username,Initial password\nada,walnut heron 41\nbob,short\n";
    let html = check(&app, &admin, &[("users.csv", content)]).await;
    assert_eq!(figure(&html, "With a password from the file, to be changed"), "1");
    assert!(html.contains("<option value=\"initial_password\" selected>Initial password</option>"), "{html}");
    assert!(!html.contains("walnut") && !html.contains("short,"), "{html}");
    import(&app, &admin, &html).await;
    assert_eq!(app.obtain("ada", "walnut heron 41").await.status, 200);
    assert!(!has_user(&app, &admin, "bob").await);
    let trail = format!("{:?}", trail(&app).await);
    assert!(!trail.contains("walnut"));
}

#[apply(on_both)]
async fn what_a_column_holds_and_how_a_file_is_read_can_be_said(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let content = b"Kennung;Rufname;Status;Beginn\nada;Ada;retired;03/04/2024\n";
    let html = check(&app, &admin, &[("users.csv", content)]).await;
    assert!(html.contains("Nothing can be imported.") && !html.contains("retired"), "{html}");
    let choose = async |fields: &[(&str, &str)]| {
        let html = page(&app, &admin, "/users/import").await.body;
        let number = hidden(&html, "number");
        let token = token(&html);
        let mut all = vec![("token", token.as_str()), ("number", number.as_str())];
        all.extend(fields);
        let (answer, _) = send(&app, &admin, "/users/import/choices", &all).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        page(&app, &admin, "/users/import").await.body
    };
    let html = choose(&[("columns", "Kennung=username\nRufname=first_name\nBeginn=date_joined\n")]).await;
    assert!(
        html.contains("is_active: Must be a valid boolean.")
            && html.contains("Say with “Dates with slashes”"),
        "{html}"
    );
    let mut columns = Vec::new();
    for (name, field) in
        [("Kennung", "username"), ("Rufname", "first_name"), ("Status", ""), ("Beginn", "date_joined")]
    {
        columns.extend([("name", name), ("field", field)]);
    }
    columns.push(("dates", "dmy"));
    let html = choose(&columns).await;
    assert!(
        html.contains("<option value=\"first_name\" selected>") && html.contains(">31/12/2024<"),
        "{html}"
    );
    assert_eq!(figure(&html, "To create"), "1");
    assert!(!html.contains("retired"), "a column that is not read is not shown: {html}");
    import(&app, &admin, &html).await;
    let filter = json!({"expressions": [{"type": "exact", "field": "username", "value": "ada"}]});
    let found = app.send(&admin, Method::Post, "/v1/users/list", &filter).await.json();
    assert_eq!(
        (&found[0]["first_name"], &found[0]["date_joined"]),
        (&json!("Ada"), &json!("2024-04-03T00:00:00.000000Z"))
    );
    let html = check(&app, &admin, &[("users.csv", content)]).await;
    assert!(html.contains("Nothing can be imported."), "choices are not kept: {html}");
    let html = choose(&[("encoding", "klingon")]).await;
    assert!(html.contains("the encoding \"klingon\" is not known"), "{html}");
}

#[apply(on_both)]
#[with([("import_limit", json!(2000))])]
async fn uploads_are_bounded_and_what_is_wrong_with_them_is_said(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let form = token(&page(&app, &admin, "/users/import").await.body);
    let large = [b"username\n".as_slice(), &[b'x'; 3000]].concat();
    let packed = {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(b"username\n").unwrap();
        encoder.write_all(&vec![b'\n'; 30_000]).unwrap();
        encoder.finish().unwrap()
    };
    assert!(packed.len() < 2000);
    for (files, problem) in [
        (vec![], "Choose at least one file."),
        (vec![("", b"".as_slice())], "Choose at least one file."),
        (vec![("users.csv", large.as_slice())], "The files are larger than 2000 bytes together."),
        (
            vec![("a.csv", &large[..1500]), ("b.csv", &large[..1500])],
            "The files are larger than 2000 bytes together.",
        ),
    ] {
        let answer = upload(&app, &admin, &form, &files).await;
        assert_eq!(answer.status, 422, "{}", answer.body);
        assert!(answer.body.contains(problem), "{problem}: {}", answer.body);
    }
    let many = vec![("a.csv", b"username\n".as_slice()); 21];
    assert!(upload(&app, &admin, &form, &many).await.body.contains("Choose at most 20 files."));
    let html = check(&app, &admin, &[("users.csv.gz", &packed)]).await;
    assert!(html.contains("it is too large once it is unpacked"), "{html}");
    let html = check(&app, &admin, &[("users.csv", b"ada,ada@example.org,hunter2\nbob,,x\n")]).await;
    assert!(html.contains("is no header that is known here"), "{html}");
    assert!(
        !html.contains("hunter2") && !html.contains("ada@example.org") && !html.contains(">Import "),
        "{html}"
    );
}

#[apply(on_both)]
async fn cs_1_nothing_is_uploaded_or_imported_without_the_token(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let other = app.person("other", "superuser").await;
    let strange = token(&page(&app, &other, "/users/import").await.body);
    for token in ["", "x", strange.as_str()] {
        let answer = upload(&app, &admin, token, &[("users.csv", b"username\nada\n")]).await;
        assert_eq!(answer.status, 422);
        assert!(
            page(&app, &admin, "/users/import").await.body.contains("Check the files"),
            "nothing is held"
        );
    }
    let html = check(&app, &admin, &[("users.csv", b"username\nada\n")]).await;
    let number = hidden(&html, "number");
    for path in ["/users/import/run", "/users/import/choices", "/users/import/discard"] {
        let (answer, _) = send(&app, &admin, path, &[("number", &number), ("encoding", "KOI8-R")]).await;
        assert_eq!(answer.status, 422, "{path}");
        let held = page(&app, &admin, "/users/import").await.body;
        assert!(hidden(&held, "number") == number && !held.contains("KOI8-R"), "{path}: {held}");
    }
    assert!(
        page(&app, &other, "/users/import").await.body.contains("Check the files"),
        "it is the superuser's own"
    );
    assert_eq!(page(&app, &other, "/users/import/report").await.status, 404);
    assert!(!has_user(&app, &admin, "ada").await);
}

#[apply(on_both)]
async fn an_upload_is_imported_as_it_was_shown_and_goes_within_an_hour(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let old = check(&app, &admin, &[("old.csv", b"username\nada\n")]).await;
    let new = check_again(&app, &admin, b"username\nbob\n", &old).await;
    let fields = [("token", token(&old)), ("number", hidden(&old, "number"))];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (answer, message) = send(&app, &admin, "/users/import/run", &fields).await;
    assert_eq!((answer.status, message.as_str()), (303, "The files of that page are no longer here."));
    assert!(
        new.contains("bob") && !has_user(&app, &admin, "ada").await && !has_user(&app, &admin, "bob").await
    );
    let fields = [("token", token(&new)), ("number", hidden(&new, "number"))];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (_, message) = send(&app, &admin, "/users/import/discard", &fields).await;
    assert_eq!(message, "The files are deleted.");
    check(&app, &admin, &[("users.csv", b"username\nada\n")]).await;
    app.clock.advance(Duration::from_mins(29));
    assert!(page(&app, &admin, "/users/import").await.body.contains("Check the import"));
    app.clock.advance(Duration::from_mins(29));
    assert!(page(&app, &admin, "/users/import").await.body.contains("Check the import"));
    app.clock.advance(Duration::from_mins(2));
    assert!(page(&app, &admin, "/users/import").await.body.contains("Check the files"));
}

/// Uploads another file from the page that judges one.
async fn check_again(app: &TestApp, by: &Person, content: &[u8], html: &str) -> String {
    let answer = upload(app, by, &token(html), &[("new.csv", content)]).await;
    assert_eq!(answer.status, 303);
    page(app, by, "/users/import").await.body
}
