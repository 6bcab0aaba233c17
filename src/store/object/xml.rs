//! What servers answer in XML, as far as it is not left to the crate `object_store`.
//!
//! That crate takes any document for a list, and one that names nothing, such as a page for people, for an empty one. And it
//! refuses a whole page of a list if one key in it has an empty part, a part `.` or `..`, or a control character. Anybody who
//! may write to a bucket can put such an object there, and some tools put one there for each folder. So that it is not in the
//! way of all others, such names are taken out of a page before that crate sees it.

use object_store::path::Path;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

/// The elements that a list consists of: of S3 and Google Cloud Storage, and of Azure.
const LISTS: [&[u8]; 2] = [b"ListBucketResult", b"EnumerationResults"];

/// What names things in a page: the element, the element with its name in it, and whether that is a folder.
const ENTRIES: [(&[u8], &[u8], bool); 4] = [
    (b"Contents", b"Key", false),
    (b"CommonPrefixes", b"Prefix", true),
    (b"Blob", b"Name", false),
    (b"BlobPrefix", b"Name", true),
];

/// What some servers put in front of a document.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The answer to a list is something else.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not a list of objects")]
pub(super) struct NotAList;

impl From<quick_xml::Error> for NotAList {
    fn from(_: quick_xml::Error) -> Self {
        NotAList
    }
}

impl From<quick_xml::encoding::EncodingError> for NotAList {
    fn from(_: quick_xml::encoding::EncodingError) -> Self {
        NotAList
    }
}

fn enter_list(reader: &mut Reader<&[u8]>) -> Result<(), NotAList> {
    loop {
        match reader.read_event()? {
            Event::Start(root) if LISTS.contains(&root.local_name().as_ref()) => return Ok(()),
            Event::Decl(_) | Event::DocType(_) | Event::Comment(_) | Event::PI(_) | Event::Text(_) => {}
            _ => return Err(NotAList),
        }
    }
}

/// The page of a list without what has a name that cannot be asked for, and these names.
pub(super) fn sift(page: &[u8]) -> Result<(Vec<u8>, Vec<String>), NotAList> {
    let page = page.strip_prefix(BYTE_ORDER_MARK).unwrap_or(page);
    let mut reader = Reader::from_reader(page);
    enter_list(&mut reader)?;
    let (mut kept, mut odd, mut done, mut depth) = (Vec::new(), Vec::new(), 0, 1);
    while depth > 0 {
        let start = position(&reader);
        match reader.read_event()? {
            Event::Start(tag) => match ENTRIES.iter().find(|(entry, ..)| *entry == tag.local_name().as_ref()) {
                Some((_, inner, is_folder)) => {
                    let strange = name_in(&mut reader, inner)?.filter(|name| !is_askable(name, *is_folder));
                    if let Some(name) = strange {
                        odd.push(name);
                        kept.extend_from_slice(&page[done..start]);
                        done = position(&reader);
                    }
                }
                None => depth += 1,
            },
            Event::End(_) => depth -= 1,
            Event::Eof => return Err(NotAList),
            _ => {}
        }
    }
    kept.extend_from_slice(&page[done..]);
    Ok((kept, odd))
}

/// Up to where a document has been read.
fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

/// What an entry is called that has begun, if it is. It is read to its end.
fn name_in(reader: &mut Reader<&[u8]>, inner: &[u8]) -> Result<Option<String>, NotAList> {
    let mut name = None;
    loop {
        match reader.read_event()? {
            Event::Start(tag) if tag.local_name().as_ref() == inner => name = Some(text(reader)?),
            Event::Start(tag) => pass(reader, &tag)?,
            Event::End(_) => return Ok(name),
            Event::Eof => return Err(NotAList),
            _ => {}
        }
    }
}

/// What an element says that has begun, without the elements in it. It is read to its end.
fn text(reader: &mut Reader<&[u8]>) -> Result<String, NotAList> {
    let mut text = String::new();
    loop {
        match reader.read_event()? {
            Event::Text(part) => text.push_str(&part.xml10_content()?),
            Event::CData(part) => text.push_str(&part.xml10_content()?),
            Event::GeneralRef(reference) => text.push(character(&reference)),
            Event::Start(tag) => pass(reader, &tag)?,
            Event::End(_) => return Ok(text),
            Event::Eof => return Err(NotAList),
            _ => {}
        }
    }
}

fn pass(reader: &mut Reader<&[u8]>, tag: &BytesStart) -> Result<(), NotAList> {
    reader.read_to_end(tag.name())?;
    Ok(())
}

/// The character that a reference stands for. What none stands for is like a control character: nobody can ask for it.
fn character(reference: &BytesRef) -> char {
    let predefined = || resolve_predefined_entity(&reference.decode().ok()?)?.chars().next();
    reference.resolve_char_ref().ok().flatten().or_else(predefined).unwrap_or('\0')
}

fn is_askable(name: &str, is_folder: bool) -> bool {
    let plain = if is_folder { name.strip_suffix('/').unwrap_or(name) } else { name };
    Path::parse(name).is_ok_and(|path| path.as_ref() == plain)
}

/// By which word a server calls a failure, and what else it says of it, as far as its answer can be read.
pub(super) fn failure(answer: &[u8]) -> (String, String) {
    let (mut code, mut message) = (None, None);
    let mut reader = Reader::from_reader(answer);
    while let Ok(event) = reader.read_event() {
        let said = match event {
            Event::Start(tag) if tag.local_name().as_ref() == b"Code" => &mut code,
            Event::Start(tag) if tag.local_name().as_ref() == b"Message" => &mut message,
            Event::Eof => break,
            _ => continue,
        };
        let Ok(text) = text(&mut reader) else { break };
        said.get_or_insert(text);
    }
    (code.filter(|code| is_word(code)).unwrap_or_default(), message.unwrap_or_default())
}

fn is_word(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sifted(page: &str) -> (String, Vec<String>) {
        let (kept, odd) = sift(page.as_bytes()).unwrap_or_else(|error| panic!("{error}: {page}"));
        (String::from_utf8(kept).unwrap(), odd)
    }

    fn page(names: &[&str]) -> String {
        let entry = |name: &&str| format!("<Contents><Key>{name}</Key><Size>1</Size></Contents>\n");
        let folder = |name: &&str| format!("<CommonPrefixes><Prefix>{name}/</Prefix></CommonPrefixes>");
        let (entries, folders) = (names.iter().map(entry), names.iter().map(folder));
        format!(
            "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Prefix>x//</Prefix>{}</ListBucketResult>",
            entries.chain(folders).collect::<String>()
        )
    }

    #[test]
    fn names_that_cannot_be_asked_for_are_taken_out() {
        let good = ["a.jsonl", "a b/ä&amp;&lt;x.jsonl", "...", "a/..b", "<![CDATA[a&b]]>"];
        assert_eq!(sifted(&page(&good)), (page(&good), Vec::new()));
        let bad =
            ["a", "..", "b/../c", "b//c", "&#x1b;[31m", "a&#10;b", "/x", "./x", "z", "<![CDATA[/]]>", "&#0;", "&no;"];
        let (kept, odd) = sifted(&page(&bad));
        assert_eq!(kept.matches("<Contents>").count(), 2, "{kept}");
        assert_eq!(kept.matches("<CommonPrefixes>").count(), 2, "{kept}");
        assert_eq!(kept.replace('\n', ""), page(&["a", "z"]).replace('\n', ""));
        assert_eq!(odd[..4], ["..", "b/../c", "b//c", "\u{1b}[31m"]);
        assert_eq!(odd.len(), 20, "{odd:?}");
    }

    #[test]
    fn lists_of_azure_are_sifted_as_well() {
        let page = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ContainerName=\"c\"><Blobs>\
            <Blob><Name>a//b</Name><Properties><Name>x</Name></Properties></Blob>\
            <Blob><Properties/><Name>ok</Name></Blob><BlobPrefix><Name>../</Name></BlobPrefix>\
            </Blobs><NextMarker/></EnumerationResults>";
        let (kept, odd) = sifted(page);
        assert_eq!(odd, ["a//b", "../"]);
        assert!(
            kept.ends_with(
                "<Blobs><Blob><Properties/><Name>ok</Name></Blob></Blobs><NextMarker/></EnumerationResults>"
            )
        );
    }

    #[test]
    fn what_stands_for_a_folder_is_no_object() {
        let list = |entries: &str| format!("<s:ListBucketResult xmlns:s=\"s\">{entries}</s:ListBucketResult>");
        let kept = "<s:Contents><s:Key>logs/x</s:Key></s:Contents>";
        let page = list(&format!("<s:Contents><s:Key>logs/</s:Key></s:Contents>{kept}"));
        assert_eq!(sifted(&page), (list(kept), vec!["logs/".to_owned()]));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in [
            "",
            "<",
            "<<<>>>",
            "plain text",
            "<Contents>",
            "<Contents><Key>..",
            "<Contents></Contents>",
            "<ListBucketResult/>",
            "<Error><Code>SlowDown</Code></Error>",
            "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body></body></html>",
            "<html><ListBucketResult></ListBucketResult></html>",
            "<x>&#xd800;</x>",
        ] {
            assert_eq!(sift(text.as_bytes()), Err(NotAList), "{text}");
        }
        for text in [
            "<ListBucketResult>",
            "<ListBucketResult><Contents><Key>a</Key></Contents>",
            "<ListBucketResult><Contents><Key>..</Key>",
            "<ListBucketResult><Contents><Key>..",
            "<ListBucketResult><a></b></ListBucketResult>",
        ] {
            assert_eq!(sift(text.as_bytes()), Err(NotAList), "{text}");
        }
        assert_eq!(sift(b"<ListBucketResult><Contents><Key>\xff</Key></Contents></ListBucketResult>"), Err(NotAList));
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("<ListBucketResult>{}", "<x>".repeat(1 << 20));
        assert_eq!(sift(deep.as_bytes()), Err(NotAList));
        let deep = format!("<ListBucketResult><Contents><Key>{}", "<x>".repeat(1 << 20));
        assert_eq!(sift(deep.as_bytes()), Err(NotAList));
    }

    #[test]
    fn the_word_for_a_failure_is_read_from_what_the_server_says() {
        let said = |xml: &str| failure(xml.as_bytes());
        let both = |code: &str, message: &str| (code.to_owned(), message.to_owned());
        let xml = "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>No\u{1b} &lt;x</Message></Error>";
        assert_eq!(said(xml), both("NoSuchBucket", "No\u{1b} <x"));
        assert_eq!(said("<Error><Message>a</Message><Code>b</Code><Code>c</Code>"), both("b", "a"));
        assert_eq!(said("<Code>x"), both("", ""));
        assert_eq!(said("<Code>NoSuchKey</Code><Message>cut o"), both("NoSuchKey", ""));
        assert_eq!(said("no XML & nothing"), both("", ""));
        assert!(is_word("NoSuchKey") && !is_word("") && !is_word("a b") && !is_word(&"x".repeat(65)));
    }

    proptest::proptest! {
        #[test]
        fn no_page_makes_a_panic(parts in proptest::collection::vec(".{0,3}|<|>|/|&|;|</?(Contents|Key|Blob|Name)>|<!\\[CDATA\\[|\\]\\]>", 0..30)) {
            let page = format!("<ListBucketResult>{}</ListBucketResult>", parts.concat());
            if let Ok((kept, odd)) = sift(page.as_bytes()) {
                assert!(kept.len() <= page.len());
                assert_eq!(sift(&kept), Ok((kept.clone(), Vec::new())), "{odd:?}");
            }
            failure(parts.concat().as_bytes());
        }
    }
}
