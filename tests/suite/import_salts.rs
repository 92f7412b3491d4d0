//! Hashes whose salts stand beside them, in a column of their own or behind a colon.

use usher::db;

use crate::app::TestApp;
use crate::console::{hidden, page, send, token};
use crate::import_choices::import_files;
use crate::import_pages::{check, import};

/// Of "kestrel", as those below, by Python's hashlib: `sha1(salt+password)`, beside a hash that needs no salt.
const SALTED: &[u8] = b"username,password,salt\n\
    ada,e32c843e5c3cd1e3270152b3021a3a36d0a0ace9,q7Wz\n\
    bob,$2b$04$mFQ75T7cwus7NO/rsH4IIexaQFziC49ZLDPkUtFKN4QLE6tNqX77K,left over\n\
    cy,,q7Wz\n";

async fn signs_in(app: &TestApp, name: &str) {
    assert_eq!(app.obtain(name, "otter").await.status, 401, "{name}");
    assert_eq!(app.obtain(name, "kestrel").await.status, 200, "{name}");
}

#[apply(on_both)]
async fn pw_1_how_hashes_with_salts_beside_them_were_made_is_asked_for(app: TestApp) {
    let files = [("a.csv", SALTED)];
    let (summary, printed, is_good) = import_files(&app, &files, &[]).await;
    assert_eq!(summary, "2 created, 0 unchanged, 1 refused", "{printed}");
    assert!(
        !is_good && printed.contains("line 2 (row 1, \"ada\"): password: Its salt stands beside it"),
        "{printed}"
    );
    assert!(printed.contains("say with --hash") && !printed.contains("q7Wz"), "{printed}");
    let (_, printed, _) = import_files(&app, &files, &["--hash", "md4(salt)"]).await;
    assert!(printed.contains("'sha1(salt+password)'"), "{printed}");
    let (summary, printed, _) = import_files(&app, &files, &["--hash", "sha1(salt + password)"]).await;
    assert_eq!(summary, "1 created, 2 unchanged, 0 refused", "{printed}");
    assert!(printed.contains("1 of the created had a weak hash"), "{printed}");
    let stored = db::users::credentials(&app.usher.db, "ada").await.unwrap().unwrap();
    assert!(stored.password.as_str().starts_with("layered$sha1-salt-first$"));
    signs_in(&app, "ada").await;
    let behind = b"username,password\nerin,cdbc4479128fa3fb63a9af9deb5de6b6:s4lt\n";
    let (_, printed, is_good) = import_files(&app, &[("j.csv", behind)], &[]).await;
    assert!(!is_good && printed.contains("say with --hash"), "{printed}");
    let (summary, printed, _) =
        import_files(&app, &[("j.csv", behind)], &["--hash", "md5(password+salt)"]).await;
    assert_eq!(summary, "1 created, 0 unchanged, 0 refused", "{printed}");
    signs_in(&app, "erin").await;
}

/// Of "kestrel", by Python's hashlib, as Spring Security's encoders write them; of "otter" in clear.
const SPRING: &[u8] = b"username,password,enabled\n\
    ada,{pbkdf2}0001020304050607dd1acfe02bdb20f433649c31ac5560728748faf854ffe9978c8db283a78bd968,true\n\
    bob,{pbkdf2@SpringSecurity_v5_8}000102030405060708090a0b0c0d0e0fa897c35769a98d7f62e73e10762ff1e60e1cd804a99a3addb1ee8484abd17aae,true\n\
    cy,{scrypt}$e0801$AAECAwQFBgcICQoLDA0ODw==$r0/TPFyRGEXvbGRTlycFkx5LUfclz1skM8GkVoecBL8=,true\n\
    dora,{sha256}0001020304050607cef4f2f36e01f11b5a67a04fff719b31d0578d85c959df863b961040614aa59d,true\n\
    erin,{SHA-1}{c2FsdA==}38220f309ce8c7bd3f180cf252fee158942c3409,true\n\
    fay,{ldap}{SSHA}0rOLQUT3SSEAS/yj5yCoeZ6g6GdzYWx0c2FsdA==,true\n\
    gil,{noop}otter,true\n\
    hal,{bcrypt}$2b$04$mFQ75T7cwus7NO/rsH4IIexaQFziC49ZLDPkUtFKN4QLE6tNqX77K,false\n";

#[apply(on_both)]
async fn hashes_of_springs_encoders_sign_in_and_passwords_in_clear_do_not(app: TestApp) {
    let files = [("spring.csv", SPRING)];
    let (summary, printed, is_good) = import_files(&app, &files, &["--verbose"]).await;
    assert_eq!(summary, "8 created, 0 unchanged, 0 refused", "{printed}");
    assert!(is_good && printed.contains("3 of the created had a weak hash"), "{printed}");
    assert!(printed.contains("\"gil\"): password: is the password itself, which is not stored"), "{printed}");
    for name in ["ada", "bob", "cy", "dora", "erin", "fay"] {
        signs_in(&app, name).await;
    }
    for (name, password) in [("gil", "otter"), ("gil", "{noop}otter"), ("hal", "kestrel")] {
        assert_eq!(app.obtain(name, password).await.status, 401, "{name}");
    }
    let cut = b"username,password\nivy,{pbkdf2}0001020304050607\n";
    let (summary, printed, _) = import_files(&app, &[("cut.csv", cut)], &[]).await;
    assert_eq!(summary, "0 created, 0 unchanged, 1 refused", "{printed}");
    assert!(printed.contains("Its hash is cut off or altered"), "{printed}");
}

#[apply(on_both)]
async fn pw_1_the_salts_of_known_programs_need_no_option(app: TestApp) {
    let redmine = "-- MySQL dump 10.13\nINSERT INTO `users` (`id`,`login`,`hashed_password`,`firstname`,`lastname`,`admin`,`status`,\
        `last_login_on`,`auth_source_id`,`created_on`,`type`,`salt`,`must_change_passwd`) VALUES \
        (1001,'redmine-ada','7a0005cac7d138c335f8e5312c22124ecb6e7f4d','Ada','L',1,1,NULL,NULL,'2020-01-02 03:04:05','User','2f0b6a1c',0),\
        (1002,'redmine-locked','7a0005cac7d138c335f8e5312c22124ecb6e7f4d','B','C',0,3,NULL,NULL,'2020-01-02 03:04:05','User','2f0b6a1c',0),\
        (1003,'','','','Anonymous',0,0,NULL,NULL,'2020-01-02 03:04:05','AnonymousUser',NULL,0),\
        (1004,'','','','Team',0,1,NULL,NULL,'2020-01-02 03:04:05','Group',NULL,0);\n";
    let discourse = "COPY public.users (id, username, created_at, name, active, username_lower, admin, password_hash, salt, suspended_at, suspended_till) FROM stdin;\n\
        -1\tsystem\t2020-01-02 03:04:05\tsystem\tt\tsystem\tt\t\\N\t\\N\t\\N\t\\N\n\
        2001\tdiscourse-ada\t2020-01-02 03:04:05\tAda L\tt\tdiscourse-ada\tt\tc8694739d8b87d1ed53156e94d91e84b541b540703fd73a59f6610917806100b\t9f86d081884c7d65\t\\N\t\\N\n\\.\n";
    let vbulletin = b"userid,usergroupid,username,password,passworddate,email,joindate,salt\n3001,2,vb-ada,4d74d30e6f4bd394fa05ef8de8b4c01d,2020-01-01,a@b.co,1577934245,Zx!\n";
    let mybb = b"uid,username,password,salt,loginkey,email,usergroup,regdate\n4001,mybb-ada,64f093e47d6b9d89d87fa6c0d149ff08,abcdefgh,x,m@b.co,2,1577934245\n";
    let gitea = br#"[{"id":5001,"lower_name":"gitea-ada","name":"gitea-ada","email":"g@b.co","passwd":"95f3b65da7f084f354ec36af3a350ab3e93aeaa9aa84bd7d5bd43db5186f0264973c234195139ff359055472ac589dcebe64","passwd_hash_algo":"pbkdf2$50000$50","salt":"00112233445566778899aabbccddeeff","type":0,"is_active":1},
        {"id":5002,"lower_name":"gitea-old","name":"gitea-old","email":"o@b.co","passwd":"af3a831f1983917cad2cb2131913ec8304505cf61d667f0b1f1972f3a7cc45e8e729c0a54489fd0ec088897b3a8d23f6a698","passwd_hash_algo":"pbkdf2","salt":"aB3dE6gH9j","type":0,"is_active":1}]"#;
    let others = b"username,password\nmagento,76303c776431f75347da2923c89957119639ab486ee1b917c6791d59c594c1a6:SaLt1234:1\nmediawiki,:B:1a2b3c:843b4de9e7796834432d178f28bed250\n";
    let files: [(&str, &[u8], &str); 6] = [
        ("redmine.sql", redmine.as_bytes(), "2 created, 0 unchanged, 0 refused"),
        ("discourse.sql", discourse.as_bytes(), "1 created, 0 unchanged, 0 refused"),
        ("vbulletin.csv", vbulletin, "1 created, 0 unchanged, 0 refused"),
        ("mybb.csv", mybb, "1 created, 0 unchanged, 0 refused"),
        ("gitea.json", gitea, "2 created, 0 unchanged, 0 refused"),
        ("others.csv", others, "2 created, 0 unchanged, 0 refused"),
    ];
    for (name, content, expected) in files {
        let (summary, printed, is_good) = import_files(&app, &[(name, content)], &[]).await;
        assert!(is_good && summary == expected, "{name}: {printed}");
    }
    let user = async |name: &str| db::users::by_username_key(&app.usher.db, name).await.unwrap().unwrap();
    let locked = user("redmine-locked").await;
    assert!(
        !locked.is_active && user("redmine-ada").await.is_active && user("discourse-ada").await.is_active
    );
    assert_eq!(locked.date_joined.to_string(), "2020-01-02T03:04:05.000000Z");
    for (name, id) in [("redmine-ada", 1001), ("discourse-ada", 2001), ("vb-ada", 3001), ("mybb-ada", 4001)] {
        let found = user(name).await;
        assert!(!found.is_superuser && !found.is_staff && found.id.0 == id, "{found:?}");
    }
    for name in [
        "redmine-ada",
        "discourse-ada",
        "vb-ada",
        "mybb-ada",
        "gitea-ada",
        "gitea-old",
        "magento",
        "mediawiki",
    ] {
        signs_in(&app, name).await;
    }
}

#[apply(on_both)]
async fn how_hashes_were_made_can_be_said_in_the_console_and_what_columns_tell_of_each_other_stays(
    app: TestApp,
) {
    let root = app.person("root", "superuser").await;
    let content = b"Benutzername;Vorname;Name;passwort;salt\nada;Ada;Byron;e32c843e5c3cd1e3270152b3021a3a36d0a0ace9;q7Wz\n";
    let html = check(&app, &root, &[("a.csv", content)]).await;
    assert!(html.contains("say with “Hashes with a salt beside them”") && !html.contains("q7Wz"), "{html}");
    assert!(
        html.contains("<option value=\"surname\" selected>Last name, by the other columns</option>"),
        "{html}"
    );
    let choose = async |hash: &str| {
        let html = page(&app, &root, "/users/import").await.body;
        let (token, number) = (token(&html), hidden(&html, "number"));
        let mut fields = vec![("token", token.as_str()), ("number", number.as_str()), ("hash", hash)];
        for (name, field) in [
            ("Benutzername", "username"),
            ("Vorname", "first_name"),
            ("Name", "surname"),
            ("passwort", "password"),
            ("salt", "password_salt"),
        ] {
            fields.extend([("name", name), ("field", field)]);
        }
        let (answer, _) = send(&app, &root, "/users/import/choices", &fields).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        page(&app, &root, "/users/import").await.body
    };
    assert!(choose("md4(salt)").await.contains("Nothing can be imported."));
    let html = choose("sha1(salt+password)").await;
    assert!(html.contains(">Import 1 user</button>"), "{html}");
    import(&app, &root, &html).await;
    let user = db::users::by_username_key(&app.usher.db, "ada").await.unwrap().unwrap();
    assert_eq!((user.first_name.as_str(), user.last_name.as_str()), ("Ada", "Byron"));
    signs_in(&app, "ada").await;
}
