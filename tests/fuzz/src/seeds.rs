//! What a fuzzer begins with: all that the packs and the language reference say.

use std::iter::once;

use ::rules::pack::PACKS;

use crate::{compiled_for, site};

/// Targets, each with its seeds.
pub fn seeds() -> [(&'static str, Vec<Vec<u8>>); 3] {
    let files = files();
    let texts = || files.iter().map(|(text, _)| text);
    let mut expressions: Vec<&str> = texts().flat_map(|text| quoted(text)).collect();
    expressions.sort_unstable();
    expressions.dedup();
    // For the points that its own tests declare: what it asks of a site is there.
    let programs = files
        .iter()
        .map(|(text, tests)| compiled_for(text, &site::points_of(once(*tests))));
    let images = programs.flatten().map(|program| program.image(|_| true));
    let bytes = |text: &str| text.as_bytes().to_vec();
    [
        ("rules", texts().map(|text| bytes(text)).collect()),
        ("expression", expressions.into_iter().map(bytes).collect()),
        ("image", images.collect()),
    ]
}

/// The packs, each with what the site of its tests says, and the rules of each example; beside them their tests.
fn files() -> Vec<(String, &'static str)> {
    let tests = PACKS
        .iter()
        .flat_map(|pack| pack.tests.iter().map(move |(_, tests)| (pack, *tests)));
    let packs = tests.map(|(pack, tests)| {
        let site = tests.split_once("[[case]]").map_or("", |(head, _)| head);
        let site = site.find("[[limits]]").and_then(|from| site.get(from..));
        let text = format!("{}\n{}", pack.text, site.unwrap_or_default());
        (text, tests)
    });
    // Of each example's two blocks the first is rules, the second its tests.
    let blocks = site::LANGUAGE.split("```toml\n").skip(1);
    let blocks = blocks.filter_map(|block| Some(block.split_once("```")?.0));
    let (rules, tests) = (blocks.clone().step_by(2), blocks.skip(1).step_by(2));
    let examples = rules.zip(tests).map(|(rules, tests)| {
        let text = format!("pack = \"example\"\nversion = \"1\"\n{rules}");
        (text, tests)
    });
    packs.chain(examples).collect()
}

/// What stands between quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}
