//! What a fuzzer begins with: all that the packs and the language reference say.

use ::rules::pack::PACKS;

use crate::{compiled, site};

/// Targets, each with its seeds.
pub fn seeds() -> [(&'static str, Vec<Vec<u8>>); 3] {
    let files = files();
    let mut expressions: Vec<&str> = files.iter().flat_map(|file| quoted(file)).collect();
    expressions.sort_unstable();
    expressions.dedup();
    let images = files.iter().filter_map(|file| compiled(file));
    let images = images.map(|program| program.image(|_| true)).collect();
    let bytes = |text: &str| text.as_bytes().to_vec();
    [
        ("rules", files.iter().map(|file| bytes(file)).collect()),
        ("expression", expressions.into_iter().map(bytes).collect()),
        ("image", images),
    ]
}

/// The packs, each with what the site of its tests says, and the rules of each example.
fn files() -> Vec<String> {
    let packs = PACKS.iter().map(|pack| {
        let site = pack
            .tests
            .split_once("[[case]]")
            .map_or("", |(head, _)| head);
        let site = site.find("[[limits]]").and_then(|from| site.get(from..));
        format!("{}\n{}", pack.text, site.unwrap_or_default())
    });
    // Of each example's two blocks the first is rules.
    let blocks = site::LANGUAGE.split("```toml\n").skip(1).step_by(2);
    let examples = blocks.filter_map(|block| block.split_once("```"));
    let examples =
        examples.map(|(rules, _)| format!("pack = \"example\"\nversion = \"1\"\n{rules}"));
    packs.chain(examples).collect()
}

/// What stands between quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}
