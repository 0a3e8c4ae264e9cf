//! The layers of a decoder that are on the GPU: what [`Decoder`](super::super::decoder::Decoder) does
//! with rows of floats, in tensors.

use super::super::decoder::{Activation, Layer, Shape, Span};
use super::super::linear::Linear;
use super::pages::GpuPages;
use super::step::{Group, Step};
use crate::error::{InferenceError, Result};
use crate::rope::{Pairs, Rope};
use candle_core::{D, Device, Tensor};
use candle_nn::ops::{rms_norm, silu, softmax_last_dim};
use candle_nn::rotary_emb::{rope, rope_i};
use std::sync::Arc;

/// Scores of attention made at once, so that a long prompt does not take the memory.
const MOST_SCORES: usize = 32 << 20;

/// The first layers of a decoder.
pub(in super::super) struct GpuLayers {
    device: Device,
    shape: Shape,
    activation: Activation,
    layers: Vec<GpuLayer>,
    /// Windows that layers look through, each once.
    windows: Vec<usize>,
}

/// One layer, its small vectors on the GPU, too.
struct GpuLayer {
    attention_norm: Tensor,
    qkv: Vec<Linear>,
    bias: Option<Tensor>,
    head_norms: Option<[Tensor; 2]>,
    attended: Linear,
    attended_norm: Option<Tensor>,
    inner_norm: Tensor,
    gate_up: Vec<Linear>,
    down: Linear,
    down_norm: Option<Tensor>,
    window: usize,
    angles: Arc<Angles>,
}

/// Cosines and sines, `[positions, pairs]` each.
struct Angles {
    cos: Tensor,
    sin: Tensor,
    pairs: Pairs,
}

/// The angles of the rows of one pass, `[rows, pairs]`.
struct Turns {
    cos: Tensor,
    sin: Tensor,
    pairs: Pairs,
}

impl GpuLayers {
    /// Takes layers whose matrices are on `device`, and brings the rest of them there.
    pub(in super::super) fn new(
        layers: Vec<Layer>,
        shape: Shape,
        activation: Activation,
        device: &Device,
    ) -> Result<Self> {
        let mut windows: Vec<usize> = layers.iter().map(|layer| layer.window).collect();
        windows.sort_unstable();
        windows.dedup();
        let mut known: Vec<(Arc<Rope>, Arc<Angles>)> = Vec::new();
        let mut moved = Vec::with_capacity(layers.len());
        for layer in layers {
            let same = known
                .iter()
                .find(|(rope, _)| Arc::ptr_eq(rope, &layer.rope));
            let angles = if let Some((_, angles)) = same {
                Arc::clone(angles)
            } else {
                let angles = Arc::new(Angles::of(&layer.rope, device)?);
                known.push((Arc::clone(&layer.rope), Arc::clone(&angles)));
                angles
            };
            moved.push(GpuLayer::of(layer, angles, device)?);
        }
        Ok(Self {
            device: device.clone(),
            shape,
            activation,
            layers: moved,
            windows,
        })
    }

    /// Takes the states of all spans, `[tokens, width]`, through these layers. Room must be reserved
    /// in the caches; their lengths stay.
    pub(in super::super) fn forward(
        &self,
        states: &mut [f32],
        spans: &[Span<'_>],
        pages: &GpuPages,
    ) -> Result<()> {
        if states.is_empty() {
            return Ok(());
        }
        let width = self.shape.width;
        let step = Step::new(spans, self.shape, &self.windows, &self.device)?;
        let rows = step.arranged(states, width);
        let mut x = Tensor::from_vec(rows, (states.len() / width, width), &self.device)?;
        for (index, layer) in self.layers.iter().enumerate() {
            x = (&x + self.attention((index, layer), &x, &step, pages)?)?;
            x = (&x + self.inner(layer, &x)?)?;
        }
        let found: Vec<f32> = x.flatten_all()?.to_vec1()?;
        step.put_back(&found, states, width);
        Ok(())
    }

    /// What attention adds to the states.
    fn attention(
        &self,
        (index, layer): (usize, &GpuLayer),
        x: &Tensor,
        step: &Step,
        pages: &GpuPages,
    ) -> Result<Tensor> {
        let shape = self.shape;
        let mut qkv = products(
            &layer.qkv,
            &rms_norm(x, &layer.attention_norm, shape.epsilon)?,
        )?;
        if let Some(bias) = &layer.bias {
            qkv = qkv.broadcast_add(bias)?;
        }
        let turns = layer.angles.at(&step.positions)?;
        let gains = layer.head_norms.as_ref();
        let (q, kv) = (shape.heads, shape.kv_heads);
        let queries = self.turned(&qkv, 0..q, gains.map(|[queries, _]| queries), &turns)?;
        let keys = self.turned(&qkv, q..q + kv, gains.map(|[_, keys]| keys), &turns)?;
        let values = self.heads(&qkv, q + kv..q + 2 * kv)?;
        pages.write(index, &step.places, [&keys, &values])?;
        let queries = (queries / (shape.head_size as f64).sqrt())?;
        let attend = |group: &Group| self.attend(&queries, group, layer.window, pages, index);
        let contexts = step.groups.iter().map(attend).collect::<Result<Vec<_>>>()?;
        let added = layer.attended.multiplied(&Tensor::cat(&contexts, 0)?)?;
        normed_if(layer.attended_norm.as_ref(), added, shape.epsilon)
    }

    /// Heads of each row, `[heads, rows, size]`.
    fn heads(&self, qkv: &Tensor, heads: std::ops::Range<usize>) -> Result<Tensor> {
        let size = self.shape.head_size;
        let own = qkv.narrow(1, heads.start * size, heads.len() * size)?;
        let own = own.reshape(((), heads.len(), size))?;
        Ok(own.transpose(0, 1)?.contiguous()?)
    }

    /// Heads of each row, normalised where there is a gain, turned to their positions.
    fn turned(
        &self,
        qkv: &Tensor,
        heads: std::ops::Range<usize>,
        gain: Option<&Tensor>,
        turns: &Turns,
    ) -> Result<Tensor> {
        let own = self.heads(qkv, heads)?;
        turns.turn(&normed_if(gain, own, self.shape.epsilon)?)
    }

    /// What the queries of a group's tokens find, `[rows of the group, heads * size]`.
    fn attend(
        &self,
        queries: &Tensor,
        group: &Group,
        window: usize,
        pages: &GpuPages,
        layer: usize,
    ) -> Result<Tensor> {
        let (kv, size) = (self.shape.kv_heads, self.shape.head_size);
        let each = self.shape.heads / kv;
        let (spans, tokens, reach) = (group.spans, group.tokens, group.reach);
        let nothing = || InferenceError::Compute("a window has no mask".into());
        let mask = group.mask(window).ok_or_else(nothing)?;
        let own = queries.narrow(1, group.start, spans * tokens)?;
        let own = own
            .reshape((kv, each, spans, tokens, size))?
            .transpose(1, 2)?;
        let [keys, values] = pages.read(layer, &group.seen)?;
        let keys = keys.reshape((kv * spans, reach, size))?.t()?;
        let values = values.reshape((kv * spans, reach, size))?;
        let at_once = (MOST_SCORES / (self.shape.heads * spans * reach)).clamp(1, tokens);
        let mut found = Vec::new();
        for first in (0..tokens).step_by(at_once) {
            let count = at_once.min(tokens - first);
            let piece = own.narrow(3, first, count)?.contiguous()?;
            let scores = piece
                .reshape((kv * spans, each * count, size))?
                .matmul(&keys)?;
            let scores = scores.reshape((kv, spans, each, count, reach))?;
            let shares = softmax_last_dim(&scores.broadcast_add(&mask.narrow(3, first, count)?)?)?;
            let context = shares
                .reshape((kv * spans, each * count, reach))?
                .matmul(&values)?;
            found.push(context.reshape((kv, spans, each, count, size))?);
        }
        let found = Tensor::cat(&found, 3)?.permute((1, 3, 0, 2, 4))?;
        Ok(found
            .contiguous()?
            .reshape((spans * tokens, self.shape.heads * size))?)
    }

    /// What the second part of a layer adds to the states.
    fn inner(&self, layer: &GpuLayer, x: &Tensor) -> Result<Tensor> {
        let normed = rms_norm(x, &layer.inner_norm, self.shape.epsilon)?;
        let both = products(&layer.gate_up, &normed)?;
        let part = |index| both.narrow(D::Minus1, index * self.shape.inner, self.shape.inner);
        let (gate, up) = (part(0)?.contiguous()?, part(1)?);
        let gate = match self.activation {
            Activation::Silu => silu(&gate)?,
            Activation::Gelu => gate.gelu()?,
        };
        let added = layer.down.multiplied(&(gate * up)?)?;
        normed_if(layer.down_norm.as_ref(), added, self.shape.epsilon)
    }
}

impl GpuLayer {
    fn of(layer: Layer, angles: Arc<Angles>, device: &Device) -> Result<Self> {
        let on = |values: Vec<f32>| Tensor::new(values, device);
        let head_norms = layer.head_norms.map(|norms| -> Result<_> {
            let [queries, keys] = norms;
            Ok([on(queries)?, on(keys)?])
        });
        Ok(Self {
            attention_norm: on(layer.attention_norm)?,
            qkv: layer.qkv,
            bias: layer.bias.map(on).transpose()?,
            head_norms: head_norms.transpose()?,
            attended: layer.attended,
            attended_norm: layer.attended_norm.map(on).transpose()?,
            inner_norm: on(layer.inner_norm)?,
            gate_up: layer.gate_up,
            down: layer.down,
            down_norm: layer.down_norm.map(on).transpose()?,
            window: layer.window,
            angles,
        })
    }
}

impl Angles {
    fn of(rope: &Rope, device: &Device) -> Result<Self> {
        let (cos, sin): (Vec<f32>, Vec<f32>) = rope.turns().iter().copied().unzip();
        let dims = ((), rope.turned() / 2);
        Ok(Self {
            cos: Tensor::new(cos, device)?.reshape(dims)?,
            sin: Tensor::new(sin, device)?.reshape(dims)?,
            pairs: rope.pairs(),
        })
    }

    fn at(&self, positions: &Tensor) -> Result<Turns> {
        Ok(Turns {
            cos: self.cos.index_select(positions, 0)?,
            sin: self.sin.index_select(positions, 0)?,
            pairs: self.pairs,
        })
    }
}

impl Turns {
    /// Turns `[heads, rows, size]`, of each head as many elements as there are angles for.
    fn turn(&self, heads: &Tensor) -> Result<Tensor> {
        let size = heads.dim(D::Minus1)?;
        let turned = 2 * self.cos.dim(D::Minus1)?;
        let own = heads
            .narrow(D::Minus1, 0, turned)?
            .contiguous()?
            .unsqueeze(0)?;
        let own = match self.pairs {
            Pairs::Neighbours => rope_i(&own, &self.cos, &self.sin)?,
            Pairs::Halves => rope(&own, &self.cos, &self.sin)?,
        };
        let own = own.squeeze(0)?;
        if turned == size {
            return Ok(own);
        }
        let rest = heads.narrow(D::Minus1, turned, size - turned)?;
        Ok(Tensor::cat(&[own, rest], D::Minus1)?)
    }
}

/// The products of matrices over the same input, side by side in each row.
fn products(parts: &[Linear], input: &Tensor) -> Result<Tensor> {
    let products = parts.iter().map(|part| part.multiplied(input));
    let products = products.collect::<Result<Vec<_>>>()?;
    match products.as_slice() {
        [one] => Ok(one.clone()),
        several => Ok(Tensor::cat(several, D::Minus1)?),
    }
}

/// The root mean square norm, where there is a gain for it.
fn normed_if(gain: Option<&Tensor>, x: Tensor, epsilon: f32) -> Result<Tensor> {
    match gain {
        None => Ok(x),
        Some(gain) => Ok(rms_norm(&x, gain, epsilon)?),
    }
}
