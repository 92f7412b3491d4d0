//! Which column holds what, by the words of many programs and languages.

use super::*;

#[test]
fn columns_are_known_by_many_names() {
    for (name, known) in [
        ("id", Some("pk")),
        ("Username", Some("username")),
        ("user_login", Some("username")),
        ("sAMAccountName", Some("username")),
        ("User name [userPrincipalName] Required", Some("username")),
        ("Benutzername", Some("username")),
        ("E-Mail-Adresse", Some("email")),
        ("Email Address [Required]", Some("email")),
        ("Prénom", Some("first_name")),
        ("First Name [Required]", Some("first_name")),
        ("Nom", Some("last_name")),
        ("sn", Some("last_name")),
        ("Aktiv", Some("is_active")),
        ("Block sign in (Yes/No) [accountEnabled]", Some("is_blocked")),
        ("must_change_password", Some("must_change_password")),
        ("Recovery Email", None),
        ("New Primary Email [UPLOAD ONLY]", None),
        ("secondEmail", None),
        ("Manager Email", None),
        ("is_staf", None),
        ("Initial password [passwordProfile] Required", Some("initial_password")),
        ("Password", Some("password")),
        ("Nom d'utilisateur", Some("username")),
        ("Adresse de courriel", Some("email")),
        ("Dernière connexion", Some("last_login")),
        ("Créé le", Some("date_joined")),
        ("Nombre de usuario", Some("username")),
        ("Correo electrónico", Some("email")),
        ("Último acceso", Some("last_login")),
        ("Contraseña", Some("password")),
        ("Nome utente", Some("username")),
        ("Ultimo accesso", Some("last_login")),
        ("Nome de usuário", Some("username")),
        ("Sobrenome", Some("last_name")),
        ("Criado em", Some("date_joined")),
        ("Gebruikersnaam", Some("username")),
        ("E-mailadres", Some("email")),
        ("Laatst ingelogd", Some("last_login")),
        ("Nazwa użytkownika", Some("username")),
        ("Imię i nazwisko", Some("full_name")),
        ("Hasło", Some("password")),
        ("Ostatnie logowanie", Some("last_login")),
        ("Bloquer la connexion (Oui/Non) [accountEnabled] Requis", Some("is_blocked")),
        ("Nom principal [userPrincipalName] Requis", Some("username")),
        ("Nom [displayName] Requis", Some("full_name")),
        ("Mot de passe initial [passwordProfile] Requis", Some("initial_password")),
        ("Recovery Phone [MUST BE IN THE E.164 FORMAT]", None),
        ("", None),
    ] {
        assert_eq!(field(name), known, "{name}");
    }
}

fn assigned(names: &[&str]) -> Vec<&'static str> {
    assign(names, &[]).unwrap().into_iter().map(Option::unwrap_or_default).collect()
}

#[test]
fn a_word_for_a_part_of_a_name_and_for_all_of_it_is_told_by_the_other_columns() {
    for (names, fields) in [
        (["Login", "Name", "Vorname"], ["username", "surname", "first_name"]),
        (["Login", "Naam", "Voornaam"], ["username", "surname", "first_name"]),
        (["Login", "Nome", "Cognome"], ["username", "first_name", "last_name"]),
        (["Usuario", "Nombre", "Apellidos"], ["username", "first_name", "last_name"]),
        (["Usuario", "Nombre", "Correo"], ["username", "full_name", "email"]),
        (["Login", "Name", "E-Mail"], ["username", "full_name", "email"]),
        (["Login", "Name", "First name"], ["username", "surname", "first_name"]),
        (["Login", "Name", "Prénom"], ["username", "surname", "first_name"]),
        (["Login", "Name", "Nombre"], ["username", "surname", "first_name"]),
        (["Login", "Name", "Imię"], ["username", "surname", "first_name"]),
        (["Login", "Display name", "First name"], ["username", "full_name", "first_name"]),
    ] {
        assert_eq!(assigned(&names), fields, "{names:?}");
    }
    assert_eq!(assigned(&["Name", "Vorname", "Nachname"]), ["full_name", "first_name", "last_name"]);
    let given = [("Name".to_owned(), "full_name".to_owned())];
    let told = assign(&["Login", "Name", "Vorname"], &given).unwrap();
    assert_eq!(told, [Some("username"), Some("full_name"), Some("first_name")]);
    assert_eq!(assign(&["username", "id", "pk"], &[]), Err("pk"));
}

#[test]
fn a_table_of_users_is_told_by_its_columns_and_its_name() {
    for (table, names, expected) in [
        ("auth_user", &["id", "username", "password"][..], true),
        ("kunden", &["id", "email", "password_hash"], true),
        ("wp_users", &["ID", "user_login", "user_email"], true),
        ("oc_users", &["uid", "displayname", "password"], true),
        ("wp_usermeta", &["umeta_id", "user_id", "meta_key"], false),
        ("orders", &["id", "email", "total"], false),
        ("passwords", &["user_id", "password"], false),
        ("auth_group", &["id", "name"], false),
        ("uploads", &["id", "user", "hash"], false),
        ("files", &["id", "login", "hash"], false),
        ("commits", &["id", "email", "hash"], false),
        ("blocked_user", &["user_id", "hash"], false),
        ("app_users", &["id", "email", "hash"], true),
        ("kunden", &["id", "login", "email", "hash"], true),
    ] {
        assert_eq!(has_users(table, names, &[]), expected, "{table}");
    }
    assert!(has_users("kunden", &["id", "kennung"], &[("Kennung".to_owned(), "username".to_owned())]));
}

#[test]
fn all_columns_of_states_have_their_fields() {
    assert_eq!(
        assigned(&[
            "login",
            "Locked",
            "Suspended",
            "Disabled",
            "is_active",
            "status",
            "deleted_at",
            "banned_until"
        ]),
        [
            "username",
            "is_blocked",
            "is_blocked",
            "is_blocked",
            "is_active",
            "is_active",
            "blocked_at",
            "blocked_until"
        ]
    );
    assert_eq!(
        assigned(&["login", "state", "locked_at"]),
        ["username", "", ""],
        "these are named, and not read"
    );
    let left_out = [("Status".to_owned(), String::new()), ("Frei".to_owned(), "is_active".to_owned())];
    assert_eq!(
        assign(&["login", "status", "enabled", "frei"], &left_out).unwrap(),
        [Some("username"), None, Some("is_active"), Some("is_active")]
    );
    assert_eq!(assign(&["login", "is_active", "is_active"], &[]), Err("is_active"));
}

#[test]
fn tables_of_programs_are_known_by_their_columns() {
    let drupal = ["uid", "name", "pass", "mail", "created", "access", "login", "status"];
    let fields = ["pk", "username", "password", "email", "date_joined", "", "last_login", "is_active"];
    assert_eq!(assigned(&drupal), fields);
    assert!(has_users("users_field_data", &drupal, &[]));
    let given = [("MAIL".to_owned(), "username".to_owned())];
    let told = assign(&["uid", "name", "pass", "mail"], &given).unwrap();
    assert_eq!(told, [Some("pk"), Some("full_name"), Some("password"), Some("username")]);
    let gitea = [
        "id",
        "lower_name",
        "name",
        "full_name",
        "email",
        "passwd",
        "login_name",
        "type",
        "is_active",
        "prohibit_login",
    ];
    let fields =
        ["pk", "", "username", "full_name", "email", "password", "", "no_user_1", "is_active", "is_blocked"];
    assert_eq!(assigned(&gitea), fields);
    let phpbb = ["user_id", "user_type", "username", "username_clean", "user_password", "user_inactive_time"];
    assert_eq!(assigned(&phpbb), ["pk", "no_user_2", "username", "", "password", "blocked_at"]);
    let discourse = ["id", "username", "username_lower", "suspended_at", "suspended_till", "salt"];
    let fields = ["persons_pk", "username", "", "", "blocked_until", "salt_of_discourse"];
    assert_eq!(assigned(&discourse), fields);
    let redmine = ["id", "login", "hashed_password", "status", "auth_source_id", "type", "salt"];
    let fields = ["pk", "username", "password", "is_active_if_1", "", "no_user_but_user", "salt_of_redmine"];
    assert_eq!(assigned(&redmine), fields);
    let moodle = ["id", "auth", "confirmed", "deleted", "mnethostid", "username", "password", "email"];
    let fields = [
        "pk",
        "is_active_unless_nologin",
        "is_active",
        "is_blocked",
        "",
        "persons_username",
        "password",
        "email",
    ];
    assert_eq!(assigned(&moodle), fields);
    let given = [("type".to_owned(), "no_user_1".to_owned())];
    assert!(check(&given, |_| true).is_err(), "it is no field that can be given");
}

#[test]
fn words_for_people_with_rights_are_no_fields() {
    for word in ["Superuser", "Staff", "Mitarbeiter", "Admin", "Administrator", "is_admin", "Rolle"] {
        assert_eq!(field(word), None, "{word}");
    }
}
