//! Templates of an installation that stands below a path: every link in them begins with it.
//!
//! Templates, and what is put into them, have the paths of an installation that has its origin to itself. Where there is
//! a base path, it is put before them when the templates are read; without one they stay as they are, byte for byte.

use std::collections::HashMap;

use rocket_dyn_templates::tera::{self, Tera};

use crate::model::base_path::BasePath;

/// What has a path as its value; `action` is also the end of `formaction`.
const ATTRIBUTES: [&str; 4] = ["href=\"", "action=\"", "src=\"", "data-ask=\""];

/// Gives Tera the filter that puts the base path before a value.
pub(super) fn register(tera: &mut Tera, base: BasePath) {
    tera.register_filter("link_to", move |value: &tera::Value, _: &HashMap<String, tera::Value>| {
        Ok(value.as_str().map_or_else(|| value.clone(), |path| base.link_to(path).into()))
    });
}

/// A template whose links begin with the base path.
pub(super) fn below(base: &BasePath, template: String) -> String {
    if base.is_empty() {
        return template;
    }
    ATTRIBUTES.iter().fold(template, |template, attribute| {
        let mut values = template.split(attribute);
        let mut text = values.next().unwrap_or_default().to_owned();
        for value in values {
            text.push_str(attribute);
            match value.strip_prefix("{{").and_then(|rest| rest.split_once("}}")) {
                Some((expression, rest)) => {
                    text.extend(["{{", expression.trim_end(), " | link_to }}", rest]);
                }
                None if value.starts_with('/') => text.extend([base.as_str(), value]),
                None => text.push_str(value),
            }
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::super::Templates;
    use super::*;

    fn usher() -> BasePath {
        BasePath::try_from("/usher".to_owned()).unwrap()
    }

    #[test]
    fn links_begin_with_the_base_path_whether_they_are_written_out_or_not() {
        let template = r##"<a href="/users">{{ a }}</a><a href="{{ path }}/{{ id }}">b</a><form action="{{ path }}">
            <button formaction="/x" data-ask="/y"><a href="#z"><script src="{{ asset(name="a.js") }}"><i id="/w">"##;
        let changed = r##"<a href="/usher/users">{{ a }}</a><a href="{{ path | link_to }}/{{ id }}">b</a><form action="{{ path | link_to }}">
            <button formaction="/usher/x" data-ask="/usher/y"><a href="#z"><script src="{{ asset(name="a.js") | link_to }}"><i id="/w">"##;
        assert_eq!(below(&usher(), template.to_owned()), changed);
        assert_eq!(below(&BasePath::default(), template.to_owned()), template);
        let mut tera = Tera::default();
        register(&mut tera, usher());
        let template = below(&usher(), r#"<a href="{{ here }}"></a><a href="{{ away }}"></a>"#.to_owned());
        tera.add_raw_template("links", &template).unwrap();
        let mut context = tera::Context::new();
        context.insert("here", "/users?q=a");
        context.insert("away", "mailto:ada@example.org");
        let html = tera.render("links", &context).unwrap();
        assert_eq!(html, r#"<a href="/usher/users?q=a"></a><a href="mailto:ada@example.org"></a>"#);
    }

    #[test]
    fn no_template_has_a_path_where_the_base_path_would_be_missing() {
        for name in Templates::iter() {
            let file = Templates::get(&name).unwrap();
            let text = String::from_utf8(file.data.into_owned()).unwrap();
            for (place, _) in text.match_indices("=\"/") {
                let is_known = ATTRIBUTES.iter().any(|attribute| text[..place + 2].ends_with(attribute));
                assert!(is_known, "{name}: a path after {}", &text[place.saturating_sub(20)..place]);
            }
            for trap in ["='/", "=/", "href=\"{%", "action=\"{%", "src=\"{%", "http-equiv", "url("] {
                assert!(!text.contains(trap), "{name}: has {trap}");
            }
        }
    }
}
