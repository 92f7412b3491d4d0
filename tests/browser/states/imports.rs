//! Imports: the upload, what would become of it, and what became of it.

use super::{State, spoil_tokens, state};
use crate::actions::Actions;
use crate::people::{ADMIN, PASSWORD};
use crate::server::Server;

pub(super) const STATES: &[State] = &[
    state("import", Some(ADMIN), "Check the files", |admin, _| fresh(admin)),
    state("import-stale", Some(ADMIN), "This page was open for a long time.", |admin, _| {
        fresh(admin);
        spoil_tokens(admin);
        check(admin, "username\\nnever\\n");
    }),
    state("import-review", Some(ADMIN), "Import 2 users", |admin, server| {
        server.forget_passwords_given(ADMIN);
        fresh(admin);
        check(admin, ROWS);
    }),
    state("import-password-refused", Some(ADMIN), "There is a problem", |admin, server| {
        server.forget_passwords_given(ADMIN);
        fresh(admin);
        check(admin, ROWS);
        admin.fill("Your password", "not the password");
        admin.click("Import 2 users");
    }),
    state("import-unreadable", Some(ADMIN), "Nothing can be imported.", |admin, _| {
        fresh(admin);
        check(admin, "Kennung,Rufname\\nada,Ada\\n");
    }),
    state("import-outcome", Some(ADMIN), "1 user imported", |admin, server| {
        import(admin, server, "import.outcome");
    }),
    state("import-undone", Some(ADMIN), "1 user removed", |admin, server| {
        import(admin, server, "import.undone");
        admin.click("Undo");
        until_done(admin);
    }),
];

/// Rows with every verdict.
const ROWS: &str = "pk,username,email,is_active,Phone\\n,import.one,one@example.org,yes,1\\n\
                    ,import.two,two@example.org,no,2\\n,admin,other@example.org,yes,3\\n,import.three,,perhaps,4\\n";

/// The form without any upload before.
fn fresh(admin: &Actions<'_>) {
    admin.open("/users/import");
    if admin.text().contains("Discard the files") {
        admin.click("Discard the files");
    }
}

/// Chooses a file with this content, as a script writes it, and has it checked.
fn check(admin: &Actions<'_>, content: &str) {
    let script = format!(
        "const files = new DataTransfer(); files.items.add(new File(['{content}'], 'users.csv')); \
         document.querySelector('#file').files = files.files;"
    );
    admin.browser.run(&script);
    admin.click("Check the files");
}

/// Imports one user.
fn import(admin: &Actions<'_>, server: &Server, username: &str) {
    server.forget_passwords_given(ADMIN);
    fresh(admin);
    check(admin, &format!("username\\n{username}\\n"));
    admin.fill("Your password", PASSWORD);
    admin.click("Import 1 user");
    until_done(admin);
}

fn until_done(admin: &Actions<'_>) {
    while admin.text().contains("Look again") {
        admin.click("Look again");
    }
}
