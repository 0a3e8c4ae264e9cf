//! A quantised matrix and its ways to multiply.
//!
//! What the kernels know stays as it is in the file, in panels; the input is rounded to eight
//! bits, and a row's product has the same bits alone and among others. The other formats run on
//! candle's kernels.
//!
//! A matrix that is placed on a GPU is multiplied there by candle's kernels.

use crate::error::{InferenceError, Result};
use crate::kernels::{Columns, Eights, Format, Pool, Tiles};
use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{Device, Module, Tensor};
use std::borrow::Cow;
use std::sync::Arc;

/// Pieces of a product for each thread, so that one that is held up does not hold up the others.
const PIECES_A_THREAD: usize = 4;

/// `y = x · Wᵀ` for a quantised `W` of shape `[outputs, inputs]`.
#[derive(Clone)]
pub(super) struct Linear {
    form: Form,
    outputs: usize,
    inputs: usize,
}

#[derive(Clone)]
enum Form {
    Tiles(Arc<Tiles>),
    Candle {
        weight: Arc<QTensor>,
        product: QMatMul,
        device: Device,
    },
}

/// The rows that a matrix is multiplied with.
pub(super) struct Input<'a> {
    rows: &'a [f32],
    width: usize,
    /// The same rows, rounded.
    rounded: &'a Eights,
}

impl<'a> Input<'a> {
    pub(super) fn of(rows: &'a [f32], width: usize, rounded: &'a Eights) -> Self {
        Self {
            rows,
            width,
            rounded,
        }
    }
}

/// The kernels' name of a format, where they know it for rows of this length.
fn known(format: GgmlDType, inputs: usize) -> Option<Format> {
    let format = match format {
        GgmlDType::Q8_0 => Format::Q8_0,
        GgmlDType::Q4_0 => Format::Q4_0,
        GgmlDType::Q4_1 => Format::Q4_1,
        GgmlDType::Q4K => Format::Q4K,
        GgmlDType::Q6K => Format::Q6K,
        GgmlDType::F32
        | GgmlDType::F16
        | GgmlDType::BF16
        | GgmlDType::Q5_0
        | GgmlDType::Q5_1
        | GgmlDType::Q8_1
        | GgmlDType::Q2K
        | GgmlDType::Q3K
        | GgmlDType::Q5K
        | GgmlDType::Q8K => return None,
    };
    inputs.is_multiple_of(format.together()).then_some(format)
}

impl Linear {
    /// Takes the bytes of a tensor as GGUF stores it, to be multiplied on the GPU, where one is given.
    pub(super) fn new(
        bytes: &[u8],
        format: GgmlDType,
        (outputs, inputs): (usize, usize),
        gpu: Option<&Device>,
    ) -> Result<Self> {
        let form = match (known(format, inputs), gpu) {
            (Some(known), None) => {
                Form::Tiles(Arc::new(Tiles::packed(known, bytes, outputs, inputs)))
            }
            (_, gpu) => {
                let device = gpu.unwrap_or(&Device::Cpu);
                Form::on_candle(bytes, format, (outputs, inputs), device)?
            }
        };
        Ok(Self {
            form,
            outputs,
            inputs,
        })
    }

    /// Whether products with rows of this format and length have a kernel of their own.
    pub(super) fn has_kernel(format: GgmlDType, inputs: usize) -> bool {
        known(format, inputs).is_some()
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The products of rows on the matrix's GPU, `[rows, inputs]` to `[rows, outputs]`.
    pub(super) fn multiplied(&self, rows: &Tensor) -> Result<Tensor> {
        match &self.form {
            Form::Candle { product, .. } => Ok(product.forward(rows)?),
            Form::Tiles(_) => {
                let reason = "a matrix of the processor was asked for a product on the GPU";
                Err(InferenceError::Compute(reason.into()))
            }
        }
    }

    /// The rows of the matrix with these numbers, as floats: `[ids, inputs]`. The matrix must be
    /// on the processor.
    pub(super) fn rows(&self, ids: &[u32], pool: &Pool) -> Result<Vec<f32>> {
        match &self.form {
            Form::Tiles(tiles) => {
                let mut rows = vec![0.0; ids.len() * self.inputs];
                let places = rows.chunks_exact_mut(self.inputs).zip(ids);
                let places: Vec<_> = places.map(std::sync::Mutex::new).collect();
                pool.run(places.len(), &|index| {
                    let mut place = places.get(index).map(|place| place.lock());
                    if let Some(Ok(place)) = &mut place {
                        let id = *place.1 as usize;
                        tiles.row(id, place.0);
                    }
                });
                drop(places);
                Ok(rows)
            }
            Form::Candle { weight, .. } => {
                let ids = Tensor::from_slice(ids, ids.len(), &Device::Cpu)?;
                let rows = QMatMul::from_arc(Arc::clone(weight))?.embedding(&ids)?;
                Ok(rows.flatten_all()?.to_vec1()?)
            }
        }
    }
}

impl Form {
    fn on_candle(
        bytes: &[u8],
        format: GgmlDType,
        shape: (usize, usize),
        device: &Device,
    ) -> Result<Self> {
        let storage = QStorage::from_data(Cow::Borrowed(bytes), device, format)?;
        let weight = Arc::new(QTensor::new(storage, shape)?);
        Ok(Self::Candle {
            product: QMatMul::from_arc(Arc::clone(&weight))?,
            weight,
            device: device.clone(),
        })
    }
}

/// Adds the outputs of several matrices over the same input to `out`, side by side in each row.
pub(super) fn add_products(
    parts: &[Linear],
    input: &Input<'_>,
    out: &mut [f32],
    pool: &Pool,
) -> Result<()> {
    let width: usize = parts.iter().map(Linear::outputs).sum();
    let count = input.rows.len() / input.width;
    assert!(out.len() == count * width && parts.iter().all(|part| part.inputs == input.width));
    let mut tiled = Vec::with_capacity(parts.len());
    let mut first = 0;
    for part in parts {
        match &part.form {
            Form::Tiles(tiles) => tiled.push((tiles.as_ref(), first)),
            Form::Candle {
                product, device, ..
            } => {
                let rows = Tensor::from_slice(input.rows, (count, part.inputs), device)?;
                let product: Vec<f32> = product.forward(&rows)?.flatten_all()?.to_vec1()?;
                let rows = out.chunks_exact_mut(width);
                for (row, terms) in rows.zip(product.chunks_exact(part.outputs)) {
                    if let Some(row) = row.get_mut(first..first + part.outputs) {
                        crate::kernels::add(row, terms);
                    }
                }
            }
        }
        first += part.outputs;
    }
    add_tiled(&tiled, input.rounded, width, out, pool);
    Ok(())
}

/// The products of tiles, each from its column on, on all threads at once.
fn add_tiled(
    parts: &[(&Tiles, usize)],
    input: &Eights,
    width: usize,
    out: &mut [f32],
    pool: &Pool,
) {
    let panels: usize = parts.iter().map(|(tiles, _)| tiles.panels()).sum();
    let step = panels.div_ceil(pool.threads() * PIECES_A_THREAD).max(1);
    let target = Columns::of(out, width);
    let mut pieces = Vec::with_capacity(pool.threads() * PIECES_A_THREAD + parts.len());
    for (tiles, first) in parts {
        for start in (0..tiles.panels()).step_by(step) {
            let panels = start..tiles.panels().min(start + step);
            pieces.push((*tiles, panels, target.beginning_at(*first)));
        }
    }
    pool.run(pieces.len(), &|index| {
        if let Some((tiles, panels, target)) = pieces.get(index) {
            #[expect(unsafe_code, reason = "threads write disjoint columns")]
            // SAFETY: `add_products` checked that `out` has a row of `width` for each input row;
            // every piece has columns of its own inside it, and `run` ends before the borrow.
            unsafe {
                tiles.add_panels(input, panels.clone(), target);
            }
        }
    });
}
