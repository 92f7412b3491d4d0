//! What the columns of other programs' files mean.

use super::row::{FIELDS, MAPPED};

/// Names of fields elsewhere: in small letters, without accents and what separates words.
const ALIASES: [(&str, &str); 13] = [
    ("pk", "id"),
    (
        "must_change_password",
        "changepasswordatnextsignin changepasswordatnextlogin forcepasswordchange forcechangepassword \
         forcechangepasswordnextsignin",
    ),
    (
        "username",
        "login userlogin loginname logonname user userid uid samaccountname userprincipalname benutzer \
         benutzername anmeldename benutzerkennung identifiant utilisateur nomutilisateur nomdutilisateur \
         nombredeusuario nombreusuario usuario utente nomeutente nomedeusuario nomeusuario \
         nomedeutilizador utilizador gebruiker gebruikersnaam inlognaam uzytkownik nazwauzytkownika",
    ),
    (
        "email",
        "mail emailaddress useremail emailadresse mailadresse courriel adresseemail adressemail \
         adressecourriel adressedecourriel adresseelectronique correo correoelectronico direcciondecorreo \
         direcciondecorreoelectronico primaryemail indirizzoemail indirizzomail postaelettronica \
         indirizzodipostaelettronica enderecodeemail enderecoemail correioeletronico emailadres mailadres \
         adresemail pocztaelektroniczna adrespocztyelektronicznej",
    ),
    (
        "first_name",
        "first givenname forename vorname prenom nombre nombres nome primeironome nomeproprio voornaam \
         imie",
    ),
    (
        "last_name",
        "last surname sn familyname nachname familienname nom nomdefamille apellido apellidos \
         primerapellido cognome sobrenome apelido ultimonome achternaam familienaam nazwisko",
    ),
    (
        "full_name",
        "displayname name fullname realname anzeigename nomcomplet prenometnom commonname cn \
         nombrecompleto nombreyapellidos nomecompleto nomeecognome naam volledigenaam imieinazwisko",
    ),
    (
        "is_active",
        "active enabled accountenabled aktiv aktiviert actif compteactif activo cuentaactiva habilitado \
         attivo abilitato actief aktywny aktywne ativo contaativa status newstatus accountstatus",
    ),
    (
        "is_blocked",
        "blocksignin blockcredential anmeldungblockieren suspended disabled accountdisabled block blocked \
         gesperrt locked islocked islockedout deactivated bloque desactive suspendu bloqueado \
         deshabilitado suspendido bloccato disabilitato sospeso desativado suspenso geblokkeerd \
         uitgeschakeld zablokowany zawieszony",
    ),
    (
        "date_joined",
        "joined createdat created createddatetime creationtime userregistered registered registerdate \
         timecreated datecreated whencreated erstelltam erstellungsdatum registriertam beitritt \
         beitrittsdatum dateinscription datedinscription datedecreation creele fechadecreacion \
         fechadealta fechaderegistro creadoel datadicreazione datacreazione dataregistrazione \
         datadiregistrazione dataiscrizione datadiiscrizione datadecriacao datacriacao datadecadastro \
         dataderegisto criadoem aangemaaktop aanmaakdatum registratiedatum datautworzenia datarejestracji \
         datadolaczenia",
    ),
    (
        "last_login",
        "lastlogin lastlogindate lastloginat lastsignin lastsignintime currentsigninat lastsigninat \
         lastlogondate lastvisitdate letzteanmeldung letzterlogin derniereconnexion ultimoacceso \
         ultimaconexion ultimoiniciodesesion ultimoaccesso ultimologin ultimoacesso laatstelogin \
         laatsteaanmelding laatstingelogd ostatnielogowanie",
    ),
    (
        "initial_password",
        "temporarypassword temppassword startpassword initialpasswort startpasswort cleartextpassword",
    ),
    (
        "password",
        "passwordhash passworddigest hashedpassword hash encryptedpassword userpass userpassword passwort \
         passwd motdepasse contrasena senha palavrapasse wachtwoord hasło",
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
    super::row::field(name.trim()).or_else(|| bracketed(name)).or_else(|| known(&key(name)))
}

fn known(key: &str) -> Option<&'static str> {
    let own = MAPPED.iter().copied().find(|field| field.replace('_', "") == key);
    let alias = || {
        ALIASES.iter().find(|(_, names)| names.split(' ').any(|name| name == key)).map(|(field, _)| *field)
    };
    own.or_else(alias)
}

/// The field that Microsoft Entra names in brackets, behind a name in the language of the administrator.
fn bracketed(name: &str) -> Option<&'static str> {
    let (_, inside) = name.split_once('[')?;
    match key(inside.split_once(']')?.0).as_str() {
        // Its column asks whether the sign-in is blocked.
        "accountenabled" => Some("is_blocked"),
        "passwordprofile" => Some("initial_password"),
        inside => known(inside),
    }
}

/// Whether a column may only number its users: where another one has their names, that one counts.
pub(super) fn is_weak(name: &str) -> bool {
    ["userid", "uid", "user"].contains(&key(name).as_str())
}

/// Fields that were given to columns: the name in the file, and the field, which is empty for a column that is left out.
pub(super) type Mapping = [(String, String)];

/// The fields by their own names, which `--column` may give a column.
pub(super) fn target(name: &str) -> Option<&'static str> {
    MAPPED.iter().copied().find(|field| *field == name)
}

/// Checks what was given to columns against all names that a file has.
///
/// # Errors
/// The first column that is not there, or field that is none.
pub(super) fn check(mapping: &Mapping, has: impl Fn(&str) -> bool) -> Result<(), String> {
    for (name, field) in mapping {
        if !has(name) {
            return Err(format!("the file has no column {name:?}"));
        }
        if !field.is_empty() && target(field).is_none() {
            return Err(format!("{field:?} is no field of a user; the fields are: {}", FIELDS.join(", ")));
        }
    }
    Ok(())
}

/// Which field each column holds, of all columns of a table or members of an object; the first of two for the same
/// field counts, and of two names the one that is ours.
///
/// # Errors
/// A field that has two columns by our names for it, or was given to two.
pub(super) fn assign(names: &[&str], mapping: &Mapping) -> Result<Vec<Option<&'static str>>, &'static str> {
    let mapped = |name: &str| mapping.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let is_here = |name: &str| names.iter().any(|here| here.eq_ignore_ascii_case(name));
    let here = mapping.iter().filter(|(name, _)| is_here(name));
    let taken: Vec<&str> = here.map(|(_, field)| field.as_str()).collect();
    let exact: Vec<&str> = names.iter().filter_map(|name| super::row::field(name)).collect();
    let known: Vec<Option<&str>> = names.iter().map(|name| field(name)).collect();
    let is_named = names.iter().zip(&known).any(|(name, field)| *field == Some("username") && !is_weak(name));
    let mut assigned: Vec<Option<&'static str>> = Vec::with_capacity(names.len());
    for (name, known) in names.iter().zip(known) {
        let is_exact = super::row::field(name).is_some();
        let field = match mapped(name) {
            Some((_, field)) => target(field),
            None => known.filter(|field| {
                let gives_way = exact.contains(field) || *field == "username" && is_named && is_weak(name);
                !taken.contains(field) && (is_exact || !gives_way)
            }),
        };
        let is_second = field.is_some() && assigned.contains(&field);
        match field {
            Some(field) if is_second && (is_exact || mapped(name).is_some()) => return Err(field),
            _ => assigned.push(field.filter(|_| !is_second)),
        }
    }
    divide_names(names, &mut assigned, |name| mapped(name).is_some());
    Ok(assigned)
}

/// In some languages one word stands for a whole name, or for a part of one where the other part has a column, too.
fn divide_names(names: &[&str], assigned: &mut [Option<&'static str>], is_given: impl Fn(&str) -> bool) {
    let has = |field, assigned: &[Option<&str>]| assigned.contains(&Some(field));
    let place = |words: &[&str], field, assigned: &[Option<&str>]| {
        let is = |place: &usize| {
            assigned[*place] == Some(field)
                && words.contains(&key(names[*place]).as_str())
                && !is_given(names[*place])
        };
        (0..names.len()).find(is)
    };
    // "Name;Vorname" are the last and the first name.
    if place(&["vorname", "voornaam"], "first_name", assigned).is_some()
        && !has("last_name", assigned)
        && let Some(last) = place(&["name", "naam"], "full_name", assigned)
    {
        assigned[last] = Some("last_name");
    }
    // "Nome" without "Cognome" is all of it.
    if !has("last_name", assigned)
        && !has("full_name", assigned)
        && let Some(whole) = place(&["nome", "nombre"], "first_name", assigned)
    {
        assigned[whole] = Some("full_name");
    }
}

/// Whether a table of a database has users: they are named, and they sign in by a password or the table is called so.
pub(super) fn has_users(table: &str, names: &[&str], mapping: &Mapping) -> bool {
    const CALLED: [&str; 8] =
        ["user", "users", "account", "accounts", "member", "members", "person", "people"];
    let Ok(assigned) = assign(names, mapping) else { return false };
    let has = |field| assigned.contains(&Some(field));
    let given = |name: &str| {
        mapping.iter().any(|(known, field)| known.eq_ignore_ascii_case(name) && !field.is_empty())
    };
    if !has("username") && !has("email") {
        return false;
    }
    let is_called = CALLED.iter().any(|called| table.to_lowercase().ends_with(called));
    let is_numbered = !has("email")
        && names.iter().zip(&assigned).any(|(name, field)| *field == Some("username") && is_weak(name));
    match is_numbered {
        _ if names.iter().any(|name| given(name)) => true,
        true => is_called && has("password"),
        false => is_called || has("password"),
    }
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
            (["Login", "Name", "Vorname"], ["username", "last_name", "first_name"]),
            (["Login", "Naam", "Voornaam"], ["username", "last_name", "first_name"]),
            (["Login", "Nome", "Cognome"], ["username", "first_name", "last_name"]),
            (["Usuario", "Nombre", "Apellidos"], ["username", "first_name", "last_name"]),
            (["Usuario", "Nombre", "Correo"], ["username", "full_name", "email"]),
            (["Login", "Name", "E-Mail"], ["username", "full_name", "email"]),
            (["Login", "Name", "First name"], ["username", "full_name", "first_name"]),
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
        ] {
            assert_eq!(has_users(table, names, &[]), expected, "{table}");
        }
        assert!(has_users("kunden", &["id", "kennung"], &[("Kennung".to_owned(), "username".to_owned())]));
    }
}
