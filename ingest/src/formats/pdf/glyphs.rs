//! The glyphs of a page: what they say and where they stand on the page as it is displayed.
//!
//! A [`Device`] of our own stands where the renderer's would, so a box here is the box of the
//! letter that [`super::draw`] paints.

use super::spoken::Spoken;
use cloister_domain::Rect;
use hayro_interpret::font::{Glyph as HayroGlyph, GlyphRun, PositionedGlyph};
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::kurbo::{self, Affine, BezPath, Point, Shape, Vec2};
use hayro_interpret::{
    BlendMode, ClipPath, Device, DrawMode, DrawProps, Image, ImageDrawProps, Paint, SoftMask,
};
use hayro_syntax::object::Dict;
use std::collections::HashMap;

/// A page with more glyphs than this is cut short: the interpreter cannot be stopped, but it need
/// not be remembered.
pub const MOST_GLYPHS: usize = 200_000;

/// Backgrounds beyond these are not remembered.
const MOST_PAINTED: usize = 2_000;

/// Glyphs are measured in thousandths of their font's size.
const UNITS: f64 = 1000.0;

/// A font's usual reach above and below the baseline, where the font itself is not asked.
const ASCENT: f64 = 780.0;
const DESCENT: f64 = -220.0;

/// One glyph.
#[derive(Clone, Debug)]
pub struct Glyph {
    /// What it says; a ligature says several letters.
    pub text: String,
    /// Its box on the page.
    pub rect: Rect,
    /// Where its baseline begins.
    pub start: Point,
    /// Where its baseline ends, and the next glyph is expected.
    pub end: Point,
    /// The direction of its baseline, one point long.
    pub along: Vec2,
    /// Its font size in points.
    pub size: f32,
    /// Whether its font calls itself bold.
    pub bold: bool,
}

/// Collects the glyphs of one page.
#[derive(Debug)]
pub struct Collector {
    page: kurbo::Rect,
    /// The glyphs, in the order in which the page draws them.
    pub glyphs: Vec<Glyph>,
    /// Glyphs whose letter is unknown.
    pub unreadable: u32,
    /// Glyphs outside the visible page.
    pub outside: u32,
    /// Whether there were more than [`MOST_GLYPHS`].
    pub cut_short: bool,
    /// Area of the page's pictures, as a share of the page.
    pub pictured: f64,
    /// Glyphs that are drawn in white where nothing else was drawn.
    white: u32,
    /// Glyphs that are not drawn at all.
    invisible: u32,
    /// Where something other than white was drawn: the background of white letters.
    painted: Vec<kurbo::Rect>,
    /// Where each letter stands already, by letter and square point: fonts are made bold by
    /// printing them twice.
    seen: HashMap<(char, i32, i32), Vec<Point>>,
    /// What the document says in place of its glyphs.
    spoken: Spoken,
}

impl Collector {
    /// For a page of this size in points.
    pub fn new(width: f32, height: f32) -> Self {
        Self {
            page: kurbo::Rect::new(0.0, 0.0, f64::from(width), f64::from(height)),
            glyphs: Vec::new(),
            unreadable: 0,
            outside: 0,
            cut_short: false,
            pictured: 0.0,
            white: 0,
            invisible: 0,
            painted: Vec::new(),
            seen: HashMap::new(),
            spoken: Spoken::default(),
        }
    }

    /// Glyphs that nobody sees. Over a picture, they are what a program recognised in it.
    pub fn hidden(&self) -> u32 {
        let recognised = self.pictured > 0.5;
        self.white + if recognised { 0 } else { self.invisible }
    }

    /// Takes note of letters that nobody sees.
    fn conceal(&mut self, from: usize, props: &DrawProps<'_>, mode: &DrawMode) {
        let drawn = self.glyphs.get(from..).unwrap_or_default();
        let count = |glyphs: &mut dyn Iterator<Item = &Glyph>| {
            u32::try_from(glyphs.count()).unwrap_or(u32::MAX)
        };
        if matches!(mode, DrawMode::Invisible) {
            self.invisible = self.invisible.saturating_add(count(&mut drawn.iter()));
        } else if is_white(&props.paint) {
            let bare = |glyph: &&Glyph| {
                let rect = glyph.rect;
                let x = f64::from(f32::midpoint(rect.x0, rect.x1));
                let y = f64::from(f32::midpoint(rect.y0, rect.y1));
                !self.painted.iter().any(|r| r.contains(Point::new(x, y)))
            };
            let bare = count(&mut drawn.iter().filter(bare));
            self.white = self.white.saturating_add(bare);
        }
    }

    fn paint(&mut self, area: kurbo::Rect, props: &DrawProps<'_>, mode: &DrawMode) {
        let fills = matches!(mode, DrawMode::Fill(_) | DrawMode::FillAndStroke(..));
        if fills && !is_white(&props.paint) && self.painted.len() < MOST_PAINTED {
            let area = props.transform.transform_rect_bbox(area);
            self.painted.push(area.intersect(self.page));
        }
    }

    fn run(&mut self, run: &GlyphRun<'_, '_>, props: &DrawProps<'_>) {
        if self.glyphs.len() >= MOST_GLYPHS {
            self.cut_short = true;
            return;
        }
        let glyphs = run.glyphs();
        let bold = glyphs.first().is_some_and(is_bold);
        let stretched = is_stretched(glyphs);
        for glyph in glyphs {
            let placed = props.transform * glyph.transform();
            self.glyph(glyph, placed, stretched, bold);
        }
    }

    fn glyph(&mut self, glyph: &PositionedGlyph<'_>, placed: Affine, stretched: bool, bold: bool) {
        let Some(shape) = Placed::of(placed, advance(glyph), stretched) else {
            return;
        };
        let spoken = self.spoken.take();
        if spoken.as_ref().is_some_and(String::is_empty) {
            self.widen(&shape);
            return;
        }
        let Some(text) = spoken
            .or_else(|| told(glyph))
            .and_then(|text| letters(&text))
        else {
            self.unreadable = self.unreadable.saturating_add(1);
            return;
        };
        if !self.page.contains(shape.rect.center()) {
            self.outside = self
                .outside
                .saturating_add(u32::from(!text.trim().is_empty()));
            return;
        }
        if text.is_empty() || self.is_repeated(&text, &shape) {
            return;
        }
        self.glyphs.push(Glyph {
            text,
            rect: display(shape.rect.intersect(self.page)),
            start: shape.start,
            end: shape.end,
            along: shape.along,
            size: narrow(shape.size),
            bold,
        });
    }

    /// The last glyph said what this one would say.
    fn widen(&mut self, shape: &Placed) {
        if let Some(last) = self.glyphs.last_mut() {
            last.rect = last.rect.union(display(shape.rect.intersect(self.page)));
            last.end = shape.end;
        }
    }

    fn is_repeated(&mut self, text: &str, shape: &Placed) -> bool {
        let Some(first) = text.chars().next().filter(|c| !c.is_whitespace()) else {
            return false;
        };
        let near = 0.12 * shape.size;
        let (column, row) = (whole(shape.start.x), whole(shape.start.y));
        let around = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (column + dx, row + dy)));
        let repeated = around.into_iter().any(|(x, y)| {
            self.seen
                .get(&(first, x, y))
                .is_some_and(|there| there.iter().any(|p| p.distance(shape.start) < near))
        });
        if !repeated {
            let there = self.seen.entry((first, column, row)).or_default();
            there.push(shape.start);
        }
        repeated
    }
}

/// Whether this paint leaves no trace on white paper.
fn is_white(paint: &Paint<'_>) -> bool {
    match paint {
        Paint::Color(color) => {
            let [red, green, blue, alpha] = color.to_rgba().to_rgba8();
            alpha == 0 || red.min(green).min(blue) >= 250
        }
        Paint::Pattern(_) => false,
    }
}

/// A glyph's place, before it is known to be a letter.
struct Placed {
    rect: kurbo::Rect,
    start: Point,
    end: Point,
    along: Vec2,
    size: f64,
}

impl Placed {
    fn of(placed: Affine, advance: f64, stretched: bool) -> Option<Self> {
        let [a, b, c, d, _, _] = placed.as_coeffs();
        let across = Vec2::new(c, d);
        let mut along = Vec2::new(a, b);
        let size = across.hypot() * UNITS;
        let sane = size.is_finite() && along.hypot().is_finite() && size > 0.05 && size < 10_000.0;
        if !sane || along.hypot() <= 0.0 {
            return None;
        }
        let direction = along / along.hypot();
        // A substitute font's glyphs are stretched to the width that the document expects, which
        // the advance names already.
        if stretched {
            along = direction * across.hypot();
        }
        let origin = placed * Point::ZERO;
        let end = origin + along * advance;
        let corner = |from: Point, reach: f64| from + across * reach;
        let rect = kurbo::Rect::from_points(corner(origin, DESCENT), corner(end, ASCENT))
            .union_pt(corner(origin, ASCENT))
            .union_pt(corner(end, DESCENT));
        (rect.is_finite()).then_some(Self {
            rect,
            start: origin,
            end,
            along: direction,
            size,
        })
    }
}

/// Whether the glyphs of a run are stretched one by one, as those of a substitute font are. A run
/// that is stretched as a whole is set that way by the document.
fn is_stretched(glyphs: &[PositionedGlyph<'_>]) -> bool {
    let mut ratios = glyphs.iter().map(|glyph| {
        let [a, b, c, d, _, _] = glyph.transform().as_coeffs();
        Vec2::new(a, b).hypot() / Vec2::new(c, d).hypot().max(f64::MIN_POSITIVE)
    });
    let Some(first) = ratios.next() else {
        return false;
    };
    ratios.any(|ratio| (ratio - first).abs() > 0.005 * first.abs())
}

fn advance(glyph: &PositionedGlyph<'_>) -> f64 {
    let width = match &**glyph {
        HayroGlyph::Outline(outline) => outline.advance_width(),
        HayroGlyph::Type3(drawn) => drawn.advance_width(),
    };
    match width {
        Some(width) if width.is_finite() && width > 0.0 => f64::from(width),
        _ => 0.5 * UNITS,
    }
}

/// What a glyph's font says that it is.
fn told(glyph: &PositionedGlyph<'_>) -> Option<String> {
    match glyph.as_unicode() {
        Some(BfString::Char(c)) => Some(c.to_string()),
        Some(BfString::String(s)) => Some(s),
        None => from_code(glyph),
    }
}

/// The letters to keep, or `None` where nobody can tell. Control characters say nothing.
fn letters(told: &str) -> Option<String> {
    let mut text = String::with_capacity(told.len());
    for c in told.chars() {
        match c {
            '\u{f0b7}' | '\u{f0a7}' | '\u{f0d8}' => text.push('•'),
            // Private letters, and those that the file itself does not know.
            '\u{e000}'..='\u{f8ff}' | '\u{fffd}' | '\0' => return None,
            '\u{fb00}'..='\u{fb06}' => text.push_str(ligature(c)),
            '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{2060}' => {}
            c if c.is_whitespace() => text.push(' '),
            c if c.is_control() => {}
            c => text.push(c),
        }
    }
    Some(text)
}

/// Glyphs of a Type 3 font often carry no name; their codes are mostly plain letters.
fn from_code(glyph: &PositionedGlyph<'_>) -> Option<String> {
    let HayroGlyph::Type3(drawn) = &**glyph else {
        return None;
    };
    let c = char::from_u32(drawn.char_code())?;
    (c.is_ascii_alphanumeric() || c.is_ascii_punctuation() || c == ' ').then(|| c.to_string())
}

const fn ligature(c: char) -> &'static str {
    match c {
        '\u{fb00}' => "ff",
        '\u{fb01}' => "fi",
        '\u{fb02}' => "fl",
        '\u{fb03}' => "ffi",
        '\u{fb04}' => "ffl",
        _ => "st",
    }
}

fn is_bold(glyph: &PositionedGlyph<'_>) -> bool {
    let HayroGlyph::Outline(outline) = &**glyph else {
        return false;
    };
    let Some(font) = outline.font_data() else {
        return false;
    };
    let named = font.postscript_name.is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        ["bold", "black", "heavy", "semibd", "demi"]
            .iter()
            .any(|weight| name.contains(weight))
    });
    named || font.weight.is_some_and(|weight| weight >= 600)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a point on a page; the cast saturates"
)]
const fn whole(coordinate: f64) -> i32 {
    coordinate as i32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "points on a page keep all the digits that a highlight needs"
)]
const fn narrow(coordinate: f64) -> f32 {
    coordinate as f32
}

/// A rectangle as pages have it.
pub fn display(rect: kurbo::Rect) -> Rect {
    Rect {
        x0: narrow(rect.x0),
        y0: narrow(rect.y0),
        x1: narrow(rect.x1),
        y1: narrow(rect.y1),
    }
}

impl<'a> Device<'a> for Collector {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        let from = self.glyphs.len();
        self.run(run, &props);
        self.conceal(from, &props, mode);
    }

    fn draw_image(&mut self, image: Image<'a, '_>, props: ImageDrawProps<'a>) {
        let pixels = kurbo::Rect::new(
            0.0,
            0.0,
            f64::from(image.width()),
            f64::from(image.height()),
        );
        let covered = (props.transform * pixels.to_path(0.1)).bounding_box();
        let visible = covered.intersect(self.page).area();
        self.pictured += visible / self.page.area().max(1.0);
        if self.painted.len() < MOST_PAINTED {
            self.painted.push(covered.intersect(self.page));
        }
    }

    fn draw_path(&mut self, path: &BezPath, props: DrawProps<'a>, mode: &DrawMode) {
        self.paint(path.bounding_box(), &props, mode);
    }

    fn draw_rect(&mut self, rect: &kurbo::Rect, props: DrawProps<'a>, mode: &DrawMode) {
        self.paint(*rect, &props, mode);
    }

    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_clip_rect(&mut self, _: &kurbo::Rect) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn begin_marked_content(&mut self, _: &[u8], properties: Option<&Dict<'_>>) {
        self.spoken.begin(properties);
    }

    fn end_marked_content(&mut self) {
        self.spoken.end();
    }

    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}
