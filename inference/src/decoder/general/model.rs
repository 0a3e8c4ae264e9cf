//! A model of candle-transformers and its state.

use super::GeneralArchitecture;
use crate::error::{InferenceError, Result};
use candle_core::quantized::gguf_file::Content;
use candle_core::{DType, Device, Tensor};
use candle_transformers::models::{quantized_glm4, quantized_llama, quantized_phi};
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

enum LoadedModel {
    Phi2(quantized_phi::ModelWeights),
    Glm4(quantized_glm4::ModelWeights),
    Mixtral(quantized_llama::ModelWeights),
}

/// A model with the keys and values of one text.
pub(super) struct GeneralModel {
    model: LoadedModel,
    device: Device,
    /// The tokens of the text so far.
    position: usize,
}

impl GeneralModel {
    /// Reads the weights. candle-transformers divides by and indexes with what the file states, so a panic is
    /// an error of the file.
    pub(super) fn read(
        architecture: GeneralArchitecture,
        content: Content,
        file: &File,
        device: &Device,
    ) -> Result<Self> {
        let load = AssertUnwindSafe(|| load(architecture, content, file, device));
        let model = catch_unwind(load).map_err(|_panic| {
            InferenceError::Compute("the weights do not have the sizes of the header".into())
        })??;
        Ok(Self {
            model,
            device: device.clone(),
            position: 0,
        })
    }

    /// Starts another text.
    pub(super) fn restart(&mut self) {
        // The first pass at position 0 replaces the keys and values.
        self.position = 0;
    }

    /// Appends tokens to the text; returns the logits after the last of them.
    pub(super) fn forward(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        let input = Tensor::new(tokens, &self.device)?.unsqueeze(0)?;
        let position = self.position;
        let logits = match &mut self.model {
            LoadedModel::Phi2(model) => model.forward(&input, position)?,
            LoadedModel::Glm4(model) => model.forward(&input, position)?,
            LoadedModel::Mixtral(model) => model.forward(&input, position)?,
        };
        self.position += tokens.len();
        Ok(logits.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
    }
}

fn load(
    architecture: GeneralArchitecture,
    content: Content,
    file: &File,
    device: &Device,
) -> candle_core::Result<LoadedModel> {
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0))?;
    match architecture {
        GeneralArchitecture::Phi2 => {
            let model = quantized_phi::ModelWeights::from_gguf(content, &mut reader, device)?;
            Ok(LoadedModel::Phi2(model))
        }
        GeneralArchitecture::Glm4 => {
            let model =
                quantized_glm4::ModelWeights::from_gguf(content, &mut reader, device, DType::F32)?;
            Ok(LoadedModel::Glm4(model))
        }
        GeneralArchitecture::Mixtral => {
            let model = quantized_llama::ModelWeights::from_gguf(content, &mut reader, device)?;
            Ok(LoadedModel::Mixtral(model))
        }
    }
}
