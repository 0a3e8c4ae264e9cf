//! A page as a picture, drawn by the interpreter that also reads its text.

use crate::formats::{Failure, Picture};
use crate::wire::Refusal;
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings};
use hayro_interpret::InterpreterSettings;
use hayro_syntax::page::Page;

/// The widest and highest picture: the renderer counts pixels in 16 bits.
const LONGEST_SIDE: f32 = 16_000.0;

/// Draws the page at `dpi` dots per inch, or at fewer where it would have more than `pixels`.
pub fn draw(page: &Page<'_>, dpi: u32, pixels: u32) -> Result<Picture, Failure> {
    let scale = scale(page.render_dimensions(), dpi, pixels);
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
    let png = encode(width, height, &opaque)
        .map_err(|cause| Refusal::Damaged(format!("a page cannot be drawn ({cause})")))?;
    Ok(Picture { width, height, png })
}

/// Pixels for each point.
fn scale((width, height): (f32, f32), dpi: u32, pixels: u32) -> f32 {
    let wanted = dpi.clamp(10, 600) as f32 / 72.0;
    let by_area = (pixels as f32 / (width * height).max(1.0)).sqrt();
    let by_side = LONGEST_SIDE / width.max(height).max(1.0);
    // A page of less than a point still makes a picture of a pixel.
    let at_least = 1.0 / width.min(height).max(1.0);
    wanted.min(by_area).min(by_side).max(at_least)
}

/// The PNG file of a picture, three bytes for each of its pixels.
pub fn encode(width: u32, height: u32, rgb: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(rgb)?;
    writer.finish()?;
    Ok(file)
}
