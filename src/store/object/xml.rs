//! XML that a server answers with, as far as it has to be understood before the crate `object_store` sees it.
//!
//! A page of a list is known by its root. To that crate, a page of anything else, such as the login page of a network, would
//! be a list of nothing.
//!
//! It also refuses a whole page if one key in it has an empty part, a part `.` or `..`, or a control character. Anybody who
//! may write to a bucket can put such an object there, and some tools put one there for each folder. Where that must not be in
//! the way of all others, such names are taken out of a page.

use std::ops::Range;

use object_store::path::Path;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

/// What a page of a list is: at S3 and Google Cloud Storage, and at Azure.
const ROOTS: [&str; 2] = ["ListBucketResult", "EnumerationResults"];

/// What names things in a page: the element, the element with its name in it, and whether that is a folder.
const ELEMENTS: [(&str, &str, bool); 4] = [
    ("Contents", "Key", false),
    ("CommonPrefixes", "Prefix", true),
    ("Blob", "Name", false),
    ("BlobPrefix", "Name", true),
];

#[derive(Debug, thiserror::Error)]
#[error("the answer is no list of objects")]
pub(super) struct NoList;

type Result<T> = std::result::Result<T, quick_xml::Error>;

/// Checks that an answer is a page of a list, by how it begins.
pub(super) fn check_list(page: &str) -> std::result::Result<(), NoList> {
    root(&mut reader(page)).ok_or(NoList).map(drop)
}

/// The page without what has a name that cannot be asked for, and these names.
pub(super) fn sift(page: &str) -> std::result::Result<(String, Vec<String>), NoList> {
    let (mut kept, mut odd, mut done) = (String::with_capacity(page.len()), Vec::new(), 0);
    each_named(page, |place, name, is_folder| {
        if !is_askable(&name, is_folder) {
            kept.push_str(&page[done..place.start]);
            done = place.end;
            odd.push(name.text);
        }
    })?;
    kept.push_str(&page[done..]);
    Ok((kept, odd))
}

/// What the first element of this name holds, if it is there to its end.
pub(super) fn text_of(xml: &str, element: &str) -> Option<String> {
    let mut reader = reader(xml);
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) if tag.local_name().as_ref() == element.as_bytes() => {
                return read_text(&mut reader).ok()?.map(|text| text.text);
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

fn reader(xml: &str) -> Reader<&[u8]> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().allow_dangling_amp = true;
    reader
}

/// Reads up to the root of a list; whether anything is in it. None if it is something else.
fn root(reader: &mut Reader<&[u8]>) -> Option<bool> {
    loop {
        let (tag, has_content) = match reader.read_event().ok()? {
            Event::Start(tag) => (tag, true),
            Event::Empty(tag) => (tag, false),
            Event::Eof => return None,
            _ => continue,
        };
        return ROOTS.iter().any(|root| tag.local_name().as_ref() == root.as_bytes()).then_some(has_content);
    }
}

/// Something with a name that has begun.
struct Entry {
    start: usize,
    depth: usize,
    inner: &'static str,
    is_folder: bool,
    name: Option<Text>,
}

/// Calls `each` with the place in the page of everything that has a name, that name, and whether it is a folder.
fn each_named(page: &str, mut each: impl FnMut(Range<usize>, Text, bool)) -> std::result::Result<(), NoList> {
    let mut reader = reader(page);
    let mut depth = usize::from(root(&mut reader).ok_or(NoList)?);
    let mut entry: Option<Entry> = None;
    while depth > 0 {
        let start = position(&reader);
        match reader.read_event().map_err(|_| NoList)? {
            Event::Start(tag) => match &mut entry {
                None => {
                    depth += 1;
                    entry = begin(tag.local_name().as_ref(), start, depth);
                }
                Some(entry) if depth == entry.depth && tag.local_name().as_ref() == entry.inner.as_bytes() => {
                    entry.name = read_text(&mut reader).map_err(|_| NoList)?;
                }
                Some(_) => depth += 1,
            },
            Event::End(_) => {
                if let Some(Entry { start, name: Some(name), is_folder, .. }) = entry.take_if(|e| e.depth == depth) {
                    each(start..position(&reader), name, is_folder);
                }
                depth -= 1;
            }
            // Its rest is lost.
            Event::Eof => return Err(NoList),
            _ => {}
        }
    }
    Ok(())
}

fn begin(tag: &[u8], start: usize, depth: usize) -> Option<Entry> {
    let found = ELEMENTS.into_iter().find(|(element, ..)| element.as_bytes() == tag);
    found.map(|(_, inner, is_folder)| Entry { start, depth, inner, is_folder, name: None })
}

/// Where in the text it has got to.
fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

/// What an element holds.
#[derive(Default)]
struct Text {
    text: String,
    /// Something in it stands for no character, and was left as it is.
    is_odd: bool,
}

/// The text of the element that has just begun, to its end; none if there is no end.
fn read_text(reader: &mut Reader<&[u8]>) -> Result<Option<Text>> {
    let (mut found, mut depth) = (Text::default(), 1);
    loop {
        match reader.read_event()? {
            Event::Text(part) => found.text.push_str(&part.decode()?),
            Event::CData(part) => found.text.push_str(&part.decode()?),
            Event::GeneralRef(reference) => found.push(&reference)?,
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            Event::Eof => return Ok(None),
            _ => {}
        }
        if depth == 0 {
            return Ok(Some(found));
        }
    }
}

impl Text {
    fn push(&mut self, reference: &BytesRef<'_>) -> Result<()> {
        let name = reference.decode()?;
        match reference.resolve_char_ref() {
            Ok(Some(character)) => self.text.push(character),
            _ => match resolve_predefined_entity(&name) {
                Some(text) => self.text.push_str(text),
                None => {
                    self.text.push_str(&format!("&{name};"));
                    self.is_odd = true;
                }
            },
        }
        Ok(())
    }
}

fn is_askable(name: &Text, is_folder: bool) -> bool {
    let text = name.text.as_str();
    let plain = if is_folder { text.strip_suffix('/').unwrap_or(text) } else { text };
    !name.is_odd && Path::parse(text).is_ok_and(|path| path.as_ref() == plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(content: &str) -> String {
        format!("<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\">{content}</ListBucketResult>")
    }

    fn page(names: &[&str]) -> String {
        let entry = |name: &&str| format!("<Contents><Key>{name}</Key><Size>1</Size></Contents>\n");
        let folder = |name: &&str| format!("<CommonPrefixes><Prefix>{name}/</Prefix></CommonPrefixes>");
        let (entries, folders) = (names.iter().map(entry), names.iter().map(folder));
        list(&format!("<Prefix>x//</Prefix>{}", entries.chain(folders).collect::<String>()))
    }

    fn sifted(page: &str) -> (String, Vec<String>) {
        sift(page).expect("a list")
    }

    #[test]
    fn names_that_cannot_be_asked_for_are_taken_out() {
        let good = ["a.jsonl", "a b/ä&amp;&lt;x.jsonl", "...", "a/..b", "&#x41;&#66;", "<![CDATA[a&b]]>"];
        assert_eq!(sifted(&page(&good)), (page(&good), Vec::new()));
        let (kept, odd) = sifted(&page(&["a", "..", "b/../c", "b//c", "&#x1b;[31m", "a&#10;b", "/x", "./x", "z"]));
        assert_eq!(kept.matches("<Contents>").count(), 2, "{kept}");
        assert_eq!(kept.matches("<CommonPrefixes>").count(), 2, "{kept}");
        assert_eq!(odd[..4], ["..", "b/../c", "b//c", "\u{1b}[31m"]);
        assert_eq!(odd.len(), 14, "{odd:?}");
        let azure = "<EnumerationResults><Blobs><Blob><Name>a//b</Name><Properties><Name>x</Name></Properties></Blob>\
            <Blob><Name>c</Name></Blob><BlobPrefix><Name>../</Name></BlobPrefix></Blobs></EnumerationResults>";
        let kept = "<EnumerationResults><Blobs><Blob><Name>c</Name></Blob></Blobs></EnumerationResults>";
        assert_eq!(sifted(azure), (kept.to_owned(), vec!["a//b".to_owned(), "../".to_owned()]));
    }

    #[test]
    fn what_stands_for_a_folder_is_no_object() {
        let entries = "<Contents><Key>logs/</Key></Contents><Contents><Key>logs/x</Key></Contents>";
        let (kept, odd) = sifted(&list(entries));
        assert_eq!(kept, list("<Contents><Key>logs/x</Key></Contents>"));
        assert_eq!(odd, ["logs/"]);
    }

    #[test]
    fn names_that_no_character_stands_for_are_taken_out() {
        let names = ["a&nope;", "&#xd800;", "&#0;", "&#x110000;"];
        let (kept, odd) = sifted(&page(&names));
        assert_eq!(kept, list("<Prefix>x//</Prefix>\n\n\n\n"));
        assert_eq!(odd[..4], names);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let torn = page(&["a", "b"]);
        for text in [
            "",
            "<",
            "<<<>>>",
            "hello",
            "{\"ListBucketResult\": 1}",
            "<html><body>Log in</body></html>",
            "<!DOCTYPE html><html><ListBucketResult></ListBucketResult></html>",
            "<Contents>",
            "<Error><Code>SlowDown</Code></Error>",
            "&#xd800;",
        ] {
            assert!(sift(text).is_err() && check_list(text).is_err(), "{text}");
        }
        for end in 0..torn.len() {
            assert!(sift(&torn[..end]).is_err(), "{}", &torn[..end]);
        }
        for empty in [list(""), "<ListBucketResult/>".to_owned()] {
            assert_eq!(sifted(&empty), (empty.clone(), Vec::new()));
            assert!(check_list(&empty).is_ok());
        }
        let deep = list(&"<Contents>".repeat(100_000));
        assert!(sift(&deep).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_a_panic(inside in "[<>/&;#!\\[\\]KeyContents .ä-]{0,60}") {
            let _ = (sift(&inside), text_of(&inside, "Key"));
            if let Ok((kept, odd)) = sift(&list(&inside)) {
                proptest::prop_assert!(!odd.is_empty() || kept == list(&inside));
            }
        }
    }

    #[test]
    fn the_code_of_a_failure_is_read_from_what_the_server_says() {
        let xml =
            "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>No\u{1b} x &amp; y</Message></Error>";
        assert_eq!(text_of(xml, "Code").as_deref(), Some("NoSuchBucket"));
        assert_eq!(text_of(xml, "Message").as_deref(), Some("No\u{1b} x & y"));
        assert_eq!(text_of("<Error><Code>SlowDown</Code><Mess", "Code").as_deref(), Some("SlowDown"));
        assert_eq!(text_of("<Code>x", "Code"), None);
        assert_eq!(text_of("no XML & nothing", "Code"), None);
    }
}
