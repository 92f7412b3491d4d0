//! Files that can be read, but in which something is cut off, cannot be checked or is guessed: it is said, on the command
//! line and in the console.

use rocket::http::Method;
use usher::db;

use crate::app::TestApp;
use crate::console::{hidden, page, send, token};
use crate::import_choices::import_files;
use crate::import_pages::{OTTER, check, import};

/// Of "kestrel", by Python's bcrypt.
const BCRYPT: &str = "$2y$04$mFQ75T7cwus7NO/rsH4IIexaQFziC49ZLDPkUtFKN4QLE6tNqX77K";

async fn name_of(app: &TestApp, username: &str) -> Option<(String, String)> {
    let user = db::users::by_username_key(&app.usher.db, username).await.unwrap()?;
    Some((user.first_name, user.last_name))
}

#[apply(on_both)]
async fn pw_1_a_hash_that_is_cut_off_refuses_its_row_unless_it_is_to_be_left_out(app: TestApp) {
    let htpasswd = format!("ada:{BCRYPT}\nbob:{}", &BCRYPT[..40]);
    let table = format!("username,password\ncy,{OTTER}\ndan,{}", &OTTER[..50]);
    let files: [(&str, &[u8], &str); 2] =
        [("htpasswd", htpasswd.as_bytes(), "bob"), ("users.csv", table.as_bytes(), "dan")];
    for (name, content, cut) in files {
        let (summary, printed, is_good) = import_files(&app, &[(name, content)], &[]).await;
        assert!(!is_good && summary == "1 created, 0 unchanged, 1 refused", "{printed}");
        assert!(
            printed.contains(&format!("{cut:?}): password: Its hash is cut off or altered.")),
            "{printed}"
        );
        assert!(!printed.contains("mFQ75") && !printed.contains("XpXOQQ8"), "{printed}");
        assert!(name_of(&app, cut).await.is_none());
    }
    let (summary, printed, is_good) =
        import_files(&app, &[("users.csv", table.as_bytes())], &["--no-broken-hashes"]).await;
    assert!(is_good && summary == "1 created, 1 unchanged, 0 refused", "{printed}");
    assert!(
        printed.contains("\"dan\"): password: its hash is cut off or altered; the user is invited."),
        "{printed}"
    );
    assert!(printed.contains("1 of these have a hash that cannot be checked here"), "{printed}");

    let admin = app.person("admin", "superuser").await;
    let html = check(&app, &admin, &[("htpasswd", htpasswd.as_bytes())]).await;
    assert!(
        html.contains("Its hash is cut off or altered.") && html.contains("name=\"no_broken_hashes\""),
        "{html}"
    );
    let (form_token, number) = (token(&html), hidden(&html, "number"));
    let fields = [("token", form_token.as_str()), ("number", &number), ("no_broken_hashes", "1")];
    let (answer, _) = send(&app, &admin, "/users/import/choices", &fields).await;
    assert_eq!(answer.status, 303);
    let html = page(&app, &admin, "/users/import").await.body;
    assert!(html.contains("name=\"no_broken_hashes\" value=\"1\" checked"), "{html}");
    let (_, html) = import(&app, &admin, &html).await;
    assert!(html.contains("<dt>Of these with a hash that cannot be checked here</dt><dd>1</dd>"), "{html}");
    let status = app
        .json(Method::Post, "/v1/auth/obtain", None, &serde_json::json!({"username": "bob", "password": "x"}))
        .await
        .status;
    assert_eq!(status, 401);
}

#[apply(on_both)]
async fn users_whose_hashes_cannot_be_checked_here_are_counted_and_named(app: TestApp) {
    let dear = "$argon2id$v=19$m=4000000,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA";
    let table = format!("username,password\nada,{OTTER}\nbob,\"{dear}\"\ncy,$7$C6..../....salt$hash\ndan,\n");
    let (summary, printed, is_good) = import_files(&app, &[("users.csv", table.as_bytes())], &[]).await;
    assert!(is_good && summary == "4 created, 0 unchanged, 0 refused", "{printed}");
    for name in ["bob", "cy"] {
        assert!(
            printed.contains(&format!("{name:?}): password: is not a hash that can be checked here")),
            "{printed}"
        );
    }
    assert!(!printed.contains("\"ada\"") && !printed.contains("\"dan\""), "{printed}");
    for line in ["3 of the created have no password", "2 of these have a hash that cannot be checked here"] {
        assert!(printed.contains(line), "{printed}");
    }
}

#[apply(on_both)]
async fn a_guess_of_the_encoding_is_said_with_a_name_that_shows_it(app: TestApp) {
    let names = "username;first_name;last_name\nlukasz;Łukasz;Wiśniewski\npawel;Paweł;Zając\n";
    let polish = names.replace('Ł', "\u{e000}");
    let bytes: Vec<u8> = polish
        .chars()
        .map(|c| match c {
            '\u{e000}' => 0xa3,
            'ł' => 0xb3,
            'ś' => 0x9c,
            'ą' => 0xb9,
            c => u8::try_from(c).unwrap(),
        })
        .collect();
    let (summary, printed, is_good) = import_files(&app, &[("users.csv", &bytes)], &[]).await;
    assert!(is_good && summary == "2 created, 0 unchanged, 0 refused", "{printed}");
    assert!(
        printed
            .contains("in windows-1250 (a guess: if names such as \"Łukasz\" look wrong, say the encoding)"),
        "{printed}"
    );
    assert_eq!(name_of(&app, "pawel").await, Some(("Paweł".into(), "Zając".into())));
    let admin = app.person("admin", "superuser").await;
    let html = check(&app, &admin, &[("users.csv", b"username;first_name\nzoe;Zo\xeb\n")]).await;
    assert!(html.contains("in windows-1252 (a guess: if names such as"), "{html}");
    let (_, printed, _) = import_files(&app, &[("users.csv", &bytes)], &["--encoding", "windows-1250"]).await;
    assert!(printed.contains("in windows-1250\n"), "what was said is no guess: {printed}");
}

#[apply(on_both)]
async fn a_conflict_names_the_user_and_strangers_of_moodle_stay_out(app: TestApp) {
    let admin = app.person("admin", "superuser").await;
    let taken = format!("pk,username\n{},bob\n900,admin\n", admin.id());
    let html = check(&app, &admin, &[("users.csv", taken.as_bytes())]).await;
    let owner = format!("pk {} belongs to another user: \"admin\".", admin.id());
    assert!(html.contains(&owner), "{html}");
    assert!(
        html.contains(&format!("A user with that username already exists. It has the pk {}.", admin.id())),
        "{html}"
    );

    let moodle = format!(
        "id,auth,confirmed,deleted,suspended,mnethostid,username,password,firstname,lastname,email\n\
         101,manual,1,0,0,1,guest,{BCRYPT},Guest user, ,root@localhost\n\
         102,manual,1,0,0,1,ada,{BCRYPT},Ada,Byron,ada@example.org\n\
         103,nologin,1,0,0,1,bob,{BCRYPT},Bob,B,bob@example.org\n\
         104,email,0,0,0,1,cy,{BCRYPT},Cy,C,cy@example.org\n\
         105,manual,1,1,0,1,dan@example.org.1600000000,{BCRYPT},Dan,D,0123\n"
    );
    let (summary, printed, is_good) = import_files(&app, &[("mdl_user.csv", moodle.as_bytes())], &[]).await;
    assert!(is_good && summary == "4 created, 0 unchanged, 0 refused", "{printed}");
    assert!(
        printed.contains("not read, as they are no users: 1 rows of guests, groups or programs"),
        "{printed}"
    );
    for (name, is_active) in
        [("ada", true), ("bob", false), ("cy", false), ("dan@example.org.1600000000", false)]
    {
        let user = db::users::by_username_key(&app.usher.db, name).await.unwrap().unwrap();
        assert_eq!(user.is_active, is_active, "{name}");
    }
    let html = check(&app, &admin, &[("mdl_user.csv", moodle.as_bytes())]).await;
    assert!(html.contains("Username, by the other columns") && html.contains("ada · bob"), "{html}");
}
