//! Signs of symbol fonts, such as ticks, which belong to the words on their line.

use super::forms::neighbour;
use super::words::{PlacedWord, TextDirection};
use crate::formats::common::drawings::box_sign;
use cloister_domain::Rect;

/// Signs that say whether something is chosen.
const SIGNS: &str = "✓✔✕✖✗✘☐☑☒❏❐❑❒□■▢◻◼●○◉";

/// Empty boxes with a shadow.
const SHADOWED: [&str; 4] = ["❏", "❐", "❑", "❒"];

/// Puts signs of a symbol font, such as ticks, beside the word on their line. Some programs draw all
/// signs first and the words later.
pub fn place_signs(words: &mut Vec<PlacedWord>) {
    for word in words.iter_mut() {
        if SHADOWED.contains(&word.text.as_str()) {
            box_sign(false).clone_into(&mut word.text);
        }
    }
    let strays: Vec<usize> = (0..words.len())
        .filter(|index| is_stray_sign(words, *index))
        .collect();
    let mut signs = Vec::new();
    for index in strays.into_iter().rev() {
        signs.push(words.remove(index));
    }
    for sign in signs.into_iter().rev() {
        let Some((index, is_right)) = neighbour(words, sign.rect) else {
            words.push(sign);
            continue;
        };
        let place = if is_right { index } else { index + 1 };
        let near = words.get(index).map(|near| near.rect);
        let rect = near.map_or(sign.rect, |near| Rect {
            y0: near.y0,
            y1: near.y1,
            ..sign.rect
        });
        words.insert(
            place,
            PlacedWord {
                rect,
                frame: rect,
                ..sign
            },
        );
    }
}

/// Whether a word is one sign for ticked or empty, and neither word that was drawn before and after
/// it is on its line, although another word is.
fn is_stray_sign(words: &[PlacedWord], index: usize) -> bool {
    let Some(sign) = words.get(index) else {
        return false;
    };
    let is_sign = sign.direction == TextDirection::LeftToRight
        && sign.text.chars().count() == 1
        && sign.text.chars().all(|c| SIGNS.contains(c));
    let middle = f32::midpoint(sign.rect.y0, sign.rect.y1);
    let is_beside = |other: Option<&PlacedWord>| {
        other.is_some_and(|other| other.rect.y0 <= middle && middle <= other.rect.y1)
    };
    let before = index.checked_sub(1).and_then(|index| words.get(index));
    is_sign
        && !is_beside(before)
        && !is_beside(words.get(index + 1))
        && neighbour(words, sign.rect).is_some_and(|(near, _)| near != index)
}
