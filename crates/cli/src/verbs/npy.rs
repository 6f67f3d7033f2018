//! Arrays of 32-bit floats in NumPy's `.npy`.

use anyhow::{Context, Result, bail};
use hilum_kernels::Tensor;
use hilum_nn::weights::atomic_write;
use npyz::WriterBuilder;
use std::path::Path;

/// Reads an array of 32-bit floats in C order.
pub fn read(path: &Path) -> Result<Tensor> {
    let shown = || path.display().to_string();
    let bytes = std::fs::read(path).with_context(shown)?;
    let file = npyz::NpyFile::new(&bytes[..]).with_context(shown)?;
    if file.order() != npyz::Order::C {
        bail!(
            "{}: the array is in Fortran order; save it in C order",
            shown()
        );
    }
    let shape = file
        .shape()
        .iter()
        .map(|&n| usize::try_from(n))
        .collect::<Result<Vec<_>, _>>()
        .with_context(shown)?;
    let data = file
        .into_vec::<f32>()
        .with_context(|| format!("{}: not an array of 32-bit floats", shown()))?;
    if shape.iter().product::<usize>() != data.len() {
        bail!(
            "{}: the shape {shape:?} does not fit {} values",
            shown(),
            data.len()
        );
    }
    Ok(Tensor { shape, data })
}

/// Writes an array of 32-bit floats, whole or not at all.
pub fn write(path: &Path, shape: &[usize], data: &[f32]) -> Result<()> {
    let mut bytes = Vec::new();
    let sides: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&sides)
        .writer(&mut bytes)
        .begin_nd()?;
    writer.extend(data.iter().copied())?;
    writer.finish()?;
    atomic_write(path, &bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_come_back_and_other_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        write(&path, &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let back = read(&path).unwrap();
        assert_eq!((back.shape, back.data[4]), (vec![2, 3], 5.0));
        std::fs::write(&path, b"\x93NUMPY nonsense").unwrap();
        assert!(read(&path).is_err());
    }
}
