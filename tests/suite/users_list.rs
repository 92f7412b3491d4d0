//! The list of users in the console: gone through, narrowed, found again, and small.

use rocket::http::{Header, Method};
use serde_json::json;

use crate::app::{By, TestApp, cookie_header};
use crate::console::{link, names, page, send, send_from};

#[apply(on_all)]
async fn the_list_is_searched_filtered_sorted_and_gone_through_both_ways(app: TestApp) {
    let staff = app.person("aaa-staff", "staff").await;
    for number in 0..60 {
        app.person(&format!("user{number:02}"), if number % 10 == 0 { "inactive" } else { "" }).await;
    }
    let first = page(&app, &staff, "/users").await;
    assert_eq!(first.status, 200);
    assert!(first.body.contains("<b>61 users</b>"));
    assert!(first.body.contains("aria-sort=\"ascending\""));
    let (first, second) = (first.body, "Next");
    assert_eq!(names(&first).len(), 50);
    let second = page(&app, &staff, &link(&first, second)).await.body;
    let mut all = names(&first);
    all.extend(names(&second));
    let mut sorted = all.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(all, sorted, "every user once, in order");
    assert_eq!(names(&page(&app, &staff, &link(&second, "Previous")).await.body), names(&first));
    let last = page(&app, &staff, &link(&first, "Last")).await.body;
    assert_eq!(names(&last), all[all.len() - 50..]);
    assert!(!last.contains(">Next</a>"));

    let odd = page(&app, &staff, "/users?role=boss&before=end").await.body;
    assert!(
        odd.contains("role=boss") && !odd.contains("This is the first page."),
        "the last page has its notes"
    );
    assert_eq!(names(&odd), names(&last));

    let inactive = page(&app, &staff, "/users?status=deactivated&sort=-name&per=25").await.body;
    assert_eq!(names(&inactive), ["user50", "user40", "user30", "user20", "user10", "user00"]);
    let found = page(&app, &staff, "/users?q=SER%201").await.body;
    assert!(found.contains("users match") && found.contains("<mark>ser</mark>"), "{found}");
    assert!(page(&app, &staff, "/users?q=nobody").await.body.contains("No users match."));
    for path in ["/users/abc", "/users/99999999999999999999", "/users/1/nothing"] {
        assert_eq!(page(&app, &staff, path).await.status, 404, "{path}");
    }
    let odd = page(&app, &staff, "/users?role=boss&after=nonsense").await;
    assert_eq!(odd.status, 200);
    assert!(odd.body.contains("role=boss") && odd.body.contains("This is the first page."));
}

#[apply(on_all)]
async fn the_form_above_the_list_sorts_it_where_rows_are_cards(app: TestApp) {
    let (staff, _) = (app.person("staff", "staff").await, app.person("zoe", "").await);
    let html = page(&app, &staff, "/users?sort=-name&per=25").await.body;
    assert_eq!(names(&html), ["zoe", "staff"]);
    assert!(html.contains("<option value=\"-name\" selected>Name, Z to A</option>"), "{html}");
    assert!(html.contains("<input type=\"hidden\" name=\"per\" value=\"25\">"), "the form keeps the rest");
    let form = html.split("</form>").find(|part| part.contains("role=\"search\"")).expect("the form");
    assert_eq!(form.matches("name=\"sort\"").count(), 1, "it is sent once");
    let offered = form.split("id=\"sort\"").nth(1).expect("a choice").split("<option value=\"").skip(1);
    for value in offered.map(|option| option.split('"').next().unwrap()) {
        let sorted = page(&app, &staff, &format!("/users?sort={value}")).await.body;
        assert!(!sorted.contains("we do not know"), "{value}");
        assert!(sorted.contains(&format!("<option value=\"{value}\" selected>")), "{value}");
    }
}

#[apply(on_all)]
async fn only_the_bare_list_takes_the_focus_and_only_where_no_single_key_needs_it(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    assert!(!page(&app, &staff, "/users").await.body.contains(" autofocus"));
    let preferences = [("theme", "system"), ("density", "comfortable"), ("rows", "50"), ("time_zone", "UTC")];
    let path = "/account/preferences";
    assert_eq!(send_from(&app, &staff, path, path, &preferences).await.0.status, 303);
    assert!(page(&app, &staff, "/users").await.body.contains(" autofocus"));
    for path in ["/users?sort=-seen", "/users?per=25", "/users?q=", "/users?select=page", "/users?before=end"]
    {
        assert!(!page(&app, &staff, path).await.body.contains(" autofocus"), "{path}");
    }
}

#[apply(on_all)]
async fn the_way_back_from_a_user_leads_to_the_list_as_it_was(app: TestApp) {
    let (staff, ada) = (app.person("staff", "staff").await, app.person("ada", "").await);
    let kept = async |path: &str, cookie: &str| {
        let request = app.request(Method::Get, path, Some((&staff, By::Cookie)));
        let response = request.header(cookie_header("__Host-list-0a1b2c3d", cookie)).dispatch().await;
        response.cookies().get("__Host-list-0a1b2c3d").map(|cookie| cookie.value().to_owned())
    };
    let back = async |cookie: String| {
        let path = format!("/users/{}", ada.id());
        let request = app.request(Method::Get, &path, Some((&staff, By::Cookie)));
        let html = request
            .header(cookie_header("__Host-list-0a1b2c3d", &cookie))
            .dispatch()
            .await
            .into_string()
            .await
            .unwrap();
        let html = html.replace("&#x2F;", "/").replace("&amp;", "&");
        link(&html, "Back to users")
    };
    let list = kept("/users?q=a%20%26b&status=active&role=&sort=-seen", "").await.expect("a cookie");
    assert_eq!(back(list.clone()).await, "/users?q=a%20%26b&status=active&sort=-seen");
    assert_eq!(kept("/users?q=a%20%26b&status=active&sort=-seen", &list).await, None, "it is there already");
    assert_eq!(kept("/users", &list).await.as_deref(), Some(""), "the list of all is the way back again");
    for strange in ["", "/audit", "/users", "//evil.example", "https://evil.example/users?q=a", "/usersx?q=a"]
    {
        assert_eq!(back(strange.to_owned()).await, "/users", "{strange}");
    }
}

#[apply(on_all)]
async fn who_is_not_found_can_be_added(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let html = page(&app, &staff, "/users?q=new.name").await.body;
    let path = link(&html, "Add “new.name” as a new user");
    assert_eq!(path, "/users/new?username=new.name");
    assert!(
        page(&app, &staff, &path).await.body.contains("name=\"username\" type=\"text\" value=\"new.name\"")
    );
    let other = page(&app, &staff, "/users?q=no%20name").await.body;
    assert!(
        other.contains("No users match.") && !other.contains("as a new user"),
        "it cannot be a user name"
    );
}

#[apply(on_all)]
async fn pages_are_small_and_say_so_to_caches(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    for number in 0..60 {
        app.person(&format!("somebody.else{number}"), "").await;
    }
    let load = async |path: &str, encoding: &'static str| {
        let request = app.request(Method::Get, path, Some((&staff, By::Cookie)));
        let response = request.header(Header::new("Accept-Encoding", encoding)).dispatch().await;
        assert!(response.headers().get("Vary").any(|vary| vary == "Accept-Encoding"), "{path}");
        let coding = response.headers().get_one("Content-Encoding").unwrap_or_default().to_owned();
        (coding, response.into_bytes().await.unwrap().len())
    };
    // Kilobytes over the wire, and unpacked.
    for (path, wire, unpacked) in
        [("/users", 12, 55), ("/users?per=100", 18, 90), ("/users/new", 9, 20), ("/users/1", 9, 20)]
    {
        let (coding, gzip) = load(path, "gzip, br;q=0").await;
        assert!(coding == "gzip" && gzip < wire * 1024, "{path}: {gzip} bytes");
        let (coding, brotli) = load(path, "gzip, br").await;
        assert!(coding == "br" && brotli < gzip, "{path}: {brotli} bytes, {gzip} by gzip");
        let (coding, size) = load(path, "identity").await;
        assert!(coding.is_empty() && size < unpacked * 1024, "{path}: {size} bytes unpacked");
    }
}

/// Names in their order.
const SORTED: [&str; 6] = ["Eberle", "Éboué", "Eder", "O'Dowd", "O’Hara", "Zola"];

#[apply(on_all)]
async fn names_are_sorted_as_their_readers_expect_also_those_that_were_stored_before(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    for (n, last_name) in SORTED.iter().enumerate().rev() {
        let ada = app.person(&format!("user{n}"), "").await;
        let body = json!({ "last_name": last_name });
        let changed = app.send(&staff, Method::Patch, &format!("/v1/users/{}", ada.id()), &body).await;
        assert_eq!(changed.status, 200, "{}", changed.body);
    }
    let shown = |html: &str| -> Vec<usize> {
        let mut places: Vec<(usize, usize)> = SORTED
            .iter()
            .enumerate()
            .map(|(n, name)| (html.find(&format!(">{name}<")).expect(name), n))
            .collect();
        places.sort_unstable();
        places.into_iter().map(|(_, n)| n).collect()
    };
    for (path, expected) in [("/users", [0, 1, 2, 3, 4, 5]), ("/users?sort=-name", [5, 4, 3, 2, 1, 0])] {
        let html = page(&app, &staff, path).await.body;
        assert_eq!(shown(&html), expected, "{html}");
    }
    app.sql("UPDATE users SET name_folded = 'zz' WHERE last_name LIKE 'É%'").await;
    app.sql("DELETE FROM installation WHERE name = 'collation_keys'").await;
    let again = app.another_instance().await;
    assert_eq!(shown(&page(&again, &staff, "/users").await.body), [0, 1, 2, 3, 4, 5]);
}

#[apply(on_all)]
async fn columns_are_left_out_as_the_viewer_prefers(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let whole = page(&app, &staff, "/users").await.body;
    for class in ["mail", "role", "st", "when", "opt"] {
        assert!(whole.contains(&format!("<td class=\"{class}\">")), "{class}: {whole}");
    }
    assert!(!whole.contains("<td class=\"two\">"), "the second factor is for those who choose it: {whole}");
    let form = page(&app, &staff, "/account/preferences").await.body;
    assert!(form.contains("Leave out of the users list"), "{form}");
    let fields = [
        ("theme", "system"),
        ("density", "comfortable"),
        ("rows", "50"),
        ("time_zone", "UTC"),
        ("hide", "email"),
        ("hide", "date_joined"),
        ("hide", "name"),
    ];
    let saved = send_from(&app, &staff, "/account/preferences", "/account/preferences", &fields).await;
    assert_eq!(saved.0.status, 303);
    let narrow = page(&app, &staff, "/users").await.body;
    for (class, is_there) in
        [("mail", false), ("role", true), ("st", true), ("when", true), ("opt", false), ("two", true)]
    {
        assert_eq!(narrow.contains(&format!("<td class=\"{class}\">")), is_there, "{class}: {narrow}");
        assert_eq!(narrow.contains(&format!(" class=\"{class}\">")), is_there, "{class}: its heading");
    }
    assert_eq!(names(&narrow), ["staff"]);
    let form = page(&app, &staff, "/account/preferences").await.body;
    assert_eq!(form.matches("name=\"hide\"").count(), 6);
    assert!(form.contains("value=\"date_joined\" checked") && !form.contains("value=\"role\" checked"));
}

#[apply(on_all)]
async fn a_list_is_saved_as_a_view_and_forgotten(app: TestApp) {
    let (staff, other) = (app.person("staff", "staff").await, app.person("other", "staff").await);
    let list = page(&app, &staff, "/users?q=a%20%26b&status=invited&sort=-seen").await.body;
    let save = link(&list, "Save this view");
    assert_eq!(save, "/users/views?q=a%20%26b&status=invited&sort=-seen");
    let parameters = [("q", "a &b"), ("status", "invited"), ("sort", "-seen")];
    let named = |name: &'static str| [&[("name", name)], &parameters[..]].concat();
    let (saved, shown) = send_from(&app, &staff, &save, "/users/views", &named("New people & others")).await;
    assert_eq!(
        (saved.status, saved.header("Location")),
        (303, Some("/users?q=a%20%26b&status=invited&sort=-seen"))
    );
    assert!(shown.contains("The view was saved."), "{shown}");
    let list = page(&app, &staff, "/users").await.body;
    assert_eq!(link(&list, "New people & others"), "/users?q=a%20%26b&status=invited&sort=-seen");
    assert!(!page(&app, &other, "/users").await.body.contains("New people & others"), "each has their own");
    // Other preferences are saved without losing it.
    let fields = [("theme", "dark"), ("density", "compact"), ("rows", "25"), ("time_zone", "UTC")];
    send_from(&app, &staff, "/account/preferences", "/account/preferences", &fields).await;
    assert!(page(&app, &staff, "/users").await.body.contains("New people & others"));

    for (name, message) in [("", "Enter a name."), ("x\u{202e}", "change the direction of text")] {
        let (refused, _) = send_from(&app, &staff, &save, "/users/views", &named(name)).await;
        assert!(refused.status == 422 && refused.body.contains(message), "{name}: {}", refused.body);
        assert!(refused.body.contains("value=\"invited\""), "the list is not lost");
    }
    let (refused, _) = send_from(&app, &staff, &save, "/users/views", &[("name", "All")]).await;
    assert!(refused.status == 422 && refused.body.contains("Filter, search or sort the list first."));
    let (stale, _) =
        send(&app, &staff, "/users/views", &[("token", "old"), ("name", "kept"), ("q", "a")]).await;
    assert!(stale.status == 422 && stale.body.contains("value=\"kept\""), "{}", stale.body);

    let forget = [("name", "New people & others")];
    assert_eq!(send_from(&app, &staff, "/users/views", "/users/views/forget", &forget).await.0.status, 303);
    assert!(!page(&app, &staff, "/users").await.body.contains("New people & others"));
}

#[apply(on_all)]
async fn a_view_keeps_whatever_narrows_and_sorts_its_list(app: TestApp) {
    let staff = app.person("staff", "staff").await;
    let parameters = [
        ("q", "a"),
        ("status", "invited"),
        ("role", "none"),
        ("seen", "never"),
        ("ends", "7d"),
        ("factor", "none"),
        ("sort", "-email"),
    ];
    let query = parameters.map(|(name, value)| format!("{name}={value}")).join("&");
    let fields = [&[("name", "Mine")], &parameters[..]].concat();
    let (saved, _) = send_from(&app, &staff, &format!("/users/views?{query}"), "/users/views", &fields).await;
    let list = format!("/users?{query}");
    assert_eq!((saved.status, saved.header("Location")), (303, Some(list.as_str())), "{}", saved.body);
    assert_eq!(link(&page(&app, &staff, "/users").await.body, "Mine"), list);
}

#[apply(on_all)]
async fn the_style_sheet_comes_in_the_best_encoding_that_the_browser_takes(app: TestApp) {
    let page =
        app.client.get("/sign-in").dispatch().await.into_string().await.unwrap().replace("&#x2F;", "/");
    let path = page.split("href=\"").find(|part| part.contains(".css")).unwrap().split('"').next().unwrap();
    let load = async |encoding: &'static str| {
        let request = app.client.get(path.to_owned()).header(Header::new("Accept-Encoding", encoding));
        let response = request.dispatch().await;
        assert!(response.headers().get("Vary").any(|vary| vary == "Accept-Encoding"));
        let coding = response.headers().get_one("Content-Encoding").unwrap_or_default().to_owned();
        (coding, response.into_bytes().await.unwrap())
    };
    let (plain, gzip, best) = (load("identity").await, load("gzip").await, load("gzip, br").await);
    assert_eq!([plain.0.as_str(), &gzip.0, &best.0], ["", "gzip", "br"]);
    assert!(best.1.len() < gzip.1.len() && gzip.1.len() < plain.1.len());
    let mut read = Vec::new();
    brotli::BrotliDecompress(&mut best.1.as_slice(), &mut read).unwrap();
    assert!(read == plain.1, "it is the same");
    assert_eq!(load("gzip, br;q=0").await.0, "gzip");
}
