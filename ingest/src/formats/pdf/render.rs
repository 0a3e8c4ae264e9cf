//! Rendering a page as a picture, with the interpreter that also extracts its text.

use crate::formats::common::png::encode_rgb;
use crate::formats::{Failure, Picture, Resolution};
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings};
use hayro_interpret::InterpreterSettings;
use hayro_syntax::page::Page;

/// Maximum width and height in pixels. The renderer counts pixels in 16 bits.
const MAX_SIDE: f32 = 16_000.0;

/// Renders a page. If it would have more pixels than the resolution allows, the scale is reduced.
pub fn render(page: &Page<'_>, resolution: Resolution) -> Result<Picture, Failure> {
    let scale = compute_scale(page.render_dimensions(), resolution);
    let pixmap = hayro::render(
        page,
        &RenderCache::new(),
        &InterpreterSettings::default(),
        &RenderSettings::default(),
        &PixmapSettings {
            x_scale: scale,
            y_scale: scale,
            bg_color: WHITE,
        },
    );
    let (width, height) = (u32::from(pixmap.width()), u32::from(pixmap.height()));
    let opaque: Vec<u8> = pixmap
        .data()
        .iter()
        .flat_map(|pixel| [pixel.r, pixel.g, pixel.b])
        .collect();
    let png = encode_rgb(width, height, &opaque)
        .map_err(|cause| Failure::damaged(format!("a page cannot be drawn ({cause})")))?;
    Ok(Picture { width, height, png })
}

/// Pixels per point.
fn compute_scale((width, height): (f32, f32), resolution: Resolution) -> f32 {
    let wanted = resolution.dpi.clamp(10, 600) as f32 / 72.0;
    let by_area = (resolution.max_pixels as f32 / (width * height).max(1.0)).sqrt();
    let by_side = MAX_SIDE / width.max(height).max(1.0);
    // A page smaller than a point still has a pixel.
    let at_least = 1.0 / width.min(height).max(1.0);
    wanted.min(by_area).min(by_side).max(at_least)
}
