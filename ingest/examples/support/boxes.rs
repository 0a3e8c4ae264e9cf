//! Paints the boxes of words over the picture of a page.

use cloister_domain::{BlockKind, Page, Rect};
use std::error::Error;
use std::io::Cursor;

/// The picture `png` of `page`, with each word tinted in the colour of its block's kind.
pub fn paint(page: &Page, png: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut reader = png::Decoder::new(Cursor::new(png)).read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("too large")?];
    let shape = reader.next_frame(&mut pixels)?;
    let scale = shape.width as f32 / page.width;
    for block in &page.content.blocks {
        let words = page.content.words.iter();
        for word in words.filter(|word| word.range.overlaps(block.range)) {
            tint(
                &mut pixels,
                shape.width,
                scale,
                word.rect,
                colour(block.kind),
            );
        }
    }
    let mut painted = Vec::new();
    let mut encoder = png::Encoder::new(&mut painted, shape.width, shape.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(painted)
}

fn colour(kind: BlockKind) -> [u8; 3] {
    match kind {
        BlockKind::Heading(_) => [255, 80, 80],
        BlockKind::Paragraph => [120, 220, 120],
        BlockKind::ListItem => [255, 180, 80],
        BlockKind::TableRow => [120, 160, 255],
        BlockKind::Caption => [220, 120, 220],
        BlockKind::RunningHeader => [180, 180, 180],
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixels of a picture that exists; the casts saturate"
)]
fn tint(pixels: &mut [u8], width: u32, scale: f32, rect: Rect, colour: [u8; 3]) {
    let (x0, x1) = ((rect.x0 * scale) as u32, (rect.x1 * scale) as u32);
    let (y0, y1) = ((rect.y0 * scale) as u32, (rect.y1 * scale) as u32);
    for y in y0..y1 {
        for x in x0..x1.min(width) {
            let at = (y as usize * width as usize + x as usize) * 3;
            let Some(pixel) = pixels.get_mut(at..at + 3) else {
                continue;
            };
            for (channel, shade) in pixel.iter_mut().zip(colour) {
                *channel = (u16::from(*channel) * u16::from(shade) / 255) as u8;
            }
        }
    }
}
