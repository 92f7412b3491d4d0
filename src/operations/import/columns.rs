//! What the columns of other programs' files mean.

use super::row::MAPPED;

/// Names of fields elsewhere: lower case, without what separates words.
const ALIASES: [(&str, &[&str]); 15] = [
    ("pk", &["id"]),
    (
        "must_change_password",
        &["changepasswordatnextsignin", "changepasswordatnextlogin", "forcepasswordchange"],
    ),
    (
        "username",
        &[
            "login",
            "userlogin",
            "loginname",
            "logonname",
            "user",
            "userid",
            "uid",
            "samaccountname",
            "userprincipalname",
            "benutzername",
            "anmeldename",
            "benutzerkennung",
            "identifiant",
            "nomdutilisateur",
            "nombredeusuario",
            "usuario",
            "nomeutente",
            "gebruikersnaam",
            "nazwauzytkownika",
        ],
    ),
    (
        "email",
        &[
            "mail",
            "emailaddress",
            "useremail",
            "emailadresse",
            "mailadresse",
            "courriel",
            "adresseemail",
            "adressemail",
            "correo",
            "correoelectronico",
            "primaryemail",
            "indirizzoemail",
        ],
    ),
    (
        "first_name",
        &["first", "givenname", "forename", "vorname", "prenom", "nombre", "nome", "voornaam", "imie"],
    ),
    (
        "last_name",
        &[
            "last",
            "surname",
            "sn",
            "familyname",
            "nachname",
            "familienname",
            "nom",
            "nomdefamille",
            "apellido",
            "apellidos",
            "cognome",
            "achternaam",
            "nazwisko",
        ],
    ),
    ("full_name", &["displayname", "name", "fullname", "anzeigename", "nomcomplet", "commonname", "cn"]),
    (
        "is_active",
        &[
            "active",
            "enabled",
            "accountenabled",
            "aktiv",
            "aktiviert",
            "actif",
            "activo",
            "attivo",
            "actief",
            "aktywny",
            "ativo",
            "status",
            "newstatus",
            "accountstatus",
        ],
    ),
    (
        "is_blocked",
        &[
            "blocksignin",
            "blockcredential",
            "anmeldungblockieren",
            "suspended",
            "disabled",
            "accountdisabled",
            "blocked",
            "gesperrt",
            "locked",
            "islocked",
            "islockedout",
            "deactivated",
        ],
    ),
    ("is_staff", &["staff", "mitarbeiter"]),
    ("is_superuser", &["superuser"]),
    (
        "date_joined",
        &[
            "joined",
            "createdat",
            "created",
            "createddatetime",
            "creationtime",
            "userregistered",
            "registered",
            "timecreated",
            "datecreated",
            "whencreated",
            "erstelltam",
            "beitritt",
            "dateinscription",
            "datedinscription",
        ],
    ),
    ("last_login", &["lastlogin", "lastsignin", "lastsignintime", "currentsigninat", "lastsigninat"]),
    (
        "initial_password",
        &[
            "temporarypassword",
            "temppassword",
            "startpassword",
            "initialpasswort",
            "startpasswort",
            "cleartextpassword",
        ],
    ),
    (
        "password",
        &["passwordhash", "hash", "encryptedpassword", "userpass", "userpassword", "passwort", "passwd"],
    ),
];

/// A header's cell as it is compared: without case, accents, what separates words, and what templates put
/// behind a name, such as `[Required]`.
fn key(name: &str) -> String {
    let name = name.split(['[', '(']).next().unwrap_or_default();
    let name = crate::model::text::searchable(name);
    let name: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    match name.strip_suffix("required") {
        Some(shorter) if !shorter.is_empty() => shorter.to_owned(),
        _ => name,
    }
}

/// The field that a column of this name holds, if any is known by it.
pub(super) fn field(name: &str) -> Option<&'static str> {
    if let Some(field) = super::row::field(name.trim()) {
        return Some(field);
    }
    let key = key(name);
    let same = |field: &&str| field.replace('_', "") == key;
    let own = MAPPED.iter().copied().find(|field| same(field));
    let alias = || ALIASES.iter().find(|(_, names)| names.contains(&key.as_str())).map(|(field, _)| *field);
    own.or_else(alias)
}

/// Whether a column may only number its users: where another one has their names, that one counts.
pub(super) fn is_weak(name: &str) -> bool {
    ["userid", "uid", "user"].contains(&key(name).as_str())
}

/// The fields by their own names, which `--column` may give a column.
pub(super) fn target(name: &str) -> Option<&'static str> {
    MAPPED.iter().copied().find(|field| *field == name)
}

#[cfg(test)]
mod tests {
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
            ("", None),
        ] {
            assert_eq!(field(name), known, "{name}");
        }
    }
}
