//! The words of other programs and languages for fields.

use super::super::row::USER_ACCOUNT_CONTROL;

/// Names of fields elsewhere: in small letters, without accents and what separates words.
pub(super) const ALIASES: [(&str, &str); 20] = [
    ("pk", "id"),
    (
        "must_change_password",
        "changepasswordatnextsignin changepasswordatnextlogin forcepasswordchange forcechangepassword \
         forcechangepasswordnextsignin mustchangepasswd",
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
        "first givenname namegivenname forename vorname prenom nombre nombres nome primeironome nomeproprio voornaam \
         imie",
    ),
    (
        "last_name",
        "last surname namefamilyname sn familyname nachname familienname nom nomdefamille apellido apellidos \
         primerapellido cognome sobrenome apelido ultimonome achternaam familienaam nazwisko",
    ),
    (
        "full_name",
        "displayname name namefullname fullname realname anzeigename nomcomplet prenometnom commonname cn \
         nombrecompleto nombreyapellidos nomecompleto nomeecognome naam volledigenaam imieinazwisko",
    ),
    (
        "is_active",
        "active enabled isenabled accountenabled accountisactive activated isactivated aktiv aktiviert actif compteactif activo cuentaactiva habilitado \
         attivo abilitato actief aktywny aktywne ativo contaativa status newstatus accountstatus",
    ),
    (
        "is_blocked",
        "blocksignin blockcredential anmeldungblockieren suspended issuspended disabled isdisabled \
         accountdisabled block blocked banned isbanned gesperrt locked islocked islockedout accountlocked \
         deactivated isdeactivated deleted isdeleted archived isarchived prohibitlogin deaktiviert geloscht \
         bloque desactive suspendu supprime bloqueado deshabilitado suspendido eliminado bloccato \
         disabilitato sospeso eliminato desativado suspenso excluido geblokkeerd uitgeschakeld verwijderd \
         zablokowany zawieszony usuniety",
    ),
    // Not when an account was locked: failed sign-ins do that, for a while.
    (
        "blocked_at",
        "deletedat deletedon deletiondate datedeleted timedeleted disabledat disabledon bannedat bannedon \
         suspendedat suspendedon blockedon deactivatedat deactivatedon archivedat archivedon discardedat \
         geloschtam deaktiviertam gesperrtam supprimele desactivele",
    ),
    (
        "blocked_until",
        "lockoutend lockoutenddateutc banneduntil bannedtill suspendeduntil suspendedtill blockedtill disableduntil",
    ),
    (
        "date_joined",
        "joined createdat createdon createddate creationdate createdtime createdtimestamp joindate regdate createdunix created createddatetime creationtime userregistered registered registeredat registerdate \
         userregdate registrationdate timecreated datecreated whencreated erstelltam erstellungsdatum registriertam beitritt \
         beitrittsdatum dateinscription datedinscription datedecreation creele fechadecreacion \
         fechadealta fechaderegistro creadoel datadicreazione datacreazione dataregistrazione \
         datadiregistrazione dataiscrizione datadiiscrizione datadecriacao datacriacao datadecadastro \
         dataderegisto criadoem aangemaaktop aanmaakdatum registratiedatum datautworzenia datarejestracji \
         datadolaczenia",
    ),
    (
        "last_login",
        "lastlogin lastlogindate lastloginat lastloginon lastlogintime lastvisit lastloginunix userlastvisit lastsignin lastsignintime currentsigninat lastsigninat \
         lastlogondate lastvisitdate letzteanmeldung letzterlogin derniereconnexion ultimoacceso \
         ultimaconexion ultimoiniciodesesion ultimoaccesso ultimologin ultimoacesso laatstelogin \
         laatsteaanmelding laatstingelogd ostatnielogowanie",
    ),
    (USER_ACCOUNT_CONTROL, "useraccountcontrol"),
    ("valid_until", "accountexpires accountexpirationdate accountexpiresat accountexpiry accountvaliduntil"),
    ("password_changed_at", "passwdchangedon"),
    ("password_salt", "salt passwordsalt passwdsalt usersalt memberspasssalt"),
    ("password_rounds", "rounds iterations hashiterations passworditerations hashrounds"),
    (
        "initial_password",
        "temporarypassword temppassword startpassword initialpasswort startpasswort cleartextpassword",
    ),
    (
        "password",
        "passwordhash passworddigest hashedpassword hash encryptedpassword userpass userpassword cryptedpassword memberspasshash passwort \
         passwd motdepasse contrasena senha palavrapasse wachtwoord hasło",
    ),
];
