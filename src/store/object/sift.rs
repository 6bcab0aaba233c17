//! Names in lists that nobody can ask for.
//!
//! The crate `object_store` refuses a whole page of a list if one key in it has an empty part, a part `.` or `..`, or a control
//! character. Anybody who may write to a bucket can put such an object there, and some tools put one there for each folder.
//! Where that must not be in the way of all others, such names are taken out of a page before that crate sees it.

use object_store::path::Path;

/// What names things in a page: the element, the element with its name in it, and whether that is a folder.
const ELEMENTS: [(&str, &str, bool); 4] = [
    ("Contents", "Key", false),
    ("CommonPrefixes", "Prefix", true),
    ("Blob", "Name", false),
    ("BlobPrefix", "Name", true),
];

/// The page without what has a name that cannot be asked for, and these names.
pub(super) fn sift(page: &str) -> (String, Vec<String>) {
    let (mut kept, mut odd) = (String::with_capacity(page.len()), Vec::new());
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        kept.push_str(&rest[..start]);
        rest = &rest[start..];
        match element(rest) {
            Some((whole, Some(name))) => {
                odd.push(name);
                rest = &rest[whole.len()..];
            }
            Some((whole, None)) => {
                kept.push_str(whole);
                rest = &rest[whole.len()..];
            }
            None => {
                kept.push('<');
                rest = &rest[1..];
            }
        }
    }
    kept.push_str(rest);
    (kept, odd)
}

/// The element that a text begins with, if it names something, and its name, if that cannot be asked for.
fn element(text: &str) -> Option<(&str, Option<String>)> {
    let (tag, _) = text.get(1..)?.split_once('>')?;
    let (element, inner, is_folder) = ELEMENTS.into_iter().find(|(element, ..)| *element == tag)?;
    let end_tag = format!("</{element}>");
    let whole = &text[..text.find(&end_tag)? + end_tag.len()];
    let (_, name) = whole.split_once(&format!("<{inner}>"))?;
    let name = unescape(name.split_once("</")?.0);
    Some((whole, (!is_askable(&name, is_folder)).then_some(name)))
}

fn is_askable(name: &str, is_folder: bool) -> bool {
    let plain = if is_folder { name.strip_suffix('/').unwrap_or(name) } else { name };
    Path::parse(name).is_ok_and(|path| path.as_ref() == plain)
}

/// What a text of XML says. What it cannot say stays as it is: the name is for messages only.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        plain.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        match end.and_then(|end| Some((end, character(&rest[1..end])?))) {
            Some((end, character)) => {
                plain.push(character);
                rest = &rest[end + 1..];
            }
            None => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let number = match number.strip_prefix('x') {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(number)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(names: &[&str]) -> String {
        let entry = |name: &&str| format!("<Contents><Key>{name}</Key><Size>1</Size></Contents>\n");
        let folder = |name: &&str| format!("<CommonPrefixes><Prefix>{name}/</Prefix></CommonPrefixes>");
        let (entries, folders) = (names.iter().map(entry), names.iter().map(folder));
        format!("<?xml version=\"1.0\"?><R><Prefix>x//</Prefix>{}</R>", entries.chain(folders).collect::<String>())
    }

    #[test]
    fn names_that_cannot_be_asked_for_are_taken_out() {
        let good = ["a.jsonl", "a b/ä&amp;&lt;x.jsonl", "...", "a/..b"];
        assert_eq!(sift(&page(&good)), (page(&good), Vec::new()));
        let (kept, odd) = sift(&page(&["a", "..", "b/../c", "b//c", "&#x1b;[31m", "a&#10;b", "/x", "./x", "z"]));
        assert_eq!(kept.matches("<Contents>").count(), 2, "{kept}");
        assert_eq!(kept.matches("<CommonPrefixes>").count(), 2, "{kept}");
        assert_eq!(odd[..4], ["..", "b/../c", "b//c", "\u{1b}[31m"]);
        assert_eq!(odd.len(), 14, "{odd:?}");
    }

    #[test]
    fn what_stands_for_a_folder_is_no_object() {
        let (kept, odd) = sift("<R><Contents><Key>logs/</Key></Contents><Contents><Key>logs/x</Key></Contents></R>");
        assert_eq!(kept, "<R><Contents><Key>logs/x</Key></Contents></R>");
        assert_eq!(odd, ["logs/"]);
    }

    #[test]
    fn what_is_no_list_stays_as_it_is() {
        for text in [
            "",
            "<",
            "<<<>>>",
            "<Contents>",
            "<Contents><Key>..",
            "<Contents></Contents>",
            "<Blob><Name>../",
            "&#xd800;",
        ] {
            assert_eq!(sift(text), (text.to_owned(), Vec::new()), "{text}");
        }
        assert_eq!(unescape("a&amp;&#x41;&#66;&nope;&#xd800;&"), "a&AB&nope;&#xd800;&");
    }
}
