//! The glyphs of a page: their text, and their boxes on the page as displayed.
//!
//! The interpreter draws into a [`Device`] that records glyphs, so a box here is the box of the
//! glyph that [`super::render`] paints.

use super::actual_text::ActualTextStack;
use super::glyph_text::{font_text, normalize_text};
use super::rules::PageRules;
use cloister_domain::Rect;
use hayro_interpret::font::{Glyph as HayroGlyph, GlyphRun, PositionedGlyph};
use hayro_interpret::kurbo::{self, Affine, BezPath, Point, Shape, Vec2};
use hayro_interpret::{
    BlendMode, ClipPath, Device, DrawMode, DrawProps, Image, ImageDrawProps, Paint, SoftMask,
};
use hayro_syntax::object::Dict;
use std::collections::HashMap;

/// Maximum number of glyphs of a page. The interpreter cannot be stopped, but further glyphs are
/// not recorded.
pub const MAX_GLYPHS: usize = 200_000;

/// Maximum number of painted areas that are recorded.
const MAX_PAINTED: usize = 2_000;

/// Maximum number of painted areas that are compared with the glyphs below them.
const MAX_COVERS: usize = 400;

/// A path of more elements is a drawing, and not a line of a table.
const MAX_PATH_ELEMENTS: usize = 20_000;

/// Glyph coordinates are in thousandths of the font size.
const UNITS_PER_EM: f64 = 1000.0;

/// Typical height above and below the baseline. The font's own metrics are not used.
const ASCENT: f64 = 780.0;
const DESCENT: f64 = -220.0;

/// A glyph.
#[derive(Clone, Debug)]
pub struct Glyph {
    /// Its text. A ligature has several characters.
    pub text: String,
    /// Its box on the page.
    pub rect: Rect,
    /// The start of its baseline.
    pub start: Point,
    /// The end of its baseline, where the next glyph is expected.
    pub end: Point,
    /// The direction of its baseline, with length 1.
    pub along: Vec2,
    /// Its font size in points.
    pub size: f32,
    /// Whether its font is bold.
    pub bold: bool,
}

/// Records the glyphs of one page.
#[derive(Debug)]
pub struct Collector {
    page: kurbo::Rect,
    /// The glyphs, in drawing order.
    pub glyphs: Vec<Glyph>,
    /// Glyphs without a mapping to Unicode.
    pub unreadable: u32,
    /// Glyphs outside the visible page.
    pub outside: u32,
    /// Whether there were more than [`MAX_GLYPHS`].
    pub cut_short: bool,
    /// Area of the page's pictures, as a fraction of the page.
    pub pictured: f64,
    /// The lines and shaded areas of the page.
    pub rules: PageRules,
    /// Glyphs that are painted white on an unpainted background.
    white: u32,
    /// Glyphs that are not painted.
    invisible: u32,
    /// For each glyph, whether an opaque area was painted over it, as bars that make text illegible are.
    covered: Vec<bool>,
    /// The number of areas that were compared with the glyphs below them.
    covers: usize,
    /// For each open group, whether what is below it shows through.
    groups: Vec<bool>,
    /// Areas painted in a colour other than white, which make white glyphs visible.
    painted: Vec<kurbo::Rect>,
    /// Positions of the glyphs so far, by character and square point. Some documents print glyphs
    /// twice to make them bold.
    seen: HashMap<(char, i32, i32), Vec<Point>>,
    /// Replacement text of the document.
    actual_text: ActualTextStack,
}

impl Collector {
    /// A collector for a page of this size in points.
    pub fn new(width: f32, height: f32) -> Self {
        Self {
            page: kurbo::Rect::new(0.0, 0.0, f64::from(width), f64::from(height)),
            glyphs: Vec::new(),
            unreadable: 0,
            outside: 0,
            cut_short: false,
            pictured: 0.0,
            rules: PageRules::default(),
            white: 0,
            invisible: 0,
            covered: Vec::new(),
            covers: 0,
            groups: Vec::new(),
            painted: Vec::new(),
            seen: HashMap::new(),
            actual_text: ActualTextStack::default(),
        }
    }

    /// Number of invisible glyphs. Unpainted glyphs over a picture do not count: they are the text
    /// that a program recognised in it.
    pub fn hidden(&self) -> u32 {
        let recognised = self.pictured > 0.5;
        let covered = self.covered.iter().filter(|covered| **covered).count();
        let covered = u32::try_from(covered).unwrap_or(u32::MAX);
        covered + self.white + if recognised { 0 } else { self.invisible }
    }

    /// Counts invisible glyphs among those from index `from`.
    fn count_hidden(&mut self, from: usize, props: &DrawProps<'_>, mode: &DrawMode) {
        let drawn = self.glyphs.get(from..).unwrap_or_default();
        if matches!(mode, DrawMode::Invisible) {
            let count = u32::try_from(drawn.len()).unwrap_or(u32::MAX);
            self.invisible = self.invisible.saturating_add(count);
        } else if is_white(&props.paint) {
            let unpainted = drawn.iter().filter(|glyph| !self.is_on_paint(glyph));
            let count = u32::try_from(unpainted.count()).unwrap_or(u32::MAX);
            self.white = self.white.saturating_add(count);
        }
    }

    /// Whether the centre of a glyph is in a painted area.
    fn is_on_paint(&self, glyph: &Glyph) -> bool {
        let rect = glyph.rect;
        let centre = Point::new(
            f64::from(f32::midpoint(rect.x0, rect.x1)),
            f64::from(f32::midpoint(rect.y0, rect.y1)),
        );
        self.painted.iter().any(|area| area.contains(centre))
    }

    fn record_painted(&mut self, area: kurbo::Rect, props: &DrawProps<'_>, mode: &DrawMode) {
        let fills = matches!(mode, DrawMode::Fill(_) | DrawMode::FillAndStroke(..));
        if fills && !is_white(&props.paint) && self.painted.len() < MAX_PAINTED {
            let area = props.transform.transform_rect_bbox(area);
            self.painted.push(area.intersect(self.page));
        }
    }

    /// Records which glyphs a painted rectangle covers.
    fn record_covered(&mut self, area: kurbo::Rect, props: &DrawProps<'_>, mode: &DrawMode) {
        let fills = matches!(mode, DrawMode::Fill(_) | DrawMode::FillAndStroke(..));
        let shows_through = self.groups.iter().any(|group| *group)
            || props.soft_mask.is_some()
            || !matches!(props.blend_mode, BlendMode::Normal);
        if !fills || shows_through || !is_opaque(&props.paint) || self.covers >= MAX_COVERS {
            return;
        }
        self.covers += 1;
        let area = props.transform.transform_rect_bbox(area).inflate(0.5, 0.5);
        self.covered.resize(self.glyphs.len(), false);
        for (glyph, covered) in self.glyphs.iter().zip(&mut self.covered) {
            let rect = glyph.rect;
            // The box of a glyph is higher than most letters.
            let middle = f64::from(f32::midpoint(rect.y0, rect.y1));
            let quarter = 0.25 * f64::from(rect.y1 - rect.y0);
            *covered |= area.contains(Point::new(f64::from(rect.x0), middle - quarter))
                && area.contains(Point::new(f64::from(rect.x1), middle + quarter));
        }
    }

    fn record_rules(&mut self, path: &BezPath, props: &DrawProps<'_>, mode: &DrawMode) {
        if path.elements().len() > MAX_PATH_ELEMENTS {
            return;
        }
        match mode {
            DrawMode::Fill(_) => {
                self.rules
                    .add_fill(path, props.transform, self.page, !is_white(&props.paint));
            }
            DrawMode::Stroke(_) | DrawMode::FillAndStroke(..) if !is_white(&props.paint) => {
                self.rules.add_stroke(path, props.transform);
            }
            DrawMode::Stroke(_) | DrawMode::FillAndStroke(..) | DrawMode::Invisible => {}
        }
    }

    fn add_run(&mut self, run: &GlyphRun<'_, '_>, props: &DrawProps<'_>) {
        if self.glyphs.len() >= MAX_GLYPHS {
            self.cut_short = true;
            return;
        }
        let glyphs = run.glyphs();
        let bold = glyphs.first().is_some_and(is_bold);
        let stretched = is_stretched(glyphs);
        for glyph in glyphs {
            let placed = props.transform * glyph.transform();
            self.add_glyph(glyph, placed, stretched, bold);
        }
    }

    fn add_glyph(
        &mut self,
        glyph: &PositionedGlyph<'_>,
        placed: Affine,
        stretched: bool,
        bold: bool,
    ) {
        let Some(shape) = GlyphBox::from_transform(placed, advance(glyph), stretched) else {
            return;
        };
        let actual_text = self.actual_text.next_text();
        if actual_text.as_ref().is_some_and(String::is_empty) {
            self.extend_last(&shape);
            return;
        }
        let Some(text) = actual_text
            .or_else(|| font_text(glyph))
            .and_then(|text| normalize_text(&text))
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
            size: to_f32(shape.size),
            bold,
        });
    }

    /// Extends the last glyph's box by a glyph whose text it already contains.
    fn extend_last(&mut self, shape: &GlyphBox) {
        if let Some(last) = self.glyphs.last_mut() {
            last.rect = last.rect.union(display(shape.rect.intersect(self.page)));
            last.end = shape.end;
        }
    }

    fn is_repeated(&mut self, text: &str, shape: &GlyphBox) -> bool {
        let Some(first) = text.chars().next().filter(|c| !c.is_whitespace()) else {
            return false;
        };
        let near = 0.12 * shape.size;
        let (column, row) = (truncate(shape.start.x), truncate(shape.start.y));
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

/// Whether a path is a rectangle.
fn is_rectangle(path: &BezPath) -> bool {
    let elements = path.elements().len();
    let area = path.bounding_box().area();
    (4..=6).contains(&elements) && (path.area().abs() - area).abs() < 0.01 * area
}

/// Whether nothing shows through a paint.
fn is_opaque(paint: &Paint<'_>) -> bool {
    match paint {
        Paint::Color(color) => {
            let [.., alpha] = color.to_rgba().to_rgba8();
            alpha >= 250
        }
        Paint::Pattern(_) => false,
    }
}

/// Whether a paint is invisible on white paper.
fn is_white(paint: &Paint<'_>) -> bool {
    match paint {
        Paint::Color(color) => {
            let [red, green, blue, alpha] = color.to_rgba().to_rgba8();
            alpha == 0 || red.min(green).min(blue) >= 250
        }
        Paint::Pattern(_) => false,
    }
}

/// The position of a glyph.
struct GlyphBox {
    rect: kurbo::Rect,
    start: Point,
    end: Point,
    along: Vec2,
    size: f64,
}

impl GlyphBox {
    fn from_transform(placed: Affine, advance: f64, stretched: bool) -> Option<Self> {
        let [a, b, c, d, _, _] = placed.as_coeffs();
        let across = Vec2::new(c, d);
        let mut along = Vec2::new(a, b);
        let size = across.hypot() * UNITS_PER_EM;
        let sane = size.is_finite() && along.hypot().is_finite() && size > 0.05 && size < 10_000.0;
        if !sane || along.hypot() <= 0.0 {
            return None;
        }
        let direction = along / along.hypot();
        // Glyphs of a substitute font are stretched to the width that the document expects. The
        // advance already contains this width.
        if stretched {
            along = direction * across.hypot();
        }
        let origin = placed * Point::ZERO;
        let end = origin + along * advance;
        let (ascent, descent) = (across * ASCENT, across * DESCENT);
        let rect = kurbo::Rect::from_points(origin + descent, end + ascent)
            .union_pt(origin + ascent)
            .union_pt(end + descent);
        (rect.is_finite()).then_some(Self {
            rect,
            start: origin,
            end,
            along: direction,
            size,
        })
    }
}

/// Whether glyphs are stretched individually, as those of a substitute font are. If all glyphs of a
/// run are stretched equally, the document stretches them.
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
        _ => 0.5 * UNITS_PER_EM,
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
const fn truncate(coordinate: f64) -> i32 {
    coordinate as i32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "points on a page keep all the digits that a highlight needs"
)]
const fn to_f32(coordinate: f64) -> f32 {
    coordinate as f32
}

/// Converts a rectangle to the type that pages use.
pub fn display(rect: kurbo::Rect) -> Rect {
    Rect {
        x0: to_f32(rect.x0),
        y0: to_f32(rect.y0),
        x1: to_f32(rect.x1),
        y1: to_f32(rect.y1),
    }
}

impl<'a> Device<'a> for Collector {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        let from = self.glyphs.len();
        self.add_run(run, &props);
        self.count_hidden(from, &props, mode);
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
        if self.painted.len() < MAX_PAINTED {
            self.painted.push(covered.intersect(self.page));
        }
    }

    fn draw_path(&mut self, path: &BezPath, props: DrawProps<'a>, mode: &DrawMode) {
        if is_rectangle(path) {
            self.record_covered(path.bounding_box(), &props, mode);
        }
        self.record_rules(path, &props, mode);
        self.record_painted(path.bounding_box(), &props, mode);
    }

    fn draw_rect(&mut self, rect: &kurbo::Rect, props: DrawProps<'a>, mode: &DrawMode) {
        self.record_covered(*rect, &props, mode);
        self.record_rules(&rect.to_path(0.1), &props, mode);
        self.record_painted(*rect, &props, mode);
    }

    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_clip_rect(&mut self, _: &kurbo::Rect) {}
    fn push_transparency_group(
        &mut self,
        opacity: f32,
        mask: Option<SoftMask<'a>>,
        blend: BlendMode,
    ) {
        let is_plain = opacity > 0.99 && mask.is_none() && matches!(blend, BlendMode::Normal);
        self.groups.push(!is_plain);
    }

    fn begin_marked_content(&mut self, _: &[u8], properties: Option<&Dict<'_>>) {
        self.actual_text.begin_content(properties);
    }

    fn end_marked_content(&mut self) {
        self.actual_text.end_content();
    }

    fn pop_clip(&mut self) {}

    fn pop_transparency_group(&mut self) {
        self.groups.pop();
    }
}
